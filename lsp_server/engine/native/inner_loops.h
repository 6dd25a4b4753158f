// The inner loops of kernel.cpp, compiled once for each instruction set: kernel.cpp includes this file several times.
//
// Before each inclusion kernel.cpp defines
//   ISA       the namespace's name                        TARGET    the compiler attribute that allows its instructions
//   LANES     numbers in one vector                       BIAS      what is added to an int8 input so that it is unsigned
//   TILE      rows of inputs that one tile holds in registers, a power of two
//   DOT4(s, w, x)  s plus, in each of its LANES int32 sums, four int8 weights of w times the four inputs in x
//
// Every row's arithmetic is the same whatever stands beside it: a token read alone, within a prompt, or as a draft gets
// bit for bit the same keys, values and logits. So reuse, speculation and batching cannot change what the model says.
//
// Shapes: T rows (new tokens), C width, D head width, S cached positions.

#define INLINE TARGET __attribute__((always_inline)) inline

namespace ISA {

typedef float Vec __attribute__((vector_size(4 * LANES)));
typedef int32_t Int __attribute__((vector_size(4 * LANES)));
typedef uint32_t Word __attribute__((vector_size(4 * LANES)));
typedef uint16_t Half __attribute__((vector_size(2 * LANES)));
typedef uint8_t Bytes __attribute__((vector_size(LANES)));
typedef int8_t Weights __attribute__((vector_size(4 * LANES)));

template <class V, class P> INLINE V load(const P* from) {
    V value;
    memcpy(&value, from, sizeof value);
    return value;
}
template <class V, class P> INLINE void store(P* to, const V& value) { memcpy(to, &value, sizeof value); }
INLINE Vec spread(float x) { return x - Vec{}; }
INLINE Int add_products(Int sums, const Weights& weights, int32_t inputs) {
    for (int i = 0; i < LANES; ++i)
        for (int j = 0; j < 4; ++j) {
            const int input = inputs >> 8 * j & 255;
            sums[i] += weights[4 * i + j] * (BIAS ? input : (int8_t)input);
        }
    return sums;
}

INLINE Vec from_bf16(const uint16_t* from) {
    Word bits = __builtin_convertvector(load<Half>(from), Word) << 16;
    return (Vec)bits;
}

// Sums, and the largest of, a vector's numbers; always in the same order.
INLINE float sum_of(const Vec& v) {
    float total = 0;
    for (int i = 0; i < LANES; ++i) total += v[i];
    return total;
}
INLINE float largest_of(const Vec& v) {
    float largest = v[0];
    for (int i = 1; i < LANES; ++i) largest = v[i] > largest ? v[i] : largest;
    return largest;
}
INLINE Vec larger(const Vec& a, const Vec& b) { return a > b ? a : b; }

// e^x, to about 2e-7 relative. Cephes' polynomial on [-ln2/2, ln2/2], and the exponent put together from its bits.
INLINE Vec exponential(Vec x) {
    x = larger(x, spread(-87.0f));
    x = x < spread(88.0f) ? x : spread(88.0f);
    const Vec magic = spread(12582912.0f);  // 1.5 * 2^23: adding it rounds to a whole number
    Vec n = (x * 1.44269504f + magic) - magic;
    Vec r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    Vec p = spread(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    Int exponent = (__builtin_convertvector(n, Int) + 127) << 23;
    return p * (Vec)exponent;
}

// GELU, tanh form: 0.5 x (1 + tanh(u)) = x / (1 + e^(-2u)) with u = sqrt(2/pi) (x + 0.044715 x^3).
INLINE Vec gelu(const Vec& x) { return x / (1.0f + exponential(-1.59576912f * (x + 0.044715f * x * x * x))); }

TARGET void layer_norm(const float* x, const float* weight, const float* bias, int width, float* y) {
    Vec sum{}, squares{};
    for (int i = 0; i < width; i += LANES) sum += load<Vec>(x + i);
    const Vec mean = spread(sum_of(sum) / width);
    for (int i = 0; i < width; i += LANES) {
        Vec centred = load<Vec>(x + i) - mean;
        squares += centred * centred;
    }
    const Vec scale = spread(1.0f / std::sqrt(sum_of(squares) / width + 1e-5f));
    for (int i = 0; i < width; i += LANES)
        store(y + i, (load<Vec>(x + i) - mean) * scale * load<Vec>(weight + i) + load<Vec>(bias + i));
}

// One row to int8 with a scale of its own; returns the scale.
TARGET float quantise(const float* x, int width, uint8_t* q) {
    Vec largest{};
    for (int i = 0; i < width; i += LANES) {
        Vec v = load<Vec>(x + i);
        largest = larger(largest, larger(v, -v));
    }
    const float most = std::max(largest_of(largest), 1e-20f);
    const Vec scale = spread(127.0f / most), magic = spread(12582912.0f);
    for (int i = 0; i < width; i += LANES) {
        Int whole = __builtin_convertvector((load<Vec>(x + i) * scale + magic) - magic, Int) + BIAS;
        store(q + i, __builtin_convertvector(whole, Bytes));
    }
    return most / 127.0f;
}

// Weights [outputs][inputs] as panels [outputs / LANES][inputs / 4][LANES][4], so that one load feeds LANES sums.
TARGET void pack(const Linear& linear, const float* weight, const float* bias, int outputs) {
    const int inputs = linear.inputs;
    for (int o = 0; o < outputs; ++o) {
        const float* row = weight + (size_t)o * inputs;
        float most = 1e-20f;
        for (int k = 0; k < inputs; ++k) most = std::max(most, std::fabs(row[k]));
        int8_t* panel = linear.weight.get() + (size_t)(o / LANES) * inputs * LANES + (o % LANES) * 4;
        int32_t sum = 0;
        for (int k = 0; k < inputs; ++k) {
            const int8_t q = (int8_t)std::lrint(row[k] * (127.0f / most));
            panel[(size_t)(k / 4) * LANES * 4 + k % 4] = q;
            sum += q;
        }
        linear.scale[o] = most / 127.0f;
        linear.bias[o] = bias ? bias[o] : 0.0f;
        linear.bias_sum[o] = BIAS * sum;
    }
}

// T rows times P panels of weights: the whole of the inner product, then scale, bias and what comes behind.
template <int T, int P> INLINE void tile(const Linear& linear, int panel, const Quantised& x, int row, const Output& y) {
    const int steps = linear.inputs / 4;
    const int8_t* weight = linear.weight.get() + (size_t)panel * linear.inputs * LANES;
    const size_t panel_bytes = (size_t)linear.inputs * LANES;
    const uint8_t* input = x.values + (size_t)row * linear.inputs;
    Int sums[T][P] = {};
    for (int k = 0; k < steps; ++k) {
        Weights weights[P];
        for (int p = 0; p < P; ++p) weights[p] = load<Weights>(weight + p * panel_bytes + (size_t)k * LANES * 4);
        for (int t = 0; t < T; ++t) {
            const int32_t four = load<int32_t>(input + (size_t)t * linear.inputs + 4 * k);
            for (int p = 0; p < P; ++p) sums[t][p] = DOT4(sums[t][p], weights[p], four);
        }
    }
    for (int t = 0; t < T; ++t)
        for (int p = 0; p < P; ++p) {
            const int o = (panel + p) * LANES;
            Vec whole = __builtin_convertvector(sums[t][p] - load<Int>(linear.bias_sum.get() + o), Vec);
            Vec value = whole * (load<Vec>(linear.scale.get() + o) * x.scales[row + t]) + load<Vec>(linear.bias.get() + o);
            float* to = y.values + (size_t)(row + t) * y.width + o;
            if (y.finish == Finish::add) value += load<Vec>(to);
            if (y.finish == Finish::gelu) value = gelu(value);
            store(to, value);
        }
}

template <int P> TARGET void tiles(const Linear& linear, int panel, const Quantised& x, int rows, const Output& y) {
    int row = 0;
    for (; row + TILE <= rows; row += TILE) tile<TILE, P>(linear, panel, x, row, y);
    for (; row + 2 <= rows; row += 2) tile<2, P>(linear, panel, x, row, y);
    if (row < rows) tile<1, P>(linear, panel, x, row, y);
}

// A share of the outputs, for all rows. A lone row takes four panels at once: each sum waits for itself.
TARGET void multiply(const Linear& linear, const Quantised& x, int rows, const Output& y, int first, int last) {
    int panel = first;
    if (rows == 1)
        for (; panel + 4 <= last; panel += 4) tile<1, 4>(linear, panel, x, 0, y);
    for (; panel + 2 <= last; panel += 2) tiles<2>(linear, panel, x, rows, y);
    for (; panel < last; ++panel) tiles<1>(linear, panel, x, rows, y);
}

// One head's new keys [S / LANES][D][LANES] and values [S][D], as bf16.
TARGET void remember(const Head& head, const float* key, const float* value, int position) {
    uint16_t* keys = head.keys + (size_t)(position / LANES) * head.width * LANES + position % LANES;
    uint16_t* values = head.values + (size_t)position * head.width;
    for (int d = 0; d < head.width; ++d) {
        keys[(size_t)d * LANES] = to_bf16(key[d]);
        values[d] = to_bf16(value[d]);
    }
}

// Scores of N queries against the first `length` positions; whole vectors, so the last few may be meaningless.
template <int N, int B> INLINE void score_blocks(const Head& head, const float* const* queries, int block, float* const* scores) {
    Vec sums[N][B] = {};
    const uint16_t* keys = head.keys + (size_t)block * head.width * LANES;
    for (int d = 0; d < head.width; ++d)
        for (int b = 0; b < B; ++b) {
            Vec key = from_bf16(keys + ((size_t)b * head.width + d) * LANES);
            for (int n = 0; n < N; ++n) sums[n][b] += key * queries[n][d];
        }
    for (int n = 0; n < N; ++n)
        for (int b = 0; b < B; ++b) store(scores[n] + (size_t)(block + b) * LANES, sums[n][b]);
}
template <int N> INLINE void score(const Head& head, const float* const* queries, int length, float* const* scores) {
    const int blocks = (length + LANES - 1) / LANES;
    int block = 0;
    for (; block + 4 / N <= blocks; block += 4 / N) score_blocks<N, 4 / N>(head, queries, block, scores);
    for (; block < blocks; ++block) score_blocks<N, 1>(head, queries, block, scores);
}

// Scores to weights that sum to 1 over `length` positions.
INLINE void softmax(float* scores, int length, float scale) {
    for (int s = length; s % LANES; ++s) scores[s] = -INFINITY;
    Vec largest = spread(-INFINITY), sum{};
    for (int s = 0; s < length; s += LANES) largest = larger(largest, load<Vec>(scores + s));
    const Vec top = spread(largest_of(largest) * scale);
    for (int s = 0; s < length; s += LANES) {
        Vec weight = exponential(load<Vec>(scores + s) * scale - top);
        if (s + LANES > length)
            for (int i = length - s; i < LANES; ++i) weight[i] = 0;
        store(scores + s, weight);
        sum += weight;
    }
    const Vec share = spread(1.0f / sum_of(sum));
    for (int s = 0; s < length; s += LANES) store(scores + s, load<Vec>(scores + s) * share);
}

// Adds the weighted values of `length` positions, CHUNKS vectors of the head's width from `d` on.
template <int N, int CHUNKS> INLINE void mix_chunks(const Head& head, const float* const* weights, int length, int d, float* const* mixed) {
    Vec sums[N][CHUNKS];
    for (int n = 0; n < N; ++n)
        for (int c = 0; c < CHUNKS; ++c) sums[n][c] = load<Vec>(mixed[n] + d + c * LANES);
    const uint16_t* values = head.values + d;
    for (int s = 0; s < length; ++s, values += head.width)
        for (int c = 0; c < CHUNKS; ++c) {
            Vec value = from_bf16(values + c * LANES);
            for (int n = 0; n < N; ++n) sums[n][c] += value * weights[n][s];
        }
    for (int n = 0; n < N; ++n)
        for (int c = 0; c < CHUNKS; ++c) store(mixed[n] + d + c * LANES, sums[n][c]);
}
template <int N> INLINE void mix(const Head& head, const float* const* weights, int length, float* const* mixed) {
    int d = 0;
    for (; d + 4 * LANES <= head.width; d += 4 * LANES) mix_chunks<N, 4>(head, weights, length, d, mixed);
    for (; d < head.width; d += LANES) mix_chunks<N, 1>(head, weights, length, d, mixed);
}

// N neighbouring queries of one span: what they see is the shared prefix, and of their own positions those up to each.
template <int N> INLINE void attend(const Head& shared, int num_shared, const Head& own, int num_own, const float* const* queries, float* const* mixed, float* scratch, size_t stride) {
    float *scores[N], *own_scores[N];
    const size_t split = ((size_t)num_shared + LANES - 1) / LANES * LANES;
    for (int n = 0; n < N; ++n) {
        scores[n] = scratch + n * stride;
        own_scores[n] = scores[n] + split;
        memset(mixed[n], 0, sizeof(float) * own.width);
    }
    score<N>(shared, queries, num_shared, scores);
    score<N>(own, queries, num_own + N - 1, own_scores);
    for (int n = 0; n < N; ++n) {
        // close the gap between the two, so that positions stand where they would in one sequence
        if (split != (size_t)num_shared) memmove(scores[n] + num_shared, own_scores[n], sizeof(float) * (num_own + n));
        softmax(scores[n], num_shared + num_own + n, 1.0f / std::sqrt((float)own.width));
        own_scores[n] = scores[n] + num_shared;
        for (int s = num_own + n; s < num_own + N - 1; ++s) own_scores[n][s] = 0;  // what later queries see
    }
    mix<N>(shared, scores, num_shared, mixed);
    mix<N>(own, own_scores, num_own + N - 1, mixed);
}

// All queries of one span and head; `num_own` positions are seen by the first.
TARGET void attend_all(const Head& shared, int num_shared, const Head& own, int num_own, int rows, const float* query, size_t query_stride, float* mixed, size_t mixed_stride, float* scratch, size_t stride) {
    for (int row = 0; row < rows;) {
        const float* queries[4] = {};
        float* outputs[4] = {};
        for (int n = 0; n < 4 && row + n < rows; ++n) {
            queries[n] = query + (row + n) * query_stride;
            outputs[n] = mixed + (row + n) * mixed_stride;
        }
        const int n = rows - row >= 4 ? 4 : rows - row >= 2 ? 2 : 1;
        if (n == 4) attend<4>(shared, num_shared, own, num_own + row, queries, outputs, scratch, stride);
        if (n == 2) attend<2>(shared, num_shared, own, num_own + row, queries, outputs, scratch, stride);
        if (n == 1) attend<1>(shared, num_shared, own, num_own + row, queries, outputs, scratch, stride);
        row += n;
    }
}

const Loops loops = {LANES, layer_norm, quantise, pack, multiply, remember, attend_all};

}  // namespace ISA

#undef INLINE
#undef ISA
#undef TARGET
#undef LANES
#undef BIAS
#undef TILE
#undef DOT4

// The inner loops of kernel.cpp, compiled once for each instruction set: kernel.cpp includes this file several times.
//
// Before each inclusion kernel.cpp defines
//   ISA     the namespace's name
//   TARGET  the compiler attribute that allows its instructions
//   LANES   numbers in one vector
//   BIAS    what is added to an int8 input so that it is unsigned
//   STEP    bytes that four inputs of one row take: 4, or 8 where their absolute values stand in front of their signs
//   DOT4(s, w, x)  s plus, in each of its LANES int32 sums, four int8 weights of w times the four inputs at x
//
// Every row's arithmetic is the same whatever stands beside it: a token read alone, within a prompt, or as a draft gets
// bit for bit the same keys, values and logits. So reuse, speculation and batching cannot change what the model says.
//
// Shapes: T rows (new tokens), C width, D head width, S cached positions.

#define INLINE TARGET __attribute__((always_inline)) inline

namespace ISA {

// The most rows whose sums stay in registers: with vectors of 8 there are 16 of those, else 32. 5 and 6 were no faster.
const int TILE = LANES == 8 ? 4 : 8;

typedef float Vec __attribute__((vector_size(4 * LANES)));
typedef int32_t Int __attribute__((vector_size(4 * LANES)));
typedef uint32_t Word __attribute__((vector_size(4 * LANES)));
typedef int8_t Weights __attribute__((vector_size(4 * LANES)));

template <class V, class P> INLINE V load(const P* from) {
    V value;
    memcpy(&value, from, sizeof value);
    return value;
}
template <class V, class P> INLINE void store(P* to, const V& value) { memcpy(to, &value, sizeof value); }
INLINE Vec spread(float x) { return x - Vec{}; }
// Of each pair of bf16 the first, or the second: pairs are two vectors, for one instruction each.
INLINE Vec one_of(const uint16_t* pairs, bool second) {
    const Word words = load<Word>(pairs);
    return (Vec)(second ? words & 0xffff0000u : words << 16);
}

INLINE Int add_products(Int sums, const Weights& weights, const uint8_t* inputs) {
    for (int i = 0; i < LANES; ++i)
        for (int j = 0; j < 4; ++j) sums[i] += weights[4 * i + j] * (BIAS ? inputs[j] : (int8_t)inputs[j]);
    return sums;
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
    const Vec n = (x * 1.44269504f + magic) - magic;
    const Vec r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    Vec p = spread(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    return p * (Vec)((__builtin_convertvector(n, Int) + 127) << 23);
}

// GELU, tanh form: 0.5 x (1 + tanh(u)) = x / (1 + e^(-2u)) with u = sqrt(2/pi) (x + 0.044715 x^3).
INLINE Vec gelu(const Vec& x) { return x / (1.0f + exponential(-1.59576912f * (x + 0.044715f * x * x * x))); }

TARGET void layer_norm(const float* x, const float* weight, const float* bias, int width, float* y) {
    Vec sum{}, squares{};
    for (int i = 0; i < width; i += LANES) sum += load<Vec>(x + i);
    const Vec mean = spread(sum_of(sum) / width);
    for (int i = 0; i < width; i += LANES) {
        const Vec centred = load<Vec>(x + i) - mean;
        squares += centred * centred;
    }
    const Vec scale = spread(1.0f / std::sqrt(sum_of(squares) / width + 1e-5f));
    for (int i = 0; i < width; i += LANES)
        store(y + i, (load<Vec>(x + i) - mean) * scale * load<Vec>(weight + i) + load<Vec>(bias + i));
}

// Row `row` of T, int8 with a scale of its own. The rows of one tile are interleaved, [C / 4][rows][STEP], so that the
// tile reads them from one place.
TARGET void quantise(const float* x, int width, int row, int rows, const Quantised& to) {
    Vec largest{};
    for (int i = 0; i < width; i += LANES) largest = larger(largest, larger(load<Vec>(x + i), -load<Vec>(x + i)));
    const float most = std::max(largest_of(largest), 1e-20f);
    to.scales[row] = most / 127.0f;
    const float scale = 127.0f / most, magic = 12582912.0f;
    const int first = row - row % TILE, stride = std::min(rows - first, TILE) * STEP;
    uint8_t* q = to.values + (size_t)first * (width / 4) * STEP + (row - first) * STEP;
    int32_t start = 0;
    for (int i = 0; i < width; i += 256) {
        const int count = std::min(width - i, 256);
        int8_t plain[256], negative[256], absolute[256];  // loops this plain become vector code
        for (int j = 0; j < count; ++j) plain[j] = (int8_t)(int)((x[i + j] * scale + magic) - magic);
        for (int j = 0; STEP == 8 && j < count; ++j) {
            negative[j] = (int8_t)(plain[j] >> 7);
            absolute[j] = (int8_t)((plain[j] ^ negative[j]) - negative[j]);
            start += absolute[j] & negative[j];
        }
        for (int j = 0; BIAS && j < count; ++j) plain[j] = (int8_t)(plain[j] + BIAS);
        for (int j = 0; j < count; j += 4, q += stride) {
            memcpy(q, (STEP == 8 ? absolute : plain) + j, 4);
            if (STEP == 8) memcpy(q + 4, negative + j, 4);
        }
    }
    to.starts[row] = start;
}

// Weights [outputs][inputs] as [outputs / 2 LANES][inputs / 4][2 LANES][4]: two vectors of sums, fed in one sweep.
TARGET void pack(Linear& linear, const float* weight, const float* bias, int outputs) {
    const int inputs = linear.inputs;
    memset(linear.weight, 0, linear.num_weights());
    for (int o = 0; o < outputs; ++o) {
        const float* row = weight + (size_t)o * inputs;
        float most = 1e-20f;
        for (int k = 0; k < inputs; ++k) most = std::max(most, std::fabs(row[k]));
        int8_t* panel = linear.weight + (size_t)(o / (2 * LANES)) * inputs * 2 * LANES + o % (2 * LANES) * 4;
        int32_t sum = 0;
        for (int k = 0; k < inputs; ++k) {
            const int8_t q = (int8_t)std::lrint(row[k] * (127.0f / most));
            panel[(size_t)(k / 4) * 8 * LANES + k % 4] = q;
            sum += q;
        }
        linear.scale[o] = most / 127.0f;
        linear.bias[o] = bias ? bias[o] : 0.0f;
        linear.bias_sum[o] = BIAS * sum;
    }
}

// T rows times one panel of weights: the whole of the inner product, then scale, bias and what comes behind.
template <int T> INLINE void tile(const Linear& linear, int panel, const Quantised& x, int row, const Output& y) {
    const int steps = linear.inputs / 4;
    const int8_t* weight = linear.weight + (size_t)panel * linear.inputs * 2 * LANES;
    const uint8_t* input = x.values + (size_t)row * steps * STEP;
    Int sums[T][2];
    for (int t = 0; t < T; ++t) sums[t][0] = sums[t][1] = x.starts[row + t] - Int{};
    for (int k = 0; k < steps; ++k, weight += 8 * LANES, input += T * STEP) {
        __builtin_prefetch(weight + 4096);  // one row took 2.35 ms without, 2.1 with 1 or 4 kB, 2.25 with 16 (Zen 3)
        const Weights weights[2] = {load<Weights>(weight), load<Weights>(weight + 4 * LANES)};
        for (int t = 0; t < T; ++t)
            for (int p = 0; p < 2; ++p) sums[t][p] = DOT4(sums[t][p], weights[p], input + t * STEP);
    }
    for (int t = 0; t < T; ++t)
        for (int p = 0; p < 2; ++p) {
            const int o = (2 * panel + p) * LANES;
            if (o >= linear.outputs) continue;
            const Vec whole = __builtin_convertvector(sums[t][p] - load<Int>(&linear.bias_sum[o]), Vec);
            Vec value = whole * (load<Vec>(&linear.scale[o]) * x.scales[row + t]) + load<Vec>(&linear.bias[o]);
            float* to = y.values + (size_t)(row + t) * y.width + o;
            if (y.finish == Finish::add) value += load<Vec>(to);
            if (y.finish == Finish::gelu) value = gelu(value);
            store(to, value);
        }
}

// The rows behind the last whole tile, all in one.
template <int T> INLINE void last_tile(const Linear& linear, int panel, const Quantised& x, int rows, const Output& y) {
    if (rows % TILE == T) return tile<T>(linear, panel, x, rows - T, y);
    if constexpr (T > 1) last_tile<T - 1>(linear, panel, x, rows, y);
}

// A share of the outputs, for all rows.
TARGET void multiply(const Linear& linear, const Quantised& x, int rows, const Output& y, const Range& panels) {
    for (int panel = panels.first; panel < panels.last; ++panel) {
        for (int row = 0; row + TILE <= rows; row += TILE) tile<TILE>(linear, panel, x, row, y);
        last_tile<TILE - 1>(linear, panel, x, rows, y);
    }
}

// One head's new keys and values, as bf16 in pairs: keys [S / BLOCK][D][4][LANES][2] with neighbouring vectors of
// positions paired, values [S / 2][D][2] with neighbouring positions paired.
const int BLOCK = 8 * LANES;
TARGET void remember(const Head& head, const float* key, const float* value, int position) {
    const int vector = position % BLOCK / LANES;
    uint16_t* keys = head.keys + (size_t)(position / BLOCK) * head.width * BLOCK +
                     (vector / 2 * LANES + position % LANES) * 2 + vector % 2;
    uint16_t* values = head.values + (size_t)(position / 2) * head.width * 2 + position % 2;
    for (int d = 0; d < head.width; ++d) {
        keys[(size_t)d * BLOCK] = to_bf16(key[d]);
        values[2 * d] = to_bf16(value[d]);
    }
}

// Scores of N queries against the first `length` positions; whole blocks, so the last few mean nothing. Eight sums hide
// the latency of one, and leave room in 16 registers.
template <int N> INLINE void score(const Head& head, const float* const* queries, int length, float* const* scores) {
    const int vectors = 8 / N;
    for (int s = 0; s < length; s += vectors * LANES) {
        const uint16_t* keys = head.keys + (size_t)(s / BLOCK) * head.width * BLOCK + s % BLOCK;
        Vec sums[N][vectors] = {};
        for (int d = 0; d < head.width; ++d, keys += BLOCK)
            for (int v = 0; v < vectors; ++v) {
                const Vec key = one_of(keys + v / 2 * 2 * LANES, v % 2);
                for (int n = 0; n < N; ++n) sums[n][v] += key * queries[n][d];
            }
        for (int n = 0; n < N; ++n)
            for (int v = 0; v < vectors; ++v) store(scores[n] + s + v * LANES, sums[n][v]);
    }
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

// Adds the weighted values of `length` positions, as many times VECTORS vectors from `d` on as the head has room for.
template <int N, int VECTORS>
INLINE int mix(const Head& head, const float* const* weights, int length, int d, float* const* mixed) {
    for (; d + VECTORS * LANES <= head.width; d += VECTORS * LANES) {
        Vec sums[N][VECTORS];
        for (int n = 0; n < N; ++n)
            for (int v = 0; v < VECTORS; ++v) sums[n][v] = load<Vec>(mixed[n] + d + v * LANES);
        const uint16_t* values = head.values + 2 * d;
        const auto add = [&](int s, bool second) TARGET {
            for (int v = 0; v < VECTORS; ++v) {
                const Vec value = one_of(values + v * 2 * LANES, second);
                for (int n = 0; n < N; ++n) sums[n][v] += value * weights[n][s + second];
            }
        };
        for (int s = 0; s + 2 <= length; s += 2, values += 2 * head.width) {
            add(s, false);
            add(s, true);
        }
        if (length % 2) add(length - 1, false);
        for (int n = 0; n < N; ++n)
            for (int v = 0; v < VECTORS; ++v) store(mixed[n] + d + v * LANES, sums[n][v]);
    }
    return d;
}
template <int N> INLINE void mix(const Head& head, const float* const* weights, int length, float* const* mixed) {
    int d = mix<N, 8 / N>(head, weights, length, 0, mixed);
    d = mix<N, 4 / N>(head, weights, length, d, mixed);
    mix<N, 1>(head, weights, length, d, mixed);
}

// N neighbouring queries at a time, from `row` on. They see the shared prefix, and of their own positions those up to
// each. Returns the first row that is left.
template <int N> INLINE int attend_by(const Attention& a, int row) {
    const size_t split = ((size_t)a.num_shared + LANES - 1) / LANES * LANES;
    for (; row + N <= a.rows; row += N) {
        const float* queries[N];
        float *mixed[N], *scores[N], *own_scores[N];
        const int num_own = a.num_own + row;
        for (int n = 0; n < N; ++n) {
            queries[n] = a.queries + (row + n) * a.query_stride;
            mixed[n] = a.mixed + (row + n) * a.mixed_stride;
            scores[n] = a.scores + n * a.score_stride;
            own_scores[n] = scores[n] + split;
            memset(mixed[n], 0, sizeof(float) * a.own.width);
        }
        score<N>(a.shared, queries, a.num_shared, scores);
        score<N>(a.own, queries, num_own + N - 1, own_scores);
        for (int n = 0; n < N; ++n) {
            // close the gap between the two, so that positions stand where they would in one sequence
            memmove(scores[n] + a.num_shared, own_scores[n], sizeof(float) * (num_own + n));
            softmax(scores[n], a.num_shared + num_own + n, 1.0f / std::sqrt((float)a.own.width));
            own_scores[n] = scores[n] + a.num_shared;
            for (int s = num_own + n; s < num_own + N - 1; ++s) own_scores[n][s] = 0;  // what later queries see
        }
        mix<N>(a.shared, scores, a.num_shared, mixed);
        mix<N>(a.own, own_scores, num_own + N - 1, mixed);
    }
    return row;
}
TARGET void attend(const Attention& a) {
    const int row = attend_by<2>(a, attend_by<4>(a, 0));
    attend_by<1>(a, row);
}

const Loops loops = {LANES, layer_norm, quantise, pack, multiply, remember, attend};

}  // namespace ISA

#undef INLINE
#undef ISA
#undef TARGET
#undef LANES
#undef BIAS
#undef STEP
#undef DOT4

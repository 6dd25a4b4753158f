// GPT-2 on a CPU, with int8 weights: the fast twin of engine/torch_backend.py. No Python, no dependencies; a C interface.
//
// Weights are int8 with a scale for each output, inputs int8 with a scale for each row, sums int32; everything else is
// fp32, and keys and values are kept as bf16. The inner loops are in inner_loops.h, one copy for each instruction set;
// the best one that this processor has is chosen when a model is made.
//
// Shapes: T rows (new tokens of all spans), C width, D head width, S cached positions, V vocabulary.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <system_error>
#include <thread>
#include <vector>
#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif
#if defined(__linux__)
#include <sys/auxv.h>
#include <sys/mman.h>
#endif

#if defined(_WIN32)
#define EXPORT extern "C" __declspec(dllexport)
EXPORT void* PyInit__kernel() { return nullptr; }  // what Python's build asks of a library; ctypes loads this one
#else
#define EXPORT extern "C" __attribute__((visibility("default")))
#endif

namespace {

const int MOST_LANES = 16;          // sizes are multiples of the widest vector, whichever is used
const int POSITIONS = 8 * MOST_LANES;  // and numbers of positions of this many
const int DRAFT_ROWS = 16;          // up to here a pass is bound by memory and may do with fewer threads
const size_t HUGE_PAGE = 2 << 20;

size_t round_up(size_t count, size_t multiple) { return (count + multiple - 1) / multiple * multiple; }

// Memory that is not zeroed, so that what is never used costs nothing.
template <class T> class Array {
public:
    explicit Array(size_t count = 0, size_t alignment = 64)
        : memory_(count ? static_cast<T*>(operator new(count * sizeof(T), std::align_val_t(alignment))) : nullptr,
                  Free{std::align_val_t(alignment)}) {}
    T* get() const { return memory_.get(); }
    T& operator[](size_t index) const { return memory_.get()[index]; }

private:
    struct Free {
        std::align_val_t alignment;
        void operator()(T* memory) const { operator delete(memory, alignment); }
    };
    std::unique_ptr<T, Free> memory_;
};

// One member's share of `count` things.
struct Range {
    Range(int count, int member, int members)
        : first((int)((int64_t)count * member / members)), last((int)((int64_t)count * (member + 1) / members)) {}
    const int first, last;
};

struct Linear {
    Linear(int inputs, int outputs)
        : inputs(inputs), outputs((int)round_up(outputs, MOST_LANES)), scale(this->outputs), bias(this->outputs),
          bias_sum(this->outputs) {}
    size_t num_weights() const { return (size_t)inputs * round_up(outputs, 2 * MOST_LANES); }

    int inputs, outputs;  // outputs: whole vectors, the last ones zero
    int8_t* weight = nullptr;
    std::vector<float> scale, bias;
    std::vector<int32_t> bias_sum;  // what the inputs' BIAS adds to each sum
};

struct Quantised {
    uint8_t* values;
    float* scales;    // T
    int32_t* starts;  // T: what a row adds to each of its sums
};
enum class Finish { set, add, gelu };
struct Output {
    float* values;  // T, width
    int width;
    Finish finish;
};
struct Head {
    uint16_t *keys, *values;
    int width;
};
// The new rows of one span and head; the first of them sees `num_own` positions behind the shared ones.
struct Attention {
    Head shared, own;
    int num_shared, num_own, rows;
    const float* queries;
    size_t query_stride;
    float* mixed;
    size_t mixed_stride;
    float* scores;  // room for four queries
    size_t score_stride;
};

inline uint16_t to_bf16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// One instruction set's inner loops.
struct Loops {
    int lanes;
    void (*layer_norm)(const float* x, const float* weight, const float* bias, int width, float* y);
    void (*quantise)(const float* x, int width, int row, int rows, const Quantised&);
    void (*pack)(Linear&, const float* weight, const float* bias, int outputs);
    void (*multiply)(const Linear&, const Quantised&, int rows, const Output&, const Range& panels);
    void (*remember)(const Head&, const float* key, const float* value, int position);
    void (*attend)(const Attention&);
};

#if defined(__x86_64__)
#define ISA avx512
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")))
#define LANES 16
#define BIAS 128
#define TILE 8
#define STEP 4
#define DOT4(s, w, x) (Int) _mm512_dpbusd_epi32((__m512i)(s), _mm512_set1_epi32(load<int32_t>(x)), (__m512i)(w))
#include "inner_loops.h"

#if defined(__clang__) ? __clang_major__ >= 12 : __GNUC__ >= 11
#define ISA avxvnni
#define TARGET __attribute__((target("avxvnni,avx2,fma")))
#define LANES 8
#define BIAS 128
#define TILE 6
#define STEP 4
#define DOT4(s, w, x) (Int) _mm256_dpbusd_avx_epi32((__m256i)(s), _mm256_set1_epi32(load<int32_t>(x)), (__m256i)(w))
#include "inner_loops.h"
#define HAVE_AVXVNNI
#endif

#define ISA avx2
#define TARGET __attribute__((target("avx2,fma")))
#define LANES 8
#define BIAS 0
#define TILE 4
#define STEP 8
// w x is |x| w, and for a negative x it is |x| (~w) + |x|: a sum starts with all those |x|, and the loop needs no sign.
// Products of two neighbours fit 16 bits, because no |x| is above 127.
#define DOT4(s, w, x) \
    (s) + (Int)_mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi32(load<int32_t>(x)), \
        _mm256_xor_si256((__m256i)(w), _mm256_set1_epi32(load<int32_t>((x) + 4)))), _mm256_set1_epi16(1))
#include "inner_loops.h"
#elif defined(__aarch64__)
#define ISA neon
#if defined(__APPLE__)
#define TARGET
#else
#define TARGET __attribute__((target("arch=armv8.2-a+dotprod")))
#endif
#define LANES 4
#define BIAS 0
#define TILE 8
#define STEP 4
#define DOT4(s, w, x) (Int) vdotq_s32((int32x4_t)(s), (int8x16_t)(w), vreinterpretq_s8_s32(vdupq_n_s32(load<int32_t>(x))))
#include "inner_loops.h"
#endif

// For every other processor; in the shape of the widest one, so that tests of this one hold for that one.
#define ISA scalar
#define TARGET
#define LANES 16
#define BIAS 128
#define TILE 8
#define STEP 4
#define DOT4(s, w, x) add_products(s, w, x)
#include "inner_loops.h"

// Whether a product of whole numbers comes out exactly: a set that few machines have may have a fault that no test saw.
bool multiplies_exactly(const Loops& loops) {
    const int inputs = 128, outputs = 48, rows = 11;
    std::vector<float> x(inputs * rows), weight(inputs * outputs), y(rows * outputs), scales(rows);
    std::vector<uint8_t> quantised(2 * x.size());
    std::vector<int32_t> starts(rows);
    uint32_t state = 1;
    const auto fill = [&](std::vector<float>& numbers) {
        for (float& number : numbers) {
            state = state * 1664525 + 1013904223;
            number = (float)((int)(state >> 16) % 255 - 127);
        }
        for (size_t i = 0; i < numbers.size(); i += inputs) numbers[i] = i & inputs ? 127 : -127;  // so scales are 1
    };
    fill(x);
    fill(weight);
    Linear linear(inputs, outputs);
    Array<int8_t> memory(linear.num_weights());
    linear.weight = memory.get();
    loops.pack(linear, weight.data(), nullptr, outputs);
    const Quantised to = {quantised.data(), scales.data(), starts.data()};
    for (int row = 0; row < rows; ++row) loops.quantise(&x[row * inputs], inputs, row, rows, to);
    loops.multiply(linear, to, rows, {y.data(), outputs, Finish::set}, Range((outputs + 2 * loops.lanes - 1) / (2 * loops.lanes), 0, 1));
    for (int row = 0; row < rows; ++row)
        for (int o = 0; o < outputs; ++o) {
            float sum = 0;
            for (int k = 0; k < inputs; ++k) sum += x[row * inputs + k] * weight[o * inputs + k];
            if (sum != y[row * outputs + o]) return false;
        }
    return true;
}

struct Isa {
    const char* name;
    const Loops* loops;
    bool present;
};

// Those that run here, best first.
const std::vector<Isa>& instruction_sets() {
    static const std::vector<Isa> found = [] {
        std::vector<Isa> all;
#if defined(__x86_64__)
        __builtin_cpu_init();
        const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
        const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
        all.push_back({"avx512", &avx512::loops, avx2 && wide && __builtin_cpu_supports("avx512vnni")});
#if defined(HAVE_AVXVNNI)
        unsigned a = 0, b, c, d;
        const bool vnni = __get_cpuid_count(7, 1, &a, &b, &c, &d) && a >> 4 & 1;
        all.push_back({"avxvnni", &avxvnni::loops, avx2 && vnni});
#endif
        all.push_back({"avx2", &avx2::loops, avx2});
#elif defined(__aarch64__) && defined(__linux__)
        all.push_back({"neon", &neon::loops, (getauxval(AT_HWCAP) & 1 << 20) != 0});  // HWCAP_ASIMDDP
#elif defined(__aarch64__)
        all.push_back({"neon", &neon::loops, true});
#endif
        all.push_back({"scalar", &scalar::loops, true});
        const auto unfit = [](const Isa& isa) { return !isa.present || !multiplies_exactly(*isa.loops); };
        all.erase(std::remove_if(all.begin(), all.end(), unfit), all.end());
        return all;
    }();
    return found;
}

// Threads that work on one thing together and meet at barriers. They yield, so that a busy machine loses little.
class Team {
public:
    explicit Team(int size) {
        try {
            while (this->size() < size) threads_.emplace_back([this, member = this->size()] { serve(member); });
        } catch (const std::system_error&) {
            // the system gives no more threads: a smaller team does
        }
    }
    ~Team() {
        {
            std::lock_guard<std::mutex> lock(mutex_);
            stopping_ = true;
        }
        wake_.notify_all();
        for (std::thread& thread : threads_) thread.join();
    }
    int size() const { return (int)threads_.size() + 1; }

    // Runs `work` as members 0 to `members` - 1, one or all; returns the share of the time that member 0 waited.
    double run(int members, const std::function<void(int)>& work) {
        const auto start = Clock::now();
        waited_ = {};
        members_ = members;
        if (members > 1) {
            {
                std::lock_guard<std::mutex> lock(mutex_);
                work_ = &work;
                turn_.store(turn_.load() + 1, std::memory_order_release);
            }
            wake_.notify_all();
        }
        work(0);
        meet(0);
        return std::chrono::duration<double>(waited_) / std::chrono::duration<double>(Clock::now() - start);
    }

    void meet(int member) {
        if (members_ == 1) return;
        const int round = round_.load(std::memory_order_acquire);
        if (arrived_.fetch_add(1, std::memory_order_acq_rel) == members_ - 1) {
            arrived_.store(0, std::memory_order_relaxed);
            round_.store(round + 1, std::memory_order_release);
            return;
        }
        const auto start = member ? Clock::time_point() : Clock::now();
        for (int spins = 0; round_.load(std::memory_order_acquire) == round; ++spins) relax(spins);
        if (!member) waited_ += Clock::now() - start;
    }

private:
    using Clock = std::chrono::steady_clock;

    static void relax(int spins) {
        if (spins > 2000) return std::this_thread::yield();
#if defined(__x86_64__)
        _mm_pause();
#elif defined(__aarch64__)
        asm volatile("yield");
#endif
    }

    void serve(int member) {
        for (int seen = 0;; ++seen) {
            for (int spins = 0; turn_.load(std::memory_order_acquire) == seen && spins < 4000; ++spins) relax(spins);
            if (turn_.load(std::memory_order_acquire) == seen) {
                std::unique_lock<std::mutex> lock(mutex_);
                wake_.wait(lock, [&] { return stopping_ || turn_.load() != seen; });
                if (stopping_) return;
            }
            (*work_)(member);
            meet(member);
        }
    }

    std::vector<std::thread> threads_;
    int members_ = 1;
    const std::function<void(int)>* work_ = nullptr;
    std::atomic<int> turn_{0}, round_{0}, arrived_{0};
    Clock::duration waited_{};
    std::mutex mutex_;
    std::condition_variable wake_;
    bool stopping_ = false;
};

}  // namespace

struct Shape {
    int32_t layers, heads, width, context, vocabulary;
};

struct Cache {
    Cache(const Shape& shape, int positions)
        : heads(shape.heads), width(shape.width / heads), positions(round_up(positions, POSITIONS)),
          size((size_t)shape.layers * heads * 2 * this->positions * width), memory(size) {}

    Head head(int layer, int head) const {
        uint16_t* keys = memory.get() + ((size_t)layer * heads + head) * 2 * positions * width;
        return {keys, keys + positions * width, width};
    }

    const int heads, width;
    const size_t positions, size;
    const Array<uint16_t> memory;
};

// New tokens of one sequence: behind `num_own` positions of its own cache, which stand behind the first `num_shared` of
// another's. Logits are wanted after the last `num_logits` of them.
struct Span {
    Cache *own, *shared;
    int32_t num_shared, num_own, num_new, num_logits;
};

struct Model {
    Model(const Shape& shape, int threads, const Loops* loops)
        : shape(shape), loops(*loops), team(threads), layers(shape.layers, Layer(shape.width)),
          head(shape.width, shape.vocabulary), score_stride(round_up(shape.context, POSITIONS) + 2 * POSITIONS),
          scores((size_t)threads * 4 * score_stride) {
        size_t size = head.num_weights();
        for (Layer& layer : layers)
            for (Linear* linear : layer.linears()) size += linear->num_weights();
        weights = Array<int8_t>(size, HUGE_PAGE);
#if defined(__linux__)
        madvise(weights.get(), size, MADV_HUGEPAGE);  // a pass reads all of it: 21 GB/s become 28 with 48 MB (Zen 3)
#endif
        head.weight = weights.get();
        int8_t* next = head.weight + head.num_weights();
        for (Layer& layer : layers)
            for (Linear* linear : layer.linears()) {
                linear->weight = next;
                next += linear->num_weights();
            }
    }

    struct Norm {
        std::vector<float> weight, bias;
    };
    struct Layer {
        explicit Layer(int width)
            : attend(width, 3 * width), project(width, width), expand(width, 4 * width), contract(4 * width, width) {}
        std::vector<Linear*> linears() { return {&attend, &project, &expand, &contract}; }
        Norm before_attention, before_mlp;
        Linear attend, project, expand, contract;
    };

    const Shape shape;
    const Loops& loops;
    Team team;
    std::vector<Layer> layers;
    std::vector<float> tokens, positions;  // embeddings
    Norm last_norm;
    Linear head;
    Array<int8_t> weights;
    const size_t score_stride;
    Array<float> scores;  // of four queries for each thread
    int rows_held = 0;
    Array<float> stream, normed, heads_in, mixed, hidden, scales;  // T rows each
    Array<uint8_t> quantised;
    Array<int32_t> starts;
    double waiting = 0;  // smoothed share of the time that threads wait for each other
    int alone_for = 0;   // passes to run on one thread, because waits have grown
    // of the pass that is running
    const Span* spans = nullptr;
    int num_spans = 0;
    const int32_t* ids = nullptr;
    std::vector<int> positions_of, kept;  // each row's position; the rows whose logits are wanted
    float* logits = nullptr;

    // All memory that a pass needs is made here: its threads must not meet a failure.
    void forward() {
        positions_of.clear();
        kept.clear();
        for (int s = 0; s < num_spans; ++s)
            for (int i = 0; i < spans[s].num_new; ++i) {
                if (i >= spans[s].num_new - spans[s].num_logits) kept.push_back((int)positions_of.size());
                positions_of.push_back(spans[s].num_shared + spans[s].num_own + i);
            }
        const int rows = (int)positions_of.size();
        make_room(rows);
        const bool small = rows <= DRAFT_ROWS;
        const int members = small && alone_for > 0 ? 1 : team.size();
        alone_for -= alone_for > 0;
        const double waited = team.run(members, [=](int member) { run(rows, member, members); });
        if (!small || members == 1) return;
        waiting = 0.8 * waiting + 0.2 * waited;
        if (waiting > 0.5) {
            alone_for = 64;
            waiting = 0;
        }
    }

private:
    void make_room(int rows) {
        if (rows <= rows_held) return;
        rows_held = 0;
        const size_t width = shape.width;
        stream = Array<float>(rows * width);
        normed = Array<float>(rows * width);
        heads_in = Array<float>(rows * 3 * width);
        mixed = Array<float>(rows * width);
        hidden = Array<float>(rows * 4 * width);
        scales = Array<float>(rows);
        starts = Array<int32_t>(rows);
        quantised = Array<uint8_t>(rows * 4 * width * 2);
        rows_held = rows;
    }

    void run(int rows, int member, int members) {
        const int width = shape.width;
        const auto normalise = [&](const Norm& norm) {
            const Range share(rows, member, members);
            for (int row = share.first; row < share.last; ++row)
                loops.layer_norm(&stream[(size_t)row * width], norm.weight.data(), norm.bias.data(), width,
                                 &normed[(size_t)row * width]);
        };
        // `values` times `linear`; members quantise their share of the rows, and multiply for their share of the outputs
        const auto multiply = [&](const Linear& linear, const Array<float>& values, const Output& output) {
            const Range share(rows, member, members);
            const Quantised to = {quantised.get(), scales.get(), starts.get()};
            for (int row = share.first; row < share.last; ++row)
                loops.quantise(&values[(size_t)row * linear.inputs], linear.inputs, row, rows, to);
            team.meet(member);
            const int panels = (linear.outputs + 2 * loops.lanes - 1) / (2 * loops.lanes);
            loops.multiply(linear, to, rows, output, Range(panels, member, members));
            team.meet(member);
        };
        const Range share(rows, member, members);
        for (int row = share.first; row < share.last; ++row) embed(row);
        for (int index = 0; index < shape.layers; ++index) {
            const Layer& layer = layers[index];
            const bool last = index == shape.layers - 1;
            normalise(layer.before_attention);
            multiply(layer.attend, normed, {heads_in.get(), 3 * width, Finish::set});
            attention(index, last, Range(shape.heads, member, members), &scores[(size_t)member * 4 * score_stride]);
            team.meet(member);
            if (last) {
                if (member == 0) drop_rows();
                rows = (int)kept.size();
                if (rows == 0) return;
                team.meet(member);
            }
            multiply(layer.project, mixed, {stream.get(), width, Finish::add});
            normalise(layer.before_mlp);
            multiply(layer.expand, normed, {hidden.get(), 4 * width, Finish::gelu});
            multiply(layer.contract, hidden, {stream.get(), width, Finish::add});
        }
        normalise(last_norm);
        multiply(head, normed, {logits, head.outputs, Finish::set});
    }

    void embed(int row) {
        const float* token = &tokens[(size_t)ids[row] * shape.width];
        const float* position = &positions[(size_t)positions_of[row] * shape.width];
        for (int i = 0; i < shape.width; ++i) stream[(size_t)row * shape.width + i] = token[i] + position[i];
    }

    // Some heads: stores new keys and values, then mixes. The last layer mixes only for rows that are kept.
    void attention(int layer, bool last, const Range& share, float* scores) {
        const size_t width = shape.width, head_width = width / shape.heads;
        for (int h = share.first; h < share.last; ++h) {
            size_t row = 0;
            for (int s = 0; s < num_spans; row += spans[s++].num_new) {
                const Span& span = spans[s];
                const Head own = span.own->head(layer, h), shared = span.shared ? span.shared->head(layer, h) : own;
                const float* query = &heads_in[row * 3 * width + h * head_width];
                for (int i = 0; i < span.num_new; ++i) {
                    const float* key = query + i * 3 * width + width;
                    loops.remember(own, key, key + width, span.num_own + i);
                }
                const int skipped = last ? span.num_new - span.num_logits : 0;
                loops.attend({shared, own, span.num_shared, span.num_own + skipped + 1, span.num_new - skipped,
                              query + skipped * 3 * width, 3 * width, &mixed[(row + skipped) * width + h * head_width],
                              width, scores, score_stride});
            }
        }
    }

    // Closes up the rows whose logits are wanted.
    void drop_rows() {
        const size_t width = shape.width, bytes = width * sizeof(float);
        for (size_t i = 0; i < kept.size(); ++i) {
            memmove(&stream[i * width], &stream[kept[i] * width], bytes);
            memmove(&mixed[i * width], &mixed[kept[i] * width], bytes);
        }
    }
};

namespace {

// Runs `work`; a failure is told as null, or as a code, because no exception may leave this library.
template <class Work> auto guarded(Work work) -> decltype(work()) {
    try {
        return work();
    } catch (const std::exception&) {
        return {};
    }
}

}  // namespace

// Instruction sets that run here, best first, separated by commas.
EXPORT const char* parrotlet_instruction_sets() {
    static const std::string names = [] {
        std::string joined;
        for (const Isa& isa : instruction_sets()) joined += (joined.empty() ? "" : ",") + std::string(isa.name);
        return joined;
    }();
    return names.c_str();
}

// A model without weights, or null: no memory, or an instruction set that does not run here.
EXPORT Model* parrotlet_new_model(const Shape* shape, int threads, const char* isa_name) {
    return guarded([&]() -> Model* {
        for (const Isa& isa : instruction_sets())
            if (!isa_name[0] || isa.name == std::string(isa_name)) return new Model(*shape, threads, isa.loops);
        return nullptr;
    });
}
EXPORT void parrotlet_free_model(Model* model) { delete model; }

// Weights in fp32: embeddings V C and context C, then the last norm; each layer's norms and linears as [outputs][inputs].
EXPORT int parrotlet_set_embeddings(Model* model, const float* tokens, const float* positions, const float* norm_weight,
                                    const float* norm_bias) {
    return guarded([&] {
        const Shape& shape = model->shape;
        const size_t width = shape.width;
        model->tokens.assign(tokens, tokens + shape.vocabulary * width);
        model->positions.assign(positions, positions + shape.context * width);
        model->last_norm.weight.assign(norm_weight, norm_weight + width);
        model->last_norm.bias.assign(norm_bias, norm_bias + width);
        model->loops.pack(model->head, tokens, nullptr, shape.vocabulary);
        return 1;
    });
}
EXPORT int parrotlet_set_layer(Model* model, int index, const float* const* norms, const float* const* linears) {
    return guarded([&] {
        Model::Layer& layer = model->layers[index];
        std::vector<float>* const vectors[] = {&layer.before_attention.weight, &layer.before_attention.bias,
                                               &layer.before_mlp.weight, &layer.before_mlp.bias};
        for (int i = 0; i < 4; ++i) vectors[i]->assign(norms[i], norms[i] + model->shape.width);
        const float* const* next = linears;
        const int width = model->shape.width, outputs[] = {3 * width, width, 4 * width, width};
        for (Linear* linear : layer.linears()) {
            model->loops.pack(*linear, next[0], next[1], outputs[(next - linears) / 2]);
            next += 2;
        }
        return 1;
    });
}

EXPORT Cache* parrotlet_new_cache(const Model* model, int positions) {
    return guarded([&] { return new Cache(model->shape, positions); });
}
EXPORT void parrotlet_free_cache(Cache* cache) { delete cache; }
EXPORT size_t parrotlet_cache_bytes(const Cache* cache) { return cache->size * sizeof(uint16_t); }

// Logits, for each span the last `num_logits` rows, each row `parrotlet_logits_width` wide. 0 means no memory.
EXPORT int parrotlet_forward(Model* model, const Span* spans, int num_spans, const int32_t* ids, float* logits) {
    return guarded([&] {
        model->spans = spans;
        model->num_spans = num_spans;
        model->ids = ids;
        model->logits = logits;
        model->forward();
        return 1;
    });
}
EXPORT int parrotlet_logits_width(const Model* model) { return model->head.outputs; }

// GPT-2 on a CPU, with int8 weights: the fast twin of engine/torch_backend.py. No Python, no dependencies; a C interface.
//
// Weights are int8 with a scale for each output, inputs int8 with a scale for each row, sums int32; everything else is
// fp32, and keys and values are kept as bf16. The inner loops are in inner_loops.h, one copy for each instruction set;
// the best one that this processor has is chosen when a model is made.
//
// Shapes: T rows (new tokens of all spans), C width, D head width, S cached positions, V vocabulary.

#include <atomic>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <vector>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#if defined(__linux__)
#include <sys/auxv.h>
#endif
#endif

#if defined(_WIN32)
#define EXPORT extern "C" __declspec(dllexport)
EXPORT void* PyInit__kernel() { return nullptr; }  // what Python's build asks of a library; ctypes loads this one
#else
#define EXPORT extern "C" __attribute__((visibility("default")))
#endif

namespace {

const int MOST_LANES = 16;  // sizes are multiples of the widest vector, whichever is used
const int DRAFT_ROWS = 16;  // up to here a pass is bound by memory and may do with fewer threads

// Memory of whole cache lines, zeroed.
template <class T> class Array {
public:
    explicit Array(size_t count = 0) {
        const size_t bytes = (count * sizeof(T) + 63) / 64 * 64;
        if (!bytes) return;
        memory_.reset(static_cast<T*>(aligned_alloc(64, bytes)));
        if (!memory_) throw std::bad_alloc();
        memset(static_cast<void*>(memory_.get()), 0, bytes);
    }
    T* get() const { return memory_.get(); }
    T& operator[](size_t index) const { return memory_.get()[index]; }

private:
    struct Free {
        void operator()(T* memory) const { free(memory); }
    };
    std::unique_ptr<T, Free> memory_;
};

size_t whole_vectors(size_t count) { return (count + MOST_LANES - 1) / MOST_LANES * MOST_LANES; }

struct Linear {
    int inputs = 0, outputs = 0;  // outputs: whole vectors, the last ones zero
    Array<int8_t> weight;
    Array<float> scale, bias;
    Array<int32_t> bias_sum;  // what the inputs' BIAS adds to each sum

    void shape(int in, int out) {
        inputs = in;
        outputs = (int)whole_vectors(out);
        weight = Array<int8_t>((size_t)in * outputs);
        scale = Array<float>(outputs);
        bias = Array<float>(outputs);
        bias_sum = Array<int32_t>(outputs);
    }
};

struct Quantised {
    uint8_t* values;  // T, inputs
    float* scales;    // T
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

inline uint16_t to_bf16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// One instruction set's inner loops.
struct Loops {
    int lanes;
    void (*layer_norm)(const float* x, const float* weight, const float* bias, int width, float* y);
    float (*quantise)(const float* x, int width, uint8_t* q);
    void (*pack)(const Linear&, const float* weight, const float* bias, int outputs);
    void (*multiply)(const Linear&, const Quantised&, int rows, const Output&, int first, int last);
    void (*remember)(const Head&, const float* key, const float* value, int position);
    void (*attend)(const Head& shared, int num_shared, const Head& own, int num_own, int rows, const float* query,
                   size_t query_stride, float* mixed, size_t mixed_stride, float* scratch, size_t stride);
};

#if defined(__x86_64__)
#define ISA avx512
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")))
#define LANES 16
#define BIAS 128
#define TILE 8
#define DOT4(s, w, x) (Int) _mm512_dpbusd_epi32((__m512i)(s), _mm512_set1_epi32(x), (__m512i)(w))
#include "inner_loops.h"

#define ISA avx2
#define TARGET __attribute__((target("avx2,fma")))
#define LANES 8
#define BIAS 0
#define TILE 4
// Products of two neighbours fit 16 bits, because neither int8 is ever -128.
#define DOT4(s, w, x)                                                                                             \
    (s) + (Int)_mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_abs_epi8(_mm256_set1_epi32(x)),                      \
                                                      _mm256_sign_epi8((__m256i)(w), _mm256_set1_epi32(x))),      \
                                 _mm256_set1_epi16(1))
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
#define DOT4(s, w, x) (Int) vdotq_s32((int32x4_t)(s), (int8x16_t)(w), vreinterpretq_s8_s32(vdupq_n_s32(x)))
#include "inner_loops.h"
#endif

// For every other processor; in the shape of the widest one, so that tests of this one hold for that one.
#define ISA scalar
#define TARGET
#define LANES 16
#define BIAS 128
#define TILE 8
#define DOT4(s, w, x) add_products(s, w, x)
#include "inner_loops.h"

struct Isa {
    const char* name;
    const Loops* loops;
    bool present;
};

// Best first.
std::vector<Isa> instruction_sets() {
    std::vector<Isa> all;
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    all.push_back({"avx512", &avx512::loops, avx2 && wide && __builtin_cpu_supports("avx512vnni")});
    all.push_back({"avx2", &avx2::loops, avx2});
#elif defined(__aarch64__) && defined(__linux__)
    all.push_back({"neon", &neon::loops, (getauxval(AT_HWCAP) & 1 << 20) != 0});  // HWCAP_ASIMDDP
#elif defined(__aarch64__)
    all.push_back({"neon", &neon::loops, true});
#endif
    all.push_back({"scalar", &scalar::loops, true});
    all.erase(std::remove_if(all.begin(), all.end(), [](const Isa& isa) { return !isa.present; }), all.end());
    return all;
}

// Threads that work on one thing together and meet at barriers. They yield, so that a busy machine loses little.
class Team {
public:
    explicit Team(int size) : size_(size) {
        for (int member = 1; member < size; ++member) threads_.emplace_back([this, member] { serve(member); });
    }
    ~Team() {
        {
            std::lock_guard<std::mutex> lock(mutex_);
            stopping_ = true;
        }
        wake_.notify_all();
        for (std::thread& thread : threads_) thread.join();
    }
    int size() const { return size_; }

    // Runs `work` as members 0 to `members` - 1; returns the share of the time that member 0 waited for others.
    double run(int members, const std::function<void(int)>& work) {
        const auto start = Clock::now();
        waited_ = {};
        members_ = members;
        arrived_.store(0);
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
        int seen = 0;
        while (true) {
            for (int spins = 0; turn_.load(std::memory_order_acquire) == seen && spins < 4000; ++spins) relax(spins);
            if (turn_.load(std::memory_order_acquire) == seen) {
                std::unique_lock<std::mutex> lock(mutex_);
                wake_.wait(lock, [&] { return stopping_ || turn_.load() != seen; });
                if (stopping_) return;
            }
            seen = turn_.load(std::memory_order_acquire);
            (*work_)(member);
            meet(member);
        }
    }

    const int size_;
    int members_ = 1;
    std::vector<std::thread> threads_;
    const std::function<void(int)>* work_ = nullptr;
    std::atomic<int> turn_{0}, round_{0}, arrived_{0};
    Clock::duration waited_{};
    std::mutex mutex_;
    std::condition_variable wake_;
    bool stopping_ = false;
};

struct Cache {
    Cache(int layers, int heads, int width, int positions)
        : heads(heads), width(width), positions((int)whole_vectors(positions)), memory((size_t)layers * heads * 2 * this->positions * width) {}

    Head head(int layer, int head) const {
        uint16_t* keys = memory.get() + ((size_t)layer * heads + head) * 2 * positions * width;
        return {keys, keys + (size_t)positions * width, width};
    }

    const int heads, width, positions;
    const Array<uint16_t> memory;
};

}  // namespace

// New tokens of one sequence: behind `num_own` positions of its own cache, which stand behind the first `num_shared` of
// another's. Logits are wanted after the last `num_logits` of them.
struct Span {
    Cache *own, *shared;
    int32_t num_shared, num_own, num_new, num_logits;
};

struct Shape {
    int32_t layers, heads, width, context, vocabulary;
};

struct Model {
    Model(const Shape& shape, int threads, const Loops* loops)
        : shape(shape), loops(*loops), team(threads), layers(shape.layers), stride(whole_vectors(shape.context) + 2 * MOST_LANES),
          scratch((size_t)threads * 4 * stride) {
        const int width = shape.width;
        for (Layer& layer : layers) {
            layer.attend.shape(width, 3 * width);
            layer.project.shape(width, width);
            layer.expand.shape(width, 4 * width);
            layer.contract.shape(4 * width, width);
        }
        head.shape(width, shape.vocabulary);
    }

    struct Norm {
        Array<float> weight, bias;
    };
    struct Layer {
        Norm before_attention, before_mlp;
        Linear attend, project, expand, contract;
    };

    const Shape shape;
    const Loops& loops;
    Team team;
    std::vector<Layer> layers;
    Array<float> tokens, positions;  // embeddings
    Norm last_norm;
    Linear head;
    const size_t stride;
    Array<float> scratch;  // attention scores of four queries for each thread
    int rows_held = 0;
    Array<float> stream, normed, heads_in, mixed, hidden;  // T rows each
    Array<uint8_t> quantised;
    Array<float> scales;
    double waiting = 0;  // smoothed share of the time that threads wait for each other
    int alone_for = 0;   // passes to run on one thread, because waits have grown
    // of the pass that is running
    const Span* spans = nullptr;
    int num_spans = 0, num_rows = 0;
    const int32_t* ids = nullptr;
    std::vector<int> positions_of, kept;  // each row's position; the rows whose logits are wanted
    float* logits = nullptr;

    void make_room(int rows) {
        if (rows <= rows_held) return;
        const size_t width = shape.width;
        stream = Array<float>(rows * width);
        normed = Array<float>(rows * 4 * width);
        heads_in = Array<float>(rows * 3 * width);
        mixed = Array<float>(rows * width);
        hidden = Array<float>(rows * 4 * width);
        quantised = Array<uint8_t>(rows * 4 * width);
        scales = Array<float>(rows);
        rows_held = rows;
    }

    void forward() {
        positions_of.clear();
        kept.clear();
        for (int s = 0; s < num_spans; ++s)
            for (int i = 0; i < spans[s].num_new; ++i) {
                if (i >= spans[s].num_new - spans[s].num_logits) kept.push_back((int)positions_of.size());
                positions_of.push_back(spans[s].num_shared + spans[s].num_own + i);
            }
        num_rows = (int)positions_of.size();
        make_room(num_rows);
        const bool small = num_rows <= DRAFT_ROWS;
        const int members = small && alone_for > 0 ? 1 : team.size();
        alone_for -= alone_for > 0;
        const double waited = team.run(members, [&](int member) { run(member, members); });
        if (!small || members == 1) return;
        waiting = 0.8 * waiting + 0.2 * waited;
        if (waiting > 0.5) {
            alone_for = 64;
            waiting = 0;
        }
    }

    void run(int member, int members) {
        const Part rows(num_rows, member, members);
        for (int row = rows.first; row < rows.last; ++row) embed(row);
        int count = num_rows;
        for (int layer = 0; layer < shape.layers; ++layer) {
            const Layer& weights = layers[layer];
            normalise_and_quantise(weights.before_attention, Part(count, member, members));
            team.meet(member);
            multiply(weights.attend, count, {heads_in.get(), 3 * shape.width, Finish::set}, member, members);
            team.meet(member);
            const bool last = layer == shape.layers - 1;
            attention(layer, last, member, members);
            team.meet(member);
            if (last) {
                if (member == 0) drop_rows();
                count = (int)kept.size();
                if (count == 0) return;
                team.meet(member);
            }
            quantise(mixed.get(), shape.width, Part(count, member, members));
            team.meet(member);
            multiply(weights.project, count, {stream.get(), shape.width, Finish::add}, member, members);
            team.meet(member);
            normalise_and_quantise(weights.before_mlp, Part(count, member, members));
            team.meet(member);
            multiply(weights.expand, count, {hidden.get(), 4 * shape.width, Finish::gelu}, member, members);
            team.meet(member);
            quantise(hidden.get(), 4 * shape.width, Part(count, member, members));
            team.meet(member);
            multiply(weights.contract, count, {stream.get(), shape.width, Finish::add}, member, members);
            team.meet(member);
        }
        normalise_and_quantise(last_norm, Part(count, member, members));
        team.meet(member);
        multiply(head, count, {logits, head.outputs, Finish::set}, member, members);
    }

private:
    // One member's share of `count` things.
    struct Part {
        Part(int count, int member, int members)
            : first((int)((int64_t)count * member / members)), last((int)((int64_t)count * (member + 1) / members)) {}
        const int first, last;
    };

    void embed(int row) {
        const float* token = tokens.get() + (size_t)ids[row] * shape.width;
        const float* position = positions.get() + (size_t)positions_of[row] * shape.width;
        float* to = stream.get() + (size_t)row * shape.width;
        for (int i = 0; i < shape.width; ++i) to[i] = token[i] + position[i];
    }

    void normalise_and_quantise(const Norm& norm, const Part& rows) {
        for (int row = rows.first; row < rows.last; ++row)
            loops.layer_norm(&stream[(size_t)row * shape.width], norm.weight.get(), norm.bias.get(), shape.width,
                             &normed[(size_t)row * shape.width]);
        quantise(normed.get(), shape.width, rows);
    }

    void quantise(const float* values, int width, const Part& rows) {
        for (int row = rows.first; row < rows.last; ++row)
            scales[row] = loops.quantise(values + (size_t)row * width, width, &quantised[(size_t)row * width]);
    }

    void multiply(const Linear& linear, int rows, const Output& output, int member, int members) {
        const Part panels(linear.outputs / loops.lanes, member, members);
        loops.multiply(linear, {quantised.get(), scales.get()}, rows, output, panels.first, panels.last);
    }

    // A member's heads: stores new keys and values, then mixes. The last layer mixes only for rows that are kept.
    void attention(int layer, bool last, int member, int members) {
        const int width = shape.width, head_width = width / shape.heads;
        const Part heads(shape.heads, member, members);
        for (int h = heads.first; h < heads.last; ++h) {
            int row = 0;
            for (int s = 0; s < num_spans; row += spans[s++].num_new) {
                const Span& span = spans[s];
                const Head own = span.own->head(layer, h), shared = span.shared ? span.shared->head(layer, h) : own;
                const float* query = &heads_in[(size_t)row * 3 * width + h * head_width];
                for (int i = 0; i < span.num_new; ++i)
                    loops.remember(own, query + (size_t)i * 3 * width + width, query + (size_t)i * 3 * width + 2 * width,
                                   span.num_own + i);
                const int skipped = last ? span.num_new - span.num_logits : 0;
                loops.attend(shared, span.num_shared, own, span.num_own + skipped + 1, span.num_new - skipped,
                             query + (size_t)skipped * 3 * width, 3 * width, &mixed[(size_t)(row + skipped) * width + h * head_width],
                             width, &scratch[(size_t)member * 4 * stride], stride);
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

Array<float> copy(const float* values, size_t count) {
    Array<float> copied(count);
    memcpy(copied.get(), values, count * sizeof(float));
    return copied;
}

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
        model->tokens = copy(tokens, shape.vocabulary * width);
        model->positions = copy(positions, shape.context * width);
        model->last_norm.weight = copy(norm_weight, width);
        model->last_norm.bias = copy(norm_bias, width);
        model->loops.pack(model->head, tokens, nullptr, shape.vocabulary);
        return 1;
    });
}
EXPORT int parrotlet_set_layer(Model* model, int index, const float* const* norms, const float* const* linears) {
    return guarded([&] {
        Model::Layer& layer = model->layers[index];
        const size_t width = model->shape.width;
        Array<float>* const vectors[] = {&layer.before_attention.weight, &layer.before_attention.bias,
                                         &layer.before_mlp.weight, &layer.before_mlp.bias};
        for (int i = 0; i < 4; ++i) *vectors[i] = copy(norms[i], width);
        const Linear* const matrices[] = {&layer.attend, &layer.project, &layer.expand, &layer.contract};
        for (int i = 0; i < 4; ++i)
            model->loops.pack(*matrices[i], linears[2 * i], linears[2 * i + 1], matrices[i]->outputs);
        return 1;
    });
}

EXPORT Cache* parrotlet_new_cache(const Model* model, int positions) {
    const Shape& shape = model->shape;
    return guarded([&] { return new Cache(shape.layers, shape.heads, shape.width / shape.heads, positions); });
}
EXPORT void parrotlet_free_cache(Cache* cache) { delete cache; }

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

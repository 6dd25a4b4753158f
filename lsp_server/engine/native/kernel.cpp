// GPT-2 on a CPU with int8 weights: the fast twin of engine/torch_backend.py. No Python, no dependencies.
//
// Weights are int8 with a scale for each output, inputs int8 with a scale for each row, sums int32; everything else is
// fp32, and keys and values are kept as bf16. This file holds the network and the C interface; loops.h says what the
// inner loops do, inner_loops.h does it, instruction_sets.h chooses between its copies, team.h runs threads.
//
// Shapes: T rows (new tokens of all spans), C width, D head width, S cached positions, V vocabulary.

#include "instruction_sets.h"
#include "team.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

#if defined(_WIN32)
#define EXPORT extern "C" __declspec(dllexport)
EXPORT void* PyInit__kernel() { return nullptr; }  // what Python's build asks of a library; ctypes loads this one
#else
#define EXPORT extern "C" __attribute__((visibility("default")))
#endif

namespace {

const int POSITIONS = 8 * MOST_LANES;  // a cache's size is a multiple of the largest block of keys
const int DRAFT_ROWS = 16;             // up to here a pass is bound by memory and may do with fewer threads
const size_t HUGE_PAGE = 2 << 20;

}  // namespace

struct Shape {
    int32_t layers, heads, width, context, vocabulary;
};

struct Cache {
    Cache(const Shape& shape, int positions)
        : heads(shape.heads), width(shape.width / heads), positions(round_up(positions, POSITIONS)),
          size((size_t)shape.layers * heads * 2 * this->positions * width), memory(make_array<uint16_t>(size)) {}

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
          scores(make_array<float>((size_t)threads * 4 * score_stride)) {
        size_t size = head.num_weights();
        for (Layer& layer : layers)
            for (Linear* linear : layer.linears()) size += linear->num_weights();
        weights = make_array<int8_t>(size, HUGE_PAGE);
#if defined(__linux__)
        madvise(weights.get(), size, MADV_HUGEPAGE);  // a pass reads all: 48 MB at 28 GB/s and not 21 (Zen 3)
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
    int alone_span = 64;
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
        // Two threads break even with one at 0.5. Quiet it is 0.1 to 0.3, beside a process that burns one of two cores
        // 0.4 to 0.6. There the embedded model takes 0.37 ms a token, and 0.34 on one thread; with a limit of 0.5 and
        // spans that do not grow it was 0.79, and every 20th token took 4 (Zen 3, 2 cores).
        waiting = 0.8 * waiting + 0.2 * waited;
        if (waiting < 0.25) alone_span = 64;
        if (waiting < 0.4) return;
        alone_for = alone_span;
        alone_span = std::min(2 * alone_span, 256);
        waiting = 0.3;  // a few more bad passes, or good ones, decide the next time
    }

private:
    void make_room(int rows) {
        if (rows <= rows_held) return;
        rows_held = 0;
        const size_t width = shape.width;
        stream = make_array<float>(rows * width);
        normed = make_array<float>(rows * width);
        heads_in = make_array<float>(rows * 3 * width);
        mixed = make_array<float>(rows * width);
        hidden = make_array<float>(rows * 4 * width);
        scales = make_array<float>(rows);
        starts = make_array<int32_t>(rows);
        quantised = make_array<uint8_t>(rows * 4 * width * 2);
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
        // members quantise their share of the rows, and multiply for their share of the outputs
        const auto multiply = [&](const Linear& linear, const Array<float>& values, const Output& output) {
            const Range share(rows, member, members);
            const Quantised to = {quantised.get(), scales.get(), starts.get()};
            for (int row = share.first; row < share.last; ++row)
                loops.quantise(&values[(size_t)row * linear.inputs], linear.inputs, row, rows, to);
            team.meet(member);
            loops.multiply(linear, to, rows, output, Range(linear.num_panels(loops.lanes), member, members));
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
    return guarded([] {
        static const std::string names = [] {
            std::string joined;
            for (const Isa& isa : instruction_sets()) joined += (joined.empty() ? "" : ",") + isa.name;
            return joined;
        }();
        return names.c_str();
    });
}

// A model without weights, or null: no memory, or an instruction set that does not run here.
EXPORT Model* parrotlet_new_model(const Shape* shape, int threads, const char* isa_name) {
    return guarded([&]() -> Model* {
        for (const Isa& isa : instruction_sets())
            if (!isa_name[0] || isa.name == isa_name) return new Model(*shape, threads, isa.loops);
        return nullptr;
    });
}
EXPORT void parrotlet_free_model(Model* model) { delete model; }

// Weights in fp32: embeddings V C and context C, and the last norm; a layer's norms and linears, [outputs][inputs].
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
        const int width = model->shape.width, outputs[] = {3 * width, width, 4 * width, width};
        const std::vector<Linear*> matrices = layer.linears();
        for (int i = 0; i < 4; ++i) {
            vectors[i]->assign(norms[i], norms[i] + width);
            model->loops.pack(*matrices[i], linears[2 * i], linears[2 * i + 1], outputs[i]);
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

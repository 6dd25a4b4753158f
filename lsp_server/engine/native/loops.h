// What the inner loops are given and what they do: the seam between the network and the instruction sets.
//
// Shapes: T rows (new tokens of all spans), C width, D head width, S cached positions.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

namespace {

const int MOST_LANES = 16;  // sizes are multiples of the widest vector, whichever is used

inline size_t round_up(size_t count, size_t multiple) { return (count + multiple - 1) / multiple * multiple; }

struct Free {
    std::align_val_t alignment;
    void operator()(void* memory) const { operator delete(memory, alignment); }
};
// Memory that is not zeroed, so that what is never used costs nothing.
template <class T> using Array = std::unique_ptr<T[], Free>;
template <class T> Array<T> make_array(size_t count, size_t alignment = 64) {
    const auto align = static_cast<std::align_val_t>(alignment);
    return Array<T>(static_cast<T*>(operator new(count * sizeof(T), align)), Free{align});
}

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
    int num_panels(int lanes) const { return (outputs + 2 * lanes - 1) / (2 * lanes); }

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

}  // namespace

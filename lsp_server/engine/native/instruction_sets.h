// The inner loops' copies, one for each instruction set, and which of them run here.

#pragma once

#include "loops.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#if defined(__linux__)
#include <sys/auxv.h>
#endif
#endif

namespace {

#if defined(__x86_64__)
#define ISA avx512
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")))
#define LANES 16
#define BIAS 128
#define STEP 4
#define DOT4(s, w, x) (Int) _mm512_dpbusd_epi32((__m512i)(s), _mm512_set1_epi32(load<int32_t>(x)), (__m512i)(w))
#include "inner_loops.h"

#if defined(__clang__) ? __clang_major__ >= 12 : __GNUC__ >= 11
#define ISA avxvnni
#define TARGET __attribute__((target("avxvnni,avx2,fma")))
#define LANES 8
#define BIAS 128
#define STEP 4
#define DOT4(s, w, x) (Int) _mm256_dpbusd_avx_epi32((__m256i)(s), _mm256_set1_epi32(load<int32_t>(x)), (__m256i)(w))
#include "inner_loops.h"
#define HAVE_AVXVNNI
#endif

#define ISA avx2
#define TARGET __attribute__((target("avx2,fma")))
#define LANES 8
#define BIAS 0
#define STEP 8
// w x is |x| w, and for a negative x it is |x| (~w) + |x|: a sum starts with all those |x|, and the loop needs no sign.
// Products of two neighbours fit 16 bits, because no |x| is above 127.
#define DOT4(s, w, x)                                                                                               \
    (s) + (Int)_mm256_madd_epi16(                                                                                   \
        _mm256_maddubs_epi16(_mm256_set1_epi32(load<int32_t>(x)),                                                   \
                             _mm256_xor_si256((__m256i)(w), _mm256_set1_epi32(load<int32_t>((x) + 4)))),            \
        _mm256_set1_epi16(1))
#include "inner_loops.h"
#elif defined(__aarch64__) && (defined(__ARM_FEATURE_DOTPROD) || !defined(__clang__) || __clang_major__ >= 16)
#define ISA neon
#if defined(__ARM_FEATURE_DOTPROD)
#define TARGET
#else
#define TARGET __attribute__((target("arch=armv8.2-a+dotprod")))  // which clang knows from 16 on
#endif
#define LANES 4
#define BIAS 0
#define STEP 4
#define DOT4(s, w, x) \
    (Int) vdotq_s32((int32x4_t)(s), (int8x16_t)(w), vreinterpretq_s8_s32(vdupq_n_s32(load<int32_t>(x))))
#include "inner_loops.h"
#define HAVE_NEON
#endif

// For every other processor; in the shape of the widest one, so that tests of this one hold for that one.
#define ISA scalar
#define TARGET
#define LANES 16
#define BIAS 128
#define STEP 4
#define DOT4(s, w, x) add_products(s, w, x)
#include "inner_loops.h"

// Whether a product of whole numbers comes out exactly: sets that few machines have were never seen by a test.
bool multiplies_exactly(const Loops& loops) {
    const int inputs = 128, outputs = 48, rows = 11;
    std::vector<float> x(rows * inputs), weight(outputs * inputs), y(rows * outputs), scales(rows);
    std::vector<uint8_t> quantised(2 * x.size());
    std::vector<int32_t> starts(rows);
    uint32_t state = 1;
    for (std::vector<float>* numbers : {&x, &weight})
        for (size_t i = 0; i < numbers->size(); ++i) {
            state = state * 1664525 + 1013904223;
            (*numbers)[i] = i % inputs ? (float)(state >> 16 & 0xff) * 0.996f - 127 : 127;  // 127, so that scales are 1
            (*numbers)[i] = std::rint((*numbers)[i]);
        }
    Linear linear(inputs, outputs);
    const Array<int8_t> memory = make_array<int8_t>(linear.num_weights());
    linear.weight = memory.get();
    loops.pack(linear, weight.data(), nullptr, outputs);
    const Quantised to = {quantised.data(), scales.data(), starts.data()};
    for (int row = 0; row < rows; ++row) loops.quantise(&x[row * inputs], inputs, row, rows, to);
    loops.multiply(linear, to, rows, {y.data(), outputs, Finish::set}, Range(linear.num_panels(loops.lanes), 0, 1));
    for (int i = 0; i < rows * outputs; ++i) {
        float sum = 0;
        for (int k = 0; k < inputs; ++k) sum += x[i / outputs * inputs + k] * weight[i % outputs * inputs + k];
        if (sum != y[i]) return false;
    }
    return true;
}

struct Isa {
    std::string name;
    const Loops* loops;
};

// Those that run here, best first.
const std::vector<Isa>& instruction_sets() {
    static const std::vector<Isa> found = [] {
        std::vector<Isa> sets;
        const auto offer = [&](const char* name, const Loops& loops, bool present) {
            if (present && multiplies_exactly(loops)) sets.push_back({name, &loops});
        };
#if defined(__x86_64__)
        __builtin_cpu_init();
        const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
        const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
        offer("avx512", avx512::loops, avx2 && wide && __builtin_cpu_supports("avx512vnni"));
#if defined(HAVE_AVXVNNI)
        unsigned a = 0, b, c, d;  // asked of the processor, because not every compiler that has it knows the name
        offer("avxvnni", avxvnni::loops, avx2 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && a >> 4 & 1);
#endif
        offer("avx2", avx2::loops, avx2);
#elif defined(HAVE_NEON) && defined(__linux__)
        offer("neon", neon::loops, getauxval(AT_HWCAP) & 1 << 20);  // HWCAP_ASIMDDP
#elif defined(HAVE_NEON)
        offer("neon", neon::loops, true);
#endif
        offer("scalar", scalar::loops, true);
        return sets;
    }();
    return found;
}

}  // namespace

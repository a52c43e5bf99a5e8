#include <immintrin.h>

#include "peaks.hpp"

// Empty assembly keeps the repetitions apart, and the results needed.

void run_madd52(std::size_t num_rounds) {
    __m512i acc[kMaddsPerRound];
    const __m512i factor = _mm512_set1_epi64(0xfedcba9876543);
#pragma GCC unroll 20
    for (__m512i& chain : acc) chain = factor;
    for (std::size_t round = 0; round < num_rounds; ++round) {
#pragma GCC unroll 20
        for (__m512i& chain : acc) chain = _mm512_madd52lo_epu64(chain, factor, factor);
#pragma GCC unroll 20
        for (__m512i& chain : acc) __asm__ volatile("" : "+v"(chain));
    }
}

void run_aes_rounds(std::size_t num_steps) {
    __m512i x[kAesRoundsPerStep] = {};
    const __m512i key = _mm512_set1_epi64(0xfedcba9876543);
    for (std::size_t step = 0; step < num_steps; ++step) {
#pragma GCC unroll 8
        for (__m512i& chain : x) __asm__ volatile("" : "+v"(chain));
#pragma GCC unroll 8
        for (__m512i& chain : x) chain = _mm512_aesenc_epi128(chain, key);
    }
#pragma GCC unroll 8
    for (__m512i& chain : x) __asm__ volatile("" : "+v"(chain));
}

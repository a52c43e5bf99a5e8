#include "madd52.hpp"

#include <immintrin.h>

void run_madd52(std::size_t num_rounds) {
    __m512i acc[kMaddsPerRound];
    const __m512i factor = _mm512_set1_epi64(0xfedcba9876543);
#pragma GCC unroll 20
    for (__m512i& chain : acc) chain = factor;
    for (std::size_t round = 0; round < num_rounds; ++round) {
#pragma GCC unroll 20
        for (__m512i& chain : acc) chain = _mm512_madd52lo_epu64(chain, factor, factor);
        // Keeps the rounds apart, and the results needed.
#pragma GCC unroll 20
        for (__m512i& chain : acc) __asm__ volatile("" : "+v"(chain));
    }
}

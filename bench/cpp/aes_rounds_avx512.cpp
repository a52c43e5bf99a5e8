#include <immintrin.h>

#include "aes_rounds.hpp"

void run_aes_rounds(std::size_t num_steps) {
    __m512i x[kAesRoundsPerStep] = {};
    const __m512i key = _mm512_set1_epi64(0xfedcba9876543);
    for (std::size_t step = 0; step < num_steps; ++step) {
        // Keeps the steps apart, and the results needed.
#pragma GCC unroll 8
        for (__m512i& chain : x) __asm__ volatile("" : "+v"(chain));
#pragma GCC unroll 8
        for (__m512i& chain : x) chain = _mm512_aesenc_epi128(chain, key);
    }
#pragma GCC unroll 8
    for (__m512i& chain : x) __asm__ volatile("" : "+v"(chain));
}

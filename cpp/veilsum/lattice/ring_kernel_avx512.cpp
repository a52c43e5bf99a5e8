// The lattice kernel for AVX-512: eight lanes.

#include <immintrin.h>

#include "veilsum/lattice/ring_algorithm.hpp"

namespace veilsum {
namespace {

struct Avx512Lanes {
    static constexpr std::size_t kLanes = 8;
    using Floats = __m512d;
    using Words = __m512i;

    static Floats load(const double* from) { return _mm512_loadu_pd(from); }
    static void store(double* out, Floats x) { _mm512_storeu_pd(out, x); }
    static Words load_words(const std::byte* from) { return _mm512_loadu_si512(from); }
    static void store_words(std::byte* out, Words x) { _mm512_storeu_si512(out, x); }
    static Floats load_errors(const std::int32_t* from) {
        return _mm512_cvtepi32_pd(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
    }
    static Floats broadcast(double x) { return _mm512_set1_pd(x); }
    static Words broadcast(std::uint64_t x) { return _mm512_set1_epi64(static_cast<long long>(x)); }

    static Floats add(Floats a, Floats b) { return _mm512_add_pd(a, b); }
    static Floats subtract(Floats a, Floats b) { return _mm512_sub_pd(a, b); }
    static Floats add_rounded(Floats a, Floats b) { return add(a, b); }
    static Floats subtract_rounded(Floats a, Floats b) { return subtract(a, b); }
    static Floats multiply(Floats a, Floats b) { return _mm512_mul_pd(a, b); }
    static Floats multiply_add(Floats a, Floats b, Floats c) { return _mm512_fmadd_pd(a, b, c); }
    static Floats multiply_subtract(Floats a, Floats b, Floats c) {
        return _mm512_fmsub_pd(a, b, c);
    }
    static Floats subtract_product(Floats a, Floats b, Floats c) {
        return _mm512_fnmadd_pd(b, c, a);
    }
    static Floats if_negative(Floats x, Floats y) {
        return _mm512_maskz_mov_pd(_mm512_cmp_pd_mask(x, _mm512_setzero_pd(), _CMP_LT_OQ), y);
    }
    static Words to_words(Floats x) { return _mm512_castpd_si512(x); }
    static Floats to_floats(Words x) { return _mm512_castsi512_pd(x); }

    static Words add(Words a, Words b) { return _mm512_add_epi64(a, b); }
    static Words subtract(Words a, Words b) { return _mm512_sub_epi64(a, b); }
    static Words bit_and(Words a, Words b) { return _mm512_and_si512(a, b); }
    static Words bit_or(Words a, Words b) { return _mm512_or_si512(a, b); }
    static Words shift_left(Words x, unsigned count) {
        return _mm512_sll_epi64(x, _mm_cvtsi32_si128(static_cast<int>(count)));
    }
    static Words shift_right(Words x, unsigned count) {
        return _mm512_srl_epi64(x, _mm_cvtsi32_si128(static_cast<int>(count)));
    }
    static bool has_top_bit(Words x) {
        return _mm512_cmplt_epi64_mask(x, _mm512_setzero_si512()) != 0;
    }

    static void transpose(Floats* v) {
        Floats pairs[8];
#pragma GCC unroll 4
        for (int i = 0; i < 8; i += 2) {
            pairs[i] = _mm512_unpacklo_pd(v[i], v[i + 1]);
            pairs[i + 1] = _mm512_unpackhi_pd(v[i], v[i + 1]);
        }
        // Quarters 0 and 2, or 1 and 3, of rows 4i to 4i + 3, each quarter a pair of columns.
        Floats even[4];
        Floats odd[4];
#pragma GCC unroll 2
        for (int i = 0; i < 2; ++i) {
#pragma GCC unroll 2
            for (int j = 0; j < 2; ++j) {
                const Floats& first = pairs[4 * i + j];
                const Floats& second = pairs[4 * i + j + 2];
                even[2 * i + j] = _mm512_shuffle_f64x2(first, second, 0x88);
                odd[2 * i + j] = _mm512_shuffle_f64x2(first, second, 0xdd);
            }
        }
#pragma GCC unroll 2
        for (int j = 0; j < 2; ++j) {
            v[j] = _mm512_shuffle_f64x2(even[j], even[j + 2], 0x88);
            v[j + 4] = _mm512_shuffle_f64x2(even[j], even[j + 2], 0xdd);
            v[j + 2] = _mm512_shuffle_f64x2(odd[j], odd[j + 2], 0x88);
            v[j + 6] = _mm512_shuffle_f64x2(odd[j], odd[j + 2], 0xdd);
        }
    }
};

}  // namespace

constinit const RingKernel kAvx512RingKernel = ring_kernel<Avx512Lanes>("avx512");

}  // namespace veilsum

// The lattice kernel for AVX2 and FMA: four lanes.

#include <immintrin.h>

#include "veilsum/lattice/ring_algorithm.hpp"

namespace veilsum {
namespace {

struct Avx2Lanes {
    static constexpr std::size_t kLanes = 4;
    using Floats = __m256d;
    using Words = __m256i;

    static Floats load(const double* from) { return _mm256_loadu_pd(from); }
    static void store(double* out, Floats x) { _mm256_storeu_pd(out, x); }
    static Words load_words(const std::byte* from) {
        return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    }
    static void store_words(std::byte* out, Words x) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), x);
    }
    static Floats load_errors(const std::int32_t* from) {
        return _mm256_cvtepi32_pd(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
    }
    static Floats broadcast(double x) { return _mm256_set1_pd(x); }
    static Words broadcast(std::uint64_t x) {
        return _mm256_set1_epi64x(static_cast<long long>(x));
    }

    static Floats add(Floats a, Floats b) { return _mm256_add_pd(a, b); }
    static Floats subtract(Floats a, Floats b) { return _mm256_sub_pd(a, b); }
    static Floats add_rounded(Floats a, Floats b) { return add(a, b); }
    static Floats subtract_rounded(Floats a, Floats b) { return subtract(a, b); }
    static Floats multiply(Floats a, Floats b) { return _mm256_mul_pd(a, b); }
    static Floats multiply_add(Floats a, Floats b, Floats c) { return _mm256_fmadd_pd(a, b, c); }
    static Floats multiply_subtract(Floats a, Floats b, Floats c) {
        return _mm256_fmsub_pd(a, b, c);
    }
    static Floats subtract_product(Floats a, Floats b, Floats c) {
        return _mm256_fnmadd_pd(b, c, a);
    }
    static Floats if_negative(Floats x, Floats y) {
        return _mm256_and_pd(_mm256_cmp_pd(x, _mm256_setzero_pd(), _CMP_LT_OQ), y);
    }
    static Words to_words(Floats x) { return _mm256_castpd_si256(x); }
    static Floats to_floats(Words x) { return _mm256_castsi256_pd(x); }

    static Words add(Words a, Words b) { return _mm256_add_epi64(a, b); }
    static Words subtract(Words a, Words b) { return _mm256_sub_epi64(a, b); }
    static Words bit_and(Words a, Words b) { return _mm256_and_si256(a, b); }
    static Words bit_or(Words a, Words b) { return _mm256_or_si256(a, b); }
    static Words shift_left(Words x, unsigned count) {
        return _mm256_sll_epi64(x, _mm_cvtsi32_si128(static_cast<int>(count)));
    }
    static Words shift_right(Words x, unsigned count) {
        return _mm256_srl_epi64(x, _mm_cvtsi32_si128(static_cast<int>(count)));
    }
    static bool has_top_bit(Words x) { return _mm256_movemask_pd(to_floats(x)) != 0; }

    static void transpose(Floats* v) {
        const Floats a = _mm256_unpacklo_pd(v[0], v[1]);
        const Floats b = _mm256_unpackhi_pd(v[0], v[1]);
        const Floats c = _mm256_unpacklo_pd(v[2], v[3]);
        const Floats d = _mm256_unpackhi_pd(v[2], v[3]);
        v[0] = _mm256_permute2f128_pd(a, c, 0x20);
        v[1] = _mm256_permute2f128_pd(b, d, 0x20);
        v[2] = _mm256_permute2f128_pd(a, c, 0x31);
        v[3] = _mm256_permute2f128_pd(b, d, 0x31);
    }
};

}  // namespace

constinit const RingKernel kAvx2RingKernel = ring_kernel<Avx2Lanes>("avx2");

}  // namespace veilsum

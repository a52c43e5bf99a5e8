// The strip kernel for AVX-512: sixteen lanes, tables in registers.

#include <immintrin.h>

#include "veilsum/noise/strip_algorithm.hpp"

namespace veilsum {
namespace {

struct Avx512Lanes {
    static constexpr std::size_t kLanes = 16;
    using Words = __m512i;
    using Floats = __m512;
    using Mask = __mmask16;

    struct WordTable {
        explicit WordTable(const std::uint32_t* entries) {
            for (int i = 0; i < 4; ++i) quarter[i] = _mm512_load_si512(entries + 16 * i);
        }
        __m512i quarter[4];
    };
    struct FloatTable {
        explicit FloatTable(const float* entries) {
            for (int i = 0; i < 4; ++i) quarter[i] = _mm512_load_ps(entries + 16 * i);
        }
        __m512 quarter[4];
    };

    static Words load(const std::uint32_t* words) { return _mm512_loadu_si512(words); }
    static void store(std::uint32_t* out, Words x) { _mm512_storeu_si512(out, x); }
    static void store(float* out, Floats x) { _mm512_storeu_ps(out, x); }
    static Words broadcast(std::uint32_t x) { return _mm512_set1_epi32(static_cast<int>(x)); }
    static Floats broadcast(float x) { return _mm512_set1_ps(x); }

    static Words bit_and(Words a, Words b) { return _mm512_and_si512(a, b); }
    static Words bit_or(Words a, Words b) { return _mm512_or_si512(a, b); }
    static Words subtract(Words a, Words b) { return _mm512_sub_epi32(a, b); }
    template <unsigned kCount>
    static Words shift_left(Words x) {
        return _mm512_slli_epi32(x, kCount);
    }
    template <unsigned kCount>
    static Words shift_right(Words x) {
        return _mm512_srli_epi32(x, kCount);
    }
    /// By a count of any size: 0 from 32 on.
    static Words shift_left(Words x, unsigned count) {
        return _mm512_sllv_epi32(x, broadcast(count));
    }
    static Words shift_right(Words x, unsigned count) {
        return _mm512_srlv_epi32(x, broadcast(count));
    }

    static Floats to_float(Words x) { return _mm512_cvtepi32_ps(x); }
    static Words to_words(Floats x) { return _mm512_castps_si512(x); }
    static Floats to_floats(Words x) { return _mm512_castsi512_ps(x); }
    static Floats add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
    static Floats subtract(Floats a, Floats b) { return _mm512_sub_ps(a, b); }
    static Floats multiply(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
    static Floats multiply_add(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }

    /// By the low 6 bits of each index.
    static Words look_up(const WordTable& table, Words index) {
        return _mm512_mask_blend_epi32(
            has_bit5(index), _mm512_permutex2var_epi32(table.quarter[0], index, table.quarter[1]),
            _mm512_permutex2var_epi32(table.quarter[2], index, table.quarter[3]));
    }
    static Floats look_up(const FloatTable& table, Words index) {
        return _mm512_mask_blend_ps(
            has_bit5(index), _mm512_permutex2var_ps(table.quarter[0], index, table.quarter[1]),
            _mm512_permutex2var_ps(table.quarter[2], index, table.quarter[3]));
    }

    /// Requires a != b.
    static Mask is_below(Words a, Words b) { return _mm512_cmplt_epu32_mask(a, b); }
    static Mask is_at_least(Floats a, Floats b) { return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ); }
    static Mask is_zero(Words x) { return _mm512_testn_epi32_mask(x, x); }
    static Mask has_bit6(Words x) { return _mm512_test_epi32_mask(x, broadcast(64u)); }
    static Mask both(Mask a, Mask b) { return static_cast<Mask>(a & b); }
    static Mask either(Mask a, Mask b) { return static_cast<Mask>(a | b); }
    /// b without a.
    static Mask and_not(Mask a, Mask b) { return static_cast<Mask>(b & ~a); }
    static bool all(Mask mask) { return mask == 0xffff; }
    static unsigned to_bits(Mask mask) { return mask; }
    static Mask from_bits(unsigned bits) { return static_cast<Mask>(bits); }
    static Words select(Mask mask, Words yes, Words no) {
        return _mm512_mask_blend_epi32(mask, no, yes);
    }
    static Words negate(Mask mask, Words x) {
        return _mm512_mask_sub_epi32(x, mask, _mm512_setzero_si512(), x);
    }

    template <Sink kSink>
    static std::size_t write(std::int32_t* out, Mask accepted, Words z) {
        _mm512_storeu_si512(out, _mm512_maskz_compress_epi32(accepted, z));
        return count(accepted);
    }
    template <Sink kSink>
    static std::size_t write(std::int64_t* out, Mask accepted, Words z) {
        const __m512i samples = _mm512_maskz_compress_epi32(accepted, z);
        put<kSink>(out, _mm512_cvtepi32_epi64(_mm512_castsi512_si256(samples)));
        put<kSink>(out + 8, _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(samples, 1)));
        return count(accepted);
    }
    template <Sink kSink>
    static std::size_t write_wide(std::int64_t* out, Mask accepted, Mask is_minus, Words low,
                                  Words high) {
        const __m512i first =
            _mm512_set_epi32(23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
        const __m512i second = _mm512_add_epi32(first, _mm512_set1_epi32(8));
        const auto some = [&](std::int64_t* at, __m512i z, unsigned from) {
            const auto minus = static_cast<__mmask8>(is_minus >> from);
            const auto chosen = static_cast<__mmask8>(accepted >> from);
            z = _mm512_mask_sub_epi64(z, minus, _mm512_setzero_si512(), z);
            put<kSink>(at, _mm512_maskz_compress_epi64(chosen, z));
            return count(chosen);
        };
        const std::size_t num_first = some(out, _mm512_permutex2var_epi32(low, first, high), 0);
        return num_first + some(out + num_first, _mm512_permutex2var_epi32(low, second, high), 8);
    }

private:
    static __mmask16 has_bit5(Words x) { return _mm512_test_epi32_mask(x, broadcast(32u)); }
    static std::size_t count(unsigned mask) {
        return static_cast<std::size_t>(__builtin_popcount(mask));
    }
    /// What lies beyond the samples is zero, so that adding leaves memory as it was.
    template <Sink kSink>
    static void put(std::int64_t* out, __m512i samples) {
        if constexpr (kSink == Sink::add64) {
            samples = _mm512_add_epi64(samples, _mm512_loadu_si512(out));
        }
        _mm512_storeu_si512(out, samples);
    }
};

}  // namespace

constinit const StripKernel kAvx512StripKernel = strip_kernel<Avx512Lanes>("avx512");

}  // namespace veilsum

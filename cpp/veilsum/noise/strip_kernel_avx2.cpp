// The strip kernel for AVX2 and FMA: eight lanes. Tables are read whole: a gather would go to
// secret addresses, and is slow where processors guard it.

#include <immintrin.h>

#include "veilsum/noise/strip_algorithm.hpp"

namespace veilsum {
namespace {

/// For each set of 8 lanes, where those in it come from, in order; then lane 0 again and again.
struct CompressTable {
    alignas(64) std::uint8_t lanes[256][8] = {};

    constexpr CompressTable() {
        for (unsigned set = 0; set < 256; ++set) {
            unsigned num_lanes = 0;
            for (unsigned lane = 0; lane < 8; ++lane) {
                if ((set >> lane & 1) != 0)
                    lanes[set][num_lanes++] = static_cast<std::uint8_t>(lane);
            }
        }
    }
};
constexpr CompressTable kCompress;

struct Avx2Lanes {
    static constexpr std::size_t kLanes = 8;
    using Words = __m256i;
    using Floats = __m256;
    using Mask = __m256i;

    using WordTable = MemoryTable<std::uint32_t>;
    using FloatTable = MemoryTable<float>;

    static Words load(const std::uint32_t* words) {
        return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(words));
    }
    static void store(std::uint32_t* out, Words x) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), x);
    }
    static void store(float* out, Floats x) { _mm256_storeu_ps(out, x); }
    static Words broadcast(std::uint32_t x) { return _mm256_set1_epi32(static_cast<int>(x)); }
    static Floats broadcast(float x) { return _mm256_set1_ps(x); }

    static Words bit_and(Words a, Words b) { return _mm256_and_si256(a, b); }
    static Words bit_or(Words a, Words b) { return _mm256_or_si256(a, b); }
    static Words subtract(Words a, Words b) { return _mm256_sub_epi32(a, b); }
    template <unsigned kCount>
    static Words shift_left(Words x) {
        return _mm256_slli_epi32(x, kCount);
    }
    template <unsigned kCount>
    static Words shift_right(Words x) {
        return _mm256_srli_epi32(x, kCount);
    }
    /// By a count of any size: 0 from 32 on.
    static Words shift_left(Words x, unsigned count) {
        return _mm256_sll_epi32(x, _mm_cvtsi32_si128(static_cast<int>(count)));
    }
    static Words shift_right(Words x, unsigned count) {
        return _mm256_srl_epi32(x, _mm_cvtsi32_si128(static_cast<int>(count)));
    }

    static Floats to_float(Words x) { return _mm256_cvtepi32_ps(x); }
    static Words to_words(Floats x) { return _mm256_castps_si256(x); }
    static Floats to_floats(Words x) { return _mm256_castsi256_ps(x); }
    static Floats add(Floats a, Floats b) { return _mm256_add_ps(a, b); }
    static Floats subtract(Floats a, Floats b) { return _mm256_sub_ps(a, b); }
    static Floats multiply(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
    static Floats multiply_add(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }

    /// By the low 6 bits of each index: all eight eighths are read, and the right one kept.
    static Floats look_up(const FloatTable& table, Words index) {
        Floats eighths[8];
#pragma GCC unroll 8
        for (int i = 0; i < 8; ++i) {
            eighths[i] = _mm256_permutevar8x32_ps(_mm256_load_ps(table.entries + 8 * i), index);
        }
        const Floats bit3 = to_floats(_mm256_slli_epi32(index, 28));
        const Floats bit4 = to_floats(_mm256_slli_epi32(index, 27));
        const Floats bit5 = to_floats(_mm256_slli_epi32(index, 26));
        const auto choose = [](Floats no, Floats yes, Floats sign) {
            return _mm256_blendv_ps(no, yes, sign);
        };
        return choose(choose(choose(eighths[0], eighths[1], bit3),
                             choose(eighths[2], eighths[3], bit3), bit4),
                      choose(choose(eighths[4], eighths[5], bit3),
                             choose(eighths[6], eighths[7], bit3), bit4),
                      bit5);
    }
    static Words look_up(const WordTable& table, Words index) {
        return to_words(look_up(FloatTable(reinterpret_cast<const float*>(table.entries)), index));
    }

    /// Requires a != b.
    static Mask is_below(Words a, Words b) { return _mm256_cmpeq_epi32(_mm256_max_epu32(a, b), b); }
    static Mask is_at_least(Floats a, Floats b) {
        return to_words(_mm256_cmp_ps(a, b, _CMP_GE_OQ));
    }
    static Mask is_zero(Words x) { return _mm256_cmpeq_epi32(x, _mm256_setzero_si256()); }
    static Mask has_bit6(Words x) { return _mm256_srai_epi32(_mm256_slli_epi32(x, 25), 31); }
    static Mask both(Mask a, Mask b) { return _mm256_and_si256(a, b); }
    static Mask either(Mask a, Mask b) { return _mm256_or_si256(a, b); }
    /// b without a.
    static Mask and_not(Mask a, Mask b) { return _mm256_andnot_si256(a, b); }
    static bool all(Mask mask) { return to_bits(mask) == 0xff; }
    static unsigned to_bits(Mask mask) {
        return static_cast<unsigned>(_mm256_movemask_ps(to_floats(mask)));
    }
    static Mask from_bits(unsigned bits) {
        const Words powers = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
        return _mm256_cmpeq_epi32(bit_and(broadcast(bits), powers), powers);
    }
    static Words select(Mask mask, Words yes, Words no) {
        return _mm256_blendv_epi8(no, yes, mask);
    }
    static Words negate(Mask mask, Words x) {
        return _mm256_sub_epi32(_mm256_xor_si256(x, mask), mask);
    }

    template <Sink kSink>
    static std::size_t write(std::int32_t* out, Mask accepted, Words z) {
        const unsigned bits = to_bits(accepted);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), compress(z, bits));
        return count(bits);
    }
    template <Sink kSink>
    static std::size_t write(std::int64_t* out, Mask accepted, Words z) {
        const unsigned bits = to_bits(accepted);
        const std::size_t num_samples = count(bits);
        z = compress(z, bits);
        put<kSink>(out, _mm256_cvtepi32_epi64(_mm256_castsi256_si128(z)), num_samples);
        put<kSink>(out + 4, _mm256_cvtepi32_epi64(_mm256_extracti128_si256(z, 1)),
                   num_samples < 4 ? 0 : num_samples - 4);
        return num_samples;
    }
    template <Sink kSink>
    static std::size_t write_wide(std::int64_t* out, Mask accepted, Mask is_minus, Words low,
                                  Words high) {
        const unsigned bits = to_bits(accepted);
        // unpack keeps to halves of a register: bring lanes 0..3 and 4..7 into place first.
        const auto spread = [](Words x) { return _mm256_permute4x64_epi64(x, 0xd8); };
        low = spread(low);
        high = spread(high);
        is_minus = spread(is_minus);
        const auto some = [&](std::int64_t* at, Words z, Words minus, unsigned chosen) {
            z = _mm256_sub_epi64(_mm256_xor_si256(z, minus), minus);
            const std::size_t num_samples = count(chosen);
            // Lane j of 64 bits is lanes 2j and 2j + 1 of 32.
            const unsigned pairs = (chosen & 1) * 3 | (chosen >> 1 & 1) * 12 |
                                   (chosen >> 2 & 1) * 48 | (chosen >> 3) * 192;
            put<kSink>(at, compress(z, pairs), num_samples);
            return num_samples;
        };
        const std::size_t num_first = some(out, _mm256_unpacklo_epi32(low, high),
                                           _mm256_unpacklo_epi32(is_minus, is_minus), bits & 15);
        return num_first + some(out + num_first, _mm256_unpackhi_epi32(low, high),
                                _mm256_unpackhi_epi32(is_minus, is_minus), bits >> 4);
    }

private:
    static std::size_t count(unsigned bits) {
        return static_cast<std::size_t>(__builtin_popcount(bits));
    }
    static Words compress(Words x, unsigned bits) {
        const __m128i lanes =
            _mm_loadl_epi64(reinterpret_cast<const __m128i*>(kCompress.lanes[bits]));
        return _mm256_permutevar8x32_epi32(x, _mm256_cvtepu8_epi32(lanes));
    }
    /// Adding leaves memory beyond the samples as it was.
    template <Sink kSink>
    static void put(std::int64_t* out, __m256i samples, std::size_t num_samples) {
        auto* at = reinterpret_cast<__m256i*>(out);
        if constexpr (kSink == Sink::add64) {
            const __m256i is_sample =
                _mm256_cmpgt_epi64(_mm256_set1_epi64x(static_cast<long long>(num_samples)),
                                   _mm256_setr_epi64x(0, 1, 2, 3));
            samples =
                _mm256_add_epi64(_mm256_and_si256(samples, is_sample), _mm256_loadu_si256(at));
        }
        _mm256_storeu_si256(at, samples);
    }
};

}  // namespace

constinit const StripKernel kAvx2StripKernel = strip_kernel<Avx2Lanes>("avx2");

}  // namespace veilsum

// The kernel for AVX-512 IFMA: eight lanes, radix 2^52.

#include <immintrin.h>

#include "veilsum/bigint/engine_simd.hpp"
#include "veilsum/bigint/engine_simd_modulo_n.hpp"
#include "veilsum/bigint/kernel_table.hpp"
#include "veilsum/bigint/pow_moduli_simd.hpp"

namespace veilsum {
namespace {

/// Byte positions for the eight limbs in 52 bytes: limb j begins at bit 52j. Packed, two limbs are
/// 13 of 16 bytes.
struct Shuffles {
    alignas(64) std::uint8_t unpack[64] = {};
    alignas(64) std::uint8_t pack[64] = {};

    constexpr Shuffles() {
        for (unsigned limb = 0; limb < 8; ++limb) {
            for (unsigned byte = 0; byte < 8; ++byte) {
                unpack[8 * limb + byte] = static_cast<std::uint8_t>(52 * limb / 8 + byte);
            }
        }
        for (unsigned byte = 0; byte < 52; ++byte) {
            pack[byte] = static_cast<std::uint8_t>(byte / 13 * 16 + byte % 13);
        }
    }
};
constexpr Shuffles kShuffles;

/// Rows to columns of an 8 by 8 matrix.
[[gnu::always_inline]] inline void transpose(__m512i (&rows)[8]) {
    __m512i pairs[8];
#pragma GCC unroll 4
    for (unsigned i = 0; i < 8; i += 2) {
        pairs[i] = _mm512_unpacklo_epi64(rows[i], rows[i + 1]);
        pairs[i + 1] = _mm512_unpackhi_epi64(rows[i], rows[i + 1]);
    }
    __m512i fours[8];
#pragma GCC unroll 2
    for (unsigned i = 0; i < 8; i += 4) {
#pragma GCC unroll 2
        for (unsigned odd = 0; odd < 2; ++odd) {
            fours[i + odd] = _mm512_shuffle_i64x2(pairs[i + odd], pairs[i + 2 + odd], 0x88);
            fours[i + 2 + odd] = _mm512_shuffle_i64x2(pairs[i + odd], pairs[i + 2 + odd], 0xdd);
        }
    }
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; ++i) {
        rows[i] = _mm512_shuffle_i64x2(fours[i], fours[4 + i], 0x88);
        rows[4 + i] = _mm512_shuffle_i64x2(fours[i], fours[4 + i], 0xdd);
    }
}

struct IfmaSimd {
    using Vector = __m512i;
    using TableLimb = Limb;
    static constexpr std::size_t kLanes = 8;
    static constexpr unsigned kRadixBits = 52;
    static constexpr unsigned kBlock = 10;
    static constexpr std::size_t kLookUps = 4;
    // 32 entries would leave the innermost cache, and cost as much as the products they save.
    static constexpr unsigned kMaxPowWindow = 4;
    static constexpr unsigned kMaxTableWindow = 7;
    // Two halves of 52 bits each, and a bit of room for what is added besides.
    static constexpr std::size_t kMaxProducts = 2040;
    static constexpr std::uint64_t kMask = (std::uint64_t{1} << kRadixBits) - 1;

    static Vector zero() { return _mm512_setzero_si512(); }
    static Vector broadcast(std::uint64_t x) {
        return _mm512_set1_epi64(static_cast<long long>(x));
    }
    static Vector add(Vector a, Vector b) { return _mm512_add_epi64(a, b); }
    static Vector subtract(Vector a, Vector b) { return _mm512_sub_epi64(a, b); }
    static Vector low_bits(Vector x) { return _mm512_and_si512(x, broadcast(kMask)); }
    static Vector carry(Vector x) { return _mm512_srli_epi64(x, kRadixBits); }
    static Vector complement(Vector x) { return _mm512_xor_si512(x, broadcast(kMask)); }
    static Vector is_negative(Vector x) { return _mm512_srli_epi64(x, 63); }
    static void expect_zero(Vector /*x*/) {}

    static Vector mul_low(Vector c, Vector a, Vector b) { return _mm512_madd52lo_epu64(c, a, b); }
    static Vector mul_high(Vector c, Vector a, Vector b) { return _mm512_madd52hi_epu64(c, a, b); }
    static Vector quotient(Vector c, Vector k) { return mul_low(zero(), c, k); }
    /// The low half of q*n0 brings c up to the next multiple of the radix.
    static Vector quotient_carry(Vector c, Vector /*q*/, Vector /*n0*/) {
        return carry(add(c, broadcast(kMask)));
    }

    /// Where `flag` is 1 b, where it is 0 a.
    static Vector blend(Vector flag, Vector a, Vector b) {
        return _mm512_mask_mov_epi64(a, _mm512_test_epi64_mask(flag, flag), b);
    }

    /// At most 52 of them, the bytes of eight limbs.
    static __mmask64 first_bytes(std::size_t count) {
        return (__mmask64{1} << (count < 52 ? count : 52)) - 1;
    }

    static void load(Vector* out, const std::byte* const* digits, std::size_t num_bytes,
                     std::size_t h) {
        const __m512i unpack = _mm512_load_si512(kShuffles.unpack);
        const __m512i shifts = _mm512_set_epi64(4, 0, 4, 0, 4, 0, 4, 0);
        for (std::size_t i = 0; i < h; i += 8) {
            const std::size_t offset = i / 8 * 52;
            const __mmask64 present = first_bytes(offset < num_bytes ? num_bytes - offset : 0);
            __m512i limbs[8];
#pragma GCC unroll 8
            for (unsigned lane = 0; lane < 8; ++lane) {
                if (digits[lane] == nullptr) {
                    limbs[lane] = zero();
                    continue;
                }
                const __m512i bytes = _mm512_maskz_loadu_epi8(present, digits[lane] + offset);
                limbs[lane] =
                    low_bits(_mm512_srlv_epi64(_mm512_permutexvar_epi8(unpack, bytes), shifts));
            }
            transpose(limbs);
            for (std::size_t j = 0; j < 8 && i + j < h; ++j) out[i + j] = limbs[j];
        }
    }

    static void store(std::byte* const* digits, const Vector* in, std::size_t num_bytes,
                      std::size_t h) {
        const __m512i pack = _mm512_load_si512(kShuffles.pack);
        for (std::size_t i = 0; i < h; i += 8) {
            const std::size_t offset = i / 8 * 52;
            if (offset >= num_bytes) break;
            const __mmask64 present = first_bytes(num_bytes - offset);
            __m512i limbs[8];
            for (std::size_t j = 0; j < 8; ++j) limbs[j] = i + j < h ? in[i + j] : zero();
            // Pairs of limbs become 104 bits in two words.
#pragma GCC unroll 4
            for (unsigned j = 0; j < 8; j += 2) {
                limbs[j] = _mm512_or_si512(limbs[j], _mm512_slli_epi64(limbs[j + 1], 52));
                limbs[j + 1] = _mm512_srli_epi64(limbs[j + 1], 12);
            }
            transpose(limbs);
#pragma GCC unroll 8
            for (unsigned lane = 0; lane < 8; ++lane) {
                if (digits[lane] == nullptr) continue;
                _mm512_mask_storeu_epi8(digits[lane] + offset, present,
                                        _mm512_permutexvar_epi8(pack, limbs[lane]));
            }
        }
    }

    static void select(Vector* out, const Vector* table, std::size_t num_vectors,
                       std::size_t num_entries, const Limb* index) {
        constexpr std::size_t kGroup = 10;  // Divides every number of limbs.
        const __m512i wanted = _mm512_loadu_si512(index);
        for (std::size_t i = 0; i < num_vectors; i += kGroup) {
            __m512i selected[kGroup];
#pragma GCC unroll 10
            for (std::size_t j = 0; j < kGroup; ++j) selected[j] = zero();
            for (std::size_t entry = 0; entry < num_entries; ++entry) {
                const __mmask8 is_wanted = _mm512_cmpeq_epi64_mask(wanted, broadcast(entry));
                const Vector* source = table + entry * num_vectors + i;
#pragma GCC unroll 10
                for (std::size_t j = 0; j < kGroup; ++j) {
                    selected[j] = _mm512_mask_mov_epi64(selected[j], is_wanted, source[j]);
                }
            }
#pragma GCC unroll 10
            for (std::size_t j = 0; j < kGroup; ++j) out[i + j] = selected[j];
        }
    }

    /// outs[i] = or += the entries that index[i*kLanes, ...) names, for count <= kLookUps, in a row
    /// of 2^window_bits of each limb.
    template <bool kAdds>
    static void look_up(Vector* const* outs, std::size_t count, const TableLimb* row,
                        unsigned window_bits, std::size_t num_limbs, const Limb* index) {
        if (window_bits == 6) {
            look_up_in<kAdds, 6>(outs, count, row, num_limbs, index);
        } else {
            look_up_in<kAdds, 7>(outs, count, row, num_limbs, index);
        }
    }

private:
    /// Finds one limb of eight entries in a row: vpermi2q picks from 16 by the low four bits of the
    /// index, and the upper bits pick among the results.
    template <unsigned kWindowBits>
    struct Finder {
        static constexpr unsigned kUpperBits = kWindowBits - 4;
        static constexpr unsigned kSixteens = 1u << kUpperBits;
        static_assert(kUpperBits == 2 || kUpperBits == 3);

        Finder() = default;
        explicit Finder(const Limb* index_of_lanes) : index(_mm512_loadu_si512(index_of_lanes)) {
#pragma GCC unroll 4
            for (unsigned i = 0; i < kUpperBits; ++i) {
                upper[i] = _mm512_srai_epi64(_mm512_slli_epi64(index, 59 - i), 63);
            }
        }

        [[gnu::always_inline]] Vector find(const __m512i (&row)[2 * kSixteens]) const {
            __m512i found[kSixteens];
#pragma GCC unroll 8
            for (unsigned i = 0; i < kSixteens; ++i) {
                found[i] = _mm512_permutex2var_epi64(row[2 * i], index, row[2 * i + 1]);
            }
            if constexpr (kUpperBits == 3) halve<4>(found, upper[0]);
            halve<2>(found, upper[kUpperBits - 2]);
            halve<1>(found, upper[kUpperBits - 1]);
            return found[0];
        }

        /// Of each pair the second where the bit is set, else the first.
        template <unsigned kPairs>
        [[gnu::always_inline]] static void halve(__m512i (&found)[kSixteens], __m512i bit) {
#pragma GCC unroll 4
            for (unsigned i = 0; i < kPairs; ++i) {
                found[i] = _mm512_ternarylogic_epi64(bit, found[2 * i + 1], found[2 * i], 0xca);
            }
        }

        __m512i index;
        __m512i upper[kUpperBits];  // All ones in lanes whose index has bit 4 + i.
    };

    template <bool kAdds, unsigned kWindowBits>
    static void look_up_in(Vector* const* outs, std::size_t count, const TableLimb* row,
                           std::size_t num_limbs, const Limb* index) {
        if (count == kLookUps) {
            look_up_together<kAdds, kWindowBits, kLookUps>(outs, row, num_limbs, index);
        } else {
            for (std::size_t i = 0; i < count; ++i) {
                look_up_together<kAdds, kWindowBits, 1>(outs + i, row, num_limbs,
                                                        index + i * kLanes);
            }
        }
    }

    /// Reads the row once for all: it is larger than the innermost cache.
    template <bool kAdds, unsigned kWindowBits, std::size_t kCount>
    [[gnu::noinline]] static void look_up_together(Vector* const* outs, const TableLimb* row,
                                                   std::size_t num_limbs, const Limb* index) {
        using Finder = Finder<kWindowBits>;
        constexpr unsigned kVectors = 2 * Finder::kSixteens;
        Finder finders[kCount];
#pragma GCC unroll 4
        for (std::size_t i = 0; i < kCount; ++i) finders[i] = Finder(index + i * kLanes);
        for (std::size_t limb = 0; limb < num_limbs; ++limb) {
            const auto* source = reinterpret_cast<const __m512i*>(row) + kVectors * limb;
            __m512i entries[kVectors];
#pragma GCC unroll 16
            for (unsigned j = 0; j < kVectors; ++j) entries[j] = source[j];
#pragma GCC unroll 4
            for (std::size_t i = 0; i < kCount; ++i) {
                const Vector found = finders[i].find(entries);
                outs[i][limb] = kAdds ? add(outs[i][limb], found) : found;
            }
        }
    }
};

constinit const Kernel kModuloN = kernel_of<SimdEngineModuloN<IfmaSimd>>("ifma");

}  // namespace

constinit const SquareKernel kIfmaKernel =
    square_kernel_of<SimdEngine<IfmaSimd>>("ifma", kModuloN, pow_moduli_of<IfmaSimd>());

}  // namespace veilsum

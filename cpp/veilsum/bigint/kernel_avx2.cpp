// The kernel for AVX2: four lanes, radix 2^28.
//
// vpmuludq multiplies 32-bit halves of the lanes, so a limb has at most 32 bits; with 28, a product
// has 56 and a column holds 255 of them before its carries must move on.
// Memory access depends on sizes only: selections read all entries and mask them.

#include <immintrin.h>

#include "veilsum/bigint/engine_simd.hpp"
#include "veilsum/bigint/engine_simd_modulo_n.hpp"
#include "veilsum/bigint/kernel_table.hpp"
#include "veilsum/bigint/pow_moduli_simd.hpp"

namespace veilsum {
namespace {

// Eight limbs, the unit of load and store, are 28 bytes: seven 32-bit words.
constexpr std::size_t kGroupLimbs = 8;
constexpr std::size_t kGroupBytes = 28;

/// Rows to columns of a 4 by 4 matrix.
[[gnu::always_inline]] inline void transpose(__m256i (&rows)[4]) {
    const __m256i even01 = _mm256_unpacklo_epi64(rows[0], rows[1]);
    const __m256i odd01 = _mm256_unpackhi_epi64(rows[0], rows[1]);
    const __m256i even23 = _mm256_unpacklo_epi64(rows[2], rows[3]);
    const __m256i odd23 = _mm256_unpackhi_epi64(rows[2], rows[3]);
    rows[0] = _mm256_permute2x128_si256(even01, even23, 0x20);
    rows[1] = _mm256_permute2x128_si256(odd01, odd23, 0x20);
    rows[2] = _mm256_permute2x128_si256(even01, even23, 0x31);
    rows[3] = _mm256_permute2x128_si256(odd01, odd23, 0x31);
}

inline __m256i word_numbers() { return _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7); }
inline __m256i broadcast_word(std::size_t x) { return _mm256_set1_epi32(static_cast<int>(x)); }

/// A mask of the first num_words words.
inline __m256i first_words(std::size_t num_words) {
    return _mm256_cmpgt_epi32(broadcast_word(num_words), word_numbers());
}

/// Seven words from num_bytes < 28 bytes, zero behind them.
inline __m256i load_words(const std::byte* bytes, std::size_t num_bytes) {
    const std::size_t num_words = num_bytes / 4;
    const __m256i words =
        _mm256_maskload_epi32(reinterpret_cast<const int*>(bytes), first_words(num_words));
    std::uint32_t last = 0;
    for (std::size_t i = 4 * num_words; i < num_bytes; ++i) {
        last |= std::to_integer<std::uint32_t>(bytes[i]) << (8 * (i % 4));
    }
    const __m256i is_last = _mm256_cmpeq_epi32(word_numbers(), broadcast_word(num_words));
    return _mm256_or_si256(words, _mm256_and_si256(is_last, broadcast_word(last)));
}

/// Writes num_bytes < 28 bytes of seven words.
inline void store_words(std::byte* bytes, __m256i words, std::size_t num_bytes) {
    const std::size_t num_words = num_bytes / 4;
    _mm256_maskstore_epi32(reinterpret_cast<int*>(bytes), first_words(num_words), words);
    const __m256i last = _mm256_permutevar8x32_epi32(words, broadcast_word(num_words));
    auto left = static_cast<std::uint32_t>(_mm256_cvtsi256_si32(last));
    for (std::size_t i = 4 * num_words; i < num_bytes; ++i) {
        bytes[i] = static_cast<std::byte>(left);
        left >>= 8;
    }
}

/// The four pairs of limbs, of 56 bits each, in up to 28 bytes.
inline __m256i load_pairs(const std::byte* bytes, std::size_t num_bytes) {
    // Either half of the register takes in the 16 bytes that hold its 14.
    __m256i halves;
    if (num_bytes >= kGroupBytes) {
        halves = _mm256_loadu2_m128i(reinterpret_cast<const __m128i*>(bytes + 12),
                                     reinterpret_cast<const __m128i*>(bytes));
    } else {
        halves = _mm256_permutevar8x32_epi32(load_words(bytes, num_bytes),
                                             _mm256_setr_epi32(0, 1, 2, 3, 3, 4, 5, 6));
    }
    return _mm256_shuffle_epi8(
        halves, _mm256_setr_epi8(0, 1, 2, 3, 4, 5, 6, -1, 7, 8, 9, 10, 11, 12, 13, -1,  //
                                 2, 3, 4, 5, 6, 7, 8, -1, 9, 10, 11, 12, 13, 14, 15, -1));
}

/// The reverse: writes the first num_bytes of 28, or all.
inline void store_pairs(std::byte* bytes, __m256i pairs, std::size_t num_bytes) {
    // 14 bytes at the start of the lower half, and 14 at the end of the upper; word 3 of the result
    // has two bytes of either.
    const __m256i halves = _mm256_shuffle_epi8(
        pairs, _mm256_setr_epi8(0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, -1, -1,  //
                                -1, -1, 0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14));
    const __m256i upper =
        _mm256_permutevar8x32_epi32(halves, _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 7, 7));
    const __m256i lower = _mm256_and_si256(halves, first_words(4));
    const __m256i words = _mm256_or_si256(lower, _mm256_andnot_si256(first_words(3), upper));
    if (num_bytes >= kGroupBytes) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(bytes), _mm256_castsi256_si128(words));
        const __m256i last =
            _mm256_permutevar8x32_epi32(words, _mm256_setr_epi32(3, 4, 5, 6, 7, 7, 7, 7));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(bytes + 12), _mm256_castsi256_si128(last));
    } else {
        store_words(bytes, words, num_bytes);
    }
}

struct Avx2Simd {
    using Vector = __m256i;
    using TableLimb = std::uint32_t;
    static constexpr std::size_t kLanes = 4;
    static constexpr unsigned kRadixBits = 28;
    static constexpr unsigned kBlock = 5;
    static constexpr std::size_t kLookUps = 1;
    static constexpr unsigned kMaxPowWindow = 4;
    static constexpr unsigned kMaxTableWindow = 7;
    // 255 products leave 2^56 for what is added besides.
    static constexpr std::size_t kMaxProducts = 255;
    static constexpr std::uint64_t kMask = (std::uint64_t{1} << kRadixBits) - 1;

    static Vector zero() { return _mm256_setzero_si256(); }
    static Vector broadcast(std::uint64_t x) {
        return _mm256_set1_epi64x(static_cast<long long>(x));
    }
    static Vector add(Vector a, Vector b) { return _mm256_add_epi64(a, b); }
    static Vector subtract(Vector a, Vector b) { return _mm256_sub_epi64(a, b); }
    static Vector low_bits(Vector x) { return _mm256_and_si256(x, broadcast(kMask)); }
    static Vector carry(Vector x) { return _mm256_srli_epi64(x, kRadixBits); }
    static Vector complement(Vector x) { return _mm256_xor_si256(x, broadcast(kMask)); }
    static Vector is_negative(Vector x) { return _mm256_srli_epi64(x, 63); }
    static void expect_zero(Vector /*x*/) {}

    static Vector mul_low(Vector c, Vector a, Vector b) {
        Vector sum = add(c, _mm256_mul_epu32(a, b));
        // To GCC the sum is ordinary arithmetic, whose terms it would reorder until it runs out of
        // registers.
        __asm__("" : "+x"(sum));
        return sum;
    }
    static Vector mul_high(Vector c, Vector /*a*/, Vector /*b*/) { return c; }
    /// The lower 28 bits of c*k need the lower 32 of c only.
    static Vector quotient(Vector c, Vector k) { return low_bits(_mm256_mul_epu32(c, k)); }
    static Vector quotient_carry(Vector c, Vector q, Vector n0) { return carry(mul_low(c, q, n0)); }

    /// Where `flag` is 1 b, where it is 0 a.
    static Vector blend(Vector flag, Vector a, Vector b) {
        return _mm256_blendv_epi8(a, b, subtract(zero(), flag));
    }

    static void load(Vector* out, const std::byte* const* digits, std::size_t num_bytes,
                     std::size_t h) {
        for (std::size_t i = 0; i < h; i += kGroupLimbs) {
            const std::size_t offset = i / kGroupLimbs * kGroupBytes;
            const std::size_t left = offset < num_bytes ? num_bytes - offset : 0;
            __m256i pairs[4];
#pragma GCC unroll 4
            for (unsigned lane = 0; lane < 4; ++lane) {
                pairs[lane] = left == 0 || digits[lane] == nullptr
                                  ? zero()
                                  : load_pairs(digits[lane] + offset, left);
            }
            transpose(pairs);
            for (std::size_t j = 0; j < kGroupLimbs && i + j < h; ++j) {
                const __m256i pair = pairs[j / 2];
                out[i + j] = j % 2 == 0 ? low_bits(pair) : carry(pair);
            }
        }
    }

    static void store(std::byte* const* digits, const Vector* in, std::size_t num_bytes,
                      std::size_t h) {
        for (std::size_t i = 0; i < h; i += kGroupLimbs) {
            const std::size_t offset = i / kGroupLimbs * kGroupBytes;
            if (offset >= num_bytes) break;
            __m256i pairs[4];
            for (std::size_t j = 0; j < 4; ++j) {
                const __m256i even = i + 2 * j < h ? in[i + 2 * j] : zero();
                const __m256i odd = i + 2 * j + 1 < h ? in[i + 2 * j + 1] : zero();
                pairs[j] = _mm256_or_si256(even, _mm256_slli_epi64(odd, kRadixBits));
            }
            transpose(pairs);
#pragma GCC unroll 4
            for (unsigned lane = 0; lane < 4; ++lane) {
                if (digits[lane] == nullptr) continue;
                store_pairs(digits[lane] + offset, pairs[lane], num_bytes - offset);
            }
        }
    }

    static void select(Vector* out, const Vector* table, std::size_t num_vectors,
                       std::size_t num_entries, const Limb* index) {
        constexpr std::size_t kGroup = kBlock;  // Divides every number of vectors.
        const __m256i wanted = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(index));
        for (std::size_t i = 0; i < num_vectors; i += kGroup) {
            __m256i selected[kGroup];
#pragma GCC unroll 5
            for (std::size_t j = 0; j < kGroup; ++j) selected[j] = zero();
            for (std::size_t entry = 0; entry < num_entries; ++entry) {
                const __m256i is_wanted = _mm256_cmpeq_epi64(wanted, broadcast(entry));
                const Vector* source = table + entry * num_vectors + i;
#pragma GCC unroll 5
                for (std::size_t j = 0; j < kGroup; ++j) {
                    selected[j] =
                        _mm256_or_si256(selected[j], _mm256_and_si256(is_wanted, source[j]));
                }
            }
#pragma GCC unroll 5
            for (std::size_t j = 0; j < kGroup; ++j) out[i + j] = selected[j];
        }
    }

    /// outs[0] = or += the entries that index names; count is 1.
    template <bool kAdds>
    static void look_up(Vector* const* outs, std::size_t /*count*/, const TableLimb* row,
                        unsigned window_bits, std::size_t num_limbs, const Limb* index) {
        if (window_bits == 6) {
            look_up_in<kAdds, 6>(outs[0], row, num_limbs, index);
        } else {
            look_up_in<kAdds, 7>(outs[0], row, num_limbs, index);
        }
    }

private:
    /// Looks one limb up for all lanes: vpermd picks from eight entries by the low three bits of
    /// the index, and masks from the eights.
    template <unsigned kWindowBits>
    class Entries {
    public:
        explicit Entries(const Limb* index)
            : index_(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(index))) {
            const __m256i eight = _mm256_srli_epi64(index_, 3);
#pragma GCC unroll 16
            for (unsigned i = 0; i < kEights; ++i) {
                // The upper half of a lane picks an entry too, which its mask clears.
                is_in_[i] =
                    _mm256_and_si256(_mm256_cmpeq_epi64(eight, broadcast(i)), broadcast(kMask));
            }
        }
        Vector of(const TableLimb* row, std::size_t limb) const {
            const auto* entries =
                reinterpret_cast<const __m256i*>(row + limb * (std::size_t{1} << kWindowBits));
            __m256i found = zero();
#pragma GCC unroll 16
            for (unsigned i = 0; i < kEights; ++i) {
                const __m256i picked = _mm256_permutevar8x32_epi32(entries[i], index_);
                found = _mm256_or_si256(found, _mm256_and_si256(picked, is_in_[i]));
            }
            return found;
        }

    private:
        static constexpr unsigned kEights = (1u << kWindowBits) / 8;
        __m256i index_;
        __m256i is_in_[kEights];
    };

    template <bool kAdds, unsigned kWindowBits>
    static void look_up_in(Vector* out, const TableLimb* row, std::size_t num_limbs,
                           const Limb* index) {
        const Entries<kWindowBits> entries(index);
        for (std::size_t i = 0; i < num_limbs; ++i) {
            const Vector found = entries.of(row, i);
            out[i] = kAdds ? add(out[i], found) : found;
        }
    }
};

constinit const Kernel kModuloN = kernel_of<SimdEngineModuloN<Avx2Simd>>("avx2");

}  // namespace

constinit const SquareKernel kAvx2Kernel =
    square_kernel_of<SimdEngine<Avx2Simd>>("avx2", kModuloN, pow_moduli_of<Avx2Simd>());

}  // namespace veilsum

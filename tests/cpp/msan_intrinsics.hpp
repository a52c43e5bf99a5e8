// What the IFMA kernel calls, in a form whose secrets MemorySanitizer can follow. The preset
// `ctime-ifma` puts this in front of the kernel's source, which itself is compiled as it is.
//
// Left alone, MemorySanitizer
//   takes vpternlogq, and an index of vpermi2q, for a look at the value, and reports it;
//   moves secrets through vpermb by guess, not by its index;
//   takes a sum's or a product's carries for known where the bits below them are secret;
//   takes what GMP writes for known.
// Its report of the first is false: these instructions' time does not depend on their operands. The
// others would hide leaks.

#pragma once

#include <gmp.h>
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

// From <sanitizer/msan_interface.h>, which only Clang has.
extern "C" void __msan_poison(const volatile void* data, std::size_t size_bytes);
extern "C" std::intptr_t __msan_test_shadow(const volatile void* data, std::size_t size_bytes);

namespace veilsum::msan {

inline bool is_secret(const void* data, std::size_t size_bytes) {
    return __msan_test_shadow(data, size_bytes) != -1;
}

/// Makes all of a lane secret if any of its bits is.
inline __m512i spread(__m512i x) {
    alignas(64) std::uint64_t lanes[8];
    _mm512_store_si512(lanes, x);
    for (std::uint64_t& lane : lanes) {
        if (is_secret(&lane, sizeof lane)) __msan_poison(&lane, sizeof lane);
    }
    return _mm512_load_si512(lanes);
}

inline __m512i add(__m512i a, __m512i b) { return spread(_mm512_add_epi64(a, b)); }
inline __m512i subtract(__m512i a, __m512i b) { return spread(_mm512_sub_epi64(a, b)); }
inline __m512i madd_low(__m512i c, __m512i a, __m512i b) {
    return spread(_mm512_madd52lo_epu64(c, a, b));
}
inline __m512i madd_high(__m512i c, __m512i a, __m512i b) {
    return spread(_mm512_madd52hi_epu64(c, a, b));
}

/// vpermb by an index that is public: another is reported.
inline __m512i permute_bytes(__m512i index, __m512i x) {
    alignas(64) std::uint8_t at[64];
    alignas(64) std::uint8_t in[64];
    alignas(64) std::uint8_t out[64];
    _mm512_store_si512(at, index);
    _mm512_store_si512(in, x);
    for (std::size_t i = 0; i < 64; ++i) out[i] = in[at[i] % 64];
    return _mm512_load_si512(out);
}

/// vpermi2q: entry `index` mod 16 of the table a, b.
inline __m512i permute_pair(__m512i a, __m512i index, __m512i b) {
    alignas(64) long long table[16];
    _mm512_store_si512(table, a);
    _mm512_store_si512(table + 8, b);
    const __m512i wanted = _mm512_and_si512(index, _mm512_set1_epi64(15));
    __m512i found = _mm512_setzero_si512();
    for (long long i = 0; i < 16; ++i) {
        const __mmask8 is_wanted = _mm512_cmpeq_epi64_mask(wanted, _mm512_set1_epi64(i));
        found = _mm512_mask_mov_epi64(found, is_wanted, _mm512_set1_epi64(table[i]));
    }
    return found;
}

template <int kTruthTable>
__m512i ternary_logic(__m512i a, __m512i b, __m512i c) {
    static_assert(kTruthTable == 0xca, "only a ? b : c is known here");
    return _mm512_or_si512(_mm512_and_si512(a, b), _mm512_andnot_si512(a, c));
}

inline std::size_t bytes(mp_size_t num_limbs) {
    return static_cast<std::size_t>(num_limbs) * sizeof(mp_limb_t);
}

inline mp_limb_t sub_n(mp_limb_t* out, const mp_limb_t* a, const mp_limb_t* b, mp_size_t h) {
    const bool secret = is_secret(a, bytes(h)) || is_secret(b, bytes(h));
    mp_limb_t borrow = mpn_sub_n(out, a, b, h);
    if (secret) __msan_poison(out, bytes(h));
    if (secret) __msan_poison(&borrow, sizeof borrow);
    return borrow;
}

inline mp_limb_t lshift(mp_limb_t* out, const mp_limb_t* a, mp_size_t h, unsigned count) {
    const bool secret = is_secret(a, bytes(h));
    mp_limb_t carry = mpn_lshift(out, a, h, count);
    if (secret) __msan_poison(out, bytes(h));
    if (secret) __msan_poison(&carry, sizeof carry);
    return carry;
}

}  // namespace veilsum::msan

#undef _mm512_ternarylogic_epi64
#undef mpn_lshift
#undef mpn_sub_n
#define _mm512_add_epi64 ::veilsum::msan::add
#define _mm512_sub_epi64 ::veilsum::msan::subtract
#define _mm512_madd52lo_epu64 ::veilsum::msan::madd_low
#define _mm512_madd52hi_epu64 ::veilsum::msan::madd_high
#define _mm512_permutexvar_epi8 ::veilsum::msan::permute_bytes
#define _mm512_permutex2var_epi64 ::veilsum::msan::permute_pair
#define _mm512_ternarylogic_epi64(a, b, c, table) ::veilsum::msan::ternary_logic<(table)>(a, b, c)
#define mpn_lshift ::veilsum::msan::lshift
#define mpn_sub_n ::veilsum::msan::sub_n

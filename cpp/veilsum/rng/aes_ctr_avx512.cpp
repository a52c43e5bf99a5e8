// AES-256-CTR by VAES on 512-bit vectors: Intel Ice Lake, AMD Zen 4, or newer, where AVX-512 is on.

#include <immintrin.h>

#include "veilsum/rng/aes_ctr.hpp"

namespace veilsum {
namespace {

struct AesVaes512 {
    using Vector = __m512i;
    static constexpr std::size_t kBlocks = 4;
    static constexpr std::size_t kVectors = 8;

    /// Equal words stay where they are when rows are shifted.
    template <class Words>
    static Words substitute(Words x, Words sum) {
        return reinterpret_cast<Words>(
            _mm_aesenclast_si128(reinterpret_cast<__m128i>(x), reinterpret_cast<__m128i>(sum)));
    }
    static Vector round_key(const std::byte* key) {
        return _mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(key)));
    }
    static Vector counters(std::uint64_t high, std::uint64_t low) {
        const auto h = static_cast<long long>(high);
        const auto at = [&](std::uint64_t i) { return static_cast<long long>(low + i); };
        return _mm512_set_epi64(h, at(3), h, at(2), h, at(1), h, at(0));
    }
    static Vector advance(Vector counters, long long n) {
        return _mm512_add_epi64(counters, _mm512_set_epi64(0, n, 0, n, 0, n, 0, n));
    }
    static Vector blocks(Vector counters) {
        return _mm512_shuffle_epi8(
            counters, _mm512_broadcast_i32x4(
                          _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)));
    }
    static Vector first(Vector x, Vector key) { return _mm512_xor_si512(x, key); }
    static Vector middle(Vector x, Vector key) { return _mm512_aesenc_epi128(x, key); }
    static Vector last(Vector x, Vector key13, Vector key14) {
        return _mm512_aesenclast_epi128(_mm512_aesenc_epi128(x, key13), key14);
    }
};

}  // namespace

constinit const Keystream kAesVaes512 = aes_keystream<AesVaes512>("aes-vaes");

}  // namespace veilsum

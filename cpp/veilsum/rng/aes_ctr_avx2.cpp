// AES-256-CTR by VAES on 256-bit vectors: AMD Zen 3, Intel Alder Lake.

#include <immintrin.h>

#include "veilsum/rng/aes_ctr.hpp"

namespace veilsum {
namespace {

struct AesVaes256 {
    using Vector = __m256i;
    static constexpr std::size_t kBlocks = 2;
    static constexpr std::size_t kVectors = 8;

    /// Equal words stay where they are when rows are shifted.
    template <class Words>
    static Words substitute(Words x, Words sum) {
        return reinterpret_cast<Words>(
            _mm_aesenclast_si128(reinterpret_cast<__m128i>(x), reinterpret_cast<__m128i>(sum)));
    }
    static Vector round_key(const std::byte* key) {
        return _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(key)));
    }
    static Vector counters(std::uint64_t high, std::uint64_t low) {
        const auto h = static_cast<long long>(high);
        return _mm256_set_epi64x(h, static_cast<long long>(low + 1), h,
                                 static_cast<long long>(low));
    }
    static Vector advance(Vector counters, long long n) {
        return _mm256_add_epi64(counters, _mm256_set_epi64x(0, n, 0, n));
    }
    static Vector blocks(Vector counters) {
        return _mm256_shuffle_epi8(
            counters, _mm256_broadcastsi128_si256(
                          _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)));
    }
    static Vector first(Vector x, Vector key) { return _mm256_xor_si256(x, key); }
    static Vector middle(Vector x, Vector key) { return _mm256_aesenc_epi128(x, key); }
    static Vector last(Vector x, Vector key13, Vector key14) {
        return _mm256_aesenclast_epi128(_mm256_aesenc_epi128(x, key13), key14);
    }
};

}  // namespace

constinit const Keystream kAesVaes256 = aes_keystream<AesVaes256>("aes-vaes256");

}  // namespace veilsum

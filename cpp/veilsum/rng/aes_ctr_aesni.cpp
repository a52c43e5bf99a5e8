// AES-256-CTR by AES-NI: processors from 2010 on, with or without AVX.

#include <immintrin.h>

#include "veilsum/rng/aes_ctr.hpp"

namespace veilsum {
namespace {

struct AesNi {
    using Vector = __m128i;
    static constexpr std::size_t kBlocks = 1;
    static constexpr std::size_t kVectors = 8;

    /// Equal words stay where they are when rows are shifted.
    template <class Words>
    static Words substitute(Words x, Words sum) {
        return reinterpret_cast<Words>(
            _mm_aesenclast_si128(reinterpret_cast<Vector>(x), reinterpret_cast<Vector>(sum)));
    }
    static Vector round_key(const std::byte* key) {
        return _mm_load_si128(reinterpret_cast<const Vector*>(key));
    }
    static Vector counters(std::uint64_t high, std::uint64_t low) {
        return _mm_set_epi64x(static_cast<long long>(high), static_cast<long long>(low));
    }
    static Vector advance(Vector counters, long long n) {
        return _mm_add_epi64(counters, _mm_set_epi64x(0, n));
    }
    static Vector blocks(Vector counters) {
        return _mm_shuffle_epi8(counters,
                                _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    }
    static Vector first(Vector x, Vector key) { return _mm_xor_si128(x, key); }
    static Vector middle(Vector x, Vector key) { return _mm_aesenc_si128(x, key); }
    static Vector last(Vector x, Vector key13, Vector key14) {
        return _mm_aesenclast_si128(_mm_aesenc_si128(x, key13), key14);
    }
};

}  // namespace

constinit const Keystream kAesNi = aes_keystream<AesNi>("aes-ni");

}  // namespace veilsum

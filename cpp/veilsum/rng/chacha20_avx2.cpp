// ChaCha20 on AVX2, eight blocks at a time.

#include <immintrin.h>

#include "veilsum/rng/chacha20.hpp"

namespace veilsum {
namespace {

struct Avx2 {
    static constexpr std::size_t kLanes = 8;
    using Word = std::uint32_t __attribute__((vector_size(4 * kLanes)));

    /// By whole bytes a shuffle does it in one step.
    template <int kBits>
    static Word rotate_left(Word x) {
        if constexpr (kBits % 8 == 0) {
            constexpr auto from = [](int byte) {
                return static_cast<char>(byte / 4 * 4 + (byte + 4 - kBits / 8) % 4);
            };
            const __m256i order = _mm256_broadcastsi128_si256(_mm_setr_epi8(
                from(0), from(1), from(2), from(3), from(4), from(5), from(6), from(7), from(8),
                from(9), from(10), from(11), from(12), from(13), from(14), from(15)));
            return reinterpret_cast<Word>(_mm256_shuffle_epi8(reinterpret_cast<__m256i>(x), order));
        } else {
            return (x << kBits) | (x >> (32 - kBits));
        }
    }
};

}  // namespace

constinit const Keystream kChaCha20Avx2 = chacha20_keystream<Avx2>("chacha20-avx2");

}  // namespace veilsum

// ChaCha20 on AVX-512, sixteen blocks at a time.

#include <immintrin.h>

#include "veilsum/rng/chacha20.hpp"

namespace veilsum {
namespace {

struct Avx512 {
    static constexpr std::size_t kLanes = 16;
    using Word = std::uint32_t __attribute__((vector_size(4 * kLanes)));

    template <int kBits>
    static Word rotate_left(Word x) {
        return reinterpret_cast<Word>(_mm512_rol_epi32(reinterpret_cast<__m512i>(x), kBits));
    }
};

}  // namespace

constinit const Keystream kChaCha20Avx512 = chacha20_keystream<Avx512>("chacha20-avx512");

}  // namespace veilsum

// ChaCha20, four blocks at a time: GCC and Clang lower the vectors to SSE2, NEON or plain words.

#include "veilsum/rng/chacha20.hpp"

namespace veilsum {
namespace {

struct Portable {
    static constexpr std::size_t kLanes = 4;
    using Word = std::uint32_t __attribute__((vector_size(4 * kLanes)));

    template <int kBits>
    static Word rotate_left(Word x) {
        return (x << kBits) | (x >> (32 - kBits));
    }
};

}  // namespace

constinit const Keystream kChaCha20Portable = chacha20_keystream<Portable>("chacha20-portable");

}  // namespace veilsum

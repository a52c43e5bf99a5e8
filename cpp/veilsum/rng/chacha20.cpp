// ChaCha20, four blocks at a time.
//
// Source: RFC 8439. Each state word is a vector whose lane i belongs to block counter + i, so the
// rounds need no shuffles; GCC and Clang lower the vector type to SSE2, NEON or plain words.
// Constant time: only additions, exclusive ors and rotations by constants.

#include "veilsum/rng/chacha20.hpp"

#include <algorithm>
#include <cstring>

#include "veilsum/base/secret.hpp"

namespace veilsum {
namespace {

constexpr std::size_t kBlockBytes = 64;
constexpr std::size_t kLanes = 4;

using Word = std::uint32_t __attribute__((vector_size(4 * kLanes)));

constexpr std::uint32_t kConstants[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};

Word rotate_left(Word x, int bits) { return (x << bits) | (x >> (32 - bits)); }

void quarter_round(Word& a, Word& b, Word& c, Word& d) {
    a += b;
    d = rotate_left(d ^ a, 16);
    c += d;
    b = rotate_left(b ^ c, 12);
    a += b;
    d = rotate_left(d ^ a, 8);
    c += d;
    b = rotate_left(b ^ c, 7);
}

void four_blocks(std::byte* out, const Word (&start)[16]) {
    Word x[16];
    std::copy(std::begin(start), std::end(start), x);
    for (int round = 0; round < 10; ++round) {
        for (int i = 0; i < 4; ++i) quarter_round(x[i], x[4 + i], x[8 + i], x[12 + i]);
        for (int i = 0; i < 4; ++i) {
            quarter_round(x[i], x[4 + (i + 1) % 4], x[8 + (i + 2) % 4], x[12 + (i + 3) % 4]);
        }
    }
    for (int word = 0; word < 16; ++word) {
        x[word] += start[word];
        for (std::size_t lane = 0; lane < kLanes; ++lane) {
            const std::uint32_t value = x[word][lane];
            for (int byte = 0; byte < 4; ++byte) {
                *(out + lane * kBlockBytes + 4 * word + byte) =
                    static_cast<std::byte>(value >> (8 * byte));
            }
        }
    }
    wipe(x, sizeof x);
}

}  // namespace

void chacha20(std::span<std::byte> out, std::span<const std::uint32_t, 8> key,
              std::uint32_t counter, std::span<const std::uint32_t, 3> nonce) noexcept {
    Word state[16];
    const auto broadcast = [](std::uint32_t value) { return Word{} + value; };
    for (std::size_t i = 0; i < 4; ++i) state[i] = broadcast(kConstants[i]);
    for (std::size_t i = 0; i < 8; ++i) state[4 + i] = broadcast(key[i]);
    state[12] = broadcast(counter) + Word{0, 1, 2, 3};
    for (std::size_t i = 0; i < 3; ++i) state[13 + i] = broadcast(nonce[i]);

    constexpr std::size_t kStep = kLanes * kBlockBytes;
    while (out.size() >= kStep) {
        four_blocks(out.data(), state);
        out = out.subspan(kStep);
        state[12] += kLanes;
    }
    if (!out.empty()) {
        std::byte last[kStep];
        four_blocks(last, state);
        std::memcpy(out.data(), last, out.size());
        wipe(last, sizeof last);
    }
    wipe(state, sizeof state);
}

}  // namespace veilsum

#include "veilsum/rng/keystream.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

#include "veilsum/base/dispatch.hpp"

namespace veilsum {
namespace {

using Bytes16 = std::array<std::uint8_t, 16>;

/// What the key 00 01 .. 1f makes of a start.
struct KnownAnswer {
    Bytes16 start;
    Bytes16 first_bytes;
};

/// FIPS-197, appendix C.3.
constexpr KnownAnswer kAesAnswer = {{0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99,
                                     0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff},
                                    {0x8e, 0xa2, 0xb7, 0xca, 0x51, 0x67, 0x45, 0xbf, 0xea, 0xfc,
                                     0x49, 0x90, 0x4b, 0x49, 0x60, 0x89}};

/// RFC 8439, section 2.3.2.
constexpr KnownAnswer kChaCha20Answer = {{0x01, 0, 0, 0, 0, 0, 0, 0x09, 0, 0, 0, 0x4a, 0, 0, 0, 0},
                                         {0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15, 0x50,
                                          0x0f, 0xdd, 0x1f, 0xa3, 0x20, 0x71, 0xc4}};

/// The first bytes are the published ones, and blocks made side by side are those made one by one.
bool passes_self_test(const Keystream& keystream) {
    constexpr std::size_t kNumBlocks = 41;
    const KnownAnswer& answer =
        keystream.cipher == Cipher::aes256_ctr ? kAesAnswer : kChaCha20Answer;
    std::array<std::byte, kKeystreamKeyBytes> key{};
    for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::byte>(i);
    KeySchedule schedule;
    keystream.expand(schedule, key.data(), std::as_bytes(std::span(answer.start)).data());
    std::vector<std::byte> stream(kNumBlocks * kKeystreamBlockBytes);
    keystream.generate(stream.data(), kNumBlocks, schedule, 0);
    bool passed = std::memcmp(stream.data(), answer.first_bytes.data(), 16) == 0;
    for (std::size_t i = 0; i < kNumBlocks; ++i) {
        std::array<std::byte, kKeystreamBlockBytes> block{};
        keystream.generate(block.data(), 1, schedule, i);
        passed = passed &&
                 std::equal(block.begin(), block.end(), stream.data() + i * kKeystreamBlockBytes);
    }
    return passed;
}

constexpr Dispatcher<Keystream>::Candidate kCandidates[] = {
    {&kChaCha20Portable, 0},
#if defined(__x86_64__)
    {&kChaCha20Avx2, cpu::kAvx2},
    {&kChaCha20Avx512, cpu::kAvx512},
    {&kAesNi, cpu::kAes},
    {&kAesVaes256, cpu::kAes | cpu::kAvx2 | cpu::kVaes},
    {&kAesVaes512, cpu::kAes | cpu::kAvx512 | cpu::kVaes},
#elif defined(__aarch64__)
    {&kAesArmv8, cpu::kAes},
#endif
};

constinit Dispatcher<Keystream> dispatcher("generator", kCandidates, passes_self_test);

}  // namespace

std::vector<const Keystream*> available_keystreams() { return dispatcher.available(); }
const Keystream& active_keystream() { return dispatcher.active(); }

}  // namespace veilsum

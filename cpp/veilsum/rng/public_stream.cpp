#include "veilsum/rng/public_stream.hpp"

#include <array>
#include <bit>
#include <cstddef>

#include "veilsum/base/cpu.hpp"

namespace veilsum {
namespace {

static_assert(std::endian::native == std::endian::little, "words are read as they lie in memory");

/// What VEILSUM_ISA leaves, as for secret streams: if that is AES, it passed its self-test.
const Keystream& chosen_aes() {
    const Keystream& active = active_keystream();
    return active.cipher == Cipher::aes256_ctr ? active : kAesTablesVartime;
}

}  // namespace

PublicStream::PublicStream(std::span<const std::byte, kKeystreamKeyBytes> key, std::uint64_t number)
    : keystream_(chosen_aes()) {
    std::array<std::byte, kKeystreamStartBytes> start{};
    for (std::size_t i = 0; i < 8; ++i) {
        start[i] = static_cast<std::byte>(number >> (56 - 8 * i));
    }
    keystream_.expand(schedule_, key.data(), start.data());
}

void PublicStream::words(std::span<std::uint64_t> out, std::uint64_t first) const {
    keystream_.generate(std::as_writable_bytes(out).data(), out.size() / kWordsPerBlock, schedule_,
                        first / kWordsPerBlock);
}

}  // namespace veilsum

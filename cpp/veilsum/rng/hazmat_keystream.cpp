#include "veilsum/rng/hazmat_keystream.hpp"

#include <cstring>
#include <string>

#include "veilsum/base/error.hpp"

namespace veilsum {
namespace {

// Some milliseconds.
constexpr std::size_t kBlocksPerPiece = 1 << 16;

const Keystream& keystream_called(std::string_view name) {
    std::string names;
    for (const Keystream* keystream : available_keystreams()) {
        if (keystream->name == name) return *keystream;
        names.append(" ").append(keystream->name);
    }
    throw Error(Errc::invalid_argument, "there is no keystream '" + std::string(name) +
                                            "' on this processor; there are:" + names);
}

/// The 64 bits of a start that count.
std::uint64_t first_counter(Cipher cipher, std::span<const std::byte, kKeystreamStartBytes> start) {
    std::uint64_t counter = 0;
    for (std::size_t i = 0; i < 8; ++i) {
        const std::byte next = cipher == Cipher::aes256_ctr ? start[8 + i] : start[7 - i];
        counter = counter << 8 | std::to_integer<std::uint64_t>(next);
    }
    return counter;
}

}  // namespace

void hazmat_keystream(std::span<std::byte> out, std::string_view name,
                      std::span<const std::byte, kKeystreamKeyBytes> key,
                      std::span<const std::byte, kKeystreamStartBytes> start,
                      const Execution& execution) {
    const Keystream& keystream = keystream_called(name);
    const std::size_t num_blocks = out.size() / kKeystreamBlockBytes;
    const std::span<std::byte> rest = out.subspan(num_blocks * kKeystreamBlockBytes);
    const std::uint64_t counts_per_block = keystream.cipher == Cipher::aes256_ctr ? 4 : 1;
    const std::uint64_t num_counts = counts_per_block * (num_blocks + (rest.empty() ? 0 : 1));
    const std::uint64_t first = first_counter(keystream.cipher, start);
    if (num_counts > 0 && first + (num_counts - 1) < first) {
        throw Error(Errc::invalid_argument,
                    "the stream is too long for where it starts: its 64-bit counter would wrap");
    }
    KeySchedule schedule;
    keystream.expand(schedule, key.data(), start.data());
    serial_for(num_blocks, kBlocksPerPiece, execution, [&](std::size_t begin, std::size_t end) {
        keystream.generate(out.data() + begin * kKeystreamBlockBytes, end - begin, schedule, begin);
    });
    if (!rest.empty()) {
        std::byte block[kKeystreamBlockBytes];
        keystream.generate(block, 1, schedule, num_blocks);
        std::memcpy(rest.data(), block, rest.size());
        wipe(block, sizeof block);
    }
}

}  // namespace veilsum

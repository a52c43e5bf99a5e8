#pragma once

#include <cstdint>
#include <span>

#include "veilsum/rng/keystream.hpp"

namespace veilsum {

/// Uniform words that anybody can compute from a public key: AES-256 in counter mode on every
/// machine, with or without instructions for it. **Nothing in it is secret**: without them, time
/// depends on the key and the stream.
class PublicStream {
public:
    static constexpr std::size_t kWordsPerBlock = kKeystreamBlockBytes / sizeof(std::uint64_t);

    /// The stream of this number: `number`, big-endian, stands before the counter.
    PublicStream(std::span<const std::byte, kKeystreamKeyBytes> key, std::uint64_t number);

    /// The words from `first` on, each little-endian. Requires that `first` and the size are
    /// multiples of kWordsPerBlock.
    void words(std::span<std::uint64_t> out, std::uint64_t first) const;

private:
    const Keystream& keystream_;
    KeySchedule schedule_;
};

/// AES-256 by tables, for public keys and streams only. Gives the bytes of the other ones.
extern const Keystream kAesTablesVartime;

}  // namespace veilsum

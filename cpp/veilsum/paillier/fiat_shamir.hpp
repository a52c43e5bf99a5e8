#pragma once

#include <array>
#include <cstring>

#include "veilsum/base/wire.hpp"
#include "veilsum/rng/shake256.hpp"

namespace veilsum {

/// The hash in the place of a verifier (Fiat and Shamir 1986): what a proof hashes, field by field,
/// under a name of its own. Public data and secrets alike.
class FiatShamir {
public:
    explicit FiatShamir(std::string_view domain) { shake_.absorb(domain); }

    FiatShamir& number(std::uint64_t value) {
        std::array<std::byte, sizeof value> bytes{};
        std::memcpy(bytes.data(), &value, sizeof value);
        shake_.absorb(bytes);
        return *this;
    }
    /// Of a length that is fixed, or fixed by an earlier field.
    FiatShamir& bytes(ByteView data) {
        shake_.absorb(data);
        return *this;
    }
    /// The same, stoppable.
    FiatShamir& bytes(ByteView data, const Execution& execution) {
        serial_for(data.size(), kHashedBytes, execution, [&](std::size_t begin, std::size_t end) {
            shake_.absorb(data.subspan(begin, end - begin));
        });
        return *this;
    }
    /// Of any length, which goes first.
    FiatShamir& sized(ByteView data) { return number(data.size()).bytes(data); }

    /// No field may follow.
    void squeeze(std::span<std::byte> out) { shake_.squeeze(out); }

private:
    // Some milliseconds.
    static constexpr std::size_t kHashedBytes = std::size_t{1} << 21;

    Shake256 shake_;
};

/// The digest of a statement, from which weights, challenges and nonces are hashed.
using StatementDigest = std::array<std::byte, 64>;

}  // namespace veilsum

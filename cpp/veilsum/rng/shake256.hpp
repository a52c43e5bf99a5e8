#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace veilsum {

/// The extendable-output function SHAKE256: the one hash of the C++ core (derived generators,
/// fingerprints). Absorb everything, then squeeze. Source: FIPS 202.
class Shake256 {
public:
    Shake256& absorb(std::span<const std::byte> data);
    Shake256& absorb(std::string_view text);

    /// Writes the next bytes of output. No absorb may follow.
    void squeeze(std::span<std::byte> out);

private:
    void permute() noexcept;
    /// Absorbs bytes that belong to one lane of the state: to its end at most.
    void absorb_part(const std::byte* data, std::size_t num_bytes) noexcept;

    std::array<std::uint64_t, 25> state_{};
    std::size_t position_ = 0;
    bool squeezing_ = false;
};

}  // namespace veilsum

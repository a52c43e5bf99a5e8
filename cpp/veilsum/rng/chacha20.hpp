#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace veilsum {

/// Writes `out.size()` bytes of ChaCha20 keystream, starting at block `counter`.
/// Requires: key of 8 words, nonce of 3 words (little-endian, as in the RFC); the counter must not
/// wrap. Constant time. Source: RFC 8439, sections 2.1 to 2.4.
void chacha20(std::span<std::byte> out, std::span<const std::uint32_t, 8> key,
              std::uint32_t counter, std::span<const std::uint32_t, 3> nonce) noexcept;

}  // namespace veilsum

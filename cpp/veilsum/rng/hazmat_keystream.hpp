#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "veilsum/base/parallel.hpp"
#include "veilsum/rng/keystream.hpp"

namespace veilsum {

/// Fills `out` with the stream of a chosen key and start: for comparison with other libraries.
/// Throws Error: invalid_argument (no keystream of that name runs here, or the 64 bits that count
/// would wrap), cancelled.
void hazmat_keystream(std::span<std::byte> out, std::string_view name,
                      std::span<const std::byte, kKeystreamKeyBytes> key,
                      std::span<const std::byte, kKeystreamStartBytes> start,
                      const Execution& execution);

}  // namespace veilsum

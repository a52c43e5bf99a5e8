#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "veilsum/base/secret.hpp"
#include "veilsum/base/wire.hpp"

namespace veilsum {

/// A secret that all randomness of one operation is derived from, *hedged*: beside fresh random
/// bytes it has what the operation is for and a hash of its secret input. So a generator that gives
/// the same bytes again, as in a virtual machine that was set back, gives other randomness as soon
/// as anything else differs. Wiped; never shown.
class HedgedSeed {
public:
    /// `label` names the operation, `context` and `maker` what it is for, `input` is a hash of the
    /// secrets that go in. Throws Error: entropy.
    HedgedSeed(std::string_view label, ByteView context, ByteView maker, ByteView input);

    std::span<const std::byte> bytes() const noexcept { return seed_; }

private:
    Secret<std::byte> seed_;
};

}  // namespace veilsum

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "veilsum/base/limb.hpp"

namespace veilsum {

/// Reads numbers that are sums of digit_i * 2^(bits*i) for i < count, with signed digits in
/// [-2^(bits-1), 2^(bits-1)). Every such number has one set of digits.
class SignedDigits {
public:
    /// For numbers of num_limbs limbs in two's complement. Requires 1 <= bits <= 64 and
    /// count * bits <= 64 * num_limbs.
    SignedDigits(std::size_t count, unsigned bits, std::size_t num_limbs);

    std::size_t scratch_limbs() const noexcept { return offset_.size() + 1; }

    /// False if the number is no such sum; `out`, of `count` digits, means nothing then. `number`
    /// may have fewer limbs, and is continued by its sign. Constant time in the number.
    bool split(std::span<std::int64_t> out, std::span<const Limb> number,
               std::span<Limb> scratch) const noexcept;

private:
    unsigned bits_;
    std::vector<Limb> offset_;  // The sum of 2^(bits-1) * 2^(bits*i), which leaves no digit signed.
};

}  // namespace veilsum

#pragma once

#include <cstddef>
#include <span>

#include "veilsum/base/limb.hpp"
#include "veilsum/base/secret.hpp"

namespace veilsum {

/// A vector of signed integers of one fixed width: what travels between the codec and Paillier.
///
/// Value i is `limbs_per_value` little-endian 64-bit limbs in two's complement. All values sit in
/// one contiguous block that is wiped when it is freed.
class Plaintexts {
public:
    /// Zeros. Throws Error: invalid_argument (no limbs), cancelled.
    Plaintexts(std::size_t size, std::size_t limbs_per_value, const Execution& execution = {});

    std::size_t size() const noexcept { return size_; }
    std::size_t limbs_per_value() const noexcept { return limbs_per_value_; }

    std::span<Limb> operator[](std::size_t i) noexcept {
        return {limbs_.data() + i * limbs_per_value_, limbs_per_value_};
    }
    std::span<const Limb> operator[](std::size_t i) const noexcept {
        return {limbs_.data() + i * limbs_per_value_, limbs_per_value_};
    }

    /// All ones where value i is negative, else 0. Constant time.
    Limb sign_mask(std::size_t i) const noexcept {
        return value_barrier(0 - ((*this)[i].back() >> 63));
    }

private:
    std::size_t size_;
    std::size_t limbs_per_value_;
    Secret<Limb> limbs_;
};

}  // namespace veilsum

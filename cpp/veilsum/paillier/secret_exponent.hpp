#pragma once

#include "veilsum/base/secret.hpp"
#include "veilsum/base/wire.hpp"
#include "veilsum/bigint/kernel.hpp"

namespace veilsum {

/// What a holder raises numbers to: an integer whose sign is as secret as its magnitude.
struct SecretExponent {
    /// Requires that the magnitude fits into so many limbs.
    SecretExponent(const Integer& magnitude, bool is_negative, std::size_t num_limbs);

    Secret<Limb> magnitude;
    /// One limb: all ones for a negative exponent, else zero.
    Secret<Limb> sign;

    /// Of each base, or of its inverse where the exponent is negative: elements modulo n that,
    /// raised to the magnitude, are the bases to this power. Constant time in the sign; bases are
    /// public. Throws Error: invalid_ciphertext (no unit), cancelled. Cost: three multiplications
    /// each.
    Secret<std::byte> signed_bases(Operand bases, std::size_t count, const Modulus& n,
                                   const Execution& execution) const;
};

}  // namespace veilsum

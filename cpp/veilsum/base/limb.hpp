#pragma once

#include <gmp.h>

#include <bit>
#include <cstdint>

namespace veilsum {

/// A 64-bit part of a large integer, lowest first, as GMP takes and gives it.
///
/// Where unsigned long long is uint64_t, as on macOS, this is another type of the same size.
/// Whatever goes to GMP or comes from it is a Limb; bits and wire fields are uint64_t.
using Limb = mp_limb_t;
static_assert(sizeof(Limb) == sizeof(std::uint64_t) && GMP_NAIL_BITS == 0, "GMP with 64-bit limbs");
static_assert(std::endian::native == std::endian::little, "wire bytes are used as limbs in place");

}  // namespace veilsum

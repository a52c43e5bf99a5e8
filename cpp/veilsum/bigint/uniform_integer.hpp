#pragma once

#include "veilsum/bigint/integer.hpp"
#include "veilsum/rng/csprng.hpp"

namespace veilsum {

/// A uniform number in [0, bound). Requires bound > 0. Variable time.
Integer uniform_integer(const Integer& bound, RandomSource& random);

}  // namespace veilsum

#pragma once

#include <cstdint>
#include <span>

#include "veilsum/base/parallel.hpp"
#include "veilsum/noise/distribution.hpp"

namespace veilsum {

/// Fills `out` with independent samples, exactly distributed given uniform random bits.
///
/// Every piece of work has generators of its own, keyed from the operating system; there is no
/// seed. |sample| < 2^62. Secret: the samples. Cost: about 1 to 10 ns a sample and thread. Throws
/// Error: entropy; cancelled (part of `out` is then written).
void fill_noise(std::span<std::int64_t> out, const NoiseDistribution& distribution,
                const Execution& execution = {});

/// As above into int32. Throws Error: invalid_argument unless distribution.fits_int32(), so a wrap
/// has probability below 2^-100 a sample.
void fill_noise(std::span<std::int32_t> out, const NoiseDistribution& distribution,
                const Execution& execution = {});

/// Adds an independent sample to each value.
/// Throws Error: invalid_argument (some |value| >= 2^62; nothing is changed then); entropy and
/// cancelled (values are then partly noised: discard them).
void add_noise(std::span<std::int64_t> values, const NoiseDistribution& distribution,
               const Execution& execution = {});

}  // namespace veilsum

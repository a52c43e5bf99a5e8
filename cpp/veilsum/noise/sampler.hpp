#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "veilsum/base/parallel.hpp"
#include "veilsum/base/secret.hpp"
#include "veilsum/noise/distribution.hpp"
#include "veilsum/noise/exact_decision.hpp"
#include "veilsum/noise/strip_kernel.hpp"
#include "veilsum/noise/strip_table.hpp"
#include "veilsum/rng/csprng.hpp"

namespace veilsum {

/// Fills `out` with independent samples, exactly distributed given uniform random bits.
///
/// Every piece of work has generators of its own, keyed from the operating system; there is no
/// seed. |sample| < 2^62. Secret: the samples. Cost: about 10 to 25 ns a sample and thread. Throws
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

/// One sequence of samples from two streams of random bytes: what fill_noise runs on each piece of
/// its work, and what tests run on fixed streams.
///
/// `main` is read in whole groups of candidates (layout: strip_kernel.hpp), `extra` only for
/// undecided and tail candidates. The sequence depends on the two streams and the table only.
class NoiseSampler {
public:
    /// Keeps references: the table and both sources must outlive it.
    NoiseSampler(const StripTable& table, RandomSource& main, RandomSource& extra,
                 float filter_margin = kFilterMargin);

    /// The next samples, between 0 and 1024 of them, about as many as `num_wanted` or a full block.
    /// Valid until the next call. Secret.
    std::span<const std::int64_t> next_block(std::size_t num_wanted);

    std::uint64_t num_resolved() const noexcept { return decision_.num_resolved(); }

private:
    static constexpr std::size_t kBlockGroups = 64;

    const StripTable& table_;
    RandomSource& main_;
    ExactDecision decision_;
    float filter_margin_;
    Secret<std::uint32_t> words_;
    Secret<std::int64_t> samples_;
};

}  // namespace veilsum

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "veilsum/base/secret.hpp"
#include "veilsum/noise/exact_decision.hpp"
#include "veilsum/noise/noise.hpp"
#include "veilsum/noise/strip_kernel.hpp"
#include "veilsum/noise/strip_table.hpp"
#include "veilsum/rng/csprng.hpp"

namespace veilsum {

/// One sequence of samples from two streams of random bytes: what fill_noise runs on each piece of
/// its work, and what tests run on fixed streams.
///
/// `main` is read in whole groups of candidates (layout: strip_filter.hpp), `extra` only for
/// undecided and tail candidates. The samples of a call depend on the two streams and the table
/// only. A call that has enough within a group drops what is left of it.
class NoiseSampler {
public:
    /// Keeps references: table, sources and kernel must outlive it.
    NoiseSampler(const StripTable& table, RandomSource& main, RandomSource& extra,
                 const StripKernel& kernel = active_strip_kernel(),
                 float filter_margin = kFilterMargin);

    void fill(std::span<std::int64_t> out);
    void fill(std::span<std::int32_t> out);
    void add(std::span<std::int64_t> values);

    std::uint64_t num_resolved() const noexcept { return decision_.num_resolved(); }

private:
    template <class T, class Run>
    void draw(std::span<T> out, Run run);
    template <class T, class Run>
    std::size_t draw_groups(T* out, std::size_t num_groups, Run run);

    const StripTable& table_;
    RandomSource& main_;
    ExactDecision decision_;
    const StripKernel& kernel_;
    float filter_margin_;
    Secret<std::uint32_t> words_;
};

}  // namespace veilsum

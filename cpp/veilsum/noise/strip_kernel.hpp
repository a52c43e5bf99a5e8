#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "veilsum/noise/strip_filter.hpp"

namespace veilsum {

/// How far, in units of 2^-16, a kernel's estimate of p may be from the true p (it is below 2^-4:
/// docs/noise.md, "The filter's bound"), with room to spare. A larger margin gives the same
/// samples, slower; infinity sends every candidate to be resolved exactly.
constexpr float kFilterMargin = 0x1p-3f;

/// Whom a kernel asks about candidates that it cannot decide: ExactDecision, in the order of the
/// candidates. Gives |z|, or -1 to reject.
struct Resolver {
    std::int64_t (*resolve)(void* context, unsigned column, std::uint64_t y,
                            std::uint32_t uniform16);
    void* context;
};

/// One instruction set's strip rejection.
///
/// Each function turns `num_groups` groups of `words` into accepted samples in the order of the
/// candidates, and returns how many there are. `out` has room for 16 * num_groups; what lies beyond
/// the samples is overwritten by fill and left alone by add.
///
/// Samples, and what the resolver is asked, depend on the words and the filter only: all kernels
/// give the same. All candidates are secret. Timing: docs/noise.md.
struct StripKernel {
    const char* name;
    /// Requires samples that fit, or a wrap that the caller allows for.
    std::size_t (*fill32)(std::int32_t* out, const std::uint32_t* words, std::size_t num_groups,
                          const StripFilter& filter, float margin, const Resolver& resolver);
    std::size_t (*fill64)(std::int64_t* out, const std::uint32_t* words, std::size_t num_groups,
                          const StripFilter& filter, float margin, const Resolver& resolver);
    /// Adds the samples to what is there.
    std::size_t (*add64)(std::int64_t* out, const std::uint32_t* words, std::size_t num_groups,
                         const StripFilter& filter, float margin, const Resolver& resolver);
    /// For tests: the estimates of 2^16 p for the 16 offsets y of a strip below 63.
    void (*estimate)(float* out, const std::uint64_t* y, unsigned strip, const StripFilter& filter);
};

// The last two are in builds for x86-64 only.
extern const StripKernel kPortableStripKernel;
extern const StripKernel kAvx2StripKernel;
extern const StripKernel kAvx512StripKernel;

/// Those that this processor runs, slowest first; the portable one always.
std::vector<const StripKernel*> available_strip_kernels();

/// The fastest that VEILSUM_ISA leaves, tested at first use. Throws Error as Dispatcher::active.
const StripKernel& active_strip_kernel();

}  // namespace veilsum

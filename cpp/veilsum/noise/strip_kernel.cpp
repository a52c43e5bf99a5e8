#include "veilsum/noise/strip_kernel.hpp"

#include "veilsum/base/dispatch.hpp"
#include "veilsum/noise/strip_table.hpp"

namespace veilsum {
namespace {

/// The samples of some words that a multiplicative generator makes, and whatever it asks.
std::vector<std::int64_t> known_samples(const StripKernel& kernel, double scale) {
    constexpr std::size_t kNumGroups = 64;
    const StripTable table(NoiseDistribution::discrete_gaussian(scale));
    std::vector<std::uint32_t> words(kNumGroups * group_words(table.filter));
    std::uint64_t state = 1;
    for (std::uint32_t& word : words) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        word = static_cast<std::uint32_t>(state >> 32);
    }
    std::vector<std::int64_t> samples(kNumGroups * kGroupLanes);
    const Resolver reject{
        [](void*, unsigned, std::uint64_t, std::uint32_t) { return std::int64_t{-1}; }, nullptr};
    samples.resize(kernel.fill64(samples.data(), words.data(), kNumGroups, table.filter,
                                 kFilterMargin, reject));
    return samples;
}

/// Gives the samples of the portable kernel, in the narrow and in the wide layout.
bool passes_self_test(const StripKernel& kernel) {
    for (const double scale : {1000.7, 0x1p33}) {
        if (known_samples(kernel, scale) != known_samples(kPortableStripKernel, scale)) {
            return false;
        }
    }
    return true;
}

constexpr Dispatcher<StripKernel>::Candidate kCandidates[] = {
    {&kPortableStripKernel, 0},
#if defined(__x86_64__)
    {&kAvx2StripKernel, cpu::kAvx2 | cpu::kFma},
    {&kAvx512StripKernel, cpu::kAvx512},
#endif
};

constinit Dispatcher<StripKernel> dispatcher("noise kernel", kCandidates, passes_self_test);

}  // namespace

std::vector<const StripKernel*> available_strip_kernels() { return dispatcher.available(); }
const StripKernel& active_strip_kernel() { return dispatcher.active(); }

}  // namespace veilsum

#include "veilsum/noise/strip_kernel.hpp"

#include <array>
#include <string>

#include "veilsum/base/cpu.hpp"
#include "veilsum/base/error.hpp"
#include "veilsum/noise/strip_kernel_avx2.hpp"
#include "veilsum/noise/strip_kernel_avx512.hpp"
#include "veilsum/noise/strip_kernel_portable.hpp"
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

void self_test(const StripKernel& kernel) {
    for (const double scale : {1000.7, 0x1p33}) {  // The narrow and the wide layout.
        if (known_samples(kernel, scale) != known_samples(kPortableStripKernel, scale)) {
            throw Error(Errc::internal, "the " + std::string(kernel.name) +
                                            " noise kernel failed its self-test on this processor; "
                                            "set VEILSUM_ISA to another one and report this");
        }
    }
}

std::vector<const StripKernel*> kernels_with(bool (*has)(std::string_view)) {
    std::vector<const StripKernel*> kernels{&kPortableStripKernel};
#if defined(__x86_64__)
    if (has("avx2") && has("fma")) kernels.push_back(&kAvx2StripKernel);
    if (has("avx512")) kernels.push_back(&kAvx512StripKernel);
#else
    static_cast<void>(has);
#endif
    return kernels;
}

const StripKernel& choose_kernel() {
    const StripKernel& kernel = *kernels_with(may_use).back();
    self_test(kernel);
    return kernel;
}

}  // namespace

std::vector<const StripKernel*> available_strip_kernels() { return kernels_with(cpu_has); }

const StripKernel& active_strip_kernel() {
    static const StripKernel& kernel = choose_kernel();
    return kernel;
}

}  // namespace veilsum

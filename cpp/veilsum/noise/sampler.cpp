#include "veilsum/noise/sampler.hpp"

#include <algorithm>

#include "veilsum/base/error.hpp"

namespace veilsum {
namespace {

constexpr std::size_t kGrain = std::size_t{1} << 16;
constexpr std::int64_t kMaxAddend = std::int64_t{1} << ExactDecision::kMaxBits;

/// Calls store(value, sample) for each element of `out`, in parallel.
template <class T, class Store>
void for_each_sample(std::span<T> out, const NoiseDistribution& distribution,
                     const Execution& execution, const Store& store) {
    if (out.empty()) return;
    const StripTable table(distribution);
    parallel_for(out.size(), kGrain, execution, [&](std::size_t begin, std::size_t end) {
        Csprng main;
        Csprng extra;
        NoiseSampler sampler(table, main, extra);
        while (begin < end) {
            const auto block = sampler.next_block(end - begin);
            const std::size_t count = std::min(block.size(), end - begin);
            for (std::size_t i = 0; i < count; ++i) store(out[begin + i], block[i]);
            begin += count;
        }
    });
}

}  // namespace

NoiseSampler::NoiseSampler(const StripTable& table, RandomSource& main, RandomSource& extra,
                           float filter_margin)
    : table_(table),
      main_(main),
      decision_(table, extra),
      filter_margin_(filter_margin),
      words_(kBlockGroups * group_words(table)),
      samples_(kBlockGroups * kGroupLanes) {}

std::span<const std::int64_t> NoiseSampler::next_block(std::size_t num_wanted) {
    const std::size_t num_groups = std::min(kBlockGroups, num_wanted / kGroupLanes + 1);
    const auto words = std::span(words_).first(num_groups * group_words(table_));
    main_.fill(std::as_writable_bytes(words));
    const std::size_t num_samples = strip_kernel_portable(samples_.data(), words.data(), num_groups,
                                                          table_, decision_, filter_margin_);
    return std::span<const std::int64_t>(samples_).first(num_samples);
}

void fill_noise(std::span<std::int64_t> out, const NoiseDistribution& distribution,
                const Execution& execution) {
    for_each_sample(out, distribution, execution,
                    [](std::int64_t& value, std::int64_t sample) { value = sample; });
}

void fill_noise(std::span<std::int32_t> out, const NoiseDistribution& distribution,
                const Execution& execution) {
    if (!distribution.fits_int32()) {
        throw Error(Errc::invalid_argument,
                    "noise this wide may not fit int32: use int64 (int32 allows sigma up to 2**27 "
                    "and a Laplace scale up to 2**24)");
    }
    for_each_sample(out, distribution, execution, [](std::int32_t& value, std::int64_t sample) {
        value = static_cast<std::int32_t>(sample);
    });
}

void add_noise(std::span<std::int64_t> values, const NoiseDistribution& distribution,
               const Execution& execution) {
    // No early exit: the time does not tell where a large value is.
    bool is_large = false;
    for (const std::int64_t value : values) is_large |= value <= -kMaxAddend || value >= kMaxAddend;
    if (is_large) {
        throw Error(Errc::invalid_argument,
                    "a value is 2**62 or more in magnitude, so adding noise could overflow int64; "
                    "nothing was changed");
    }
    for_each_sample(values, distribution, execution,
                    [](std::int64_t& value, std::int64_t sample) { value += sample; });
}

}  // namespace veilsum

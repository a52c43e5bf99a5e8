#include "veilsum/noise/sampler.hpp"

#include <algorithm>
#include <array>

#include "veilsum/base/error.hpp"

namespace veilsum {
namespace {

constexpr std::size_t kBlockGroups = 128;  // 16 KiB of words, or 24.
constexpr std::size_t kGrain = std::size_t{1} << 16;
constexpr std::int64_t kMaxAddend = std::int64_t{1} << ExactDecision::kMaxBits;

/// Calls draw(sampler, piece) on the pieces of `out`, in parallel.
template <class T, class Draw>
void for_each_piece(std::span<T> out, const NoiseDistribution& distribution,
                    const Execution& execution, const Draw& draw) {
    if (out.empty()) return;
    const StripTable table(distribution);
    const StripKernel& kernel = active_strip_kernel();
    parallel_for(out.size(), kGrain, execution, [&](std::size_t begin, std::size_t end) {
        Csprng main;
        Csprng extra;
        NoiseSampler sampler(table, main, extra, kernel);
        draw(sampler, out.subspan(begin, end - begin));
    });
}

}  // namespace

NoiseSampler::NoiseSampler(const StripTable& table, RandomSource& main, RandomSource& extra,
                           const StripKernel& kernel, float filter_margin)
    : table_(table),
      main_(main),
      decision_(table, extra),
      kernel_(kernel),
      filter_margin_(filter_margin),
      words_(kBlockGroups * group_words(table.filter)) {}

template <class T, class Run>
std::size_t NoiseSampler::draw_groups(T* out, std::size_t num_groups, Run run) {
    const auto words = std::span(words_).first(num_groups * group_words(table_.filter));
    main_.fill(std::as_writable_bytes(words));
    return run(out, words.data(), num_groups, table_.filter, filter_margin_, decision_.resolver());
}

template <class T, class Run>
void NoiseSampler::draw(std::span<T> out, Run run) {
    while (out.size() >= kGroupLanes) {
        const std::size_t num_groups = std::min(kBlockGroups, out.size() / kGroupLanes);
        out = out.subspan(draw_groups(out.data(), num_groups, run));
    }
    std::array<T, kGroupLanes> last{};  // A kernel needs room for all of a group.
    while (!out.empty()) {
        std::copy(out.begin(), out.end(), last.begin());
        const std::size_t count = std::min(draw_groups(last.data(), 1, run), out.size());
        std::copy_n(last.begin(), count, out.begin());
        out = out.subspan(count);
    }
    wipe(last.data(), sizeof last);
}

void NoiseSampler::fill(std::span<std::int64_t> out) { draw(out, kernel_.fill64); }
void NoiseSampler::fill(std::span<std::int32_t> out) { draw(out, kernel_.fill32); }
void NoiseSampler::add(std::span<std::int64_t> values) { draw(values, kernel_.add64); }

void fill_noise(std::span<std::int64_t> out, const NoiseDistribution& distribution,
                const Execution& execution) {
    for_each_piece(out, distribution, execution,
                   [](NoiseSampler& sampler, auto piece) { sampler.fill(piece); });
}

void fill_noise(std::span<std::int32_t> out, const NoiseDistribution& distribution,
                const Execution& execution) {
    if (!distribution.fits_int32()) {
        throw Error(Errc::invalid_argument,
                    "noise this wide may not fit int32: use int64 (int32 allows sigma up to 2**27 "
                    "and a Laplace scale up to 2**24)");
    }
    for_each_piece(out, distribution, execution,
                   [](NoiseSampler& sampler, auto piece) { sampler.fill(piece); });
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
    for_each_piece(values, distribution, execution,
                   [](NoiseSampler& sampler, auto piece) { sampler.add(piece); });
}

}  // namespace veilsum

#include "veilsum/codec/quantise.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include <gmp.h>

#include "veilsum/base/error.hpp"
#include "veilsum/base/secret.hpp"
#include "veilsum/codec/slots.hpp"
#include "veilsum/rng/csprng.hpp"

namespace veilsum {
namespace {

using Uint128 = unsigned __int128;

/// Values a thread takes at a time. Partial sums are per piece and added in order, so that results
/// do not depend on the number of threads.
constexpr std::size_t kPiece = 8192;
constexpr std::size_t kMaxDim = std::size_t{1} << 40;

[[noreturn]] void refuse(const std::string& what) { throw Error(Errc::invalid_argument, what); }

/// out = |x| * 2^1074, which is an integer for every finite double.
void set_scaled(mpz_ptr out, double x) {
    int exponent = 0;
    mpz_set_d(out, std::ldexp(std::frexp(x, &exponent), 53));
    // exponent > -1074; a subnormal's mantissa has trailing zeros enough for the shift down.
    const int shift = exponent - 53 + 1074;
    if (shift >= 0) {
        mpz_mul_2exp(out, out, static_cast<mp_bitcnt_t>(shift));
    } else {
        mpz_tdiv_q_2exp(out, out, static_cast<mp_bitcnt_t>(-shift));
    }
}

/// min(floor(norm_bound * grid_max / clip), cap), exact. Requires positive finite doubles.
std::uint64_t largest_grid_norm(double norm_bound, std::int64_t grid_max, double clip,
                                std::uint64_t cap) {
    mpz_t bound;
    mpz_t divisor;
    mpz_inits(bound, divisor, nullptr);
    set_scaled(bound, norm_bound);
    set_scaled(divisor, clip);
    mpz_mul_ui(bound, bound, static_cast<unsigned long>(grid_max));
    mpz_tdiv_q(bound, bound, divisor);
    std::uint64_t limb = cap;
    if (mpz_sizeinbase(bound, 2) <= 64) {
        limb = 0;
        mpz_export(&limb, nullptr, -1, sizeof limb, 0, 0, bound);
    }
    mpz_clears(bound, divisor, nullptr);
    return std::min(limb, cap);
}

/// One partial result per piece of [0, n).
template <class T, class Body>
std::vector<T> map_pieces(std::size_t n, const Execution& execution, const Body& body) {
    std::vector<T> results((n + kPiece - 1) / kPiece);
    parallel_for(n, kPiece, execution, [&](std::size_t begin, std::size_t end) {
        results[begin / kPiece] = body(begin, end);
    });
    return results;
}

template <class Float>
bool all_finite(const Float* x, std::size_t n) {
    using Bits = std::conditional_t<sizeof(Float) == 4, std::uint32_t, std::uint64_t>;
    constexpr Bits kInfinity = std::bit_cast<Bits>(std::numeric_limits<Float>::infinity());
    // Adding 1 at the exponent's last place carries into the sign bit iff the exponent is full.
    constexpr Bits kOne = kInfinity & (0 - kInfinity);
    Bits carried = 0;
    for (std::size_t i = 0; i < n; ++i) {
        carried |= static_cast<Bits>((std::bit_cast<Bits>(x[i]) & kInfinity) + kOne);
    }
    return carried >> (8 * sizeof(Bits) - 1) == 0;
}

/// The values as they are now. Whatever another thread writes to x later is not seen.
template <class Float>
Secret<Float> read_once(std::span<const Float> x) {
    Secret<Float> own(x.begin(), x.end());
    __asm__ volatile("" : : : "memory");  // No value is loaded from x again in the copy's place.
    return own;
}

/// Refuses values that are not finite; `first` is the place of x[0] in the vector.
template <class Float>
void check_finite(std::span<const Float> x, std::size_t first) {
    if (all_finite(x.data(), x.size())) return;
    std::size_t i = 0;
    while (std::isfinite(x[i])) ++i;
    refuse("the vector holds " + std::string(std::isnan(x[i]) ? "NaN" : "infinity") + " at index " +
           std::to_string(first + i) + "; every value must be finite");
}

/// What one value goes through: q = round(clamp(x * factor * steps, +-limit)).
struct Step {
    double factor;  ///< Of norm clipping.
    double clip;
    double steps;  ///< weight * scale.
    double limit;  ///< At most grid_max. Clamping after scaling equals clamping before it.
};

inline double scaled(double y, const Step& step) {
    const double t = y * step.steps;
    const double low = t < -step.limit ? -step.limit : t;
    return low > step.limit ? step.limit : low;
}

template <class Float>
std::size_t round_nearest(std::int64_t* out, const Float* x, std::size_t n, const Step& step) {
    // Adding 1.5 * 2^52 leaves |t| < 2^51 rounded to nearest even in the low mantissa bits.
    constexpr double kMagic = 0x1.8p52;
    std::int64_t num_clipped = 0;
    for (std::size_t i = 0; i < n; ++i) {
        const double y = static_cast<double>(x[i]) * step.factor;
        num_clipped += std::abs(y) > step.clip ? 1 : 0;
        const double rounded = scaled(y, step) + kMagic;
        out[i] = std::bit_cast<std::int64_t>(rounded) - std::bit_cast<std::int64_t>(kMagic);
    }
    return static_cast<std::size_t>(num_clipped);
}

template <class Float>
std::size_t round_stochastic(std::int64_t* out, const Float* x, std::size_t n, const Step& step) {
    Csprng random;
    Secret<std::uint64_t> bits(std::min<std::size_t>(n, 512));
    std::int64_t num_clipped = 0;
    for (std::size_t i = 0; i < n; ++i) {
        if (i % bits.size() == 0) random.fill(std::as_writable_bytes(std::span(bits)));
        const double y = static_cast<double>(x[i]) * step.factor;
        num_clipped += std::abs(y) > step.clip ? 1 : 0;
        const double t = scaled(y, step);
        // On magnitudes the fraction is exact; rounding away from 0 with that probability is
        // floor + Bernoulli(t - floor(t)) for either sign.
        const double magnitude = std::abs(t);
        const auto whole = static_cast<std::int64_t>(magnitude);
        const auto threshold =
            static_cast<std::int64_t>((magnitude - static_cast<double>(whole)) * 0x1p63);
        const auto uniform = static_cast<std::int64_t>(bits[i % bits.size()] >> 1);
        const std::int64_t q = whole + (uniform < threshold ? 1 : 0);
        out[i] = std::signbit(t) ? -q : q;
    }
    return static_cast<std::size_t>(num_clipped);
}

/// Of what the norm leaves no room for: no value grows, so the norm does not either.
template <class Float>
std::size_t round_toward_zero(std::int64_t* out, const Float* x, std::size_t n, const Step& step) {
    std::int64_t num_clipped = 0;
    for (std::size_t i = 0; i < n; ++i) {
        const double y = static_cast<double>(x[i]) * step.factor;
        num_clipped += std::abs(y) > step.clip ? 1 : 0;
        out[i] = static_cast<std::int64_t>(scaled(y, step));
    }
    return static_cast<std::size_t>(num_clipped);
}

/// ceil(sqrt(square)) for square < 2^126.
std::uint64_t ceil_sqrt(Uint128 square) {
    // The estimate is a few units off at most; the loops make it exact.
    auto root = static_cast<std::uint64_t>(std::sqrt(static_cast<double>(square)));
    while (static_cast<Uint128>(root) * root > square) --root;
    while (static_cast<Uint128>(root) * root < square) ++root;
    return root;
}

/// What quantise() returns, with no slot left behind by one that fails.
template <class Quantise>
ClipReport zeroed_on_error(std::span<std::int64_t> slots, const Quantise& quantise) {
    try {
        return quantise();
    } catch (...) {
        std::fill(slots.begin(), slots.end(), 0);
        throw;
    }
}

std::uint64_t largest_magnitude(std::span<const std::int64_t> slots, const Execution& execution) {
    const auto maxima =
        map_pieces<std::int64_t>(slots.size(), execution, [&](auto begin, auto end) {
            std::int64_t largest = 0;
            for (std::size_t i = begin; i < end; ++i)
                largest = std::max(largest, std::abs(slots[i]));
            return largest;
        });
    return static_cast<std::uint64_t>(*std::max_element(maxima.begin(), maxima.end()));
}

std::uint64_t grid_norm(std::span<const std::int64_t> slots, Norm norm,
                        const Execution& execution) {
    const auto sums = map_pieces<Uint128>(slots.size(), execution, [&](auto begin, auto end) {
        Uint128 squares = 0;
        std::uint64_t magnitudes = 0;
        for (std::size_t i = begin; i < end; ++i) {
            const auto magnitude = static_cast<std::uint64_t>(std::abs(slots[i]));
            if (norm == Norm::l2) {
                squares += static_cast<Uint128>(magnitude) * magnitude;
            } else {
                magnitudes += magnitude;
            }
        }
        return squares + magnitudes;
    });
    Uint128 total = 0;
    for (const Uint128 sum : sums) total += sum;
    return norm == Norm::l2 ? ceil_sqrt(total) : static_cast<std::uint64_t>(total);
}

/// clip_grid_norm of slots whose norm is known to be s.
std::uint64_t shrink_grid_norm(std::span<std::int64_t> slots, Norm norm, std::uint64_t s,
                               std::uint64_t bound, const Execution& execution) {
    if (s <= bound) return s;
    // ratio / 2^64 is at most 2^-64 below bound / s, so for |q| < 2^64 the product's high half is
    // floor(|q| * bound / s) or one less; the exact remainder, below 2 * s, tells which. It fits 64
    // bits as s < 2^63, so arithmetic modulo 2^64 finds it.
    const auto ratio = static_cast<std::uint64_t>((static_cast<Uint128>(bound) << 64) / s);
    parallel_for(slots.size(), kPiece, execution, [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) {
            const auto magnitude = static_cast<std::uint64_t>(std::abs(slots[i]));
            auto q = static_cast<std::uint64_t>((static_cast<Uint128>(magnitude) * ratio) >> 64);
            q += magnitude * bound - q * s >= s ? 1 : 0;
            slots[i] = slots[i] < 0 ? -static_cast<std::int64_t>(q) : static_cast<std::int64_t>(q);
        }
    });
    return grid_norm(slots, norm, execution);
}

}  // namespace

std::uint64_t clip_grid_norm(std::span<std::int64_t> slots, Norm norm, std::uint64_t bound,
                             const Execution& execution) {
    return shrink_grid_norm(slots, norm, grid_norm(slots, norm, execution), bound, execution);
}

Quantiser::Quantiser(std::vector<Segment> segments, Precision precision, Norm norm,
                     double norm_bound, Rounding rounding)
    : norm_(norm),
      norm_bound_(norm_bound),
      rounding_(rounding),
      grid_max_(veilsum::grid_max(precision)),
      min_weight_(std::ldexp(1.0, -static_cast<int>(precision.weight_bits))) {
    double smallest_clip = std::numeric_limits<double>::infinity();
    for (const auto& [num_values, clip] : segments) {
        if (num_values < 1 || num_values > kMaxDim - dim_) refuse("dim must lie in [1, 2^40]");
        const double scale = static_cast<double>(grid_max_) / clip;
        if (!(clip > 0) || !std::isnormal(scale)) {
            refuse("clip must be a positive finite number that the grid can divide");
        }
        runs_.push_back({dim_, dim_ + num_values, clip, scale, 1});
        dim_ += num_values;
        largest_clip_ = std::max(largest_clip_, clip);
        smallest_clip = std::min(smallest_clip, clip);
    }
    if (dim_ == 0) refuse("dim must lie in [1, 2^40]");
    if (largest_clip_ / smallest_clip > 0x1p64) refuse("the clips are more than 2^64 apart");
    for (Run& run : runs_) run.relative = largest_clip_ / run.clip;
    if (norm != Norm::none && norm != Norm::l1 && norm != Norm::l2) refuse("unknown norm");
    if (rounding != Rounding::nearest && rounding != Rounding::stochastic) {
        refuse("unknown rounding");
    }
    if (norm == Norm::none) {
        if (norm_bound != 0) refuse("norm_bound is given but norm is not; set norm to l1 or l2");
        return;
    }
    if (!(norm_bound > 0) || !std::isfinite(norm_bound)) {
        refuse("norm_bound must be positive and finite");
    }
    const Uint128 largest_norm = static_cast<Uint128>(dim_) * static_cast<Uint128>(grid_max_);
    if (largest_norm >> 63 != 0) {
        refuse(
            "with a norm bound dim * 2^(value_bits+weight_bits-1) must stay below 2^63; lower "
            "value_bits or weight_bits");
    }
    grid_norm_bound_ = largest_grid_norm(norm_bound, grid_max_, largest_clip_,
                                         static_cast<std::uint64_t>(largest_norm));
}

/// Calls body(begin, end, run) for each part of [begin, end) that lies in one segment.
template <class Body>
void Quantiser::for_each_run(std::size_t begin, std::size_t end, const Body& body) const {
    auto run = std::upper_bound(runs_.begin(), runs_.end(), begin,
                                [](std::size_t i, const Run& r) { return i < r.end; });
    for (; begin < end; ++run) {
        const std::size_t stop = std::min(end, run->end);
        body(begin, stop, *run);
        begin = stop;
    }
}

/// Fills in the norm of x and what shrinks it to the bound.
template <class Float>
void Quantiser::bound_norm(ClipReport& report, std::span<const Float> x,
                           const Execution& execution) const {
    const auto maxima = map_pieces<double>(dim_, execution, [&](auto begin, auto end) {
        double largest = 0;
        for_each_run(begin, end, [&](std::size_t first, std::size_t last, const Run& run) {
            for (std::size_t i = first; i < last; ++i) {
                const double magnitude = std::abs(static_cast<double>(x[i])) * run.relative;
                largest = magnitude > largest ? magnitude : largest;
            }
        });
        return largest;
    });
    const double largest = *std::max_element(maxima.begin(), maxima.end());
    if (largest == 0) return;
    if (!std::isfinite(largest)) refuse("a value is too large beside the clip of its segment");
    // Values are taken relative to the largest, so neither overflow nor underflow spoils the norm.
    const auto sums = map_pieces<double>(dim_, execution, [&](auto begin, auto end) {
        // Four accumulators: the additions need not wait for each other.
        std::array<double, 4> sum{};
        for_each_run(begin, end, [&](std::size_t first, std::size_t last, const Run& run) {
            for (std::size_t i = first; i < last; ++i) {
                const double ratio = std::abs(static_cast<double>(x[i])) * run.relative / largest;
                sum[i % 4] += norm_ == Norm::l2 ? ratio * ratio : ratio;
            }
        });
        return (sum[0] + sum[1]) + (sum[2] + sum[3]);
    });
    double relative = 0;
    for (const double sum : sums) relative += sum;
    if (norm_ == Norm::l2) relative = std::sqrt(relative);
    report.norm = largest * relative;  // Infinity where it exceeds a double.
    report.norm_factor = std::min(1.0, norm_bound_ / largest / relative);  // Correct even there.
}

/// Rounds the values x[0], x[1], ... at the places from begin to end of the vector.
template <class Float, class Round>
std::size_t Quantiser::round_piece(std::int64_t* out, const Float* x, std::size_t begin,
                                   std::size_t end, double weight, double factor,
                                   const Round& round) const {
    std::size_t num_clipped = 0;
    for_each_run(begin, end, [&](std::size_t first, std::size_t last, const Run& run) {
        const double steps = weight * run.scale;
        const Step step{factor, run.clip, steps,
                        std::min(run.clip * steps, static_cast<double>(grid_max_))};
        num_clipped += round(out + (first - begin), x + (first - begin), last - first, step);
    });
    return num_clipped;
}

template <class Float>
ClipReport Quantiser::quantise_any(std::span<std::int64_t> slots, std::span<const Float> x,
                                   double weight, const Execution& execution) const {
    if (x.size() != dim_ || slots.size() != num_slots()) {
        refuse("the vector has " + std::to_string(x.size()) + " values; the codec is for " +
               std::to_string(dim_));
    }
    if (!(weight >= 0 && weight <= 1)) refuse("the weight must lie in [0, 1]");
    if (weight != 0 && weight < min_weight_) {
        refuse(
            "the weight is too small for this codec, whose values would lose precision: it carries "
            "weights from 2^-weight_bits to 1, and 0. Make it with more weight_bits: the binary "
            "logarithm of the largest weight over the smallest");
    }
    const auto round =
        rounding_ == Rounding::nearest ? round_nearest<Float> : round_stochastic<Float>;
    ClipReport report;
    std::vector<std::size_t> clipped;
    const std::int64_t weight_slot = std::llrint(weight * static_cast<double>(grid_max_));
    slots[dim_] = weight_slot;
    if (norm_ == Norm::none) {
        clipped = map_pieces<std::size_t>(dim_, execution, [&](auto begin, auto end) {
            const Secret<Float> own = read_once(x.subspan(begin, end - begin));
            check_finite<Float>(own, begin);
            return round_piece(slots.data() + begin, own.data(), begin, end, weight, 1.0, round);
        });
    } else {
        const Secret<Float> own = read_once(x);
        parallel_for(dim_, kPiece, execution, [&](std::size_t begin, std::size_t end) {
            check_finite<Float>(std::span<const Float>(own).subspan(begin, end - begin), begin);
        });
        bound_norm<Float>(report, own, execution);
        const auto round_all = [&](const auto& how) {
            return map_pieces<std::size_t>(dim_, execution, [&](auto begin, auto end) {
                return round_piece(slots.data() + begin, own.data() + begin, begin, end, weight,
                                   report.norm_factor, how);
            });
        };
        clipped = round_all(round);
        const auto values = slots.first(dim_);
        const auto bound = static_cast<std::uint64_t>(static_cast<Uint128>(grid_norm_bound_) *
                                                      static_cast<Uint128>(weight_slot) /
                                                      static_cast<Uint128>(grid_max_));
        // Rounding may lift the norm of many small values by much, and to shrink all in proportion
        // would then cost a large one many steps: with values rounded toward 0 it costs none.
        std::uint64_t size = grid_norm(values, norm_, execution);
        if (size > bound &&
            static_cast<Uint128>(largest_magnitude(values, execution)) * (size - bound) > size) {
            round_all(round_toward_zero<Float>);
            size = grid_norm(values, norm_, execution);
        }
        report.grid_norm = shrink_grid_norm(values, norm_, size, bound, execution);
        // Noise is calibrated to the bound, so nothing is let through on trust.
        if (report.grid_norm > bound) {
            throw Error(Errc::internal, "the norm of the quantised vector exceeds its bound");
        }
    }
    for (const std::size_t num_clipped : clipped) report.num_clipped += num_clipped;
    return report;
}

ClipReport Quantiser::quantise(std::span<std::int64_t> slots, std::span<const float> x,
                               double weight, const Execution& execution) const {
    return zeroed_on_error(slots, [&] { return quantise_any(slots, x, weight, execution); });
}

ClipReport Quantiser::quantise(std::span<std::int64_t> slots, std::span<const double> x,
                               double weight, const Execution& execution) const {
    return zeroed_on_error(slots, [&] { return quantise_any(slots, x, weight, execution); });
}

double Quantiser::dequantise(std::span<double> values, std::span<const std::int64_t> slots,
                             const Execution& execution) const {
    if (values.size() != dim_ || slots.size() != num_slots()) {
        refuse("expected " + std::to_string(num_slots()) + " slots, got " +
               std::to_string(slots.size()));
    }
    parallel_for(dim_, kPiece, execution, [&](std::size_t begin, std::size_t end) {
        for_each_run(begin, end, [&](std::size_t first, std::size_t last, const Run& run) {
            for (std::size_t i = first; i < last; ++i) {
                values[i] = static_cast<double>(slots[i]) / run.scale;
            }
        });
    });
    return static_cast<double>(slots[dim_]) / static_cast<double>(grid_max_);
}

}  // namespace veilsum

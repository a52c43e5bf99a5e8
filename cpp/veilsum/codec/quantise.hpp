#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "veilsum/base/parallel.hpp"
#include "veilsum/codec/slots.hpp"

namespace veilsum {

/// The norm that bounds a whole vector. The numbers are the wire's.
enum class Norm : std::uint8_t { none = 0, l1 = 1, l2 = 2 };

/// How a value between two grid points is rounded. The numbers are the wire's.
enum class Rounding : std::uint8_t {
    nearest = 0,     ///< Ties to even.
    stochastic = 1,  ///< To either neighbour, unbiased to within 2^-63 of a grid step.
};

/// What clipping did to one vector. About the contributor's data: not for sending.
struct ClipReport {
    std::size_t num_clipped = 0;  ///< Values outside [-clip, clip], after norm clipping.
    double norm = 0;              ///< Of the vector as given; 0 without a norm bound.
    double norm_factor = 1;       ///< What norm clipping multiplied the vector by, <= 1.
    std::uint64_t grid_norm = 0;  ///< ceil(norm) of the value slots; 0 without a norm bound.
};

/// Consecutive values of a vector that share one clip: the largest magnitude that counts.
struct Segment {
    std::size_t num_values;
    double clip;
};

/// Turns float vectors of one length into integer slots on a fixed grid and back.
///
/// A vector of `dim` values and its weight w become dim + 1 slots: value slots
/// round(clamp(x) * w * scale) with scale = grid_max / clip, then one weight slot round(w *
/// grid_max). Every slot lies within +-grid_max. Immutable; use from any thread.
class Quantiser {
public:
    /// The segments follow one another and make up the vector.
    /// Throws Error: invalid_argument (dim outside [1, 2^40], or an empty segment; what grid_max()
    /// refuses of the precision; a clip that is not a positive finite number for which
    /// grid_max / clip is a normal double; clips more than 2^64 apart; with a norm, norm_bound not
    /// positive and finite or dim * grid_max >= 2^63; without one, any norm_bound).
    Quantiser(std::vector<Segment> segments, Precision precision, Norm norm = Norm::none,
              double norm_bound = 0, Rounding rounding = Rounding::nearest);

    std::size_t dim() const noexcept { return dim_; }
    std::size_t num_slots() const noexcept { return dim_ + 1; }

    /// The largest magnitude of a slot, and the weight slot of w = 1.
    std::int64_t grid_max() const noexcept { return grid_max_; }

    /// The smallest weight but 0 that keeps the precision of values: 2^-weight_bits.
    double min_weight() const noexcept { return min_weight_; }

    /// Grid steps per unit of value in the segments of the largest clip; others have more.
    double scale() const noexcept { return static_cast<double>(grid_max_) / largest_clip_; }

    /// What bounds the norm of value slots of weight 1: floor(norm_bound * grid_max / clip), exact,
    /// or dim * grid_max where that is less. Where clips differ it is the largest that counts: a
    /// value is taken times largest clip / its clip. With the weight slot a, quantise() returns
    /// value slots of a norm <= grid_norm_bound() * a / grid_max(), whatever rounding did. 0
    /// without a norm.
    std::uint64_t grid_norm_bound() const noexcept { return grid_norm_bound_; }

    /// Norm-clips `x`, clips each value, weights, scales and rounds, then shrinks the integers
    /// towards 0 where rounding pushed their exact norm over the bound of their weight. Where that
    /// would cost the largest of them more than a step, all are rounded towards 0 instead. So no
    /// value is moved by more than 5 steps beyond its rounding, but for 2^-40 of itself.
    ///
    /// Requires slots.size() == num_slots(). Every value of x is read once, so that the bounds hold
    /// even if another thread writes to x meanwhile. Deterministic with nearest rounding, whatever
    /// the number of threads. Secret: x, weight, slots.
    /// Throws Error, and sets all slots to 0: invalid_argument (wrong length; NaN or infinity in x;
    /// weight neither 0 nor in [min_weight(), 1]), entropy, internal (the norm exceeds its bound).
    ClipReport quantise(std::span<std::int64_t> slots, std::span<const float> x, double weight,
                        const Execution& execution) const;
    ClipReport quantise(std::span<std::int64_t> slots, std::span<const double> x, double weight,
                        const Execution& execution) const;

    /// The weighted sum that summed slots stand for: values = value slots / scale, and returns the
    /// sum of the weights = weight slot / grid_max().
    /// Throws Error: invalid_argument (wrong length).
    double dequantise(std::span<double> values, std::span<const std::int64_t> slots,
                      const Execution& execution) const;

private:
    /// A segment and what each of its values goes through.
    struct Run {
        std::size_t begin;
        std::size_t end;
        double clip;
        double scale;     ///< Grid steps per unit.
        double relative;  ///< Largest clip / clip, at least 1.
    };

    template <class Float>
    ClipReport quantise_any(std::span<std::int64_t> slots, std::span<const Float> x, double weight,
                            const Execution& execution) const;
    template <class Float>
    void bound_norm(ClipReport& report, std::span<const Float> x, const Execution& execution) const;
    template <class Float, class Round>
    std::size_t round_piece(std::int64_t* out, const Float* x, std::size_t begin, std::size_t end,
                            double weight, double factor, const Round& round) const;
    template <class Body>
    void for_each_run(std::size_t begin, std::size_t end, const Body& body) const;

    std::size_t dim_ = 0;
    std::vector<Run> runs_;
    double largest_clip_ = 0;
    Norm norm_;
    double norm_bound_;
    Rounding rounding_;
    std::int64_t grid_max_;
    double min_weight_;
    std::uint64_t grid_norm_bound_ = 0;
};

/// Scales integers towards 0 so that their exact norm is at most `bound`: with s = ceil(norm) and
/// s > bound, each q becomes sign(q) * floor(|q| * bound / s). Returns ceil(norm) afterwards.
/// Requires |q| < 2^39, slots.size() * max|q| < 2^63, norm is l1 or l2. Exact. Secret: slots.
std::uint64_t clip_grid_norm(std::span<std::int64_t> slots, Norm norm, std::uint64_t bound,
                             const Execution& execution);

}  // namespace veilsum

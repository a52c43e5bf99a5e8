// Products of powers with public exponents, written once over an Engine (engine.hpp).
//
// Notation: N bases, exponents of b bits, L lanes.
//
// Pippenger's buckets. Each lane takes an L-th of the *exponents*, b/L bits, as S windows of about
// w = b/(L*S) bits. A window's turn, from the highest on: for each lane there are 2^w buckets;
// every base, broadcast to all lanes, is multiplied into the bucket that the lane's digit names.
// The product of bucket[d]^d is two running products. Multiplications of all lanes for a row:
//   S*(N + 2*2^w)  and  0.7*b squarings to put windows and lanes together.
// Only one window's buckets have to be near at a time, and bases are read in order.
// Where few bases or short exponents make that dearer, Straus's method serves.
//
// Source: N. Pippenger, On the evaluation of powers and related problems, FOCS 1976; the buckets as
// in D. J. Bernstein, J. Doumen, T. Lange, J.-J. Oosterwijk, Faster batch forgery identification,
// INDOCRYPT 2012. Variable time.

#pragma once

#include "veilsum/bigint/multi_pow.hpp"

namespace veilsum::algorithms {

/// Buckets are visited in no order: those of a window stay in the second-level cache, or nearly.
inline constexpr std::size_t kBucketBytes = std::size_t{1} << 20;
inline constexpr unsigned kMaxBucketWindow = 12;

/// How multi_pow_vartime divides exponents, and whether that is worth it.
template <Engine E>
struct BucketPlan {
    BucketPlan(const ExponentMatrix& exponents, const Modulus& n)
        : bits_per_lane((exponents.num_bits + E::kLanes - 1) / E::kLanes) {
        const Costs<E> costs(n);
        const std::size_t bucket_bytes = E::element_limbs(n) * sizeof(Limb);
        const std::size_t moves = 4 * costs.h * E::kLanes;
        std::size_t best = 1;
        for (num_sets = 1; num_sets <= bits_per_lane; ++num_sets) {
            if (width(0) > kMaxBucketWindow || (bucket_bytes << width(0)) > kBucketBytes) {
                continue;
            }
            const std::size_t row_cost = exponents.num_columns * num_sets * (costs.mul() + moves) +
                                         2 * num_buckets() * costs.mul() +
                                         exponents.num_bits * costs.sqr();
            if (exponents.num_rows * row_cost >= cost) continue;
            cost = exponents.num_rows * row_cost;
            best = num_sets;
        }
        num_sets = best;
    }

    /// The sets' windows differ by one bit at most, the wider ones below.
    unsigned width(std::size_t set) const {
        return static_cast<unsigned>(bits_per_lane / num_sets +
                                     (set < bits_per_lane % num_sets ? 1 : 0));
    }
    std::size_t num_buckets() const {
        std::size_t sum = 0;
        for (std::size_t set = 0; set < num_sets; ++set) sum += std::size_t{1} << width(set);
        return sum;
    }
    std::size_t scratch_limbs(std::size_t num_columns, const Modulus& n) const {
        const std::size_t groups = (num_columns + E::kLanes - 1) / E::kLanes;
        return E::scratch_limbs(n) +
               ((std::size_t{1} << width(0)) + groups + 4) * E::element_limbs(n);
    }

    std::size_t bits_per_lane;
    std::size_t num_sets = 1;
    std::size_t cost = std::numeric_limits<std::size_t>::max();
};

template <Engine E>
bool uses_buckets(const ExponentMatrix& exponents, const Modulus& n) {
    return BucketPlan<E>(exponents, n).cost < StrausPlan<E>(exponents, n).cost;
}

template <Engine E>
std::size_t multi_pow_vartime_scratch_bytes(const ExponentMatrix& exponents, const Modulus& n) {
    if (!uses_buckets<E>(exponents, n)) return multi_pow_scratch_bytes<E>(exponents, n);
    return BucketPlan<E>(exponents, n).scratch_limbs(exponents.num_columns, n) * sizeof(Limb);
}

/// multi_pow_vartime by buckets, a row at a time. Each lane of a bucket keeps its limbs side by
/// side, because lanes take different buckets.
template <Engine E>
class Buckets {
    static constexpr std::size_t L = E::kLanes;

public:
    Buckets(const BucketPlan<E>& plan, const Modulus& n, std::byte* scratch)
        : plan_(plan),
          n_(n),
          work_(n, scratch),
          lane_limbs_(E::lane_limbs(n)),
          x_(work_.element()),
          y_(work_.element()),
          z_(work_.element()),
          base_(work_.element()),
          buckets_(work_.next),
          bases_(buckets_ + work_.element_limbs * (std::size_t{1} << plan.width(0))) {}

    void row(std::byte* out, Operand base, const std::byte* to_montgomery,
             const ExponentMatrix& exponents, std::size_t row) {
        enter(base, to_montgomery, exponents.num_columns);
        std::size_t position = plan_.bits_per_lane;
        for (std::size_t set = plan_.num_sets; set-- > 0;) {
            const unsigned w = plan_.width(set);
            position -= w;
            fill(exponents, row, position, w);
            combine_window(w, set + 1 == plan_.num_sets);
        }
        combine_lanes();
        work_.engine.store(out, y_, 1);
    }

private:
    /// Where each lane's limbs are.
    struct Lanes {
        Limb* of[L];
    };

    Lanes bucket(std::size_t i) {
        Lanes lanes;
        for (std::size_t lane = 0; lane < L; ++lane) {
            lanes.of[lane] = buckets_ + (i * L + lane) * lane_limbs_;
        }
        return lanes;
    }
    void get(Limb* out, const Lanes& lanes) { work_.engine.join_lanes(out, lanes.of); }
    void put(const Lanes& lanes, const Limb* in) { work_.engine.split_lanes(lanes.of, in); }
    void copy(Limb* out, const Limb* in) { std::copy_n(in, work_.element_limbs, out); }
    void broadcast(Limb* out, const Limb* in, std::size_t lane) {
        work_.engine.broadcast_lane(out, in, lane);
    }

    /// bases_ = all bases in Montgomery form, as many as there are lanes in an element.
    void enter(Operand base, const std::byte* to_montgomery, std::size_t count) {
        work_.engine.load(x_, {to_montgomery, 0}, 0, L);
        for (std::size_t first = 0; first < count; first += L) {
            Limb* group = bases_ + first / L * work_.element_limbs;
            work_.engine.load(group, base, first, lanes_from<E>(first, count));
            work_.engine.mul(group, group, x_);
        }
    }

    /// Multiplies each base into the bucket that each lane's digit names.
    void fill(const ExponentMatrix& exponents, std::size_t row, std::size_t position, unsigned w) {
        work_.engine.load(x_, {n_.r(), 0}, 0, L);
        for (std::size_t i = 0; i < std::size_t{1} << w; ++i) put(bucket(i), x_);
        for (std::size_t column = 0; column < exponents.num_columns; ++column) {
            broadcast(base_, bases_ + column / L * work_.element_limbs, column % L);
            const Limb* exponent = exponents.at(row, column);
            Lanes chosen;
            for (std::size_t lane = 0; lane < L; ++lane) {
                const std::size_t digit = limbs::bits_at(exponent, exponents.num_limbs,
                                                         lane * plan_.bits_per_lane + position, w);
                chosen.of[lane] = bucket(digit).of[lane];
            }
            get(x_, chosen);
            work_.engine.mul(x_, x_, base_);
            put(chosen, x_);
        }
    }

    /// y_ = y_ raised to 2^w, unless it is the first, times the product of bucket[d]^d, in each
    /// lane.
    void combine_window(unsigned w, bool is_first) {
        std::size_t i = (std::size_t{1} << w) - 1;
        // x_ = the product of the buckets from i up; that of all these x_ is wanted.
        get(x_, bucket(i));
        copy(base_, x_);
        while (--i > 0) {
            get(z_, bucket(i));
            work_.engine.mul(x_, x_, z_);
            work_.engine.mul(base_, base_, x_);
        }
        if (is_first) return copy(y_, base_);
        for (unsigned s = 0; s < w; ++s) work_.engine.sqr(y_, y_);
        work_.engine.mul(y_, y_, base_);
    }

    /// y_ = the product of lane l of y_ raised to 2^(l*bits_per_lane).
    void combine_lanes() {
        copy(z_, y_);
        broadcast(y_, z_, L - 1);
        for (std::size_t lane = L - 1; lane-- > 0;) {
            for (std::size_t s = 0; s < plan_.bits_per_lane; ++s) work_.engine.sqr(y_, y_);
            broadcast(x_, z_, lane);
            work_.engine.mul(y_, y_, x_);
        }
    }

    const BucketPlan<E>& plan_;
    const Modulus& n_;
    Workspace<E> work_;
    const std::size_t lane_limbs_;
    Limb* const x_;
    Limb* const y_;
    Limb* const z_;
    Limb* const base_;
    Limb* const buckets_;
    Limb* const bases_;
};

template <Engine E>
void multi_pow_vartime(std::byte* out, Operand base, const std::byte* to_montgomery,
                       const ExponentMatrix& exponents, const Modulus& n, std::byte* scratch) {
    if (!uses_buckets<E>(exponents, n)) {
        return multi_pow<E>(out, base, to_montgomery, exponents, n, scratch);
    }
    const BucketPlan<E> plan(exponents, n);
    Buckets<E> buckets(plan, n, scratch);
    for (std::size_t row = 0; row < exponents.num_rows; ++row) {
        buckets.row(out + row * n.element_bytes(), base, to_montgomery, exponents, row);
    }
}

}  // namespace veilsum::algorithms

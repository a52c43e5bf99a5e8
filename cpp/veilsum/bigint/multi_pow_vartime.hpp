// Products of powers with public exponents, written once over an Engine (engine.hpp).
//
// Notation: N bases, exponents of b bits, L lanes.
//
// Pippenger's buckets. Each lane takes an L-th of the *exponents*, b/L bits, as S windows of about
// w = b/(L*S) bits. For each window and lane there are 2^w buckets; every base, broadcast to all
// lanes, is multiplied into the bucket that the lane's digit names. The product of bucket[d]^d is
// two running products. Multiplications of all lanes for a row:
//   S*(N + 2*2^w)  and  0.7*b squarings to put windows and lanes together.
// Where few bases or short exponents make that dearer, Straus's method serves.
//
// Source: N. Pippenger, On the evaluation of powers and related problems, FOCS 1976; the buckets as
// in D. J. Bernstein, J. Doumen, T. Lange, J.-J. Oosterwijk, Faster batch forgery identification,
// INDOCRYPT 2012. Variable time.

#pragma once

#include "veilsum/bigint/multi_pow.hpp"

namespace veilsum::algorithms {

/// Buckets are visited in no order: they stay in the second-level cache, or nearly.
inline constexpr std::size_t kBucketBytes = std::size_t{2} << 20;
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
            if (width(0) > kMaxBucketWindow || num_buckets() * bucket_bytes > kBucketBytes) {
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
    std::size_t scratch_limbs(const Modulus& n) const {
        return E::scratch_limbs(n) + (num_buckets() + 4) * E::element_limbs(n);
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
    return BucketPlan<E>(exponents, n).scratch_limbs(n) * sizeof(Limb);
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
          bases_(work_.element()),
          base_(work_.element()),
          buckets_(work_.next) {}

    void row(std::byte* out, Operand base, const std::byte* to_montgomery,
             const ExponentMatrix& exponents, std::size_t row) {
        work_.engine.load(x_, {n_.r(), 0}, 0, L);
        for (std::size_t i = 0; i < plan_.num_buckets(); ++i) put(bucket(i), x_);
        for (std::size_t first = 0; first < exponents.num_columns; first += L) {
            const std::size_t lanes = lanes_from<E>(first, exponents.num_columns);
            work_.engine.load(bases_, base, first, lanes);
            work_.engine.load(x_, {to_montgomery, 0}, 0, L);
            work_.engine.mul(bases_, bases_, x_);
            for (std::size_t lane = 0; lane < lanes; ++lane) {
                broadcast(base_, bases_, lane);
                absorb(exponents.at(row, first + lane), exponents.num_limbs);
            }
        }
        combine_windows();
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

    /// Multiplies base_ into a bucket of each lane and set.
    void absorb(const Limb* exponent, std::size_t num_limbs) {
        std::size_t position = 0;
        std::size_t first_bucket = 0;
        for (std::size_t set = 0; set < plan_.num_sets; ++set) {
            const unsigned w = plan_.width(set);
            Lanes chosen;
            for (std::size_t lane = 0; lane < L; ++lane) {
                const std::size_t digit =
                    limbs::bits_at(exponent, num_limbs, lane * plan_.bits_per_lane + position, w);
                chosen.of[lane] = bucket(first_bucket + digit).of[lane];
            }
            get(x_, chosen);
            work_.engine.mul(x_, x_, base_);
            put(chosen, x_);
            position += w;
            first_bucket += std::size_t{1} << w;
        }
    }

    /// y_ = in each lane, the product of powers by that lane's part of the exponents.
    void combine_windows() {
        std::size_t end = plan_.num_buckets();
        for (std::size_t set = plan_.num_sets; set-- > 0;) {
            const unsigned w = plan_.width(set);
            const std::size_t begin = end - (std::size_t{1} << w);
            // x_ = the product of the buckets from i up; that of all these x_ is wanted.
            get(x_, bucket(end - 1));
            copy(base_, x_);
            for (std::size_t i = end - 1; --i > begin;) {
                get(bases_, bucket(i));
                work_.engine.mul(x_, x_, bases_);
                work_.engine.mul(base_, base_, x_);
            }
            if (set + 1 == plan_.num_sets) {
                copy(y_, base_);
            } else {
                for (unsigned s = 0; s < w; ++s) work_.engine.sqr(y_, y_);
                work_.engine.mul(y_, y_, base_);
            }
            end = begin;
        }
    }

    /// y_ = the product of lane l of y_ raised to 2^(l*bits_per_lane).
    void combine_lanes() {
        copy(bases_, y_);
        broadcast(y_, bases_, L - 1);
        for (std::size_t lane = L - 1; lane-- > 0;) {
            for (std::size_t s = 0; s < plan_.bits_per_lane; ++s) work_.engine.sqr(y_, y_);
            broadcast(x_, bases_, lane);
            work_.engine.mul(y_, y_, x_);
        }
    }

    const BucketPlan<E>& plan_;
    const Modulus& n_;
    Workspace<E> work_;
    const std::size_t lane_limbs_;
    Limb* const x_;
    Limb* const y_;
    Limb* const bases_;
    Limb* const base_;
    Limb* const buckets_;
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

// Products of powers, many bases at once, written once over an Engine (algorithms.hpp).
//
// Notation: N bases, K rows of exponents of b bits, L lanes.
//
// multi_pow, constant time: Straus's method. Each lane takes an L-th of the bases, a *group* being
// one base a lane. The powers of a group's bases below 2^w are made once for all rows; then, from
// the top window down, a row's running product is squared w times and multiplied by one entry for
// each group. One run of squarings serves a whole block of groups. The lanes' products are
// multiplied together at the end. Multiplications of L lanes, squarings at 0.7:
//   N/L * (0.85*2^w + K*b/w)  and  0.7*K*b a block.
// Windows are outermost, then groups, then rows: a group's table is in the nearest cache for all
// rows but the first.
//
// multi_pow_vartime: Pippenger's buckets, where the exponents are public. Each lane takes an L-th
// of the *exponents*, b/L bits, as S windows of about w = b/(L*S). For each window there are 2^w
// buckets in lane form; every base, broadcast to all lanes, is multiplied into the bucket that its
// lane's digit names. sum_d d*bucket[d] becomes two running products. For a row
//   S*(N + 2*2^w)  and  0.7*b squarings to put the windows together.
// Where fewer bases make that dearer, Straus's method serves.
//
// Sources: E. G. Straus, Addition chains of vectors, 1964; N. Pippenger, On the evaluation of
// powers and related problems, 1976; in the form of D. J. Bernstein et al., Faster batch forgery
// identification, INDOCRYPT 2012.

#pragma once

#include <limits>

#include "veilsum/bigint/algorithms.hpp"

namespace veilsum::algorithms {

/// What the tables of a block may take: the second-level cache of current processors, or four times
/// as much where several rows use a table while it is near.
inline constexpr std::size_t kTableBytes = std::size_t{1} << 20;
inline constexpr std::size_t kMaxTableRows = 4;
inline constexpr std::size_t kBucketBytes = std::size_t{2} << 20;
inline constexpr unsigned kMaxBucketWindow = 12;

template <class Engine>
std::size_t num_groups(std::size_t num_columns) {
    return (num_columns + Engine::kLanes - 1) / Engine::kLanes;
}

/// How multi_pow divides its work.
template <class Engine>
struct StrausPlan {
    StrausPlan(const ExponentMatrix& exponents, const Modulus& n) {
        const Costs<Engine> costs(n);
        const std::size_t groups = num_groups<Engine>(exponents.num_columns);
        for (unsigned w = 1; w <= Engine::kMaxPowWindow; ++w) {
            const std::size_t entries = std::size_t{1} << w;
            const std::size_t table_bytes = entries * Engine::element_limbs(n) * sizeof(Limb);
            const std::size_t in_cache =
                kTableBytes * std::min(exponents.num_rows, kMaxTableRows) / table_bytes;
            const std::size_t block = std::clamp<std::size_t>(in_cache, 1, groups);
            const std::size_t num_blocks = (groups + block - 1) / block;
            const std::size_t windows = num_windows(exponents.num_bits, w);
            const std::size_t row_cost =
                groups * windows * (costs.mul() + costs.select(entries)) +
                num_blocks * (windows == 0 ? 0 : (windows - 1) * w) * costs.sqr();
            const std::size_t total = groups * costs.powers(w) + exponents.num_rows * row_cost;
            if (total < cost) {
                cost = total;
                window = w;
                groups_per_block = block;
            }
        }
    }

    std::size_t scratch_limbs(const ExponentMatrix& exponents, const Modulus& n) const {
        const std::size_t elements =
            (std::size_t{1} << window) + (groups_per_block << window) + 3 * exponents.num_rows;
        const std::size_t lane_product_limbs =
            (n.element_bytes() + sizeof(Limb) - 1) / sizeof(Limb);
        return Engine::scratch_limbs(n) + elements * Engine::element_limbs(n) +
               exponents.num_rows * Engine::kLanes * (1 + lane_product_limbs);
    }

    std::size_t cost = std::numeric_limits<std::size_t>::max();
    unsigned window = 1;
    std::size_t groups_per_block = 1;
};

template <class Engine>
std::size_t multi_pow_scratch_bytes(const ExponentMatrix& exponents, const Modulus& n) {
    return StrausPlan<Engine>(exponents, n).scratch_limbs(exponents, n) * sizeof(Limb);
}

/// multi_pow with its memory.
template <class Engine>
class Straus {
    static constexpr std::size_t L = Engine::kLanes;

public:
    Straus(const ExponentMatrix& exponents, const Modulus& n, std::byte* scratch)
        : exponents_(exponents),
          n_(n),
          plan_(exponents, n),
          num_entries_(std::size_t{1} << plan_.window),
          work_(n, scratch),
          table_limbs_(num_entries_ * work_.element_limbs),
          powers_(work_.take(table_limbs_)),
          tables_(work_.take(plan_.groups_per_block * table_limbs_)),
          factors_(work_.take(exponents.num_rows * work_.element_limbs)),
          running_(work_.take(exponents.num_rows * work_.element_limbs)),
          products_(work_.take(exponents.num_rows * work_.element_limbs)),
          indices_(work_.take(exponents.num_rows * L)),
          lane_products_(reinterpret_cast<std::byte*>(work_.next)) {}

    void run(std::byte* out, Operand base, const std::byte* to_montgomery) {
        const std::size_t groups = num_groups<Engine>(exponents_.num_columns);
        const std::size_t windows = num_windows(exponents_.num_bits, plan_.window);
        for_each_row([&](std::size_t row) { load_one(of_row(products_, row)); });
        for (std::size_t first = 0; windows != 0 && first < groups;
             first += plan_.groups_per_block) {
            const std::size_t end = std::min(groups, first + plan_.groups_per_block);
            for (std::size_t group = first; group < end; ++group) {
                make_table(table(group - first), base, to_montgomery, group * L);
            }
            for (std::size_t window = windows; window-- > 0;) {
                if (window + 1 != windows) square_all();
                for (std::size_t group = first; group < end; ++group) {
                    if (window + 1 == windows && group == first) {
                        look_up_all(running_, table(0), group * L, window);
                    } else {
                        look_up_all(factors_, table(group - first), group * L, window);
                        multiply_all(running_, factors_);
                    }
                }
            }
            multiply_all(products_, running_);
        }
        combine_lanes(out);
    }

private:
    template <class Body>
    void for_each_row(Body&& body) {
        for (std::size_t row = 0; row < exponents_.num_rows; ++row) body(row);
    }
    Limb* of_row(Limb* elements, std::size_t row) { return elements + row * work_.element_limbs; }
    Limb* table(std::size_t i) { return tables_ + i * table_limbs_; }
    void load_one(Limb* out) { work_.engine.load(out, {n_.r(), 0}, 0, L); }

    /// The powers of the bases from `column` on, by blocks of limbs.
    void make_table(Limb* out, Operand base, const std::byte* to_montgomery, std::size_t column) {
        Limb* bases = of_row(powers_, 1);
        work_.engine.load(powers_, {to_montgomery, 0}, 0, L);
        work_.engine.load(bases, base, column, lanes_from<Engine>(column, exponents_.num_columns));
        work_.engine.mul(bases, bases, powers_);
        load_one(powers_);
        fill_powers(work_.engine, powers_, plan_.window, work_.element_limbs);
        const std::size_t block = work_.engine.block_limbs();
        for (std::size_t i = 0; i < work_.element_limbs; i += block) {
            for (std::size_t j = 0; j < num_entries_; ++j) {
                out = std::copy_n(of_row(powers_, j) + i, block, out);
            }
        }
    }

    /// out = each row's entries. A block of the table is read for all rows while it is near.
    void look_up_all(Limb* out, const Limb* from, std::size_t column, std::size_t window) {
        const std::size_t lanes = lanes_from<Engine>(column, exponents_.num_columns);
        for_each_row([&](std::size_t row) {
            for (std::size_t lane = 0; lane < L; ++lane) {
                indices_[row * L + lane] =
                    lane < lanes
                        ? limbs::bits_at(exponents_.at(row, column + lane), exponents_.num_limbs,
                                         window * plan_.window, plan_.window)
                        : 0;
            }
        });
        const std::size_t block = work_.engine.block_limbs();
        for (std::size_t i = 0; i < work_.element_limbs; i += block) {
            for_each_row([&](std::size_t row) {
                work_.engine.select_block(of_row(out, row) + i, from + i * num_entries_,
                                          num_entries_, indices_ + row * L);
            });
        }
    }

    void square_all() {
        for_each_row([&](std::size_t row) {
            Limb* power = of_row(running_, row);
            for (unsigned s = 0; s < plan_.window; ++s) work_.engine.sqr(power, power);
        });
    }
    void multiply_all(Limb* products, Limb* factors) {
        for_each_row([&](std::size_t row) {
            Limb* product = of_row(products, row);
            work_.engine.mul(product, product, of_row(factors, row));
        });
    }

    /// The lanes of a row stand side by side as elements; neighbours are multiplied until one is
    /// left. Element i is written after elements 2i and 2i + 1 were read.
    void combine_lanes(std::byte* out) {
        const std::size_t bytes = work_.element_bytes;
        for_each_row([&](std::size_t row) {
            work_.engine.store((L == 1 ? out : lane_products_) + row * L * bytes,
                               of_row(products_, row), L);
        });
        Limb* x = powers_;
        Limb* y = of_row(powers_, 1);
        for (std::size_t width = L / 2; width != 0; width /= 2) {
            const std::size_t count = exponents_.num_rows * width;
            for (std::size_t i = 0; i < count; i += L) {
                const std::size_t lanes = lanes_from<Engine>(i, count);
                work_.engine.load(x, {lane_products_, 2 * bytes}, i, lanes);
                work_.engine.load(y, {lane_products_ + bytes, 2 * bytes}, i, lanes);
                work_.engine.mul(x, x, y);
                work_.engine.store((width == 1 ? out : lane_products_) + i * bytes, x, lanes);
            }
        }
    }

    const ExponentMatrix& exponents_;
    const Modulus& n_;
    const StrausPlan<Engine> plan_;
    const std::size_t num_entries_;
    Workspace<Engine> work_;
    const std::size_t table_limbs_;
    Limb* const powers_;    // Of one group's bases, before they go into its table.
    Limb* const tables_;    // Of a block of groups.
    Limb* const factors_;   // One a row, as are the next two: what comes from a table,
    Limb* const running_;   // the product for this block,
    Limb* const products_;  // and for the blocks before it.
    Limb* const indices_;
    std::byte* const lane_products_;
};

template <class Engine>
void multi_pow(std::byte* out, Operand base, const std::byte* to_montgomery,
               const ExponentMatrix& exponents, const Modulus& n, std::byte* scratch) {
    Straus<Engine>(exponents, n, scratch).run(out, base, to_montgomery);
}

/// How multi_pow_vartime divides exponents, and whether that is worth it.
template <class Engine>
struct BucketPlan {
    BucketPlan(const ExponentMatrix& exponents, const Modulus& n)
        : bits_per_lane((exponents.num_bits + Engine::kLanes - 1) / Engine::kLanes) {
        const Costs<Engine> costs(n);
        const std::size_t bucket_bytes = Engine::element_limbs(n) * sizeof(Limb);
        const std::size_t moves = 4 * costs.h * Engine::kLanes;
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
        return Engine::scratch_limbs(n) + (num_buckets() + 4) * Engine::element_limbs(n);
    }

    std::size_t bits_per_lane;
    std::size_t num_sets = 1;
    std::size_t cost = std::numeric_limits<std::size_t>::max();
};

template <class Engine>
bool uses_buckets(const ExponentMatrix& exponents, const Modulus& n) {
    return BucketPlan<Engine>(exponents, n).cost < StrausPlan<Engine>(exponents, n).cost;
}

template <class Engine>
std::size_t multi_pow_vartime_scratch_bytes(const ExponentMatrix& exponents, const Modulus& n) {
    if (!uses_buckets<Engine>(exponents, n)) return multi_pow_scratch_bytes<Engine>(exponents, n);
    return BucketPlan<Engine>(exponents, n).scratch_limbs(n) * sizeof(Limb);
}

/// One row of multi_pow_vartime by buckets. Each lane of a bucket keeps its limbs side by side,
/// because lanes take different buckets.
template <class Engine>
class Buckets {
    static constexpr std::size_t L = Engine::kLanes;

public:
    Buckets(const BucketPlan<Engine>& plan, const Modulus& n, std::byte* scratch)
        : plan_(plan),
          n_(n),
          work_(n, scratch),
          lane_limbs_(work_.element_limbs / L),
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
            const std::size_t lanes = lanes_from<Engine>(first, exponents.num_columns);
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
    void get(Limb* out, const Lanes& lanes) {
        for (std::size_t i = 0; i < lane_limbs_; ++i) {
            for (std::size_t lane = 0; lane < L; ++lane) out[i * L + lane] = lanes.of[lane][i];
        }
    }
    void put(const Lanes& lanes, const Limb* in) {
        for (std::size_t i = 0; i < lane_limbs_; ++i) {
            for (std::size_t lane = 0; lane < L; ++lane) lanes.of[lane][i] = in[i * L + lane];
        }
    }
    void copy(Limb* out, const Limb* in) { std::copy_n(in, work_.element_limbs, out); }
    void broadcast(Limb* out, const Limb* in, std::size_t lane) {
        for (std::size_t i = 0; i < lane_limbs_; ++i) std::fill_n(out + i * L, L, in[i * L + lane]);
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

    const BucketPlan<Engine>& plan_;
    const Modulus& n_;
    Workspace<Engine> work_;
    const std::size_t lane_limbs_;
    Limb* const x_;
    Limb* const y_;
    Limb* const bases_;
    Limb* const base_;
    Limb* const buckets_;
};

template <class Engine>
void multi_pow_vartime(std::byte* out, Operand base, const std::byte* to_montgomery,
                       const ExponentMatrix& exponents, const Modulus& n, std::byte* scratch) {
    if (!uses_buckets<Engine>(exponents, n)) {
        return multi_pow<Engine>(out, base, to_montgomery, exponents, n, scratch);
    }
    const BucketPlan<Engine> plan(exponents, n);
    Buckets<Engine> buckets(plan, n, scratch);
    for (std::size_t row = 0; row < exponents.num_rows; ++row) {
        buckets.row(out + row * n.element_bytes(), base, to_montgomery, exponents, row);
    }
}

}  // namespace veilsum::algorithms

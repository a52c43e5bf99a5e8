// Products of powers, many bases at once, written once over an Engine (engine.hpp).
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
// Source: E. G. Straus, Addition chains of vectors, American Mathematical Monthly 71, 1964.
// Constant time: control flow and addresses depend on sizes and bit lengths only.

#pragma once

#include <limits>

#include "veilsum/bigint/powers.hpp"

namespace veilsum::algorithms {

/// What the tables of a block may take: the second-level cache of current processors, or four times
/// as much where several rows use a table while it is near.
inline constexpr std::size_t kTableBytes = std::size_t{1} << 20;
inline constexpr std::size_t kMaxTableRows = 4;

/// How multi_pow divides its work.
template <Engine E>
struct StrausPlan {
    StrausPlan(const ExponentMatrix& exponents, const Modulus& n) {
        const Costs<E> costs(n);
        const std::size_t groups = num_groups<E>(exponents.num_columns);
        for (unsigned w = 1; w <= E::kMaxPowWindow; ++w) {
            const std::size_t entries = std::size_t{1} << w;
            const std::size_t table_bytes = entries * E::element_limbs(n) * sizeof(Limb);
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
        return E::scratch_limbs(n) + elements * E::element_limbs(n) +
               exponents.num_rows * E::kLanes * (1 + lane_product_limbs);
    }

    std::size_t cost = std::numeric_limits<std::size_t>::max();
    unsigned window = 1;
    std::size_t groups_per_block = 1;
};

template <Engine E>
std::size_t multi_pow_scratch_bytes(const ExponentMatrix& exponents, const Modulus& n) {
    return StrausPlan<E>(exponents, n).scratch_limbs(exponents, n) * sizeof(Limb);
}

/// multi_pow with its memory.
template <Engine E>
class Straus {
    static constexpr std::size_t L = E::kLanes;

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
        const std::size_t groups = num_groups<E>(exponents_.num_columns);
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
        work_.engine.load(bases, base, column, lanes_from<E>(column, exponents_.num_columns));
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
        const std::size_t lanes = lanes_from<E>(column, exponents_.num_columns);
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
                const std::size_t lanes = lanes_from<E>(i, count);
                work_.engine.load(x, {lane_products_, 2 * bytes}, i, lanes);
                work_.engine.load(y, {lane_products_ + bytes, 2 * bytes}, i, lanes);
                work_.engine.mul(x, x, y);
                work_.engine.store((width == 1 ? out : lane_products_) + i * bytes, x, lanes);
            }
        }
    }

    const ExponentMatrix& exponents_;
    const Modulus& n_;
    const StrausPlan<E> plan_;
    const std::size_t num_entries_;
    Workspace<E> work_;
    const std::size_t table_limbs_;
    Limb* const powers_;    // Of one group's bases, before they go into its table.
    Limb* const tables_;    // Of a block of groups.
    Limb* const factors_;   // One a row, as are the next two: what comes from a table,
    Limb* const running_;   // the product for this block,
    Limb* const products_;  // and for the blocks before it.
    Limb* const indices_;
    std::byte* const lane_products_;
};

template <Engine E>
void multi_pow(std::byte* out, Operand base, const std::byte* to_montgomery,
               const ExponentMatrix& exponents, const Modulus& n, std::byte* scratch) {
    Straus<E>(exponents, n, scratch).run(out, base, to_montgomery);
}

}  // namespace veilsum::algorithms

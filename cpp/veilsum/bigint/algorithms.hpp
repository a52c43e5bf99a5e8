// The kernel functions, written once over an Engine.
//
// An Engine computes kLanes numbers side by side in lane form (element_limbs limbs) and has
//   load, store         elements to lane form and back
//   mul, sqr            Montgomery product and square
//   select              constant-time look-up, one index per lane
//   block_limbs, select_block   the same by blocks of limbs, so that many look-ups share a table
//   chain_prepare/take/multiply/finish   multiplication by entries of fixed-base rows, looked up
//                       for up to kLookUps groups of lanes at once
//   plain_prepare, add_plain   multiplication by 1 + m*n, in memory
//                       (these two lines with kNumDigits = 2 only: with 1, arithmetic is modulo n)
//   ahead               what the next product asks for meanwhile (ahead.hpp)
//   join_lanes, split_lanes, broadcast_lane   lane form from and to kLanes numbers of lane_limbs
//                       limbs each
//   is_canonical, mul_first_digits   for elements from outside
// Scratch is split here: the engine's own part first, then temporaries.
//
// Exponentiation: fixed windows from the top, every table read whole (Moeller 2002 without
// recoding). Control flow depends on counts and bit lengths only.

#pragma once

#include <algorithm>

#include "veilsum/bigint/kernel.hpp"
#include "veilsum/bigint/limbs.hpp"

namespace veilsum::algorithms {

/// What an Engine's operations cost, in multiplications of limbs. A look-up touches each limb of
/// each entry once; set beside a product, that is right to a third on IFMA and on GMP.
template <class Engine>
struct Costs {
    static constexpr bool kIsModuloN = Engine::kNumDigits == 1;

    explicit Costs(const Modulus& n) : h(Engine::lane_limbs(n) / Engine::kNumDigits) {}

    std::size_t mul() const { return (kIsModuloN ? 4 : 10) * h * h; }
    std::size_t sqr() const { return (kIsModuloN ? 3 : 7) * h * h; }
    std::size_t select(std::size_t num_entries) const {
        return Engine::kNumDigits * h * num_entries;
    }
    /// Of fill_powers: half of the powers are squares.
    std::size_t powers(unsigned w) const {
        return ((std::size_t{1} << (w - 1)) - 1) * (mul() + sqr());
    }

    std::size_t h;
};

inline constexpr std::size_t num_windows(std::size_t exponent_bits, unsigned w) {
    return (exponent_bits + w - 1) / w;
}

/// The window that makes powers of that many bits cheapest.
template <class Engine>
unsigned pow_window(std::size_t exponent_bits, const Modulus& n) {
    const Costs<Engine> costs(n);
    const auto cost = [&](unsigned w) {
        const std::size_t steps = num_windows(exponent_bits, w) - 1;
        return costs.powers(w) +
               steps * (w * costs.sqr() + costs.mul() + costs.select(std::size_t{1} << w));
    };
    unsigned best = 1;
    for (unsigned w = 2; exponent_bits != 0 && w <= Engine::kMaxPowWindow; ++w) {
        if (cost(w) < cost(best)) best = w;
    }
    return best;
}

/// Of a function that needs the engine and two elements.
template <class Engine>
std::size_t product_scratch_bytes(const Modulus& n) {
    return (Engine::scratch_limbs(n) + 2 * Engine::element_limbs(n)) * sizeof(Limb);
}

template <class Engine>
std::size_t scratch_bytes(const Modulus& n) {
    std::size_t most = ((std::size_t{1} << Engine::kMaxPowWindow) + 2) * Engine::element_limbs(n);
    if constexpr (Engine::kNumDigits == 2) {
        const std::size_t chains =
            FixedBaseTable::kGroupsPerBlock * Engine::chain_limbs(n) + Engine::element_limbs(n);
        most = std::max(most, chains);
    }
    return (Engine::scratch_limbs(n) + most) * sizeof(Limb);
}

/// The engine and the temporaries behind it.
template <class Engine>
struct Workspace {
    Workspace(const Modulus& n, std::byte* scratch)
        : engine(n, reinterpret_cast<Limb*>(scratch)),
          next(reinterpret_cast<Limb*>(scratch) + Engine::scratch_limbs(n)),
          element_limbs(Engine::element_limbs(n)),
          element_bytes(n.element_bytes()) {}

    Limb* take(std::size_t num_limbs) {
        Limb* taken = next;
        next += num_limbs;
        return taken;
    }
    Limb* element() { return take(element_limbs); }

    Engine engine;
    Limb* next;
    const std::size_t element_limbs;
    const std::size_t element_bytes;
};

/// How many groups of lanes hold so many numbers.
template <class Engine>
std::size_t num_groups(std::size_t count) {
    return (count + Engine::kLanes - 1) / Engine::kLanes;
}

template <class Engine>
std::size_t lanes_from(std::size_t i, std::size_t count) {
    return i < count ? std::min(Engine::kLanes, count - i) : 0;
}

template <class Engine>
void mul(std::byte* out, Operand a, Operand b, std::size_t count, const Modulus& n,
         std::byte* scratch) {
    Workspace<Engine> work(n, scratch);
    Limb* x = work.element();
    Limb* y = work.element();
    for (std::size_t i = 0; i < count; i += Engine::kLanes) {
        const std::size_t lanes = lanes_from<Engine>(i, count);
        work.engine.load(x, a, i, lanes);
        work.engine.load(y, b, i, lanes);
        const std::size_t next = i + lanes;
        auto& ahead = work.engine.ahead();
        ahead.will_read(a, next, lanes_from<Engine>(next, count), work.element_bytes);
        ahead.will_read(b, next, lanes_from<Engine>(next, count), work.element_bytes);
        ahead.will_write(out + i * work.element_bytes, lanes * work.element_bytes);
        work.engine.mul(x, x, y);
        work.engine.store(out + i * work.element_bytes, x, lanes);
    }
}

template <class Engine>
void mul_reduce(std::byte* out, Operand in, std::size_t num_terms, std::size_t term_stride_bytes,
                std::size_t count, const Modulus& n, std::byte* scratch) {
    Workspace<Engine> work(n, scratch);
    Limb* product = work.element();
    Limb* x = work.element();
    for (std::size_t i = 0; i < count; i += Engine::kLanes) {
        const std::size_t lanes = lanes_from<Engine>(i, count);
        work.engine.load(product, in, i, lanes);
        const auto terms = [&](std::size_t term) {
            return Operand{in.data + term * term_stride_bytes, in.stride_bytes};
        };
        for (std::size_t term = 1; term < num_terms; ++term) {
            work.engine.load(x, terms(term), i, lanes);
            auto& ahead = work.engine.ahead();
            if (term + 1 < num_terms) {
                ahead.will_read(terms(term + 1), i, lanes, work.element_bytes);
            }
            work.engine.mul(product, product, x);
        }
        work.engine.store(out + i * work.element_bytes, product, lanes);
    }
}

template <class Engine>
std::size_t lane_bytes(std::size_t count, const Modulus& n) {
    return num_groups<Engine>(count) * Engine::element_limbs(n) * sizeof(Limb);
}

/// Runs body(group of lane form, first position, number of lanes).
template <class Engine, class Byte, class Body>
void for_each_group(Byte* lanes, std::size_t count, const Modulus& n, Body&& body) {
    for (std::size_t i = 0; i < count; i += Engine::kLanes) {
        body(lanes + lane_bytes<Engine>(i, n), i, lanes_from<Engine>(i, count));
    }
}

template <class Engine>
void enter_lanes(std::byte* lanes, Operand in, std::size_t count, const Modulus& n,
                 std::byte* scratch) {
    Workspace<Engine> work(n, scratch);
    for_each_group<Engine>(lanes, count, n, [&](auto* group, std::size_t i, std::size_t num) {
        work.engine.load(reinterpret_cast<Limb*>(group), in, i, num);
    });
}

template <class Engine>
void mul_lanes(std::byte* lanes, Operand in, std::size_t count, const Modulus& n,
               std::byte* scratch) {
    Workspace<Engine> work(n, scratch);
    Limb* x = work.element();
    for_each_group<Engine>(lanes, count, n, [&](auto* group, std::size_t i, std::size_t num) {
        auto* product = reinterpret_cast<Limb*>(group);
        work.engine.load(x, in, i, num);
        const std::size_t next = i + num;
        work.engine.ahead().will_read(in, next, lanes_from<Engine>(next, count),
                                      work.element_bytes);
        work.engine.mul(product, product, x);
    });
}

template <class Engine>
void leave_lanes(std::byte* out, const std::byte* lanes, std::size_t count, const Modulus& n,
                 std::byte* scratch) {
    Workspace<Engine> work(n, scratch);
    for_each_group<Engine>(lanes, count, n, [&](auto* group, std::size_t i, std::size_t num) {
        work.engine.store(out + i * work.element_bytes, reinterpret_cast<const Limb*>(group), num);
    });
}

template <class Engine>
bool inspect(std::byte* products, Operand in, std::size_t count, const Modulus& n,
             std::byte* scratch) {
    Workspace<Engine> work(n, scratch);
    Limb* product = work.element();
    Limb* x = work.element();
    for (std::size_t i = 0; i < count;) {
        // A lane without an element would be zero, which has every factor: what is left after the
        // last full group goes one by one, in all lanes.
        const bool is_full = i + Engine::kLanes <= count;
        work.engine.load(x, {in.at(i), is_full ? in.stride_bytes : 0}, 0, Engine::kLanes);
        if (!work.engine.is_canonical(x)) return false;
        if (i == 0) {
            std::copy_n(x, work.element_limbs, product);
        } else {
            work.engine.mul_first_digits(product, x);
        }
        i += is_full ? Engine::kLanes : 1;
    }
    work.engine.store(products, product, Engine::kLanes);
    return true;
}

template <class Engine>
void add_plain(std::byte* out, Operand a, const SignedOperand& m, std::size_t count,
               const Modulus& n, std::byte* scratch) {
    Workspace<Engine> work(n, scratch);
    const Operand plaintexts{reinterpret_cast<const std::byte*>(m.data),
                             m.stride_limbs * sizeof(Limb)};
    work.engine.plain_prepare(m.num_limbs);
    for (std::size_t i = 0; i < count; i += Engine::kLanes) {
        const std::size_t lanes = lanes_from<Engine>(i, count);
        const std::size_t next = i + lanes;
        const std::size_t next_lanes = lanes_from<Engine>(next, count);
        std::byte* group = out + i * work.element_bytes;
        auto& ahead = work.engine.ahead();
        ahead.will_read(a, next, next_lanes, work.element_bytes);
        ahead.will_read(plaintexts, next, next_lanes, m.num_limbs * sizeof(Limb));
        ahead.will_write(group, lanes * work.element_bytes);
        work.engine.add_plain(group, a, m, i, lanes);
    }
}

/// table[j] = x^j in Montgomery form for j < 2^w, w >= 1, from table[0] and table[1].
template <class Engine>
void fill_powers(Engine& engine, Limb* table, unsigned w, std::size_t element_limbs) {
    const auto entry = [&](std::size_t j) { return table + j * element_limbs; };
    for (std::size_t j = 2; j < std::size_t{1} << w; j += 2) {
        engine.sqr(entry(j), entry(j / 2));
        engine.mul(entry(j + 1), entry(j), entry(1));
    }
}

/// out[i] = base[i]^exponent, where window_at(lane, position, width) gives the exponent's bits.
template <class Engine, class WindowAt>
void pow(std::byte* out, Operand base, const std::byte* to_montgomery, std::size_t exponent_bits,
         std::size_t count, const Modulus& n, std::byte* scratch, WindowAt&& window_at) {
    Workspace<Engine> work(n, scratch);
    const unsigned w = pow_window<Engine>(exponent_bits, n);
    const std::size_t num_entries = std::size_t{1} << w;
    Limb* table = work.take(num_entries * work.element_limbs);
    Limb* power = work.element();
    Limb* factor = work.element();
    const auto entry = [&](std::size_t j) { return table + j * work.element_limbs; };

    Limb index[Engine::kLanes];
    for (std::size_t i = 0; i < count; i += Engine::kLanes) {
        const std::size_t lanes = lanes_from<Engine>(i, count);
        const auto look_up = [&](Limb* target, std::size_t window) {
            for (std::size_t lane = 0; lane < Engine::kLanes; ++lane) {
                index[lane] = lane < lanes ? window_at(i + lane, window * w, w) : 0;
            }
            work.engine.select(target, table, num_entries, index);
        };
        work.engine.load(entry(0), {n.r(), 0}, 0, lanes);
        work.engine.load(entry(1), base, i, lanes);
        work.engine.load(factor, {to_montgomery, 0}, 0, lanes);
        work.engine.mul(entry(1), entry(1), factor);
        fill_powers(work.engine, table, w, work.element_limbs);
        std::size_t window = num_windows(exponent_bits, w);
        if (window == 0) {
            std::copy_n(entry(0), work.element_limbs, power);
        } else {
            look_up(power, --window);
        }
        while (window-- > 0) {
            for (unsigned s = 0; s < w; ++s) work.engine.sqr(power, power);
            look_up(factor, window);
            work.engine.mul(power, power, factor);
        }
        work.engine.load(factor, {n.one(), 0}, 0, lanes);
        work.engine.mul(power, power, factor);
        work.engine.store(out + i * work.element_bytes, power, lanes);
    }
}

template <class Engine>
void pow_shared(std::byte* out, Operand base, const std::byte* to_montgomery, const Limb* exponent,
                std::size_t exponent_bits, std::size_t count, const Modulus& n,
                std::byte* scratch) {
    const std::size_t num_limbs = (exponent_bits + 63) / 64;
    pow<Engine>(out, base, to_montgomery, exponent_bits, count, n, scratch,
                [=](std::size_t, std::size_t position, unsigned width) {
                    return limbs::bits_at(exponent, num_limbs, position, width);
                });
}

template <class Engine>
void pow_each(std::byte* out, Operand base, const std::byte* to_montgomery, const Limb* exponents,
              std::size_t exponent_limbs, std::size_t exponent_bits, std::size_t count,
              const Modulus& n, std::byte* scratch) {
    pow<Engine>(out, base, to_montgomery, exponent_bits, count, n, scratch,
                [=](std::size_t i, std::size_t position, unsigned width) {
                    return limbs::bits_at(exponents + i * exponent_limbs, exponent_limbs, position,
                                          width);
                });
}

template <class Engine>
void fixed_base(std::byte* out, const FixedBaseTable& table, const Limb* exponents,
                std::size_t exponent_limbs, std::size_t count, const Modulus& n,
                std::byte* scratch) {
    const unsigned w = table.window_bits();
    // Blocks of one size: each reads the whole table.
    const std::size_t groups = num_groups<Engine>(count);
    const std::size_t num_blocks =
        (groups + FixedBaseTable::kGroupsPerBlock - 1) / FixedBaseTable::kGroupsPerBlock;
    const std::size_t block_size =
        num_blocks == 0 ? 1 : (groups + num_blocks - 1) / num_blocks * Engine::kLanes;
    Workspace<Engine> work(n, scratch);
    work.engine.chain_prepare();
    Limb* chains = work.take(FixedBaseTable::kGroupsPerBlock * Engine::chain_limbs(n));
    Limb* power = work.element();
    for (std::size_t block = 0; block < count; block += block_size) {
        const std::size_t block_end = std::min(count, block + block_size);
        const auto chain_of = [&](std::size_t i) {
            return chains + (i - block) / Engine::kLanes * Engine::chain_limbs(n);
        };
        const auto take = [&](std::size_t begin, std::size_t end, std::size_t row, ChainPart part) {
            Limb index[Engine::kLookUps * Engine::kLanes] = {};
            Limb* group[Engine::kLookUps] = {};
            std::size_t num_chains = 0;
            for (std::size_t i = begin; i < end; i += Engine::kLanes) {
                for (std::size_t lane = 0; lane < Engine::kLanes; ++lane) {
                    const Limb* exponent = exponents + (i + lane) * exponent_limbs;
                    index[num_chains * Engine::kLanes + lane] =
                        i + lane < end ? limbs::bits_at(exponent, exponent_limbs, row * w, w) : 0;
                }
                group[num_chains++] = chain_of(i);
            }
            work.engine.chain_take(group, num_chains, table.row(row), w, index, part);
        };
        // Rows outermost: each is read from memory once for the whole block.
        for (std::size_t row = 0; row < table.num_rows(); row += row == 0 ? 1 : 2) {
            for (std::size_t i = block; i < block_end; i += Engine::kLookUps * Engine::kLanes) {
                const std::size_t end = std::min(block_end, i + Engine::kLookUps * Engine::kLanes);
                if (row == 0) {
                    take(i, end, row, ChainPart::start);
                    continue;
                }
                take(i, end, row, ChainPart::left);
                take(i, end, row + 1, ChainPart::right);
                for (std::size_t j = i; j < end; j += Engine::kLanes) {
                    work.engine.chain_multiply(chain_of(j));
                }
            }
        }
        for (std::size_t i = block; i < block_end; i += Engine::kLanes) {
            work.engine.chain_finish(power, chain_of(i));
            work.engine.store(out + i * work.element_bytes, power, lanes_from<Engine>(i, count));
        }
    }
}

}  // namespace veilsum::algorithms

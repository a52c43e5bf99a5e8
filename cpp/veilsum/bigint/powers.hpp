// Powers, written once over an Engine (engine.hpp).
//
// Fixed windows from the top, every table read whole (Moeller 2002 without recoding). Control flow
// depends on counts and bit lengths only, and in _vartime on the exponent: sliding windows over a
// table of odd powers (Menezes et al. 1996, algorithm 14.85).

#pragma once

#include "veilsum/bigint/algorithms.hpp"

namespace veilsum::algorithms {

/// What an Engine's operations cost, in multiplications of limbs. A look-up touches each limb of
/// each entry once; set beside a product, that is right to a third on IFMA and on GMP.
template <Engine E>
struct Costs {
    static constexpr bool kIsModuloN = E::kNumDigits == 1;

    explicit Costs(const Modulus& n) : h(E::lane_limbs(n) / E::kNumDigits) {}

    std::size_t mul() const { return (kIsModuloN ? 4 : 10) * h * h; }
    std::size_t sqr() const { return (kIsModuloN ? 3 : 7) * h * h; }
    std::size_t select(std::size_t num_entries) const { return E::kNumDigits * h * num_entries; }
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
template <Engine E>
unsigned pow_window(std::size_t exponent_bits, const Modulus& n) {
    const Costs<E> costs(n);
    const auto cost = [&](unsigned w) {
        const std::size_t steps = num_windows(exponent_bits, w) - 1;
        return costs.powers(w) +
               steps * (w * costs.sqr() + costs.mul() + costs.select(std::size_t{1} << w));
    };
    unsigned best = 1;
    for (unsigned w = 2; exponent_bits != 0 && w <= E::kMaxPowWindow; ++w) {
        if (cost(w) < cost(best)) best = w;
    }
    return best;
}

/// table[j] = x^j in Montgomery form for j < 2^w, w >= 1, from table[0] and table[1].
template <Engine E>
void fill_powers(E& engine, Limb* table, unsigned w, std::size_t element_limbs) {
    const auto entry = [&](std::size_t j) { return table + j * element_limbs; };
    for (std::size_t j = 2; j < std::size_t{1} << w; j += 2) {
        engine.sqr(entry(j), entry(j / 2));
        engine.mul(entry(j + 1), entry(j), entry(1));
    }
}

/// out[i] = base[i]^exponent, where window_at(lane, position, width) gives the exponent's bits.
template <Engine E, class WindowAt>
void pow(std::byte* out, Operand base, const std::byte* to_montgomery, std::size_t exponent_bits,
         std::size_t count, const Modulus& n, std::byte* scratch, WindowAt&& window_at) {
    Workspace<E> work(n, scratch);
    const unsigned w = pow_window<E>(exponent_bits, n);
    const std::size_t num_entries = std::size_t{1} << w;
    Limb* table = work.take(num_entries * work.element_limbs);
    Limb* power = work.element();
    Limb* factor = work.element();
    const auto entry = [&](std::size_t j) { return table + j * work.element_limbs; };

    Limb index[E::kLanes];
    for (std::size_t i = 0; i < count; i += E::kLanes) {
        const std::size_t lanes = lanes_from<E>(i, count);
        const auto look_up = [&](Limb* target, std::size_t window) {
            for (std::size_t lane = 0; lane < E::kLanes; ++lane) {
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

template <Engine E>
void pow_shared(std::byte* out, Operand base, const std::byte* to_montgomery, const Limb* exponent,
                std::size_t exponent_bits, std::size_t count, const Modulus& n,
                std::byte* scratch) {
    const std::size_t num_limbs = (exponent_bits + 63) / 64;
    pow<E>(out, base, to_montgomery, exponent_bits, count, n, scratch,
           [=](std::size_t, std::size_t position, unsigned width) {
               return limbs::bits_at(exponent, num_limbs, position, width);
           });
}

/// The window of sliding windows: 2^(w-1) odd powers, and one product for w + 1 bits of exponent.
template <Engine E>
unsigned sliding_window(std::size_t exponent_bits) {
    const auto num_products = [=](unsigned w) {
        return (std::size_t{1} << (w - 1)) + exponent_bits / (w + 1);
    };
    unsigned best = 1;
    for (unsigned w = 2; w <= E::kMaxPowWindow + 1; ++w) {
        if (num_products(w) < num_products(best)) best = w;
    }
    return best;
}

template <Engine E>
void pow_shared_vartime(std::byte* out, Operand base, const std::byte* to_montgomery,
                        const Limb* exponent, std::size_t exponent_bits, std::size_t count,
                        const Modulus& n, std::byte* scratch) {
    Workspace<E> work(n, scratch);
    const std::size_t num_limbs = (exponent_bits + 63) / 64;
    const std::size_t num_bits = limbs::bit_length_vartime(exponent, num_limbs);
    const unsigned w = sliding_window<E>(num_bits);
    const std::size_t num_odd = std::size_t{1} << (w - 1);
    Limb* odd_powers = work.take(num_odd * work.element_limbs);
    Limb* power = work.element();
    Limb* factor = work.element();
    // Of x^(2*j + 1).
    const auto odd_power = [&](std::size_t j) { return odd_powers + j * work.element_limbs; };
    const auto bits_at = [&](std::size_t position, unsigned width) {
        return limbs::bits_at(exponent, num_limbs, position, width);
    };
    for (std::size_t i = 0; i < count; i += E::kLanes) {
        const std::size_t lanes = lanes_from<E>(i, count);
        work.engine.load(odd_power(0), base, i, lanes);
        work.engine.load(factor, {to_montgomery, 0}, 0, lanes);
        work.engine.mul(odd_power(0), odd_power(0), factor);
        if (num_odd > 1) work.engine.sqr(factor, odd_power(0));
        for (std::size_t j = 1; j < num_odd; ++j) {
            work.engine.mul(odd_power(j), odd_power(j - 1), factor);
        }
        work.engine.load(power, {n.r(), 0}, 0, lanes);
        for (std::size_t position = num_bits; position != 0;) {
            if (bits_at(position - 1, 1) == 0) {
                work.engine.sqr(power, power);
                --position;
                continue;
            }
            auto width = static_cast<unsigned>(std::min<std::size_t>(w, position));
            while (bits_at(position - width, 1) == 0) --width;
            const Limb* chosen = odd_power(bits_at(position - width, width) / 2);
            if (position == num_bits) {
                std::copy_n(chosen, work.element_limbs, power);
            } else {
                for (unsigned s = 0; s < width; ++s) work.engine.sqr(power, power);
                work.engine.mul(power, power, chosen);
            }
            position -= width;
        }
        work.engine.load(factor, {n.one(), 0}, 0, lanes);
        work.engine.mul(power, power, factor);
        work.engine.store(out + i * work.element_bytes, power, lanes);
    }
}

template <Engine E>
void pow_each(std::byte* out, Operand base, const std::byte* to_montgomery, const Limb* exponents,
              std::size_t exponent_limbs, std::size_t exponent_bits, std::size_t count,
              const Modulus& n, std::byte* scratch) {
    pow<E>(out, base, to_montgomery, exponent_bits, count, n, scratch,
           [=](std::size_t i, std::size_t position, unsigned width) {
               return limbs::bits_at(exponents + i * exponent_limbs, exponent_limbs, position,
                                     width);
           });
}

template <SquareEngine E>
void fixed_base(std::byte* out, const FixedBaseTable& table, const Limb* exponents,
                std::size_t exponent_limbs, std::size_t count, const Modulus& n,
                std::byte* scratch) {
    const unsigned w = table.window_bits();
    // Blocks of one size: each reads the whole table.
    const std::size_t groups = num_groups<E>(count);
    const std::size_t num_blocks =
        (groups + FixedBaseTable::kGroupsPerBlock - 1) / FixedBaseTable::kGroupsPerBlock;
    const std::size_t block_size =
        num_blocks == 0 ? 1 : (groups + num_blocks - 1) / num_blocks * E::kLanes;
    Workspace<E> work(n, scratch);
    work.engine.chain_prepare();
    Limb* chains = work.take(FixedBaseTable::kGroupsPerBlock * E::chain_limbs(n));
    Limb* power = work.element();
    for (std::size_t block = 0; block < count; block += block_size) {
        const std::size_t block_end = std::min(count, block + block_size);
        const auto chain_of = [&](std::size_t i) {
            return chains + (i - block) / E::kLanes * E::chain_limbs(n);
        };
        const auto take = [&](std::size_t begin, std::size_t end, std::size_t row, ChainPart part) {
            Limb index[E::kLookUps * E::kLanes] = {};
            Limb* group[E::kLookUps] = {};
            std::size_t num_chains = 0;
            for (std::size_t i = begin; i < end; i += E::kLanes) {
                for (std::size_t lane = 0; lane < E::kLanes; ++lane) {
                    const Limb* exponent = exponents + (i + lane) * exponent_limbs;
                    index[num_chains * E::kLanes + lane] =
                        i + lane < end ? limbs::bits_at(exponent, exponent_limbs, row * w, w) : 0;
                }
                group[num_chains++] = chain_of(i);
            }
            work.engine.chain_take(group, num_chains, table.row(row), w, index, part);
        };
        // Rows outermost: each is read from memory once for the whole block.
        for (std::size_t row = 0; row < table.num_rows(); row += row == 0 ? 1 : 2) {
            for (std::size_t i = block; i < block_end; i += E::kLookUps * E::kLanes) {
                const std::size_t end = std::min(block_end, i + E::kLookUps * E::kLanes);
                if (row == 0) {
                    take(i, end, row, ChainPart::start);
                    continue;
                }
                take(i, end, row, ChainPart::left);
                take(i, end, row + 1, ChainPart::right);
                for (std::size_t j = i; j < end; j += E::kLanes) {
                    work.engine.chain_multiply(chain_of(j));
                }
            }
        }
        for (std::size_t i = block; i < block_end; i += E::kLanes) {
            work.engine.chain_finish(power, chain_of(i));
            work.engine.store(out + i * work.element_bytes, power, lanes_from<E>(i, count));
        }
    }
}

}  // namespace veilsum::algorithms

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
// Powers are in powers.hpp. Control flow depends on counts and bit lengths only.

#pragma once

#include <algorithm>

#include "veilsum/bigint/kernel.hpp"
#include "veilsum/bigint/limbs.hpp"

namespace veilsum::algorithms {

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

}  // namespace veilsum::algorithms

// The kernel functions, written once over an Engine (engine.hpp).
//
// Scratch is split here: the engine's own part first, then temporaries.
//
// Powers are in powers.hpp. Control flow depends on counts and bit lengths only.

#pragma once

#include <algorithm>

#include "veilsum/bigint/engine.hpp"
#include "veilsum/bigint/limbs.hpp"

namespace veilsum::algorithms {

/// Of pow_order (pow_order.hpp): a table of two digits an entry, the power and its temporaries.
template <SquareEngine E>
std::size_t pow_order_limbs(const Modulus& p) {
    return (2 * OrderPower::kNumEntries + 3) * E::digit_limbs_of(p) + E::power_limbs(p) +
           2 * E::element_limbs(p);
}

/// Of a function that needs the engine and two elements.
template <Engine E>
std::size_t product_scratch_bytes(const Modulus& n) {
    return (E::scratch_limbs(n) + 2 * E::element_limbs(n)) * sizeof(Limb);
}

template <Engine E>
std::size_t scratch_bytes(const Modulus& n) {
    std::size_t most = ((std::size_t{1} << E::kMaxPowWindow) + 2) * E::element_limbs(n);
    if constexpr (SquareEngine<E>) {
        const std::size_t chains =
            FixedBaseTable::kGroupsPerBlock * E::chain_limbs(n) + E::element_limbs(n);
        most = std::max({most, chains, pow_order_limbs<E>(n)});
    }
    return (E::scratch_limbs(n) + most) * sizeof(Limb);
}

/// The engine and the temporaries behind it.
template <Engine E>
struct Workspace {
    Workspace(const Modulus& n, std::byte* scratch)
        : engine(n, reinterpret_cast<Limb*>(scratch)),
          next(reinterpret_cast<Limb*>(scratch) + E::scratch_limbs(n)),
          element_limbs(E::element_limbs(n)),
          element_bytes(n.element_bytes()) {}

    Limb* take(std::size_t num_limbs) {
        Limb* taken = next;
        next += num_limbs;
        return taken;
    }
    Limb* element() { return take(element_limbs); }

    E engine;
    Limb* next;
    const std::size_t element_limbs;
    const std::size_t element_bytes;
};

/// How many groups of lanes hold so many numbers.
template <Engine E>
std::size_t num_groups(std::size_t count) {
    return (count + E::kLanes - 1) / E::kLanes;
}

template <Engine E>
std::size_t lanes_from(std::size_t i, std::size_t count) {
    return i < count ? std::min(E::kLanes, count - i) : 0;
}

template <Engine E>
void mul(std::byte* out, Operand a, Operand b, std::size_t count, const Modulus& n,
         std::byte* scratch) {
    Workspace<E> work(n, scratch);
    Limb* x = work.element();
    Limb* y = work.element();
    for (std::size_t i = 0; i < count; i += E::kLanes) {
        const std::size_t lanes = lanes_from<E>(i, count);
        work.engine.load(x, a, i, lanes);
        work.engine.load(y, b, i, lanes);
        const std::size_t next = i + lanes;
        auto& ahead = work.engine.ahead();
        ahead.will_read(a, next, lanes_from<E>(next, count), work.element_bytes);
        ahead.will_read(b, next, lanes_from<E>(next, count), work.element_bytes);
        ahead.will_write(out + i * work.element_bytes, lanes * work.element_bytes);
        work.engine.mul(x, x, y);
        work.engine.store(out + i * work.element_bytes, x, lanes);
    }
}

template <Engine E>
void mul_reduce(std::byte* out, Operand in, std::size_t num_terms, std::size_t term_stride_bytes,
                std::size_t count, const Modulus& n, std::byte* scratch) {
    Workspace<E> work(n, scratch);
    Limb* product = work.element();
    Limb* x = work.element();
    for (std::size_t i = 0; i < count; i += E::kLanes) {
        const std::size_t lanes = lanes_from<E>(i, count);
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

/// A lane that is through with its list multiplies by R, which is one in Montgomery form: its
/// product carries as many R^-1 as it had terms to multiply.
template <Engine E>
void mul_lists(std::byte* out, const RowLists& in, std::size_t begin, std::size_t count,
               const Modulus& n, std::byte* scratch) {
    Workspace<E> work(n, scratch);
    Limb* product = work.element();
    Limb* x = work.element();
    for (std::size_t i = 0; i < count; i += E::kLanes) {
        const std::size_t lanes = lanes_from<E>(i, count);
        RowList lists[E::kLanes] = {};
        const std::byte* columns[E::kLanes] = {};
        std::size_t num_terms = 0;
        for (std::size_t lane = 0; lane < lanes; ++lane) {
            const std::size_t number = begin + i + lane;
            lists[lane] = in.lists[number / in.num_columns];
            columns[lane] = in.data + number % in.num_columns * work.element_bytes;
            num_terms = std::max(num_terms, lists[lane].size);
        }
        // Of this term and of the next, which is asked for meanwhile.
        const std::byte* elements[2][E::kLanes];
        const auto find = [&](std::size_t term) {
            for (std::size_t lane = 0; lane < E::kLanes; ++lane) {
                const bool has_term = term < lists[lane].size;
                elements[term % 2][lane] = has_term ? columns[lane] + lists[lane].rows[term] *
                                                                          in.num_columns *
                                                                          work.element_bytes
                                                    : n.r();
            }
            return elements[term % 2];
        };
        work.engine.load_each(product, find(0));
        if (num_terms > 1) find(1);
        for (std::size_t term = 1; term < num_terms; ++term) {
            work.engine.load_each(x, elements[term % 2]);
            auto& ahead = work.engine.ahead();
            if (term + 1 < num_terms) {
                ahead.will_read_each(find(term + 1), E::kLanes, work.element_bytes);
            }
            work.engine.mul(product, product, x);
        }
        work.engine.store(out + i * work.element_bytes, product, lanes);
    }
}

template <Engine E>
void horner(std::byte* out, Operand in, std::size_t num_terms, std::size_t term_stride_bytes,
            std::size_t num_squarings, std::size_t count, const Modulus& n, std::byte* scratch) {
    Workspace<E> work(n, scratch);
    Limb* product = work.element();
    Limb* x = work.element();
    for (std::size_t i = 0; i < count; i += E::kLanes) {
        const std::size_t lanes = lanes_from<E>(i, count);
        const auto load = [&](Limb* to, std::size_t term) {
            work.engine.load(to, {in.data + term * term_stride_bytes, in.stride_bytes}, i, lanes);
        };
        load(product, num_terms - 1);
        for (std::size_t term = num_terms - 1; term-- > 0;) {
            for (std::size_t j = 0; j < num_squarings; ++j) work.engine.sqr(product, product);
            load(x, term);
            work.engine.ahead();
            work.engine.mul(product, product, x);
        }
        work.engine.store(out + i * work.element_bytes, product, lanes);
    }
}

template <Engine E>
std::size_t lane_bytes(std::size_t count, const Modulus& n) {
    return num_groups<E>(count) * E::element_limbs(n) * sizeof(Limb);
}

/// Runs body(group of lane form, first position, number of lanes).
template <Engine E, class Byte, class Body>
void for_each_group(Byte* lanes, std::size_t count, const Modulus& n, Body&& body) {
    for (std::size_t i = 0; i < count; i += E::kLanes) {
        body(lanes + lane_bytes<E>(i, n), i, lanes_from<E>(i, count));
    }
}

template <Engine E>
void enter_lanes(std::byte* lanes, Operand in, std::size_t count, const Modulus& n,
                 std::byte* scratch) {
    Workspace<E> work(n, scratch);
    for_each_group<E>(lanes, count, n, [&](auto* group, std::size_t i, std::size_t num) {
        work.engine.load(reinterpret_cast<Limb*>(group), in, i, num);
    });
}

template <Engine E>
void mul_lanes(std::byte* lanes, Operand in, std::size_t count, const Modulus& n,
               std::byte* scratch) {
    Workspace<E> work(n, scratch);
    Limb* x = work.element();
    for_each_group<E>(lanes, count, n, [&](auto* group, std::size_t i, std::size_t num) {
        auto* product = reinterpret_cast<Limb*>(group);
        work.engine.load(x, in, i, num);
        const std::size_t next = i + num;
        work.engine.ahead().will_read(in, next, lanes_from<E>(next, count), work.element_bytes);
        work.engine.mul(product, product, x);
    });
}

template <Engine E>
void leave_lanes(std::byte* out, const std::byte* lanes, std::size_t count, const Modulus& n,
                 std::byte* scratch) {
    Workspace<E> work(n, scratch);
    for_each_group<E>(lanes, count, n, [&](auto* group, std::size_t i, std::size_t num) {
        work.engine.store(out + i * work.element_bytes, reinterpret_cast<const Limb*>(group), num);
    });
}

template <Engine E>
bool inspect(std::byte* products, Operand in, std::size_t count, const Modulus& n,
             std::byte* scratch) {
    Workspace<E> work(n, scratch);
    Limb* product = work.element();
    Limb* x = work.element();
    for (std::size_t i = 0; i < count;) {
        // A lane without an element would be zero, which has every factor: what is left after the
        // last full group goes one by one, in all lanes.
        const bool is_full = i + E::kLanes <= count;
        work.engine.load(x, {in.at(i), is_full ? in.stride_bytes : 0}, 0, E::kLanes);
        if (!work.engine.is_canonical(x)) return false;
        if (i == 0) {
            std::copy_n(x, work.element_limbs, product);
        } else {
            work.engine.mul_first_digits(product, x);
        }
        i += is_full ? E::kLanes : 1;
    }
    work.engine.store(products, product, E::kLanes);
    return true;
}

template <SquareEngine E>
void add_plain(std::byte* out, Operand a, const SignedOperand& m, std::size_t count,
               const Modulus& n, std::byte* scratch) {
    Workspace<E> work(n, scratch);
    const Operand plaintexts{reinterpret_cast<const std::byte*>(m.data),
                             m.stride_limbs * sizeof(Limb)};
    work.engine.plain_prepare(m.num_limbs);
    for (std::size_t i = 0; i < count; i += E::kLanes) {
        const std::size_t lanes = lanes_from<E>(i, count);
        const std::size_t next = i + lanes;
        const std::size_t next_lanes = lanes_from<E>(next, count);
        std::byte* group = out + i * work.element_bytes;
        auto& ahead = work.engine.ahead();
        ahead.will_read(a, next, next_lanes, work.element_bytes);
        ahead.will_read(plaintexts, next, next_lanes, m.num_limbs * sizeof(Limb));
        ahead.will_write(group, lanes * work.element_bytes);
        work.engine.add_plain(group, a, m, i, lanes);
    }
}

}  // namespace veilsum::algorithms

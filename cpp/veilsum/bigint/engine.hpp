#pragma once

#include <concepts>
#include <utility>

#include "veilsum/bigint/kernel.hpp"

namespace veilsum {

/// What computes kLanes numbers side by side, modulo n or n^2, in *lane form* of element_limbs
/// limbs. The kernel functions are written over it (algorithms.hpp).
template <class E>
concept Engine = std::constructible_from<E, const Modulus&, Limb*> &&
                 requires(E engine, const E& fixed, const Modulus& n, Limb* out, const Limb* in,
                          Operand elements, std::byte* bytes, std::size_t i) {
                     requires E::kLanes >= 1 && (E::kNumDigits == 1 || E::kNumDigits == 2);
                     requires E::kMaxPowWindow >= 1;
                     { E::r_bits(i) } -> std::same_as<std::size_t>;
                     { E::element_limbs(n) } -> std::same_as<std::size_t>;
                     { E::scratch_limbs(n) } -> std::same_as<std::size_t>;

                     // Elements i, i + 1, ..., so many, to lane form; and back, canonical.
                     fixed.load(out, elements, i, i);
                     // One element for each lane, from anywhere.
                     fixed.load_each(out, &std::as_const(bytes));
                     engine.store(bytes, in, i);
                     // Montgomery product and square. out may be an operand.
                     engine.mul(out, in, in);
                     engine.sqr(out, in);
                     // (out, table, num_entries, index): table[index of each lane], reading all of
                     // it; and of one block of a table that keeps its entries by blocks, so that
                     // many look-ups share what is near.
                     fixed.select(out, in, i, in);
                     fixed.select_block(out, in, i, in);
                     { fixed.block_limbs() } -> std::same_as<std::size_t>;
                     // What the next product asks for meanwhile (ahead.hpp).
                     engine.ahead().will_read(elements, i, i, i);
                     engine.ahead().will_write(bytes, i);

                     // Lane form from and to kLanes numbers of lane_limbs limbs each; all lanes of
                     // out = lane i.
                     { E::lane_limbs(n) } -> std::same_as<std::size_t>;
                     fixed.join_lanes(out, &in);
                     fixed.split_lanes(&out, in);
                     fixed.broadcast_lane(out, in, i);

                     // For elements from outside: whether all digits are below n; the first digits'
                     // product.
                     { fixed.is_canonical(in) } -> std::same_as<bool>;
                     engine.mul_first_digits(out, in);
                 };

/// An Engine modulo n^2, of elements of two digits.
template <class E>
concept SquareEngine = Engine<E> && E::kNumDigits == 2 &&
                       requires(E engine, const E& fixed, const Modulus& n, Limb* out, Limb* chain,
                                const Limb* in, Operand elements, const SignedOperand& m,
                                std::byte* bytes, std::size_t i, unsigned window_bits) {
                           // Rows of fixed-base tables, and entry i of one: its two digits.
                           requires E::kMaxTableWindow >= 6 && E::kLookUps >= 1;
                           { E::row_limbs(window_bits, n) } -> std::same_as<std::size_t>;
                           E::put_entry(out, window_bits, i, in, in, n);
                           // Chains of products by entries of rows, each of which is looked up for
                           // i <= kLookUps groups of lanes at once: (chains, i, row, window_bits,
                           // index, part). chain_prepare comes first.
                           { E::chain_limbs(n) } -> std::same_as<std::size_t>;
                           engine.chain_prepare();
                           fixed.chain_take(&chain, i, in, window_bits, in, ChainPart::start);
                           engine.chain_multiply(chain);
                           engine.chain_finish(out, chain);
                           // Of first digits, which have digit_limbs limbs in lane form: (out,
                           // quotient, a, b): out = a*b*R^-1, for which out*R = a*b + quotient*n
                           // modulo n^2; out = a*b*R^-1 + c modulo n, c null or a digit; as select.
                           { E::digit_limbs_of(n) } -> std::same_as<std::size_t>;
                           engine.digit_product(out, out, in, in);
                           engine.digit_multiply(out, in, in, in);
                           fixed.digit_select(out, in, i, in);
                           // A long power of power_limbs limbs: from a first digit; squared;
                           // multiplied by a first digit; its first digit and, at the end, the
                           // element. Factors R^-1 as of mul.
                           { E::power_limbs(n) } -> std::same_as<std::size_t>;
                           engine.power_start(out, in);
                           engine.power_square(out);
                           engine.power_multiply(out, in);
                           { fixed.power_digit(in) } -> std::same_as<const Limb*>;
                           engine.power_finish(out, chain);
                           // Products of elements by 1 + m*n for plaintexts m of so many limbs,
                           // numbers i, i + 1, ...
                           engine.plain_prepare(i);
                           engine.add_plain(bytes, elements, m, i, i);
                       };

}  // namespace veilsum

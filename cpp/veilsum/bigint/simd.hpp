#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include "veilsum/bigint/integer.hpp"

namespace veilsum {

/// What the vector kernels need of an instruction set with a multiplication in lanes.
///
/// A lane is an unsigned 64-bit integer, lane 0 first in memory; a *limb* is below 2^kRadixBits. A
/// *column* is a sum of products of limbs. TableLimb is how a limb is stored in fixed-base rows.
template <class S>
concept Simd = requires(typename S::Vector x, typename S::Vector* out,
                        const typename S::Vector* vectors, typename S::Vector* const* outs,
                        const typename S::TableLimb* row, const std::byte* const* from,
                        std::byte* const* to, std::size_t size, const Limb* index) {
    // A power of two of lanes, and for how many groups of them look_up serves at once.
    requires S::kLanes >= 1 && (S::kLanes & (S::kLanes - 1)) == 0 && S::kLookUps >= 1;
    // B limbs make a block, as far as loops are unrolled; its bits are whole half bytes.
    requires S::kBlock >= 1 && S::kBlock <= 16 && S::kRadixBits* S::kBlock % 4 == 0;
    // The products that a column holds besides eight limbs and two carries.
    requires S::kMaxProducts > 3 * S::kBlock;
    // The largest windows of powers, and of fixed-base tables.
    requires S::kMaxPowWindow >= 1 && S::kMaxTableWindow >= 6;

    { S::zero() } -> std::same_as<typename S::Vector>;
    { S::broadcast(std::uint64_t{}) } -> std::same_as<typename S::Vector>;
    // Lane by lane modulo 2^64.
    { S::add(x, x) } -> std::same_as<typename S::Vector>;
    { S::subtract(x, x) } -> std::same_as<typename S::Vector>;
    // x mod 2^radix; x >> radix; and 2^radix - 1 - x, of a limb.
    { S::low_bits(x) } -> std::same_as<typename S::Vector>;
    { S::carry(x) } -> std::same_as<typename S::Vector>;
    { S::complement(x) } -> std::same_as<typename S::Vector>;
    // (x): bit 63 as a flag, 0 or 1. (flag, a, b): b where the flag is 1, else a.
    { S::is_negative(x) } -> std::same_as<typename S::Vector>;
    { S::blend(x, x, x) } -> std::same_as<typename S::Vector>;
    // (c, a, b): c plus the low half, or the high half, of a*b for limbs a and b; where a product
    // fits a lane, all of it, or nothing.
    { S::mul_low(x, x, x) } -> std::same_as<typename S::Vector>;
    { S::mul_high(x, x, x) } -> std::same_as<typename S::Vector>;
    // (c, k): c*k mod 2^radix of any column and a limb. (c, q, n0): mul_low(c, q, n0) >> radix,
    // known to be exact.
    { S::quotient(x, x) } -> std::same_as<typename S::Vector>;
    { S::quotient_carry(x, x, x) } -> std::same_as<typename S::Vector>;
    // Nothing; emulated lanes check.
    S::expect_zero(x);

    // (out, digits, num_bytes, h): h limbs of the little-endian bytes at each lane's pointer; 0
    // where that is null. And the reverse, of carried limbs that fit the bytes.
    S::load(out, from, size, size);
    S::store(to, vectors, size, size);
    // (out, table, num_vectors, num_entries, index): the vectors of entry index[lane], for each
    // lane, reading all; num_vectors is a multiple of B.
    S::select(out, vectors, size, size, index);
    // <adds>(outs, count, row, window_bits, num_limbs, index): for each group, the limbs that its
    // lanes' indices name in a row [limb][entry], reading all: stored, or added.
    S::template look_up<false>(outs, size, row, 0u, size, index);
    S::template look_up<true>(outs, size, row, 0u, size, index);
};

}  // namespace veilsum

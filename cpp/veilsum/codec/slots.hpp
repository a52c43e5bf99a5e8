#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "veilsum/base/limb.hpp"
#include "veilsum/base/parallel.hpp"
#include "veilsum/bigint/plaintexts.hpp"

namespace veilsum {

/// How fine the grid is. A value times its weight w is rounded once; for every w from
/// 2^-weight_bits to 1 its steps are no larger, beside w, than those of value_bits alone at w = 1.
struct Precision {
    unsigned value_bits;
    unsigned weight_bits = 0;
};

/// The largest magnitude of a value on the grid: (2^(value_bits-1) - 1) * 2^weight_bits.
/// Throws Error: invalid_argument (value_bits below 2, or both together above 40).
std::int64_t grid_max(Precision precision);

/// max_addends * grid_max(precision) + noise_bound: the largest magnitude a slot of a full sum has
/// where noise_bound is the head-room for the noise of all addends together.
/// Throws Error: invalid_argument (max_addends is 0, or a slot would need more than 62 bits).
std::int64_t max_slot_of(Precision precision, std::uint64_t max_addends, std::uint64_t noise_bound);

/// How signed slots lie in the plaintexts of one modulus n: slot i of a plaintext counts 2^(W*i),
/// so the plaintext is the integer sum of slot_i * 2^(W*i) and adding plaintexts adds all slots.
///
/// W = slot_bits() is the smallest width with max_slot < 2^(W-1). L = slots_per_plaintext() is the
/// largest count for which every combination of slots within +-max_slot stays inside (-n/2, n/2):
/// max_slot * (2^(L*W)-1)/(2^W-1) < n/2. Exact, no estimate.
class SlotLayout {
public:
    /// `modulus` is n as little-endian limbs; high zero limbs are allowed. 1 <= num_slots.
    /// Throws Error: invalid_argument (no slots; max_slot outside [1, 2^61); n is too small for
    /// even one slot).
    SlotLayout(std::size_t num_slots, std::int64_t max_slot, std::span<const Limb> modulus);

    std::size_t num_slots() const noexcept { return num_slots_; }
    std::int64_t max_slot() const noexcept { return max_slot_; }
    unsigned slot_bits() const noexcept { return slot_bits_; }
    std::size_t slots_per_plaintext() const noexcept { return slots_per_plaintext_; }

    /// ceil(num_slots / slots_per_plaintext); only the last plaintext may hold fewer slots.
    std::size_t num_plaintexts() const noexcept;

    /// ceil(bits(n) / 64): the width of a plaintext in two's complement.
    std::size_t limbs_per_value() const noexcept { return limbs_per_value_; }

private:
    std::size_t num_slots_;
    std::int64_t max_slot_;
    unsigned slot_bits_;
    std::size_t slots_per_plaintext_;
    std::size_t limbs_per_value_;
};

/// The plaintexts of `slots`: plain integer arithmetic, whatever the slots are.
///
/// A slot outside W bits is neither clamped nor refused (noise must not be), it carries into its
/// neighbours as in any addition. Slots within +-max_slot always fit; a plaintext that would need
/// more than limbs_per_value limbs wraps in two's complement. Secret: slots. Time depends on the
/// layout only.
/// Throws Error: invalid_argument (slots.size() is not layout.num_slots()).
Plaintexts pack(std::span<const std::int64_t> slots, const SlotLayout& layout,
                const Execution& execution);

/// Splits plaintexts back into slots, each read as an integer in [-2^(W-1), 2^(W-1)). The inverse
/// of pack() for slots in that range, and of sums of packed vectors whose slot sums are.
///
/// Throws Error: invalid_argument (out.size() or the number or width of the plaintexts is not the
/// layout's), capacity (a plaintext lies outside what its slots can represent).
void unpack(std::span<std::int64_t> out, const Plaintexts& plaintexts, const SlotLayout& layout,
            const Execution& execution);

}  // namespace veilsum

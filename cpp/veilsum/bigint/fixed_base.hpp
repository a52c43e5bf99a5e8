#pragma once

#include <cstddef>

#include "veilsum/base/parallel.hpp"
#include "veilsum/base/secret.hpp"
#include "veilsum/bigint/integer.hpp"

namespace veilsum {

class SquareModulus;

/// What an entry is to a chain of multiplications: its start, or one of the next pair.
enum class ChainPart { start, left, right };

/// Powers of one unit g modulo n^2, from which g^a takes one table entry and one multiplication per
/// window of a.
///
/// Row r holds g^(j * 2^(w*r)) for j = 0 .. 2^w - 1. An entry x = x0*(1 + l*n) is stored as the
/// pair (x0, l*R^2 mod n) in the kernel's own form: with the *relative* second digit l = x1/x0 a
/// chain of multiplications by entries costs 3.5h^2 limb products each, not 5h^2 (docs/kernels.md).
/// Rows after the first hold x*R, so that the factors R^-1 of the chain cancel. They come in pairs:
/// the number of rows is odd.
class FixedBaseTable {
public:
    /// Builds the table for exponents of up to exponent_bits bits. `base` is an element, a unit.
    /// Constant time in the base and in n but for one modular inversion. Throws Error: cancelled.
    /// Cost: num_rows * 2^w multiplications, over threads.
    FixedBaseTable(const std::byte* base, std::size_t exponent_bits, const SquareModulus& n,
                   const Execution& execution);

    /// With windows of that size, from 6 to the kernel's max_table_window. The other constructor
    /// takes the largest of which two rows are at home in the second cache of this processor.
    FixedBaseTable(const std::byte* base, std::size_t exponent_bits, unsigned window_bits,
                   const SquareModulus& n, const Execution& execution);

    /// So many groups of a kernel's lanes walk the table together, and a row comes from the outer
    /// caches once for all of them: 32 is 10 % faster than 8, and 128 no better (2048 bits, Zen 5).
    static constexpr std::size_t kGroupsPerBlock = 32;

    /// w, for rows of 2^w entries: larger ones need fewer multiplications, but each look-up reads a
    /// whole row.
    unsigned window_bits() const noexcept { return window_bits_; }
    std::size_t exponent_bits() const noexcept { return exponent_bits_; }
    std::size_t num_rows() const noexcept { return num_rows_; }
    std::size_t size_bytes() const noexcept { return limbs_.size() * sizeof(Limb); }

    const Limb* row(std::size_t r) const noexcept { return limbs_.data() + r * row_limbs_; }

private:
    unsigned window_bits_;
    std::size_t exponent_bits_;
    std::size_t num_rows_;
    std::size_t row_limbs_;
    Secret<Limb> limbs_;
};

}  // namespace veilsum

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "veilsum/lattice/mask_shape.hpp"
#include "veilsum/lattice/ring_kernel.hpp"

namespace veilsum {

/// From residues of coefficients to slots: integers modulo Q as balanced digits above an error. All
/// is public.
class MaskDecoder {
public:
    /// `rings` are those of the shape, which must be checked; they must outlive this.
    MaskDecoder(const MaskShape& shape, const std::vector<PrimeRing>& rings);

    /// Writes digit k of coefficient i to out[k * count + i], for the residues residues[p][i] of
    /// each prime p, which are below it; `count` is a multiple of kRowLanes. Raises largest_error
    /// to the largest magnitude of an error. Returns whether all are what slots add up to: only
    /// then is what it writes to be read. By the kernel where it can, to the same numbers.
    bool decode(std::int64_t* out, const std::uint64_t* const* residues, std::size_t count,
                const RingKernel& kernel, std::int64_t& largest_error) const;

private:
    using Wide = unsigned __int128;

    /// How numbers below `bound` * base are divided by the base.
    class Quotient {
    public:
        Quotient(Wide bound, std::uint64_t base);
        /// Leaves the quotient in x, and returns the remainder.
        std::int64_t divide(Wide& x, std::uint64_t base) const;

    private:
        bool is_one_;
        unsigned shift_ = 0;
        double scale_ = 0;
    };

    Wide join(std::uint64_t first, std::uint64_t second) const;
    bool split(Wide x, std::int64_t* out, std::size_t stride, std::int64_t& largest_error) const;

    std::int64_t max_slot_;
    unsigned num_primes_;
    unsigned slack_;
    std::uint64_t base_;
    Wide modulus_;
    Wide num_messages_ = 1;
    /// Of each digit, the lowest first.
    std::vector<Quotient> quotients_;
    std::uint64_t first_ = 0;
    const PrimeRing* second_ = nullptr;
    Factor first_inverse_{};
    FloatDigits float_digits_;
    bool fits_floats_ = false;
};

}  // namespace veilsum

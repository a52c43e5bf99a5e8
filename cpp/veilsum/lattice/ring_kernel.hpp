#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "veilsum/lattice/prime_ring.hpp"

namespace veilsum {

/// A slot that is not short is split at this bit where arithmetic is in floating point.
inline constexpr unsigned kSlotLowBits = 30;

/// 2^slack * base^k modulo q: what slot k of a coefficient counts.
struct DigitWeight {
    Factor factor;
    FloatFactor float_factor;
    /// Of 2^kSlotLowBits times the weight, for the high part of a slot.
    FloatFactor float_high_factor;
    /// 2^64 times the weight, modulo q: what reading a negative slot as unsigned adds.
    std::uint64_t of_sign;
};

/// Requires weight < q. All is public.
DigitWeight digit_weight(std::uint64_t weight, const PrimeRing& ring);

/// What a block has besides its mask. All of it is secret but sizes and weights.
struct BlockTerms {
    /// A multiple of kRowLanes, at most N.
    std::size_t num_coefficients;
    /// Slot k of coefficient i is slots[k * num_coefficients + i].
    const std::int64_t* slots;
    /// Whether all |slots| are below 2^50.
    bool slots_are_short;
    /// One for each coefficient; |error| < 2^20.
    const std::int32_t* errors;
    std::span<const DigitWeight> weights;
};

/// What a kernel needs to find the slots of opened coefficients in floating point. A coefficient is
/// the integer e + sum of slot k * weight k, of the least magnitude modulo the product of q, where
/// weight k is error_range * B^k for an odd B < 2^42, |slot| <= max_slot <= (B-1)/2 - (B-1)/130,
/// and -error_range/2 <= e < error_range/2, a power of two. The product of q is below 2^92, and
/// below 2^50 times the largest weight.
struct FloatDigits {
    /// A number as the sum of two doubles, the first of them the nearest; and the inverse.
    struct Weight {
        double high;
        double low;
        double inverse;
    };
    double q[2];                ///< The larger prime first; q[1] is 0 if there is one only.
    FloatFactor first_inverse;  ///< 1/q[0] modulo q[1].
    double max_slot;
    double error_range;
    std::vector<Weight> weights;
};

/// Residues on the wire: rows of eight, and each of the eight *lanes* is a string of `bits` bits a
/// residue, lowest first, in 64-bit words. Word w of lane l is word 8w + l, little-endian.
inline constexpr std::size_t kRowLanes = 8;

constexpr std::size_t packed_bytes(std::size_t num_coefficients, unsigned bits) noexcept {
    return (num_coefficients / kRowLanes * bits + 63) / 64 * kRowLanes * sizeof(std::uint64_t);
}

/// One instruction set's arithmetic on blocks modulo one prime. All kernels give the same.
///
/// `a` has N values below q in lane order; it is overwritten, since what becomes of it is secret:
/// whoever called wipes it. `prepared` is what `prepare` made, 2N words. Words are aligned to 64
/// bytes, packed residues need not be. Constant time in secrets; `bits` is that of the ring.
/// Nothing is allocated or thrown.
struct RingKernel {
    const char* name;

    /// Factors of a secret from its transform over N, in lane order, below q.
    void (*prepare)(std::uint64_t* prepared, const std::uint64_t* transformed,
                    const PrimeRing& ring);

    /// Writes packed_bytes(terms.num_coefficients, bits): a*s + terms, modulo q.
    void (*protect)(std::byte* out, std::uint64_t* a, const std::uint64_t* prepared,
                    const BlockTerms& terms, const PrimeRing& ring);

    /// Whether all packed residues are below q, and what is behind the last of them is 0.
    bool (*are_residues)(const std::byte* packed, std::size_t num_coefficients,
                         const PrimeRing& ring);

    /// Adds packed residues to sums, which must not reach 2^63.
    void (*add)(std::uint64_t* sums, const std::byte* packed, std::size_t num_coefficients,
                unsigned bits);

    /// a = sums - a*s, modulo q and below it, for the first num_coefficients. Sums below 2^63.
    void (*unmask)(std::uint64_t* a, const std::uint64_t* sums, std::size_t num_coefficients,
                   const std::uint64_t* prepared, const PrimeRing& ring);

    /// Slot k of coefficient i to out[k * count + i], from its residues residues[p][i], below
    /// q[p]; of one prime or two. Raises largest_error to the largest |e|. False if any coefficient
    /// is no such number: then nothing that it writes means anything. Public, and null in the
    /// portable kernel (MaskDecoder has the integers).
    bool (*digits)(std::int64_t* out, const std::uint64_t* const* residues, std::size_t count,
                   const FloatDigits& digits, std::int64_t& largest_error);
};

// The last two are in builds for x86-64 only.
extern const RingKernel kPortableRingKernel;
extern const RingKernel kAvx2RingKernel;
extern const RingKernel kAvx512RingKernel;

/// Those that this processor runs, slowest first; the portable one always.
std::vector<const RingKernel*> available_ring_kernels();

/// The fastest that VEILSUM_ISA leaves, tested at first use. Throws Error as Dispatcher::active.
const RingKernel& active_ring_kernel();

/// The transform of a small secret over N, in lane order and below q: what `prepare` wants.
/// Requires |s| < 2^23. Constant time.
void transform_secret(std::uint64_t* out, const std::int64_t* s, const PrimeRing& ring);

}  // namespace veilsum

#pragma once

#include <cstddef>
#include <cstdint>

namespace veilsum {

/// The width of secrets and errors.
inline constexpr double kMaskSigma = 6.4;

/// How hard it is to find what one opened sum hides: bits by core-SVP and by MATZOV's model.
/// docs/masks.md says what is estimated, and how.
struct MaskStrength {
    double core_svp;
    double matzov;
};

/// How the slots of a vector lie in masked blocks, and in which ring.
///
/// A block is one polynomial of N = 2^log_dim coefficients modulo Q, the product of the num_primes
/// largest primes of prime_bits bits that are 1 modulo 2N. A coefficient carries num_digits slots,
/// as balanced digits to the base B = 2 (max_slot + guard) + 1, above `slack` bits for errors.
struct MaskShape {
    static constexpr std::int64_t kMaxSlot = std::int64_t{1} << 61;
    static constexpr std::uint64_t kMaxAddends = std::uint64_t{1} << 24;
    static constexpr unsigned kMaxDigits = 16;
    /// Of a vector, whose last slots are then zeros: under a wrong secret half of all coefficients
    /// have an error that passes, so that eight would let one of some hundred garbled sums pass.
    static constexpr std::size_t kFewestCoefficients = 64;
    /// How many sums the estimate allows for, each of max_addends.
    static constexpr std::uint64_t kMaxSums = 10'000;

    std::size_t num_slots;      ///< Of a vector.
    std::int64_t max_slot;      ///< Largest magnitude of a summed slot.
    std::uint64_t max_addends;  ///< Of a sum.
    unsigned log_dim;
    unsigned num_primes;
    unsigned prime_bits;
    unsigned num_digits;

    /// The shape with the fewest bytes, key included, of those that are strong enough: at least 128
    /// bits by core-SVP, where there is such a shape, and never fewer by MATZOV.
    /// Throws Error: invalid_argument (no slots, or a number outside its range).
    static MaskShape choose(std::size_t num_slots, std::int64_t max_slot,
                            std::uint64_t max_addends);

    /// Throws Error: invalid_argument (a number is outside its range, sums do not fit, or it is not
    /// strong enough).
    void check() const;

    bool operator==(const MaskShape&) const = default;

    std::size_t dim() const noexcept { return std::size_t{1} << log_dim; }
    /// How far a sum may be beyond max_slot and still be noticed rather than carried on.
    std::int64_t guard() const noexcept { return (max_slot + 63) / 64; }
    std::uint64_t base() const noexcept {
        return 2 * static_cast<std::uint64_t>(max_slot + guard()) + 1;
    }
    /// 2^(slack-1) is at least 16 standard deviations of a sum of max_addends errors.
    unsigned slack() const noexcept;
    /// The least 2^k - 1 that is at least 15 standard deviations of a coefficient of a sum of
    /// max_addends secrets.
    std::int64_t max_secret() const noexcept;
    /// 8 standard deviations of a sum of so many errors: more than that is no accident.
    std::int64_t max_error(std::uint64_t num_addends) const noexcept;

    std::size_t num_blocks() const noexcept;
    /// A multiple of 8; only the last block may have fewer than N, and the only one has
    /// kFewestCoefficients or more.
    std::size_t num_coefficients(std::size_t block) const noexcept;
    std::size_t block_bytes(std::size_t block) const noexcept;
    /// Of consecutive blocks.
    std::size_t bytes_of(std::size_t first_block, std::size_t num_blocks) const noexcept;

    /// What is left of the estimate after max_addends and kMaxSums.
    MaskStrength strength() const noexcept;
};

}  // namespace veilsum

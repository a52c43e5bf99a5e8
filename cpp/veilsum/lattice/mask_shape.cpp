#include "veilsum/lattice/mask_shape.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>
#include <string>

#include "veilsum/base/error.hpp"
#include "veilsum/lattice/mask_strengths.hpp"
#include "veilsum/lattice/prime_ring.hpp"
#include "veilsum/lattice/ring_kernel.hpp"

namespace veilsum {
namespace {

using Wide = unsigned __int128;

constexpr double kEnough = 128;
/// kMaskSigma is 32/5.
constexpr std::uint64_t kSigmaNumerator = 32;
constexpr std::uint64_t kSigmaDenominator = 5;

/// The smallest m with m >= widths * sigma * sqrt(n), exactly.
std::uint64_t deviations(std::uint64_t widths, std::uint64_t n) {
    const Wide numerator = Wide{widths * kSigmaNumerator} * (widths * kSigmaNumerator) * n;
    const auto reaches = [&](std::uint64_t m) {
        return Wide{kSigmaDenominator * m} * (kSigmaDenominator * m) >= numerator;
    };
    auto m = static_cast<std::uint64_t>(static_cast<double>(widths) * kMaskSigma *
                                        std::sqrt(static_cast<double>(n)));
    while (!reaches(m)) ++m;
    while (m > 0 && reaches(m - 1)) --m;
    return m;
}

/// 2^slack * base^num_digits, which must be below Q; nothing if it has 100 bits or more.
std::optional<Wide> size_of_sums(const MaskShape& shape) {
    Wide size = Wide{1} << shape.slack();
    for (unsigned i = 0; i < shape.num_digits; ++i) {
        if (size >= (Wide{1} << 100) / shape.base()) return std::nullopt;
        size *= shape.base();
    }
    return size;
}

Wide modulus_of(const MaskShape& shape) {
    Wide modulus = 1;
    for (unsigned p = 0; p < shape.num_primes; ++p) {
        modulus *= largest_prime(shape.log_dim, shape.prime_bits, p);
    }
    return modulus;
}

bool has_known_ring(const MaskShape& shape) {
    return (shape.log_dim == 11 && shape.num_primes == 1) ||
           (shape.log_dim == 12 && shape.num_primes == 2);
}

bool has_room(const MaskShape& shape) {
    const unsigned addend_bits = static_cast<unsigned>(std::bit_width(shape.max_addends));
    if (shape.prime_bits + addend_bits >= 63) return false;  // Sums of residues are not reduced.
    const std::optional<Wide> size = size_of_sums(shape);
    return size.has_value() && *size < modulus_of(shape);
}

/// Bytes of a contribution: Paillier ciphertexts have twice the bytes of what they encrypt.
double total_bytes(const MaskShape& shape) {
    const double secret_bits = std::log2(2 * static_cast<double>(shape.max_secret()) + 1);
    const double key_bytes = static_cast<double>(shape.dim()) * secret_bits / 4;
    return key_bytes + static_cast<double>(shape.bytes_of(0, shape.num_blocks()));
}

void check_demand(const MaskShape& shape) {
    if (shape.num_slots < 1 || shape.num_slots > std::size_t{1} << 48) {
        throw Error(Errc::invalid_argument, "a masked vector has from 1 to 2^48 slots");
    }
    if (shape.max_slot < 1 || shape.max_slot >= MaskShape::kMaxSlot) {
        throw Error(Errc::invalid_argument, "the largest summed slot must be from 1 to 2^61 - 1");
    }
    if (shape.max_addends < 1 || shape.max_addends > MaskShape::kMaxAddends) {
        throw Error(Errc::invalid_argument, "masked sums have from 1 to 2^24 addends");
    }
}

}  // namespace

unsigned MaskShape::slack() const noexcept {
    return 1 + static_cast<unsigned>(std::bit_width(deviations(16, max_addends) - 1));
}

std::int64_t MaskShape::max_secret() const noexcept {
    // All numbers of so many bits, since slots in plaintexts have whole bits.
    const unsigned bits = static_cast<unsigned>(std::bit_width(deviations(15, max_addends)));
    return (std::int64_t{1} << bits) - 1;
}

std::int64_t MaskShape::max_error(std::uint64_t num_addends) const noexcept {
    return static_cast<std::int64_t>(deviations(8, num_addends));
}

std::size_t MaskShape::num_blocks() const noexcept {
    const std::size_t slots_per_block = num_digits * dim();
    return (num_slots + slots_per_block - 1) / slots_per_block;
}

std::size_t MaskShape::num_coefficients(std::size_t block) const noexcept {
    const std::size_t num_before = block * num_digits * dim();
    const std::size_t wanted = (num_slots - num_before + num_digits - 1) / num_digits;
    const std::size_t fewest = num_blocks() == 1 ? kFewestCoefficients : kRowLanes;
    return std::min(dim(), std::max(fewest, (wanted + kRowLanes - 1) / kRowLanes * kRowLanes));
}

std::size_t MaskShape::block_bytes(std::size_t block) const noexcept {
    return num_primes * packed_bytes(num_coefficients(block), prime_bits);
}

std::size_t MaskShape::bytes_of(std::size_t first_block, std::size_t count) const noexcept {
    if (count == 0) return 0;
    return (count - 1) * num_primes * packed_bytes(dim(), prime_bits) +
           block_bytes(first_block + count - 1);
}

MaskStrength MaskShape::strength() const noexcept {
    const MaskStrength one = strength_of_ring(log_dim, num_primes * prime_bits);
    const double lost = std::log2(static_cast<double>(max_addends) * kMaxSums);
    return {one.core_svp - lost, one.matzov - lost};
}

void MaskShape::check() const {
    check_demand(*this);
    if (!has_known_ring(*this) || prime_bits < PrimeRing::kMinBits ||
        prime_bits > PrimeRing::kMaxBits || num_digits < 1 || num_digits > kMaxDigits) {
        throw Error(Errc::invalid_argument,
                    "no masks are made in a ring like that, or with so many digits");
    }
    if (!has_room(*this)) {
        throw Error(Errc::invalid_argument, "sums of such slots do not fit this ring");
    }
    if (strength().matzov < kEnough) {
        throw Error(Errc::invalid_argument,
                    "masks of this shape would have fewer than 128 bits of strength");
    }
}

MaskShape MaskShape::choose(std::size_t num_slots, std::int64_t max_slot,
                            std::uint64_t max_addends) {
    std::optional<MaskShape> best;
    const auto better = [&](const MaskShape& shape) {
        if (!best.has_value()) return true;
        const bool is_strong = shape.strength().core_svp >= kEnough;
        const bool best_is_strong = best->strength().core_svp >= kEnough;
        if (is_strong != best_is_strong) return is_strong;
        return total_bytes(shape) < total_bytes(*best);
    };
    for (const auto& [log_dim, num_primes] : {std::pair{11u, 1u}, std::pair{12u, 2u}}) {
        for (unsigned num_digits = 1; num_digits <= kMaxDigits; ++num_digits) {
            MaskShape shape{num_slots,           max_slot,  max_addends, log_dim, num_primes,
                            PrimeRing::kMinBits, num_digits};
            check_demand(shape);
            while (shape.prime_bits <= PrimeRing::kMaxBits && !has_room(shape)) ++shape.prime_bits;
            if (shape.prime_bits > PrimeRing::kMaxBits) break;
            if (shape.strength().matzov >= kEnough && better(shape)) best = shape;
        }
    }
    if (!best.has_value()) {
        throw Error(Errc::invalid_argument,
                    "no mask of 128 bits has room for slots this wide and so many addends; make "
                    "the codec with fewer value_bits or a smaller max_addends");
    }
    return *best;
}

}  // namespace veilsum

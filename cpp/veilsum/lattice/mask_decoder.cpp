#include "veilsum/lattice/mask_decoder.hpp"

#include <algorithm>
#include <cmath>

namespace veilsum {
namespace {

using SignedWide = __int128;

// Above these, quotients would be rounded too often for floats to tell digits.
constexpr std::uint64_t kFloatBase = std::uint64_t{1} << 42;
constexpr double kFloatQuotient = 0x1p50;

}  // namespace

MaskDecoder::MaskDecoder(const MaskShape& shape, const std::vector<PrimeRing>& rings)
    : max_slot_(shape.max_slot),
      num_primes_(shape.num_primes),
      slack_(shape.slack()),
      base_(shape.base()),
      modulus_(rings[0].q()),
      float_digits_{.q = {static_cast<double>(rings[0].q()), 0},
                    .first_inverse = {},
                    .max_slot = static_cast<double>(max_slot_),
                    .error_range = std::ldexp(1, static_cast<int>(slack_)),
                    .weights = {}} {
    Wide weight = Wide{1} << slack_;
    for (unsigned k = 0; k < shape.num_digits; ++k) {
        quotients_.insert(quotients_.begin(), Quotient(num_messages_, base_));
        num_messages_ *= base_;
        const auto high = static_cast<double>(weight);
        float_digits_.weights.push_back(
            {high,
             static_cast<double>(static_cast<SignedWide>(weight) - static_cast<SignedWide>(high)),
             1 / high});
        weight *= base_;
    }
    if (rings.size() > 1) {
        first_ = rings[0].q();
        second_ = &rings[1];
        modulus_ *= second_->q();
        // The first prime is the larger one, by less than the second.
        const std::uint64_t inverse =
            second_->power_vartime(first_ - second_->q(), second_->q() - 2);
        first_inverse_ = second_->factor(inverse);
        float_digits_.q[1] = static_cast<double>(second_->q());
        float_digits_.first_inverse = second_->float_factor(inverse);
    }
    fits_floats_ =
        base_ < kFloatBase &&
        static_cast<double>(modulus_) * float_digits_.weights.back().inverse < kFloatQuotient;
}

bool MaskDecoder::decode(std::int64_t* out, const std::uint64_t* const* residues, std::size_t count,
                         const RingKernel& kernel, std::int64_t& largest_error) const {
    if (fits_floats_ && kernel.digits != nullptr) {
        return kernel.digits(out, residues, count, float_digits_, largest_error);
    }
    bool fits = true;
    for (std::size_t i = 0; i < count; ++i) {
        const Wide x =
            num_primes_ == 1 ? Wide{residues[0][i]} : join(residues[0][i], residues[1][i]);
        fits &= split(x, out + i, count, largest_error);
    }
    return fits;
}

/// x = first + first_prime * ((second - first) / first_prime modulo second_prime).
MaskDecoder::Wide MaskDecoder::join(std::uint64_t first, std::uint64_t second) const {
    const std::uint64_t q = second_->q();
    const std::uint64_t difference = second + 2 * q - first;  // first < 2q.
    return first + Wide{first_} * reduce_once(multiply_lazily(difference, first_inverse_, q), q);
}

/// Writes digit k of x to out[k * stride]. False if they are none that slots add up to.
bool MaskDecoder::split(Wide x, std::int64_t* out, std::size_t stride,
                        std::int64_t& largest_error) const {
    const Wide half_error = Wide{1} << (slack_ - 1);
    // Up by half of all messages and of all errors, modulo Q: sums of slots are below
    // 2^slack * num_messages_ then. By a mask, since half of all x would be a surprise.
    const Wide offset = (num_messages_ / 2 << slack_) + half_error;
    const auto lowered = static_cast<SignedWide>(x + offset) - static_cast<SignedWide>(modulus_);
    const Wide raised = static_cast<Wide>(lowered) + (modulus_ & static_cast<Wide>(lowered >> 127));
    const auto error = static_cast<std::int64_t>(raised & ((Wide{1} << slack_) - 1)) -
                       static_cast<std::int64_t>(half_error);
    largest_error = std::max(largest_error, error < 0 ? -error : error);
    Wide message = raised >> slack_;
    if (message >= num_messages_) return false;
    bool fits = true;
    const auto half_base = static_cast<std::int64_t>(base_ / 2);
    for (const Quotient& quotient : quotients_) {
        const std::int64_t slot = quotient.divide(message, base_) - half_base;
        fits &= slot <= max_slot_ && slot >= -max_slot_;
        *out = slot;
        out += stride;
    }
    return fits;
}

MaskDecoder::Quotient::Quotient(Wide bound, std::uint64_t base) : is_one_(bound == 1) {
    if (bound >= Wide{1} << 50) return;
    while ((bound * base) >> shift_ >> 62 != 0) ++shift_;
    scale_ = std::ldexp(1 / static_cast<double>(base), static_cast<int>(shift_));
}

/// Leaves the quotient in x, and returns the remainder.
std::int64_t MaskDecoder::Quotient::divide(Wide& x, std::uint64_t base) const {
    const auto low = static_cast<std::uint64_t>(x);
    if (is_one_) return static_cast<std::int64_t>(low);
    if (scale_ == 0) {
        const Wide quotient = x / base;
        x = quotient;
        return static_cast<std::int64_t>(low - static_cast<std::uint64_t>(quotient) * base);
    }
    // x is shifted so that 2^shift <= 2^-11 * base, and three roundings of a quotient below
    // 2^50 change it by less than 1/2: so it is off by one at most.
    const auto high = static_cast<double>(static_cast<std::int64_t>(x >> shift_));
    const auto near = static_cast<std::int64_t>(high * scale_);
    const auto rest = static_cast<std::int64_t>(low - static_cast<std::uint64_t>(near) * base);
    const auto signed_base = static_cast<std::int64_t>(base);
    const std::int64_t change = (rest >> 63) - ((signed_base - 1 - rest) >> 63);
    x = static_cast<std::uint64_t>(near + change);
    return rest - change * signed_base;
}

}  // namespace veilsum

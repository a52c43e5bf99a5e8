#include "veilsum/bigint/signed_digits.hpp"

namespace veilsum {

SignedDigits::SignedDigits(std::size_t count, unsigned bits, std::size_t num_limbs)
    : bits_(bits), offset_(num_limbs) {
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t bit = i * bits + bits - 1;
        offset_[bit / 64] |= Limb{1} << (bit % 64);
    }
}

bool SignedDigits::split(std::span<std::int64_t> out, std::span<const Limb> number,
                         std::span<Limb> scratch) const noexcept {
    using Uint128 = unsigned __int128;
    const std::size_t num_limbs = offset_.size();
    const Limb sign = 0 - (number.back() >> 63);
    Limb carry = 0;
    for (std::size_t i = 0; i < num_limbs; ++i) {
        const Limb limb = i < number.size() ? number[i] : sign;
        const Uint128 sum = static_cast<Uint128>(limb) + offset_[i] + carry;
        scratch[i] = static_cast<Limb>(sum);
        carry = static_cast<Limb>(sum >> 64);
    }
    // A negative number must cross zero, a non-negative one must not leave the limbs.
    Limb misfit = carry ^ (sign & 1);
    scratch[num_limbs] = 0;  // For the look ahead.

    const std::size_t used_bits = out.size() * bits_;
    for (std::size_t i = used_bits / 64; i < num_limbs; ++i) {
        misfit |= scratch[i] >> (i == used_bits / 64 ? used_bits % 64 : 0);
    }
    const Limb mask = ~Limb{0} >> (64 - bits_);
    const Limb half = Limb{1} << (bits_ - 1);
    std::size_t bit = 0;
    for (std::int64_t& digit : out) {
        const std::size_t shift = bit % 64;
        const Limb low = scratch[bit / 64] >> shift;
        const Limb high = (scratch[bit / 64 + 1] << 1) << (63 - shift);
        digit = static_cast<std::int64_t>(((low | high) & mask) - half);
        bit += bits_;
    }
    return misfit == 0;
}

}  // namespace veilsum

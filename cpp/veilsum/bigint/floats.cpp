#include "veilsum/bigint/floats.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>

#include "veilsum/base/error.hpp"
#include "veilsum/base/secret.hpp"

namespace veilsum {

namespace {

constexpr std::size_t kLimbBits = 64;
constexpr int kMantissaBits = 53;
constexpr int kLeastExponent = -1074;  // Of the last bit of a subnormal.
constexpr std::size_t kValuesPerPiece = 1 << 12;

/// A finite double is magnitude * 2^exponent with a sign; the magnitude is below 2^53.
struct Split {
    Limb magnitude;
    int exponent;
    bool is_negative;
};

Split split(double value) {
    int exponent = 0;
    const double fraction = std::frexp(std::fabs(value), &exponent);
    return {static_cast<Limb>(std::ldexp(fraction, kMantissaBits)), exponent - kMantissaBits,
            std::signbit(value)};
}

/// magnitude / 2^shift to the nearest integer, ties to even. Requires magnitude < 2^53, shift > 0.
Limb shifted_right_to_nearest(Limb magnitude, std::int64_t shift) {
    if (shift > kMantissaBits) return 0;  // Below a half.
    const Limb kept = magnitude >> shift;
    const Limb half = Limb{1} << (shift - 1);
    const Limb rest = magnitude & (2 * half - 1);
    return kept + ((rest > half || (rest == half && (kept & 1) != 0)) ? 1 : 0);
}

void negate(std::span<Limb> limbs) {
    Limb carry = 1;
    for (Limb& limb : limbs) {
        limb = ~limb + carry;
        carry = (carry != 0 && limb == 0) ? 1 : 0;
    }
}

void require_unit(std::int64_t unit_exponent) {
    if (unit_exponent < -kMaxUnitExponent || unit_exponent > kMaxUnitExponent) {
        throw Error(Errc::invalid_argument,
                    "a unit of 2^" + std::to_string(unit_exponent) + " lies beyond 2^" +
                        std::to_string(kMaxUnitExponent) + " and its inverse");
    }
}

/// Bits of the longest result, with its sign, at most.
std::size_t bits_on_grid(std::span<const double> values, std::int64_t unit_exponent,
                         const Execution& execution) {
    int highest = kLeastExponent;
    serial_for(values.size(), kValuesPerPiece, execution, [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) {
            if (!std::isfinite(values[i])) {
                throw Error(Errc::invalid_argument,
                            "value " + std::to_string(i) + " is not finite");
            }
            if (values[i] != 0) highest = std::max(highest, split(values[i]).exponent);
        }
    });
    const std::int64_t shift = std::max<std::int64_t>(highest - unit_exponent, 0);
    return static_cast<std::size_t>(shift) + kMantissaBits + 1;
}

void place(std::span<Limb> out, double value, std::int64_t unit_exponent) {
    const auto [magnitude, exponent, is_negative] = split(value);
    if (magnitude == 0) return;
    const std::int64_t shift = exponent - unit_exponent;
    if (shift <= 0) {
        out[0] = shift == 0 ? magnitude : shifted_right_to_nearest(magnitude, -shift);
    } else {
        const std::size_t limb = static_cast<std::size_t>(shift) / kLimbBits;
        const std::size_t bit = static_cast<std::size_t>(shift) % kLimbBits;
        out[limb] = magnitude << bit;
        if (bit > 0 && limb + 1 < out.size()) out[limb + 1] = magnitude >> (kLimbBits - bit);
    }
    if (is_negative) negate(out);
}

std::size_t bit_length(std::span<const Limb> limbs) {
    for (std::size_t i = limbs.size(); i-- > 0;) {
        if (limbs[i] != 0)
            return (i + 1) * kLimbBits - static_cast<std::size_t>(std::countl_zero(limbs[i]));
    }
    return 0;
}

bool is_above(std::span<const Limb> a, std::span<const Limb> b) {
    for (std::size_t i = std::max(a.size(), b.size()); i-- > 0;) {
        const Limb left = i < a.size() ? a[i] : 0;
        const Limb right = i < b.size() ? b[i] : 0;
        if (left != right) return left > right;
    }
    return false;
}

bool has_bits_below(std::span<const Limb> limbs, std::size_t position) {
    const std::size_t whole = std::min(position / kLimbBits, limbs.size());
    if (std::any_of(limbs.begin(), limbs.begin() + static_cast<std::ptrdiff_t>(whole),
                    [](Limb limb) { return limb != 0; })) {
        return true;
    }
    const std::size_t bit = position % kLimbBits;
    return whole < limbs.size() && (limbs[whole] & ((Limb{1} << bit) - 1)) != 0;
}

/// The 64 bits from `position` on.
Limb bits_from(std::span<const Limb> limbs, std::size_t position) {
    const std::size_t whole = position / kLimbBits;
    const std::size_t bit = position % kLimbBits;
    if (whole >= limbs.size()) return 0;
    const Limb low = limbs[whole] >> bit;
    if (bit == 0 || whole + 1 >= limbs.size()) return low;
    return low | (limbs[whole + 1] << (kLimbBits - bit));
}

/// magnitude * 2^exponent to the nearest float, ties to even; infinity beyond the largest.
double nearest_float(std::span<const Limb> magnitude, std::int64_t exponent) {
    const auto length = static_cast<std::int64_t>(bit_length(magnitude));
    if (length == 0) return 0;
    // The exponent of the last bit that the float keeps.
    const std::int64_t last =
        std::max<std::int64_t>(length + exponent - kMantissaBits, kLeastExponent);
    if (last > 1024) return HUGE_VAL;
    const std::int64_t dropped = last - exponent;
    // Without dropped bits the magnitude has at most 53, and is exact.
    if (dropped <= 0) {
        return std::ldexp(static_cast<double>(magnitude[0]), static_cast<int>(exponent));
    }
    if (dropped > length) return 0;  // Below half of the smallest float.
    const auto position = static_cast<std::size_t>(dropped);
    Limb kept = bits_from(magnitude, position);
    if ((bits_from(magnitude, position - 1) & 1) != 0 &&
        ((kept & 1) != 0 || has_bits_below(magnitude, position - 1))) {
        ++kept;
    }
    return std::ldexp(static_cast<double>(kept), static_cast<int>(last));
}

}  // namespace

Plaintexts round_to_unit(std::span<const double> values, std::int64_t unit_exponent,
                         std::size_t max_bits, const Execution& execution) {
    require_unit(unit_exponent);
    const std::size_t num_bits = bits_on_grid(values, unit_exponent, execution);
    if (num_bits > std::max<std::size_t>(max_bits, kLimbBits)) {
        throw Error(Errc::invalid_argument, "the values take " + std::to_string(num_bits) +
                                                " bits in their unit, and there are " +
                                                std::to_string(max_bits));
    }
    Plaintexts rounded(values.size(), (num_bits + kLimbBits - 1) / kLimbBits, execution);
    serial_for(values.size(), kValuesPerPiece, execution, [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) place(rounded[i], values[i], unit_exponent);
    });
    return rounded;
}

void nearest_floats(std::span<double> out, const Plaintexts& values, std::int64_t unit_exponent,
                    std::span<const Limb> bound, const Execution& execution) {
    require_unit(unit_exponent);
    Secret<Limb> magnitude(values.limbs_per_value());
    const std::span<Limb> limbs(magnitude.data(), magnitude.size());
    serial_for(values.size(), kValuesPerPiece, execution, [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) {
            const bool is_negative = values.sign_mask(i) != 0;
            std::copy(values[i].begin(), values[i].end(), limbs.begin());
            if (is_negative) negate(limbs);
            if (is_above(limbs, bound)) {
                throw Error(Errc::invalid_ciphertext,
                            "value " + std::to_string(i) +
                                " lies beyond the bound of its array: whoever stated bound and "
                                "scale, or made the ciphertext, did not keep to them");
            }
            const double found = nearest_float(limbs, unit_exponent);
            if (std::isinf(found)) {
                throw Error(Errc::capacity,
                            "value " + std::to_string(i) +
                                " lies beyond every float64: multiply by less before it is "
                                "decrypted, or decrypt the ciphertexts to integers");
            }
            out[i] = is_negative ? -found : found;
        }
    });
}

Plaintexts shifted_left(const Plaintexts& values, std::size_t num_bits, std::size_t max_bits,
                        const Execution& execution) {
    const std::size_t num_limbs = values.limbs_per_value() + (num_bits + kLimbBits - 1) / kLimbBits;
    if (num_bits > max_bits || (num_limbs - 1) * kLimbBits > max_bits + kLimbBits) {
        throw Error(Errc::invalid_argument, "values shifted by " + std::to_string(num_bits) +
                                                " bits take more than " + std::to_string(max_bits));
    }
    const std::size_t whole = num_bits / kLimbBits;
    const std::size_t bit = num_bits % kLimbBits;
    Plaintexts shifted(values.size(), num_limbs, execution);
    serial_for(values.size(), kValuesPerPiece, execution, [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) {
            const std::span<const Limb> in = values[i];
            const std::span<Limb> out = shifted[i];
            const Limb sign = values.sign_mask(i);
            for (std::size_t j = whole; j < out.size(); ++j) {
                const std::size_t from = j - whole;
                const Limb high = from < in.size() ? in[from] : sign;
                const Limb low = from == 0 ? 0 : (from - 1 < in.size() ? in[from - 1] : sign);
                out[j] = bit == 0 ? high : (high << bit) | (low >> (kLimbBits - bit));
            }
        }
    });
    return shifted;
}

}  // namespace veilsum

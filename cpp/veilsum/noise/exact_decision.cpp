// p = numerator / denominator * exp(-phi(z)) with integers: S / G_i for strip i < 63, and
// S 8^(g+1) / (G_63 7^g) for strip 63 + g of the tail, which is proposed with (1/8)(7/8)^g.
// 0 < p <= 1 by the choice of G (strip_table.cpp).
//
// U is in [r, r + 1) / 2^b once b bits are known. p is irrational for z > 0, since exp of a
// rational other than 0 is (Lindemann); so a fine enough enclosure of p tells which of p <= r / 2^b
// (reject), p >= (r + 1) / 2^b (accept) and "strictly between" (read more bits) holds. For z = 0
// the enclosure is exact and the comparisons are of rationals. Each level ends with probability 1 -
// 2^-64 or more, so reading goes on with probability 0.
//
// In front stands the same question in double precision, for strips below 63. phi is at most 128,
// from three roundings; exp adds less than 2^-44 in every C library of note; so 2^16 p is known to
// 2^-26. kEstimateMargin leaves a thousand times that, and what falls within it is enclosed.

#include "veilsum/noise/exact_decision.hpp"

#include <array>
#include <cmath>

#include "veilsum/noise/exp_enclosure.hpp"

namespace veilsum {
namespace {

constexpr unsigned kBitsPerStep = 3;  // One tail step: all three bits 0 ends the walk, P = 1/8.
constexpr unsigned kStepsPerWord = 64 / kBitsPerStep;
constexpr unsigned long kFirstPrecision = 128;

}  // namespace

std::uint64_t ExactDecision::draw_word() {
    std::array<std::byte, 8> bytes;
    extra_.fill(bytes);
    std::uint64_t word = 0;
    for (unsigned i = 0; i < 8; ++i) {
        word |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
    }
    return word;
}

std::uint64_t ExactDecision::draw_tail_steps() {
    std::uint64_t num_steps = 0;
    for (;;) {
        std::uint64_t word = draw_word();
        for (unsigned i = 0; i < kStepsPerWord; ++i) {
            if ((word & 7) == 0) return num_steps;
            word >>= kBitsPerStep;
            ++num_steps;
        }
    }
}

Resolver ExactDecision::resolver() noexcept {
    return {[](void* decision, unsigned column, std::uint64_t y, std::uint32_t uniform16) {
                return static_cast<ExactDecision*>(decision)->resolve(column, y, uniform16);
            },
            this};
}

std::int64_t ExactDecision::resolve(unsigned column, std::uint64_t y, std::uint32_t uniform16) {
    ++num_resolved_;
    const unsigned strip_bits = table_.filter.strip_bits;
    std::uint64_t strip = column;
    std::uint64_t num_steps = 0;
    if (column == StripTable::kTailColumn) {
        num_steps = draw_tail_steps();
        strip += num_steps;
        const unsigned max_bits = is_wide(table_.filter) ? kMaxBits : kMaxNarrowBits;
        if (strip >> (max_bits - strip_bits) != 0) return -1;
    }
    const std::uint64_t magnitude = (strip << strip_bits) + y;
    const bool is_accepted = column == StripTable::kTailColumn
                                 ? enclose(column, num_steps, magnitude, uniform16, nullptr)
                                 : estimate(column, magnitude, uniform16);
    return is_accepted ? static_cast<std::int64_t>(magnitude) : -1;
}

bool ExactDecision::estimate(unsigned column, std::uint64_t magnitude, std::uint32_t uniform16) {
    const double multiple = static_cast<double>(magnitude) / table_.distribution.scale();
    const double phi =
        table_.distribution.kind() == NoiseKind::gaussian ? multiple * multiple / 2 : multiple;
    const double q = 0x1p16 * table_.scale / table_.weights[column] * std::exp(-phi);
    const double gap = q - uniform16;
    if (gap >= 1 + margin_) return true;
    if (gap <= -margin_) return false;
    if (gap < margin_ || gap > 1 - margin_) {
        return enclose(column, 0, magnitude, uniform16, nullptr);
    }
    const std::uint64_t word = draw_word();
    const double fraction = std::ldexp(static_cast<double>(word), -64);
    if (fraction <= gap - margin_) return true;
    if (fraction >= gap + margin_) return false;
    return enclose(column, 0, magnitude, uniform16, &word);
}

bool ExactDecision::enclose(unsigned column, std::uint64_t num_steps, std::uint64_t magnitude,
                            std::uint32_t uniform16, const std::uint64_t* next_word) {
    ScopedMpz numerator(table_.scale);
    ScopedMpz denominator(table_.weights[column]);
    if (column == StripTable::kTailColumn) {
        ScopedMpz power;
        mpz_ui_pow_ui(power, 7, num_steps);
        mpz_mul(denominator, denominator, power);
        mpz_mul_2exp(numerator, numerator, kBitsPerStep * (num_steps + 1));
    }
    const ScopedMpz z(magnitude);
    ScopedMpz uniform(uniform16);
    unsigned long num_bits = 16;
    const auto extend = [&](std::uint64_t word) {
        mpz_mul_2exp(uniform, uniform, 64);
        mpz_add_ui(uniform, uniform, word);
        num_bits += 64;
    };
    if (next_word != nullptr) extend(*next_word);

    unsigned long precision = kFirstPrecision;
    Enclosure p;  // times the denominator and 2^precision
    ScopedMpz below;
    ScopedMpz above;
    for (;;) {
        enclose_weight(p, z, table_.distribution, precision);
        mpz_mul(p.lo, p.lo, numerator);
        mpz_mul(p.hi, p.hi, numerator);
        do {
            mpz_mul(below, uniform, denominator);
            mpz_add(above, below, denominator);
            mpz_mul_2exp(below, below, precision - num_bits);
            mpz_mul_2exp(above, above, precision - num_bits);
            if (mpz_cmp(p.lo, above) >= 0) return true;
            if (mpz_cmp(p.hi, below) <= 0) return false;
            // p > 0 needs no enclosure to know it.
            const bool is_above_lower = mpz_sgn(uniform) == 0 || mpz_cmp(p.lo, below) > 0;
            if (!is_above_lower || mpz_cmp(p.hi, above) >= 0) break;
            extend(draw_word());
        } while (num_bits + 32 <= precision);
        precision *= 2;
    }
}

}  // namespace veilsum

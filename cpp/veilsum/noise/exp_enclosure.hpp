#pragma once

#include <gmp.h>

#include "veilsum/noise/distribution.hpp"

namespace veilsum {

/// A GMP integer with a lifetime; passes wherever GMP takes an mpz_t.
class ScopedMpz {
public:
    ScopedMpz() noexcept { mpz_init(value_); }
    explicit ScopedMpz(unsigned long value) { mpz_init_set_ui(value_, value); }
    ~ScopedMpz() { mpz_clear(value_); }
    ScopedMpz(const ScopedMpz&) = delete;
    ScopedMpz& operator=(const ScopedMpz&) = delete;

    operator mpz_ptr() noexcept { return value_; }
    operator mpz_srcptr() const noexcept { return value_; }
    mpz_srcptr operator->() const noexcept { return value_; }  // GMP's macros use it.

private:
    mpz_t value_;
};

/// Integers around a real number in fixed point: lo <= 2^precision * value <= hi.
struct Enclosure {
    ScopedMpz lo;
    ScopedMpz hi;
};

/// Encloses exp(-numerator / denominator), with hi - lo <= 2; lo == hi when the numerator is 0.
/// Requires numerator >= 0, denominator > 0, precision >= 32.
void enclose_exp(Enclosure& out, mpz_srcptr numerator, mpz_srcptr denominator,
                 unsigned long precision);

/// Encloses exp(-phi(z)), the weight of z >= 0 in `distribution`.
void enclose_weight(Enclosure& out, mpz_srcptr z, const NoiseDistribution& distribution,
                    unsigned long precision);

}  // namespace veilsum

#pragma once

#include <gmp.h>

#include <cstddef>
#include <span>

#include "veilsum/base/limb.hpp"

namespace veilsum {

/// A non-negative GMP integer that is wiped before its memory is freed.
///
/// For key generation and constants. GMP's own temporaries are not wiped, and mpz arithmetic is not
/// constant time: secrets that are used again and again live in limbs (limbs.hpp) instead.
class Integer {
public:
    Integer() { mpz_init(value_); }
    explicit Integer(unsigned long value) { mpz_init_set_ui(value_, value); }
    Integer(const Integer& other) { mpz_init_set(value_, other.value_); }
    Integer(Integer&& other) noexcept : Integer() { mpz_swap(value_, other.value_); }
    Integer& operator=(Integer other) noexcept {
        mpz_swap(value_, other.value_);
        return *this;
    }
    ~Integer();

    static Integer from_limbs(std::span<const Limb> limbs);
    static Integer from_bytes(std::span<const std::byte> little_endian);

    /// Writes the value with leading zeros. Requires that it fits.
    void to_limbs(std::span<Limb> out) const;
    void to_bytes(std::span<std::byte> little_endian) const;

    /// 0 has bit length 1, as mpz_sizeinbase says.
    std::size_t bit_length() const { return mpz_sizeinbase(value_, 2); }
    std::size_t num_limbs() const { return (bit_length() + 63) / 64; }
    bool is_odd() const { return mpz_odd_p(value_) != 0; }

    /// For GMP calls. Keep the value non-negative.
    mpz_ptr get() { return value_; }
    mpz_srcptr get() const { return value_; }

    friend bool operator==(const Integer& a, const Integer& b) {
        return mpz_cmp(a.value_, b.value_) == 0;
    }

private:
    mpz_t value_;
};

Integer operator*(const Integer& a, const Integer& b);
Integer operator-(const Integer& a, unsigned long b);  ///< Requires a >= b.
Integer operator%(const Integer& a, const Integer& b);
Integer gcd(const Integer& a, const Integer& b);

/// a^-1 mod n. Throws Error: invalid_argument (no inverse). Variable time.
Integer inverse(const Integer& a, const Integer& n);

}  // namespace veilsum

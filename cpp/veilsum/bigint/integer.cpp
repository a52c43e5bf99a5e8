#include "veilsum/bigint/integer.hpp"

#include <algorithm>
#include <cstring>

#include "veilsum/base/error.hpp"
#include "veilsum/base/secret.hpp"

namespace veilsum {

Integer::~Integer() {
    wipe(value_->_mp_d, static_cast<std::size_t>(value_->_mp_alloc) * sizeof(mp_limb_t));
    mpz_clear(value_);
}

Integer Integer::from_limbs(std::span<const Limb> limbs) {
    Integer result;
    mpz_import(result.value_, limbs.size(), -1, sizeof(Limb), 0, 0, limbs.data());
    return result;
}

Integer Integer::from_bytes(std::span<const std::byte> little_endian) {
    Integer result;
    mpz_import(result.value_, little_endian.size(), -1, 1, 0, 0, little_endian.data());
    return result;
}

void Integer::to_limbs(std::span<Limb> out) const { to_bytes(std::as_writable_bytes(out)); }

void Integer::to_bytes(std::span<std::byte> little_endian) const {
    std::fill(little_endian.begin(), little_endian.end(), std::byte{0});
    if (mpz_sgn(value_) == 0) return;
    if ((bit_length() + 7) / 8 > little_endian.size()) {
        throw Error(Errc::internal, "an integer does not fit its buffer");
    }
    mpz_export(little_endian.data(), nullptr, -1, 1, 0, 0, value_);
}

Integer operator*(const Integer& a, const Integer& b) {
    Integer result;
    mpz_mul(result.get(), a.get(), b.get());
    return result;
}

Integer operator-(const Integer& a, unsigned long b) {
    Integer result;
    mpz_sub_ui(result.get(), a.get(), b);
    return result;
}

Integer operator%(const Integer& a, const Integer& b) {
    Integer result;
    mpz_mod(result.get(), a.get(), b.get());
    return result;
}

Integer gcd(const Integer& a, const Integer& b) {
    Integer result;
    mpz_gcd(result.get(), a.get(), b.get());
    return result;
}

Integer inverse(const Integer& a, const Integer& n) {
    Integer result;
    if (mpz_invert(result.get(), a.get(), n.get()) == 0) {
        throw Error(Errc::invalid_argument, "a number has no inverse modulo n");
    }
    return result;
}

}  // namespace veilsum

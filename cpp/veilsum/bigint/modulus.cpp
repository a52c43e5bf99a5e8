#include "veilsum/bigint/modulus.hpp"

#include <cstdlib>

#include "veilsum/base/error.hpp"
#include "veilsum/bigint/kernel.hpp"
#include "veilsum/bigint/limbs.hpp"

namespace veilsum {

Modulus::Modulus(const Integer& n, const Kernel& kernel)
    : kernel_(&kernel),
      bits_(n.bit_length()),
      num_limbs_(n.num_limbs()),
      r_bits_(kernel.r_bits(bits_)),
      n_(num_limbs_) {
    if (!n.is_odd() || mpz_cmp_ui(n.get(), 3) < 0) {
        throw Error(Errc::invalid_argument, "a modulus must be odd and at least 3");
    }
    n.to_limbs(n_);
    n_inverse_negated_ = limbs::inverse_negated(n_[0]);
    one_ = element(Integer(1));
    r_ = r_power(1);
    r_squared_ = r_power(2);
}

SquareModulus::SquareModulus(const Integer& n, const SquareKernel& kernel) : Modulus(n, kernel) {}

const SquareKernel& SquareModulus::kernel() const noexcept {
    return static_cast<const SquareKernel&>(Modulus::kernel());
}

std::size_t Modulus::num_digits() const noexcept { return kernel_->num_digits; }

Integer Modulus::modulus_integer() const {
    const Integer n = n_integer();
    return num_digits() == 1 ? n : n * n;
}

Secret<std::byte> Modulus::r_power(std::int64_t power) const {
    const Integer modulus = modulus_integer();
    Integer r;
    mpz_setbit(r.get(), r_bits_);
    Integer result;
    mpz_powm_ui(result.get(), r.get(), static_cast<unsigned long>(std::llabs(power)),
                modulus.get());
    return element(power < 0 ? inverse(result, modulus) : result);
}

Secret<std::byte> Modulus::element(const Integer& x) const {
    const Integer n = n_integer();
    Integer digit0;
    Integer digit1;
    mpz_fdiv_qr(digit1.get(), digit0.get(), x.get(), n.get());
    mpz_mod(digit1.get(), digit1.get(), n.get());
    Secret<std::byte> result(element_bytes());
    digit0.to_bytes(std::span(result).first(digit_bytes()));
    if (num_digits() == 1) return result;
    digit1.to_bytes(std::span(result).subspan(digit_bytes()));
    return result;
}

Integer Modulus::integer(const std::byte* element) const {
    Integer x = Integer::from_bytes({element, digit_bytes()});
    if (num_digits() == 1) return x;
    const Integer digit1 = Integer::from_bytes({element + digit_bytes(), digit_bytes()});
    mpz_addmul(x.get(), digit1.get(), n_integer().get());
    return x;
}

}  // namespace veilsum

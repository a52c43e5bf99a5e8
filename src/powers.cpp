#include "powers.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "execution.hpp"
#include "integers.hpp"
#include "veilsum/base/error.hpp"
#include "veilsum/base/secret.hpp"
#include "veilsum/bigint/batch.hpp"
#include "veilsum/bigint/primes.hpp"

namespace {

using namespace veilsum;

[[noreturn]] void refuse(const std::string& message) {
    throw Error(Errc::invalid_argument, message);
}

void check_modulus(const Integer& n, std::size_t modulus_bits) {
    if (!n.is_odd() || n == Integer(1)) refuse("each of moduli must be odd, and 3 or more");
    if (n.bit_length() != modulus_bits) refuse("moduli must have the same length in bits");
}

py::list pow_moduli(const py::list& bases, const py::list& exponents, const py::list& moduli,
                    std::size_t exponent_bits, unsigned num_threads, const py::object& progress) {
    const std::vector<Integer> x = to_integers(bases, "each of bases", Errc::invalid_argument);
    const std::vector<Integer> e =
        to_integers(exponents, "each of exponents", Errc::invalid_argument);
    const std::vector<Integer> n = to_integers(moduli, "each of moduli", Errc::invalid_argument);
    const std::size_t count = n.size();
    if (x.size() != count || e.size() != count) {
        refuse("bases, exponents and moduli must be equally many");
    }
    if (count == 0) return py::list();
    Powers in{nullptr, nullptr, nullptr, nullptr, n[0].bit_length(), exponent_bits};
    Secret<Limb> base_limbs(count * in.num_limbs());
    Secret<Limb> exponent_limbs(count * in.exponent_limbs());
    std::vector<Limb> modulus_limbs(count * in.num_limbs());
    Secret<Limb> out(count * in.num_limbs());
    for (std::size_t i = 0; i < count; ++i) {
        check_modulus(n[i], in.modulus_bits);
        if (mpz_cmp(x[i].get(), n[i].get()) >= 0) refuse("each of bases must be below its modulus");
        if (mpz_sgn(e[i].get()) != 0 && e[i].bit_length() > exponent_bits) {
            refuse("each of exponents must have at most exponent_bits bits");
        }
        const auto span_of = [&](auto& limbs, std::size_t size) {
            return std::span<Limb>(limbs.data() + i * size, size);
        };
        x[i].to_limbs(span_of(base_limbs, in.num_limbs()));
        n[i].to_limbs(span_of(modulus_limbs, in.num_limbs()));
        if (exponent_bits > 0) e[i].to_limbs(span_of(exponent_limbs, in.exponent_limbs()));
    }
    in.bases = base_limbs.data();
    in.exponents = exponent_limbs.data();
    in.moduli = modulus_limbs.data();
    unlocked(num_threads, progress, [&](const Execution& execution) {
        batch::pow_moduli(out.data(), in, count, active_kernel(), execution);
    });
    std::vector<Integer> powers;
    powers.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        powers.push_back(Integer::from_limbs({out.data() + i * in.num_limbs(), in.num_limbs()}));
    }
    return from_integers(powers);
}

py::list find_common_divisors(const py::list& numbers, const py::handle& product,
                              unsigned num_threads) {
    const std::vector<Integer> n = to_integers(numbers, "each of numbers", Errc::invalid_argument);
    const Integer factor = to_integer(product, "product", Errc::invalid_argument);
    for (const Integer& number : n) {
        if (mpz_sgn(number.get()) == 0) refuse("each of numbers must be at least 1");
    }
    const std::vector<char> found = unlocked(num_threads, [&](const Execution& execution) {
        return have_common_divisor(n, factor, execution);
    });
    py::list answers(found.size());
    for (std::size_t i = 0; i < found.size(); ++i) answers[i] = py::bool_(found[i] != 0);
    return answers;
}

}  // namespace

void register_powers(py::module_& core) {
    core.def("pow_moduli", &pow_moduli, py::arg("bases"), py::arg("exponents"), py::arg("moduli"),
             py::arg("exponent_bits"), py::arg("num_threads") = 0,
             py::arg("progress") = py::none());
    core.def("have_common_divisor", &find_common_divisors, py::arg("numbers"), py::arg("product"),
             py::arg("num_threads") = 0);
}

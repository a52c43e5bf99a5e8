#include "veilsum/paillier/interpolate.hpp"

#include "veilsum/bigint/batch.hpp"

namespace veilsum {
namespace {

struct Factor {
    Integer magnitude;
    bool is_negative = false;

    /// Multiplies by a - b, or divides by it exactly.
    void times(std::size_t a, std::size_t b) {
        mpz_mul_ui(magnitude.get(), magnitude.get(), a > b ? a - b : b - a);
        is_negative ^= a < b;
    }
    void over(std::size_t a, std::size_t b) {
        mpz_divexact_ui(magnitude.get(), magnitude.get(), a > b ? a - b : b - a);
        is_negative ^= a < b;
    }
};

/// D * prod (at - j)/(i - j). The product of the i - j divides D (Shoup 2000): |i - j| runs through
/// parts of 1 .. i-1 and 1 .. num_holders-i, whose factorials' product divides num_holders!.
Factor lagrange(const ThresholdKey& key, const std::vector<HolderPowers>& powers, std::size_t i,
                std::size_t at) {
    Factor factor{key.factorial()};
    for (const auto& [j, elements] : powers) {
        if (j != i) factor.over(i, j);
    }
    for (const auto& [j, elements] : powers) {
        if (j != i) factor.times(at, j);
    }
    return factor;
}

/// A product that grows by one factor each: carries R^-(num_factors - 1).
struct Product {
    Bytes elements;
    std::int64_t num_factors = 0;

    void multiply(Bytes factor, std::size_t count, const Modulus& n, const Execution& execution) {
        if (num_factors == 0) {
            elements = std::move(factor);
        } else {
            batch::mul(elements.data(), {elements.data(), n.element_bytes()},
                       {factor.data(), n.element_bytes()}, count, n, execution);
        }
        ++num_factors;
    }
};

}  // namespace

Bytes interpolate(const ThresholdKey& key, const std::vector<HolderPowers>& powers,
                  std::size_t count, std::size_t at, const Execution& execution) {
    const Modulus& n = key.modulo_n();
    const std::size_t bytes = n.element_bytes();
    const Execution quiet = execution.without_progress();
    Product above;
    Product below;
    for (const auto& [holder, elements] : powers) {
        Factor factor = lagrange(key, powers, holder, at);
        mpz_mul_2exp(factor.magnitude.get(), factor.magnitude.get(), 1);
        std::vector<Limb> exponent(factor.magnitude.num_limbs());
        factor.magnitude.to_limbs(exponent);
        Bytes power(count * bytes);
        batch::pow_shared_vartime(power.data(), {elements, bytes}, n.r_squared(), exponent.data(),
                                  factor.magnitude.bit_length(), count, n, quiet);
        (factor.is_negative ? below : above).multiply(std::move(power), count, n, quiet);
    }
    // The lambda_i add up to D, so there is a positive one. What `above`, the inverse of `below`
    // and their product have lost of R comes back with the inverse, or with a power of R.
    if (below.num_factors == 0) {
        const auto lost = n.r_power(above.num_factors);
        batch::mul(above.elements.data(), {above.elements.data(), bytes}, {lost.data(), 0}, count,
                   n, quiet);
    } else {
        batch::inverse_vartime(below.elements.data(), below.elements.data(), count,
                               above.num_factors - below.num_factors + 1, n, quiet);
        batch::mul(above.elements.data(), {above.elements.data(), bytes},
                   {below.elements.data(), bytes}, count, n, quiet);
    }
    return std::move(above.elements);
}

}  // namespace veilsum

#include "veilsum/paillier/validate.hpp"

#include <cstring>
#include <string>

#include "veilsum/base/error.hpp"
#include "veilsum/bigint/residue.hpp"

namespace veilsum {
namespace {

constexpr std::size_t kElementsPerGcd = 2048;

bool is_below_n(Limb* digit, const std::byte* bytes, const Modulus& n) {
    digit[n.num_limbs() - 1] = 0;
    std::memcpy(digit, bytes, n.digit_bytes());
    return mpn_cmp(digit, n.n(), static_cast<mp_size_t>(n.num_limbs())) < 0;
}

void validate_piece(const std::byte* elements, std::size_t begin, std::size_t end,
                    const Modulus& n) {
    Secret<Limb> scratch(residue::scratch_limbs(n));
    Secret<Limb> digit(n.num_limbs());
    Secret<Limb> product(n.num_limbs());
    product[0] = 1;
    for (std::size_t i = begin; i < end; ++i) {
        const std::byte* element = elements + i * n.element_bytes();
        if (!is_below_n(digit.data(), element + n.digit_bytes(), n) ||
            !is_below_n(digit.data(), element, n)) {
            throw Error(Errc::invalid_ciphertext, "CT1: ciphertext " + std::to_string(i) +
                                                      " has a digit that is not below n");
        }
        // c is a unit modulo n^2 exactly if its first digit is one modulo n; powers of R are units.
        residue::mul(product.data(), product.data(), digit.data(), n, scratch.data());
    }
    if (!(gcd(Integer::from_limbs(product), n.n_integer()) == Integer(1))) {
        throw Error(Errc::invalid_ciphertext,
                    "CT2: one of the ciphertexts " + std::to_string(begin) + " to " +
                        std::to_string(end - 1) + " is not a unit modulo n^2");
    }
}

}  // namespace

void validate_ciphertexts(ByteView elements, const Modulus& n, const Execution& execution) {
    parallel_for(elements.size() / n.element_bytes(), kElementsPerGcd, execution,
                 [&](std::size_t begin, std::size_t end) {
                     validate_piece(elements.data(), begin, end, n);
                 });
}

}  // namespace veilsum

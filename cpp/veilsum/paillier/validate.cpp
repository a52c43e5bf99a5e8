#include "veilsum/paillier/validate.hpp"

#include <string>

#include "veilsum/base/error.hpp"
#include "veilsum/base/wire.hpp"
#include "veilsum/bigint/batch.hpp"

namespace veilsum {
namespace {

bool is_below_n(const std::byte* digit, const Modulus& n) {
    const Integer value = Integer::from_bytes({digit, n.digit_bytes()});
    return mpz_cmp(value.get(), n.n_integer().get()) < 0;
}

/// The error for the first of some elements that has a digit too large.
[[noreturn]] void refuse_large_digit(const std::byte* elements, std::size_t begin,
                                     const Modulus& n) {
    std::size_t digit = begin * n.num_digits();
    while (is_below_n(elements + digit * n.digit_bytes(), n)) ++digit;
    const std::size_t i = digit / n.num_digits();
    throw Error(Errc::invalid_ciphertext,
                "CT1: ciphertext " + std::to_string(i) + " has a digit that is not below n");
}

void validate_piece(const std::byte* elements, std::size_t begin, std::size_t end,
                    const Modulus& n) {
    const Kernel& kernel = n.kernel();
    const std::size_t bytes = n.element_bytes();
    Secret<std::byte> scratch(kernel.product_scratch_bytes(n));
    Bytes products(kernel.num_lanes * bytes);
    if (!kernel.inspect(products.data(), {elements + begin * bytes, bytes}, end - begin, n,
                        scratch.data())) {
        refuse_large_digit(elements, begin, n);
    }
    // c is a unit modulo n^2 exactly if its first digit is one modulo n; powers of R are units.
    const Integer modulus = n.n_integer();
    Integer product(1);
    for (std::size_t lane = 0; lane < kernel.num_lanes; ++lane) {
        product = product * Integer::from_bytes({products.data() + lane * bytes, n.digit_bytes()}) %
                  modulus;
    }
    if (!(gcd(product, modulus) == Integer(1))) {
        throw Error(Errc::invalid_ciphertext,
                    "CT2: one of the ciphertexts " + std::to_string(begin) + " to " +
                        std::to_string(end - 1) + " is not a unit modulo n^2");
    }
}

}  // namespace

void validate_ciphertexts(ByteView elements, const Modulus& n, const Execution& execution) {
    const std::size_t count = elements.size() / n.element_bytes();
    parallel_for(count, batch::piece_size(count, 1, n, execution), execution,
                 [&](std::size_t begin, std::size_t end) {
                     validate_piece(elements.data(), begin, end, n);
                 });
}

}  // namespace veilsum

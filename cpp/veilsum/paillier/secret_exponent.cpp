#include "veilsum/paillier/secret_exponent.hpp"

#include <cstring>

#include "veilsum/bigint/batch.hpp"

namespace veilsum {

SecretExponent::SecretExponent(const Integer& absolute, bool is_negative, std::size_t num_limbs)
    : magnitude(num_limbs), sign(1, is_negative ? ~Limb{0} : 0) {
    absolute.to_limbs(magnitude);
}

Secret<std::byte> SecretExponent::signed_bases(Operand bases, std::size_t count, const Modulus& n,
                                               const Execution& execution) const {
    const std::size_t bytes = n.element_bytes();
    Bytes plain(count * bytes);
    for (std::size_t i = 0; i < count; ++i) {
        std::memcpy(plain.data() + i * bytes, bases.at(i), bytes);
    }
    Bytes inverted(plain.size());
    batch::inverse_vartime(inverted.data(), plain.data(), count, 0, n,
                           execution.without_progress());
    Secret<std::byte> chosen(plain.size());
    const auto invert = static_cast<std::byte>(value_barrier(sign[0]));
    for (std::size_t i = 0; i < chosen.size(); ++i) {
        chosen[i] = plain[i] ^ (invert & (plain[i] ^ inverted[i]));
    }
    return chosen;
}

}  // namespace veilsum

#include "veilsum/paillier/ciphertext_sum.hpp"

#include "veilsum/base/error.hpp"
#include "veilsum/bigint/batch.hpp"

namespace veilsum {

CiphertextSum::CiphertextSum(const Ciphertexts& first)
    : key_(first.key()),
      shape_(first.shape()),
      size_(first.size()),
      lanes_(key_.modulus().kernel().lane_bytes(size_, key_.modulus())),
      exponent_(first.exponent()) {
    const Modulus& n = key_.modulus();
    batch::enter_lanes(lanes_.data(), {first.elements().data(), n.element_bytes()}, size_, n, {});
}

void CiphertextSum::add(const Ciphertexts& batch) {
    if (!(batch.key() == key_)) {
        throw Error(Errc::key_mismatch, "the ciphertexts were made under different keys");
    }
    if (batch.shape() != shape_) {
        throw Error(Errc::invalid_argument, "the ciphertexts to be added have another shape");
    }
    const Modulus& n = key_.modulus();
    batch::mul_lanes(lanes_.data(), {batch.elements().data(), n.element_bytes()}, size_, n, {});
    exponent_ += batch.exponent() + 1;
}

Ciphertexts CiphertextSum::total() const {
    const Modulus& n = key_.modulus();
    Bytes elements(size_ * n.element_bytes());
    batch::leave_lanes(elements.data(), lanes_.data(), size_, n, {});
    return {key_, shape_, std::move(elements), exponent_};
}

}  // namespace veilsum

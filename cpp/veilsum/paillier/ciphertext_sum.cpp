#include "veilsum/paillier/ciphertext_sum.hpp"

#include "veilsum/base/error.hpp"
#include "veilsum/bigint/batch.hpp"

namespace veilsum {
namespace {

// A ciphertext takes 3.5 times the square of its modulus' limbs.
constexpr std::size_t kMostLimbProducts = std::size_t{1} << 26;

}  // namespace

CiphertextSum::CiphertextSum(const Ciphertexts& first, std::uint64_t num_addends,
                             const Execution& execution)
    : key_(first.key()),
      shape_(first.shape()),
      size_(first.size()),
      lanes_(key_.modulus().kernel().lane_bytes(size_, key_.modulus())),
      exponent_(first.exponent()),
      num_addends_(num_addends) {
    const Modulus& n = key_.modulus();
    batch::enter_lanes(lanes_.data(), {first.elements().data(), n.element_bytes()}, size_, n,
                       execution);
}

/// Whether adding a batch takes less than about half a second.
bool CiphertextSum::is_short() const {
    const std::size_t h = key_.modulus().num_limbs();
    return size_ <= kMostLimbProducts / (h * h);
}

void CiphertextSum::multiply(Bytes& lanes, const Ciphertexts& batch,
                             const Execution& execution) const {
    const Modulus& n = key_.modulus();
    batch::mul_lanes(lanes.data(), {batch.elements().data(), n.element_bytes()}, size_, n,
                     execution);
}

void CiphertextSum::add(const Ciphertexts& batch, std::uint64_t num_addends,
                        const Execution& execution) {
    if (!batch.key().has_modulus_of(key_)) {
        throw Error(Errc::key_mismatch,
                    "the ciphertexts were made under different keys: their moduli differ");
    }
    if (batch.shape() != shape_) {
        throw Error(Errc::invalid_argument, "the ciphertexts to be added have another shape");
    }
    if (is_short()) {
        multiply(lanes_, batch, {.num_threads = execution.num_threads});
    } else {
        Bytes lanes(lanes_.size());
        copy_bytes(lanes.data(), lanes_, execution);
        multiply(lanes, batch, execution);
        lanes_ = std::move(lanes);
    }
    exponent_ += batch.exponent() + 1;
    num_addends_ += num_addends;
}

Ciphertexts CiphertextSum::total(const Execution& execution) const {
    const Modulus& n = key_.modulus();
    Bytes elements(size_ * n.element_bytes());
    batch::leave_lanes(elements.data(), lanes_.data(), size_, n, execution);
    return {key_, shape_, std::move(elements), exponent_};
}

}  // namespace veilsum

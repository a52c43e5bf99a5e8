// Ciphertexts to and from wire bytes and classic integers.

#include <algorithm>
#include <string>

#include "veilsum/base/error.hpp"
#include "veilsum/paillier/ciphertexts.hpp"
#include "veilsum/paillier/validate.hpp"

namespace veilsum {
namespace {

constexpr std::uint8_t kWireVersion = 1;

// Some milliseconds.
constexpr std::size_t kIntegersPerPiece = 1 << 12;

[[noreturn]] void malformed(const std::string& message) { throw Error(Errc::malformed, message); }

/// a * b, refusing what does not fit.
std::size_t checked_product(std::size_t a, std::size_t b) {
    std::size_t result = 0;
    if (__builtin_mul_overflow(a, b, &result)) malformed("CT4: the announced shape is too large");
    return result;
}

}  // namespace

Bytes Ciphertexts::to_bytes(const Execution& execution) const {
    Writer writer(WireKind::ciphertexts, kWireVersion);
    writer.bytes(key_.fingerprint());
    writer.u8(static_cast<std::uint8_t>(shape_.size()));
    for (const std::size_t length : shape_) writer.u64(length);
    writer.bytes(normalise(execution).elements(), execution);
    return std::move(writer).finish();
}

Ciphertexts Ciphertexts::from_bytes(ByteView wire, const PublicKey& key,
                                    const Execution& execution) {
    Reader reader(wire, WireKind::ciphertexts, kWireVersion);
    if (!key.is_named_by(reader.bytes(key.fingerprint().size()))) {
        throw Error(Errc::key_mismatch,
                    "CT3: the ciphertexts were made under a key with another modulus than the one "
                    "given");
    }
    const std::size_t num_dimensions = reader.u8();
    if (num_dimensions < 1 || num_dimensions > 2) {
        malformed("CT4: ciphertexts have one or two dimensions, not " +
                  std::to_string(num_dimensions));
    }
    Shape shape(num_dimensions);
    std::size_t size_bytes = key.modulus().element_bytes();
    for (std::size_t& length : shape) {
        length = reader.u64();
        size_bytes = checked_product(size_bytes, length);
    }
    if (size_bytes != reader.remaining()) {
        malformed("CT4: the announced shape asks for " + std::to_string(size_bytes) +
                  " bytes, but " + std::to_string(reader.remaining()) + " follow");
    }
    if (size_bytes == 0 && std::ranges::max(shape) > kMostEmptyRows) {
        malformed("CT4: a matrix of no ciphertexts announces more than 2^20 rows or columns");
    }
    const ByteView elements = reader.bytes(size_bytes);
    reader.finish();
    validate_ciphertexts(elements, key.modulus(), execution);
    Bytes own(elements.size());
    copy_bytes(own.data(), elements, execution);
    return {key, std::move(shape), std::move(own)};
}

Ciphertexts Ciphertexts::from_integers(const std::vector<Integer>& values, Shape shape,
                                       const PublicKey& key, const Execution& execution) {
    const Modulus& n = key.modulus();
    const Integer modulus = n.n_integer();
    const Integer squared = modulus * modulus;
    Bytes elements(values.size() * n.element_bytes());
    parallel_for(
        values.size(), kIntegersPerPiece, execution, [&](std::size_t begin, std::size_t end) {
            for (std::size_t i = begin; i < end; ++i) {
                if (mpz_cmp(values[i].get(), squared.get()) >= 0) {
                    throw Error(Errc::invalid_ciphertext, "CT1: a ciphertext is not below n^2");
                }
                std::ranges::copy(n.element(values[i]), elements.data() + i * n.element_bytes());
            }
        });
    validate_ciphertexts(elements, n, execution);
    return {key, std::move(shape), std::move(elements)};
}

std::vector<Integer> Ciphertexts::to_integers(const Execution& execution) const {
    const Modulus& n = key_.modulus();
    const Ciphertexts normal = normalise(execution);
    std::vector<Integer> values;
    values.reserve(size_);
    serial_for(size_, kIntegersPerPiece, execution, [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) {
            values.push_back(n.integer(normal.elements().data() + i * n.element_bytes()));
        }
    });
    return values;
}

}  // namespace veilsum

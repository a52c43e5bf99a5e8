#include "veilsum/paillier/ciphertexts.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>

#include "veilsum/base/error.hpp"
#include "veilsum/bigint/batch.hpp"
#include "veilsum/bigint/limbs.hpp"
#include "veilsum/paillier/seal.hpp"
#include "veilsum/paillier/validate.hpp"

namespace veilsum {
namespace {

constexpr std::uint8_t kWireVersion = 1;

// Beyond this, e is brought back to 0, so that sums of exponents stay far from overflow.
constexpr std::int64_t kMaxExponent = std::int64_t{1} << 30;

// Some milliseconds.
constexpr std::size_t kScalarsPerPiece = 1 << 14;
constexpr std::size_t kCopiedPerPiece = 1 << 12;
constexpr std::size_t kIntegersPerPiece = 1 << 12;

[[noreturn]] void invalid_argument(const std::string& message) {
    throw Error(Errc::invalid_argument, message);
}

std::string describe(const Ciphertexts::Shape& shape) {
    std::string text = "(";
    for (std::size_t i = 0; i < shape.size(); ++i) {
        text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
    }
    return text + (shape.size() == 1 ? ",)" : ")");
}

/// size() scalars or one, as magnitudes and signs.
struct Scalars {
    Scalars(const Plaintexts& values, std::size_t size, const Execution& execution) {
        if (values.size() != size && values.size() != 1) {
            invalid_argument(std::to_string(values.size()) + " plaintexts do not match " +
                             std::to_string(size) + " ciphertexts");
        }
        num_limbs = values.limbs_per_value();
        magnitudes = make_secret<Limb>(size * num_limbs, execution);
        negative = make_secret<Limb>(size, execution);
        Secret<Limb> all(num_limbs);
        serial_for(size, kScalarsPerPiece, execution, [&](std::size_t begin, std::size_t end) {
            for (std::size_t i = begin; i < end; ++i) {
                const std::size_t source = values.size() == 1 ? 0 : i;
                const Limb mask = values.sign_mask(source);
                Limb carry = mask & 1;
                for (std::size_t j = 0; j < num_limbs; ++j) {
                    const Limb limb = (values[source][j] ^ mask) + carry;
                    carry &= static_cast<Limb>(limb == 0);
                    magnitudes[i * num_limbs + j] = limb;
                    all[j] |= limb;
                }
                negative[i] = mask;
                any_negative |= mask;
            }
        });
        // The longest magnitude: public, as documented.
        num_bits = limbs::bit_length_vartime(all.data(), num_limbs);
    }

    std::size_t num_limbs;
    std::size_t num_bits = 0;
    Secret<Limb> magnitudes;
    Secret<Limb> negative;  // All ones or 0.
    Limb any_negative = 0;
};

/// out = negative ? b : a, in constant time.
void select_by_sign(std::byte* out, const std::byte* a, const std::byte* b, Limb negative,
                    std::size_t size_bytes) {
    const auto mask = static_cast<std::byte>(value_barrier(negative));
    for (std::size_t i = 0; i < size_bytes; ++i) out[i] = (a[i] & ~mask) | (b[i] & mask);
}

[[noreturn]] void malformed(const std::string& message) { throw Error(Errc::malformed, message); }

/// a * b, refusing what does not fit.
std::size_t checked_product(std::size_t a, std::size_t b) {
    std::size_t result = 0;
    if (__builtin_mul_overflow(a, b, &result)) malformed("CT4: the announced shape is too large");
    return result;
}

}  // namespace

Ciphertexts::Ciphertexts(PublicKey key, Shape shape, Bytes elements, std::int64_t exponent)
    : key_(std::move(key)),
      shape_(std::move(shape)),
      size_(1),
      elements_(std::make_shared<const Bytes>(std::move(elements))),
      exponent_(exponent) {
    if (shape_.empty() || shape_.size() > 2) {
        invalid_argument("ciphertexts have one or two dimensions");
    }
    for (const std::size_t length : shape_) size_ *= length;
    if (size_ == 0 && std::ranges::max(shape_) > kMostEmptyRows) {
        invalid_argument("CT4: a matrix of no ciphertexts has at most 2^20 rows or columns, not " +
                         std::to_string(std::ranges::max(shape_)));
    }
    if (elements_->size() != size_ * key_.modulus().element_bytes()) {
        invalid_argument("the shape " + describe(shape_) + " does not match the number of values");
    }
}

void Ciphertexts::require_same_key(const Ciphertexts& other) const {
    if (!key_.has_modulus_of(other.key_)) {
        throw Error(Errc::key_mismatch,
                    "the ciphertexts were made under different keys: their moduli differ");
    }
}

bool Ciphertexts::is_same(const Ciphertexts& other, const Execution& execution) const {
    if (!key_.has_modulus_of(other.key_) || shape_ != other.shape_) return false;
    const Ciphertexts a = normalise(execution);
    const Ciphertexts b = other.normalise(execution);
    const std::size_t bytes = key_.modulus().element_bytes();
    std::atomic<bool> differs{false};
    parallel_for(size_, kCopiedPerPiece, execution, [&](std::size_t begin, std::size_t end) {
        if (std::memcmp(a.elements_->data() + begin * bytes, b.elements_->data() + begin * bytes,
                        (end - begin) * bytes) != 0) {
            differs = true;
        }
    });
    return !differs;
}

Ciphertexts Ciphertexts::zeros(Shape shape, const Execution& execution) const {
    std::size_t size = 1;
    for (const std::size_t length : shape) size *= length;
    return encrypt(Plaintexts(size, 1, execution), std::move(shape), key_, nullptr, execution);
}

Ciphertexts Ciphertexts::normalise(const Execution& execution) const {
    if (exponent_ == 0) return *this;
    const Modulus& n = key_.modulus();
    const auto factor = n.r_power(exponent_ + 1);
    Bytes out(elements_->size());
    batch::mul(out.data(), {elements_->data(), n.element_bytes()}, {factor.data(), 0}, size_, n,
               execution);
    return {key_, shape_, std::move(out)};
}

Ciphertexts Ciphertexts::under(const PublicKey& key, const Execution& execution) const {
    if (!key.has_modulus_of_any_kernel(key_)) {
        throw Error(Errc::key_mismatch, "that is another key: its modulus differs");
    }
    Ciphertexts result = normalise(execution);
    result.key_ = key;
    return result;
}

Ciphertexts Ciphertexts::add(const Ciphertexts& other, const Execution& execution) const {
    require_same_key(other);
    if (shape_ != other.shape_ && size_ != 1 && other.size_ != 1) {
        invalid_argument("shapes " + describe(shape_) + " and " + describe(other.shape_) +
                         " cannot be added");
    }
    if (std::abs(exponent_) > kMaxExponent) return normalise(execution).add(other, execution);
    if (std::abs(other.exponent_) > kMaxExponent) {
        return add(other.normalise(execution), execution);
    }
    const Modulus& n = key_.modulus();
    const Ciphertexts& larger = size_ == 1 ? other : *this;
    const auto operand = [&](const Ciphertexts& c) {
        return Operand{c.elements_->data(), c.size_ == 1 ? 0 : n.element_bytes()};
    };
    Bytes out(larger.elements_->size());
    batch::mul(out.data(), operand(*this), operand(other), larger.size_, n, execution);
    Shape shape = larger.shape_;  // With as many axes as either has.
    if (shape.size() < std::max(shape_.size(), other.shape_.size())) shape.insert(shape.begin(), 1);
    return {key_, std::move(shape), std::move(out), exponent_ + other.exponent_ + 1};
}

// (D*R^e)^-1 = (D^-1 * R^(-2e)) * R^e: inverses keep the exponent, so that ciphertext and inverse
// can be selected between. Ciphertexts are public, so the time may depend on them.
Ciphertexts Ciphertexts::inverse(const Execution& execution) const {
    Bytes out(elements_->size());
    batch::inverse_vartime(out.data(), elements_->data(), size_, -2 * exponent_, key_.modulus(),
                           execution);
    return {key_, shape_, std::move(out), exponent_};
}

Ciphertexts Ciphertexts::negate(const Execution& execution) const { return inverse(execution); }

Ciphertexts Ciphertexts::subtract(const Ciphertexts& other, const Execution& execution) const {
    require_same_key(other);
    return add(other.inverse(execution), execution);
}

Ciphertexts Ciphertexts::add(const Plaintexts& plaintexts, const Execution& execution) const {
    if (plaintexts.size() != size_ && plaintexts.size() != 1) {
        invalid_argument(std::to_string(plaintexts.size()) + " plaintexts cannot be added to " +
                         std::to_string(size_) + " ciphertexts");
    }
    const SquareModulus& n = key_.modulus();
    require_representable(plaintexts, n, execution.without_progress());
    Bytes out(elements_->size());
    batch::add_plain(out.data(), {elements_->data(), n.element_bytes()}, signed_operand(plaintexts),
                     size_, n, execution);
    return {key_, shape_, std::move(out), exponent_};
}

Ciphertexts Ciphertexts::power(const Plaintexts& plaintexts, bool inverts_always,
                               const Execution& execution) const {
    const Modulus& n = key_.modulus();
    require_representable(plaintexts, n, execution.without_progress(), "a scalar");
    const Scalars scalars(plaintexts, size_, execution);
    const std::size_t bytes = n.element_bytes();
    const std::byte* bases = elements_->data();
    Secret<std::byte> selected;
    if (inverts_always || scalars.any_negative != 0) {
        const Ciphertexts inverses = inverse(execution.without_progress());
        selected = make_secret<std::byte>(elements_->size(), execution);
        parallel_for(size_, kCopiedPerPiece, execution.without_progress(),
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t i = begin; i < end; ++i) {
                             select_by_sign(selected.data() + i * bytes, bases + i * bytes,
                                            inverses.elements_->data() + i * bytes,
                                            scalars.negative[i], bytes);
                         }
                     });
        bases = selected.data();
    }
    const auto to_montgomery = n.r_power(exponent_ + 2);
    Bytes out(elements_->size());
    batch::pow_each(out.data(), {bases, bytes}, to_montgomery.data(), scalars.magnitudes.data(),
                    scalars.num_limbs, scalars.num_bits, size_, n, execution);
    return {key_, shape_, std::move(out)};
}

Ciphertexts Ciphertexts::multiply(const Plaintexts& scalars, const Execution& execution) const {
    return power(scalars, true, execution);
}

Ciphertexts Ciphertexts::multiply_vartime(const Plaintexts& scalars,
                                          const Execution& execution) const {
    return power(scalars, false, execution);
}

Ciphertexts Ciphertexts::sum(std::optional<std::size_t> axis, const Execution& execution) const {
    if (std::abs(exponent_) > kMaxExponent) return normalise(execution).sum(axis, execution);
    if (axis && *axis >= shape_.size()) {
        invalid_argument("axis " + std::to_string(*axis) + " is out of range for shape " +
                         describe(shape_));
    }
    if (size_ == 0) {
        if (!axis || shape_.size() == 1) return zeros({1}, execution);
        return zeros({shape_[1 - *axis]}, execution);
    }
    const Modulus& n = key_.modulus();
    const std::size_t bytes = n.element_bytes();
    const auto result = [&](Shape shape, Bytes out, std::size_t num_terms) {
        const auto terms = static_cast<std::int64_t>(num_terms);
        return Ciphertexts(key_, std::move(shape), std::move(out), terms * exponent_ + terms - 1);
    };
    if (!axis || shape_.size() == 1) {
        Bytes out(bytes);
        batch::product(out.data(), elements_->data(), size_, n, execution);
        return result({1}, std::move(out), size_);
    }
    const std::size_t num_rows = shape_[0];
    const std::size_t num_columns = shape_[1];
    if (*axis == 0) {
        Bytes out(num_columns * bytes);
        batch::mul_reduce(out.data(), {elements_->data(), bytes}, num_rows, num_columns * bytes,
                          num_columns, n, execution);
        return result({num_columns}, std::move(out), num_rows);
    }
    Bytes out(num_rows * bytes);
    batch::mul_reduce(out.data(), {elements_->data(), num_columns * bytes}, num_columns, bytes,
                      num_rows, n, execution);
    return result({num_rows}, std::move(out), num_columns);
}

Ciphertexts Ciphertexts::rerandomise(const Execution& execution) const {
    if (std::abs(exponent_) > kMaxExponent) return normalise(execution).rerandomise(execution);
    const Modulus& n = key_.modulus();
    const std::size_t bytes = n.element_bytes();
    Bytes out(elements_->size());
    for_each_block(size_, kRandomisersPerBlock, execution,
                   [&](std::size_t begin, std::size_t end, const Execution& part) {
                       const auto randomisers = fresh_randomisers(end - begin, key_, part);
                       batch::mul(out.data() + begin * bytes,
                                  {elements_->data() + begin * bytes, bytes},
                                  {randomisers.elements.data(), bytes}, end - begin, n,
                                  part.without_progress());
                   });
    return {key_, shape_, std::move(out), exponent_ + 1};
}

Ciphertexts Ciphertexts::take(std::span<const std::int64_t> positions, Shape shape,
                              const Execution& execution) const {
    const std::size_t bytes = key_.modulus().element_bytes();
    Bytes out(positions.size() * bytes);
    parallel_for(
        positions.size(), kCopiedPerPiece, execution, [&](std::size_t begin, std::size_t end) {
            for (std::size_t i = begin; i < end; ++i) {
                const auto position = static_cast<std::size_t>(positions[i]);
                if (position >= size_) {
                    invalid_argument("a position lies outside the ciphertexts");
                }
                std::copy_n(elements_->data() + position * bytes, bytes, out.data() + i * bytes);
            }
        });
    return {key_, std::move(shape), std::move(out), exponent_};
}

std::vector<Ciphertexts> Ciphertexts::split(const Execution& execution) const {
    const std::size_t bytes = key_.modulus().element_bytes();
    std::vector<Ciphertexts> parts;
    parts.reserve(size_);
    serial_for(size_, kCopiedPerPiece, execution, [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) {
            const auto first = elements_->begin() + static_cast<std::ptrdiff_t>(i * bytes);
            const auto last = first + static_cast<std::ptrdiff_t>(bytes);
            parts.push_back({key_, Shape{1}, Bytes(first, last), exponent_});
        }
    });
    return parts;
}

Ciphertexts Ciphertexts::concatenate(const std::vector<Ciphertexts>& parts,
                                     const Execution& execution) {
    if (parts.empty()) invalid_argument("there is nothing to concatenate");
    const Ciphertexts& first = parts.front();
    Shape shape = first.shape_;
    shape[0] = 0;
    std::size_t num_elements = 0;
    bool same_exponent = true;
    for (const Ciphertexts& part : parts) {
        first.require_same_key(part);
        if (part.shape_.size() != shape.size() ||
            !std::equal(shape.begin() + 1, shape.end(), part.shape_.begin() + 1)) {
            invalid_argument("shapes " + describe(first.shape_) + " and " + describe(part.shape_) +
                             " cannot be concatenated");
        }
        shape[0] += part.shape_[0];
        num_elements += part.size_;
        same_exponent = same_exponent && part.exponent_ == first.exponent_;
    }
    Bytes out(num_elements * first.key_.modulus().element_bytes());
    std::byte* next = out.data();
    for (const Ciphertexts& part : parts) {
        const Ciphertexts same = same_exponent ? part : part.normalise(execution);
        copy_bytes(next, same.elements(), execution);
        next += same.elements().size();
    }
    return {first.key_, std::move(shape), std::move(out), same_exponent ? first.exponent_ : 0};
}

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

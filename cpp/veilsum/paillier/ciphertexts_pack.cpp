// Many small numbers in each ciphertext, and out of what it decrypts to.

#include <algorithm>
#include <string>

#include "veilsum/base/error.hpp"
#include "veilsum/bigint/batch.hpp"
#include "veilsum/bigint/signed_digits.hpp"
#include "veilsum/paillier/ciphertexts.hpp"

namespace veilsum {
namespace {

constexpr unsigned kFewestBits = 2;
constexpr unsigned kMostBits = 64;

// Some milliseconds.
constexpr std::size_t kUnpackedPerPiece = 1 << 10;

void require_bits(unsigned bits) {
    if (bits >= kFewestBits && bits <= kMostBits) return;
    throw Error(Errc::invalid_argument,
                "bits is " + std::to_string(bits) + "; it must be at least 2 and at most 64");
}

std::size_t quotient_up(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

/// The largest L with 2^(bits-1) * (2^(bits*L) - 1)/(2^bits - 1) < n/2: so many digits at their
/// lower end, whose magnitude is the largest, stay inside (-n/2, n/2).
std::size_t most_digits(unsigned bits, const Modulus& n) {
    const auto ones = [](std::size_t num_bits) {
        Integer x;
        mpz_setbit(x.get(), num_bits);
        return x - 1;
    };
    const Integer bound = n.n_integer() * ones(bits);
    std::size_t count = n.bits() / bits;
    for (; count > 0; --count) {
        Integer used = ones(bits * count);
        mpz_mul_2exp(used.get(), used.get(), bits);
        if (mpz_cmp(used.get(), bound.get()) < 0) break;
    }
    return count;
}

}  // namespace

// A row of digits is one Horner scheme, ((c2)^(2^bits) * c1)^(2^bits) * c0, in Montgomery form, so
// that squarings leave the exponent -1 what it is. Rows that are too short end in ones.
Ciphertexts Ciphertexts::pack(unsigned bits, const Execution& execution) const {
    require_bits(bits);
    const Modulus& n = key_.modulus();
    const std::size_t most = most_digits(bits, n);
    if (most == 0) {
        throw Error(Errc::invalid_argument, "a number of " + std::to_string(bits) +
                                                " bits does not fit a plaintext of this key; take "
                                                "a larger key or fewer bits");
    }
    if (size_ == 0) return {key_, {0}, {}};
    const std::size_t num_rows = quotient_up(size_, most);
    const std::size_t per_row = quotient_up(size_, num_rows);
    const std::size_t bytes = n.element_bytes();
    Bytes digits(num_rows * per_row * bytes);
    const auto factor = n.r_power(exponent_ + 2);
    batch::mul(digits.data(), {elements_->data(), bytes}, {factor.data(), 0}, size_, n,
               execution.without_progress());
    for (std::size_t i = size_; i < num_rows * per_row; ++i) {
        std::copy_n(n.r(), bytes, digits.data() + i * bytes);
    }
    Bytes out(num_rows * bytes);
    batch::horner(out.data(), {digits.data(), per_row * bytes}, per_row, bytes, bits, num_rows, n,
                  execution);
    return {key_, {num_rows}, std::move(out), -1};
}

void Ciphertexts::unpack(std::span<std::int64_t> out, const Plaintexts& packed, unsigned bits,
                         const Execution& execution) {
    require_bits(bits);
    const std::size_t num_rows = packed.size();
    const std::size_t per_row = num_rows == 0 ? 0 : quotient_up(out.size(), num_rows);
    if (num_rows != (per_row == 0 ? 0 : quotient_up(out.size(), per_row)) ||
        (num_rows == 0 && !out.empty())) {
        throw Error(Errc::invalid_argument,
                    std::to_string(num_rows) + " packed numbers do not hold " +
                        std::to_string(out.size()) +
                        " values; give all that were packed together, and their shape");
    }
    if (num_rows == 0) return;
    const std::size_t num_limbs =
        std::max(packed.limbs_per_value(), quotient_up(per_row * bits, 64));
    const std::size_t in_last = out.size() - (num_rows - 1) * per_row;
    const SignedDigits digits(per_row, bits, num_limbs);
    const SignedDigits last_digits(in_last, bits, num_limbs);
    parallel_for(num_rows, std::max<std::size_t>(1, kUnpackedPerPiece / per_row), execution,
                 [&](std::size_t begin, std::size_t end) {
                     Secret<Limb> scratch(digits.scratch_limbs());
                     for (std::size_t i = begin; i < end; ++i) {
                         const bool is_last = i + 1 == num_rows;
                         const auto values = out.subspan(i * per_row, is_last ? in_last : per_row);
                         if (!(is_last ? last_digits : digits).split(values, packed[i], scratch)) {
                             throw Error(
                                 Errc::capacity,
                                 "packed number " + std::to_string(i) + " is not " +
                                     std::to_string(values.size()) + " values of " +
                                     std::to_string(bits) +
                                     " bits: a value was out of range, or it was packed with "
                                     "other bits or in another shape");
                         }
                     }
                 });
}

}  // namespace veilsum

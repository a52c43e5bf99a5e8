// Products of plaintext matrices with ciphertexts: docs/kernels.md, "Products of powers".

#include <algorithm>

#include "veilsum/base/error.hpp"
#include "veilsum/bigint/batch.hpp"
#include "veilsum/bigint/limbs.hpp"
#include "veilsum/paillier/ciphertexts.hpp"
#include "veilsum/paillier/seal.hpp"

namespace veilsum {
namespace {

// Some milliseconds.
constexpr std::size_t kPerPiece = 1 << 14;

/// Plaintexts as exponents below 2^num_bits: as they are, or with 2^(num_bits-1) added, so that
/// none is negative. Constant time, but for whether any is negative if signs need not be hidden.
struct Exponents {
    Exponents(const Plaintexts& values, bool hides_signs, const Execution& execution)
        : limbs_per_value(values.limbs_per_value()),
          limbs(make_secret<Limb>(values.size() * limbs_per_value, execution)) {
        Secret<Limb> all(limbs_per_value);
        Limb any_negative = 0;
        serial_for(values.size(), kPerPiece, execution, [&](std::size_t begin, std::size_t end) {
            for (std::size_t i = begin; i < end; ++i) {
                const Limb mask = values.sign_mask(i);
                any_negative |= mask;
                for (std::size_t j = 0; j < limbs_per_value; ++j) {
                    limbs[i * limbs_per_value + j] = values[i][j];
                    all[j] |= values[i][j] ^ mask;
                }
            }
        });
        // The longest value: public, as documented.
        num_bits = veilsum::limbs::bit_length_vartime(all.data(), limbs_per_value);
        has_offset = hides_signs || any_negative != 0;
        if (has_offset) add_offset(execution);
    }

    /// In two's complement of num_bits bits, adding 2^(num_bits-1) turns the top bit over.
    void add_offset(const Execution& execution) {
        const std::size_t top = num_bits / 64;
        const Limb top_bit = Limb{1} << num_bits % 64;
        ++num_bits;
        const std::size_t count = limbs.size() / limbs_per_value;
        serial_for(count, kPerPiece, execution, [&](std::size_t begin, std::size_t end) {
            for (std::size_t i = begin * limbs_per_value; i < end * limbs_per_value;
                 i += limbs_per_value) {
                limbs[i + top] = (limbs[i + top] ^ top_bit) & (2 * top_bit - 1);
                for (std::size_t j = top + 1; j < limbs_per_value; ++j) limbs[i + j] = 0;
            }
        });
    }

    ExponentMatrix matrix(std::size_t num_rows, std::size_t num_columns) const {
        return {limbs.data(),    num_rows, num_columns, num_columns * limbs_per_value,
                limbs_per_value, num_bits};
    }

    std::size_t limbs_per_value;
    std::size_t num_bits = 0;
    bool has_offset = false;
    Secret<Limb> limbs;
};

}  // namespace

Ciphertexts Ciphertexts::matrix_product(const Plaintexts& matrix, std::size_t num_rows,
                                        const Execution& execution) const {
    return matrix_product(matrix, num_rows, false, execution);
}

Ciphertexts Ciphertexts::matrix_product_vartime(const Plaintexts& matrix, std::size_t num_rows,
                                                const Execution& execution) const {
    return matrix_product(matrix, num_rows, true, execution);
}

Ciphertexts Ciphertexts::matrix_product(const Plaintexts& matrix, std::size_t num_rows,
                                        bool is_public, const Execution& execution) const {
    if (matrix.size() != num_rows * shape_[0]) {
        throw Error(Errc::invalid_argument,
                    "a matrix product needs a matrix with as many columns as there are rows of "
                    "ciphertexts");
    }
    const Modulus& n = key_.modulus();
    require_representable(matrix, n, execution.without_progress(), "a scalar");
    const std::size_t bytes = n.element_bytes();
    const std::size_t num_vectors = shape_.size() == 2 ? shape_[1] : 1;
    Shape shape{num_rows};
    if (shape_.size() == 2) shape.push_back(num_vectors);
    if (size_ == 0 || num_rows == 0) return zeros(std::move(shape), execution);
    const Exponents exponents(matrix, !is_public, execution);
    const auto to_montgomery = n.r_power(exponent_ + 2);

    Bytes out(num_rows * num_vectors * bytes);
    Secret<std::byte> products(num_rows * bytes);
    // 2^(num_bits-1) times the sum of a vector's ciphertexts is too much in each of its products.
    // These are in Montgomery form, a power is not, and their product is neither.
    Secret<std::byte> too_much;
    if (exponents.has_offset) {
        const Execution quiet = execution.without_progress();
        const Ciphertexts sums =
            sum(shape_.size() == 1 ? std::nullopt : std::optional(std::size_t{0}), quiet)
                .inverse(quiet);
        Secret<Limb> offset(exponents.limbs_per_value);
        offset[(exponents.num_bits - 1) / 64] = Limb{1} << (exponents.num_bits - 1) % 64;
        too_much.resize(num_vectors * bytes);
        batch::pow_shared_vartime(too_much.data(), {sums.elements_->data(), bytes},
                                  n.r_power(sums.exponent_ + 2).data(), offset.data(),
                                  exponents.num_bits, num_vectors, n, quiet);
    }
    for (std::size_t i = 0; i < num_vectors; ++i) {
        const auto multi_pow = is_public ? batch::multi_pow_vartime : batch::multi_pow;
        multi_pow(products.data(), {elements_->data() + i * bytes, num_vectors * bytes},
                  to_montgomery.data(), exponents.matrix(num_rows, shape_[0]), n, execution);
        if (exponents.has_offset) {
            batch::mul(products.data(), {products.data(), bytes}, {too_much.data() + i * bytes, 0},
                       num_rows, n, execution.without_progress());
        }
        for (std::size_t row = 0; row < num_rows; ++row) {
            std::copy_n(products.data() + row * bytes, bytes,
                        out.data() + (row * num_vectors + i) * bytes);
        }
    }
    return {key_, std::move(shape), std::move(out), exponents.has_offset ? 0 : -1};
}

}  // namespace veilsum

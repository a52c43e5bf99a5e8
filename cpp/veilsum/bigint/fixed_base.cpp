#include "veilsum/bigint/fixed_base.hpp"

#include <cstring>
#include <string>

#include "veilsum/base/cpu.hpp"
#include "veilsum/base/error.hpp"
#include "veilsum/bigint/kernel.hpp"
#include "veilsum/bigint/residue.hpp"

namespace veilsum {
namespace {

// A band takes some milliseconds, and fills the lanes of any kernel.
constexpr std::size_t kRowsPerBand = 32;

constexpr unsigned kMinWindowBits = 6;

// Kernels sum an entry of each row in 64 bits; of radix 2^52 that is 4096.
constexpr std::size_t kMaxRows = 4095;

std::size_t checked_row_count(std::size_t exponent_bits, unsigned window_bits) {
    const std::size_t num_rows = (exponent_bits + window_bits - 1) / window_bits | 1;
    if (num_rows > kMaxRows) {
        throw Error(Errc::invalid_argument,
                    "a table for exponents of " + std::to_string(exponent_bits) +
                        " bits is too large; keys of up to 16384 bits need none such");
    }
    return num_rows;
}

/// Runs the kernel's and the residue arithmetic of one modulus on its own scratch.
class Calculator {
public:
    explicit Calculator(const Modulus& n)
        : n_(n),
          kernel_scratch_(n.kernel().product_scratch_bytes(n)),
          residue_scratch_(residue::scratch_limbs(n)) {}

    void mul(std::byte* out, Operand a, Operand b, std::size_t count) {
        n_.kernel().mul(out, a, b, count, n_, kernel_scratch_.data());
    }
    void mul_mod_n(Limb* out, const Limb* a, const Limb* b) {
        residue::mul(out, a, b, n_, residue_scratch_.data());
    }

private:
    const Modulus& n_;
    Secret<std::byte> kernel_scratch_;
    Secret<Limb> residue_scratch_;
};

/// The largest window whose rows leave room in the second cache; they come in pairs.
unsigned choose_window(const SquareModulus& n) {
    unsigned window = n.kernel().max_table_window;
    const auto pair_bytes = [&] { return 2 * n.kernel().row_limbs(window, n) * sizeof(Limb); };
    while (window > kMinWindowBits && pair_bytes() > second_cache_bytes() / 2) --window;
    return window;
}

}  // namespace

FixedBaseTable::FixedBaseTable(const std::byte* base, std::size_t exponent_bits,
                               const SquareModulus& n, const Execution& execution)
    : FixedBaseTable(base, exponent_bits, choose_window(n), n, execution) {}

// Rows are the lanes here: column j of a band of rows is made from column j - 1 in one kernel call.
FixedBaseTable::FixedBaseTable(const std::byte* base, std::size_t exponent_bits,
                               unsigned window_bits, const SquareModulus& n,
                               const Execution& execution)
    : window_bits_(window_bits),
      exponent_bits_(exponent_bits),
      num_rows_(checked_row_count(exponent_bits, window_bits)),
      row_limbs_(n.kernel().row_limbs(window_bits, n)),
      limbs_(num_rows_ * row_limbs_) {
    const std::size_t h = n.num_limbs();
    const std::size_t bytes = n.element_bytes();

    // step[r] = g^(2^(w*r)) in Montgomery form; inverse_step[r] = its inverse modulo n, times
    // 2^(64h), the factor of residue::mul.
    Secret<std::byte> steps(num_rows_ * bytes);
    Secret<Limb> inverse_steps(num_rows_ * h);
    Calculator first(n);
    first.mul(steps.data(), {base, 0}, {n.r_squared(), 0}, 1);
    const Integer base_mod_n = Integer::from_bytes({base, n.digit_bytes()});
    const auto first_inverse = residue::constant(inverse(base_mod_n, n.n_integer()), 1, n);
    std::copy(first_inverse.begin(), first_inverse.end(), inverse_steps.begin());
    for (std::size_t r = 1; r < num_rows_; ++r) {
        std::byte* step = steps.data() + r * bytes;
        Limb* inverse_step = inverse_steps.data() + r * h;
        std::memcpy(step, step - bytes, bytes);
        std::memcpy(inverse_step, inverse_step - h, h * sizeof(Limb));
        for (unsigned i = 0; i < window_bits; ++i) {
            first.mul(step, {step, 0}, {step, 0}, 1);
            first.mul_mod_n(inverse_step, inverse_step, inverse_step);
        }
    }

    // l = x1/x0. In the first row x0^-1 = inverse; in the others x0^-1 = inverse*R^-1. The
    // remaining factor up to l*R^2 is R^2 in the first row and R in the others.
    const auto one = residue::constant(Integer(1), 1, n);
    const auto to_first = residue::constant(n.integer(n.r_squared()), 1, n);
    const auto to_others = residue::constant(n.integer(n.r()), 1, n);

    parallel_for(num_rows_, kRowsPerBand, execution, [&](std::size_t begin, std::size_t end) {
        const std::size_t count = end - begin;
        Calculator calculator(n);
        // Column 0: one in the first row, R in the others.
        Secret<std::byte> powers(count * bytes);
        Secret<Limb> inverses(count * h);
        for (std::size_t r = begin; r < end; ++r) {
            std::memcpy(powers.data() + (r - begin) * bytes, r == 0 ? n.one() : n.r(), bytes);
            std::copy(one.begin(), one.end(), inverses.data() + (r - begin) * h);
        }
        Secret<Limb> digit0(h);
        Secret<Limb> digit1(h);
        for (std::size_t j = 0; j < std::size_t{1} << window_bits; ++j) {
            for (std::size_t r = begin; r < end; ++r) {
                const std::byte* power = powers.data() + (r - begin) * bytes;
                Limb* inverse_power = inverses.data() + (r - begin) * h;
                std::memcpy(digit0.data(), power, n.digit_bytes());
                std::memcpy(digit1.data(), power + n.digit_bytes(), n.digit_bytes());
                calculator.mul_mod_n(digit1.data(), digit1.data(), inverse_power);
                calculator.mul_mod_n(digit1.data(), digit1.data(),
                                     r == 0 ? to_first.data() : to_others.data());
                n.kernel().put_entry(limbs_.data() + r * row_limbs_, window_bits, j, digit0.data(),
                                     digit1.data(), n);
                calculator.mul_mod_n(inverse_power, inverse_power, inverse_steps.data() + r * h);
            }
            calculator.mul(powers.data(), {powers.data(), bytes},
                           {steps.data() + begin * bytes, bytes}, count);
        }
    });
}

}  // namespace veilsum

#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "veilsum/bigint/fixed_base.hpp"
#include "veilsum/bigint/modulus.hpp"
#include "veilsum/bigint/order_power.hpp"

namespace veilsum {

/// A sequence of elements a kernel reads: element i starts at data + i*stride_bytes.
/// Stride 0 repeats one element.
struct Operand {
    const std::byte* data;
    std::size_t stride_bytes;

    const std::byte* at(std::size_t i) const noexcept { return data + i * stride_bytes; }
    Operand from(std::size_t i) const noexcept { return {at(i), stride_bytes}; }
};

/// Integers in (-n, n) that a kernel reads modulo n: m[i] is num_limbs limbs in two's complement,
/// from data + i*stride_limbs. Stride 0 repeats one.
struct SignedOperand {
    const Limb* data;
    std::size_t num_limbs;
    std::size_t stride_limbs;

    const Limb* at(std::size_t i) const noexcept { return data + i * stride_limbs; }
    SignedOperand from(std::size_t i) const noexcept { return {at(i), num_limbs, stride_limbs}; }
};

/// Some rows of a batch, by their numbers.
struct RowList {
    const std::size_t* rows;
    std::size_t size;
};

/// Lists of rows of a batch whose rows are num_columns elements each, side by side. Number i is
/// column i % num_columns of list i / num_columns.
struct RowLists {
    const std::byte* data;
    std::size_t num_columns;
    const RowList* lists;
};

/// Exponents a kernel reads as a matrix, each num_limbs limbs and below 2^num_bits. Sizes and
/// num_bits are public. At least one column.
struct ExponentMatrix {
    const Limb* data;
    std::size_t num_rows;
    std::size_t num_columns;
    std::size_t row_stride_limbs;
    std::size_t num_limbs;
    std::size_t num_bits;

    const Limb* at(std::size_t row, std::size_t column) const noexcept {
        return data + row * row_stride_limbs + column * num_limbs;
    }
};

/// Powers that a kernel takes of numbers each of which has a modulus of its own: number i is
/// bases[i]^exponents[i] modulo moduli[i]. Sizes are public, and so are moduli, which are odd, 3 or
/// more, and have exactly modulus_bits bits.
struct Powers {
    const Limb* bases;      // num_limbs() limbs each, below its modulus.
    const Limb* exponents;  // exponent_limbs() limbs each, below 2^exponent_bits.
    const Limb* moduli;     // num_limbs() limbs each.
    const Limb* r_squared;  // The same: R^2 modulo each, R = 2^r_bits(modulus_bits).
    std::size_t modulus_bits;
    std::size_t exponent_bits;

    std::size_t num_limbs() const noexcept { return (modulus_bits + 63) / 64; }
    std::size_t num_bytes() const noexcept { return (modulus_bits + 7) / 8; }
    std::size_t exponent_limbs() const noexcept { return (exponent_bits + 63) / 64; }
};

/// One instruction set's arithmetic modulo n^2 in base-n digits (SquareKernel), or, with elements
/// of one digit, modulo n.
///
/// All functions read and write canonical elements (modulus.hpp), process `count` of them and are,
/// but for `_vartime`, constant time in elements, exponents and n; sizes, counts and exponent bit
/// lengths are public.
/// They allocate nothing, throw nothing and touch no global state. `out` may be the same memory as
/// an operand, element for element. `scratch` is product_scratch_bytes(n) bytes for what makes
/// products, scratch_bytes(n) for powers, 64-byte aligned, owned and wiped by the caller.
///
/// Products carry Montgomery's factor: a . b = a*b*R^-1 mod n^2. Powers do not.
struct Kernel {
    const char* name;
    /// How many numbers it computes side by side; counts that are multiples are fastest.
    std::size_t num_lanes;
    /// Of an element: 2, or 1 in the kernel modulo n.
    std::size_t num_digits;
    /// log2(R) for a modulus of that many bits.
    std::size_t (*r_bits)(std::size_t modulus_bits);
    /// Of functions that make products, some ten elements a lane; and of any.
    std::size_t (*product_scratch_bytes)(const Modulus& n);
    std::size_t (*scratch_bytes)(const Modulus& n);

    /// out[i] = a[i] . b[i]
    void (*mul)(std::byte* out, Operand a, Operand b, std::size_t count, const Modulus& n,
                std::byte* scratch);

    /// out[i] = product over t < num_terms of the element at in.at(i) + t*term_stride_bytes, in
    /// that order. Requires num_terms >= 1.
    void (*mul_reduce)(std::byte* out, Operand in, std::size_t num_terms,
                       std::size_t term_stride_bytes, std::size_t count, const Modulus& n,
                       std::byte* scratch);

    /// out[i - begin] = product of the elements of number i, in the list's order, for begin <= i <
    /// begin + count. Requires that no list is empty. Numbers that share lanes take as long as the
    /// longest of them. Lists are public.
    void (*mul_lists)(std::byte* out, const RowLists& in, std::size_t begin, std::size_t count,
                      const Modulus& n, std::byte* scratch);

    /// out[i] = product over t < num_terms of x_t^(2^(num_squarings*t)), x_t the element at
    /// in.at(i) + t*term_stride_bytes, all in Montgomery form. Requires num_terms >= 1.
    void (*horner)(std::byte* out, Operand in, std::size_t num_terms, std::size_t term_stride_bytes,
                   std::size_t num_squarings, std::size_t count, const Modulus& n,
                   std::byte* scratch);

    /// Running products stay in the kernel's own form between calls: lane_bytes(count, n) bytes,
    /// 64-byte aligned. Positions given to threads begin at multiples of num_lanes.
    std::size_t (*lane_bytes)(std::size_t count, const Modulus& n);
    /// lanes = in; lanes[i] = lanes[i] . in[i]; out = lanes.
    void (*enter_lanes)(std::byte* lanes, Operand in, std::size_t count, const Modulus& n,
                        std::byte* scratch);
    void (*mul_lanes)(std::byte* lanes, Operand in, std::size_t count, const Modulus& n,
                      std::byte* scratch);
    void (*leave_lanes)(std::byte* out, const std::byte* lanes, std::size_t count, const Modulus& n,
                        std::byte* scratch);

    /// For elements from outside, which are public. Returns false at a digit that is not below n.
    /// Else writes num_lanes elements, whose first digits are units modulo n exactly if all first
    /// digits of in are. Requires count >= 1.
    bool (*inspect)(std::byte* products, Operand in, std::size_t count, const Modulus& n,
                    std::byte* scratch);

    /// out[i] = base[i]^exponent. `to_montgomery` is R^2, or R^(2+e) for bases that stand for
    /// base*R^e.
    void (*pow_shared)(std::byte* out, Operand base, const std::byte* to_montgomery,
                       const Limb* exponent, std::size_t exponent_bits, std::size_t count,
                       const Modulus& n, std::byte* scratch);

    /// The same for a public exponent: time and addresses depend on it, and not on the bases.
    void (*pow_shared_vartime)(std::byte* out, Operand base, const std::byte* to_montgomery,
                               const Limb* exponent, std::size_t exponent_bits, std::size_t count,
                               const Modulus& n, std::byte* scratch);

    /// out[i] = base[i]^exponent[i]; exponents are exponent_limbs limbs each.
    void (*pow_each)(std::byte* out, Operand base, const std::byte* to_montgomery,
                     const Limb* exponents, std::size_t exponent_limbs, std::size_t exponent_bits,
                     std::size_t count, const Modulus& n, std::byte* scratch);

    /// out[row] = R * product over j of base[j]^exponents(row, j), in Montgomery form. Squarings
    /// are shared by all bases, and powers of bases by all rows (multi_pow.hpp). `scratch` is
    /// multi_pow_scratch_bytes bytes, a megabyte or some.
    void (*multi_pow)(std::byte* out, Operand base, const std::byte* to_montgomery,
                      const ExponentMatrix& exponents, const Modulus& n, std::byte* scratch);
    std::size_t (*multi_pow_scratch_bytes)(const ExponentMatrix& exponents, const Modulus& n);

    /// The same for public exponents: its time and its addresses depend on them.
    void (*multi_pow_vartime)(std::byte* out, Operand base, const std::byte* to_montgomery,
                              const ExponentMatrix& exponents, const Modulus& n,
                              std::byte* scratch);
    std::size_t (*multi_pow_vartime_scratch_bytes)(const ExponentMatrix& exponents,
                                                   const Modulus& n);
};

/// A kernel modulo n^2, and what only elements of two digits have.
struct SquareKernel : Kernel {
    /// The same instruction set's kernel modulo n.
    const Kernel* modulo_n;

    /// out[i] = number i, num_limbs() limbs each. `scratch` is pow_moduli_scratch_bytes bytes. out
    /// is no operand.
    void (*pow_moduli)(Limb* out, const Powers& in, std::size_t count, std::byte* scratch);
    std::size_t (*pow_moduli_scratch_bytes)(const Powers& in);

    /// out[i] = a[i] * (1 + m[i]*n), without a factor R^-1: adds m[i] to a Paillier plaintext.
    /// Needs scratch as products do.
    void (*add_plain)(std::byte* out, Operand a, const SignedOperand& m, std::size_t count,
                      const Modulus& n, std::byte* scratch);

    /// out[i] = base[i]^(p-1) modulo p^2, the modulus of `order`, for units base[i]. Of others the
    /// first digit of out[i] is 0.
    void (*pow_order)(std::byte* out, Operand base, const OrderPower& order, std::size_t count,
                      const Modulus& p, std::byte* scratch);

    /// Fixed-base tables keep their rows in the kernel's own form: row_limbs limbs each, 64-byte
    /// aligned, into which put_entry writes the pair of digits of entry j < 2^window_bits,
    /// num_limbs limbs each. Windows have 6 to max_table_window bits.
    unsigned max_table_window;
    std::size_t (*row_limbs)(unsigned window_bits, const Modulus& n);
    void (*put_entry)(Limb* row, unsigned window_bits, std::size_t j, const Limb* digit0,
                      const Limb* digit1, const Modulus& n);

    /// out[i] = table's base ^ exponent[i], exponents of exponent_limbs limbs.
    void (*fixed_base)(std::byte* out, const FixedBaseTable& table, const Limb* exponents,
                       std::size_t exponent_limbs, std::size_t count, const Modulus& n,
                       std::byte* scratch);
};

// The last two are in builds for x86-64 only.
extern const SquareKernel kPortableKernel;
extern const SquareKernel kAvx2Kernel;
extern const SquareKernel kIfmaKernel;

/// The kernel this process uses: the one VEILSUM_ISA names, else the best this processor runs.
/// Checked against GMP at first use. Throws Error as Dispatcher::active does.
const SquareKernel& active_kernel();

/// Every kernel this processor can run, slowest first.
std::vector<const SquareKernel*> available_kernels();

}  // namespace veilsum

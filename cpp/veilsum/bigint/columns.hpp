// Products and Montgomery reductions of many numbers side by side, written once over a Simd type.
//
// A number is h limbs of kRadixBits bits, one Vector a limb; each lane of the vectors is a number
// of its own. Products are collected in *columns*: 64-bit sums of limb products of one weight,
// whose carries wait until the end (Simd::kMaxProducts says for how long they can).
//
// Row-block operand scanning: B limbs of one operand and B columns stay in registers while the
// other operand runs past, so that one load of an operand, one load and one store of a column serve
// 2B multiplications. The block of columns slides down by one at each limb: at limb i, column i+j
// receives the low half of a[i]*b[j] and the high half of a[i-1]*b[j].
//
// From a Simd type (docs/kernels.md lists what the engine needs besides) these functions use
//   Vector, kBlock (= B)
//   zero, broadcast(limb), add, low_bits(x) = x mod 2^radix, carry(x) = x >> radix,
//   mul_low(c, a, b), mul_high(c, a, b) = c + the low or high half of a*b, for a and b below
//   2^radix
//     (a radix of 28 bits has no halves: mul_low adds all of a*b, mul_high nothing),
//   quotient(c, k) = c*k mod 2^radix,
//   quotient_carry(c, q, n0) = (c + mul_low part of q*n0) >> radix, where that is exact.
//
// Source: S. Gueron, V. Krasnov, "Software implementation of modular exponentiation, using advanced
// vector instructions architectures", WAIFI 2012 (radix, redundant representation); the blocks are
// our own. Functions are kept out of line: inlined, compilers spill the blocks they hold.
// Constant time: control flow and addresses depend on h only.

#pragma once

#include <cstddef>
#include <cstdint>

namespace veilsum::columns {

/// Which of the columns [0, length + B) of a sweep hold something before it.
enum class Filled { all, all_but_last_block, none };

/// B columns take in one limb of the running operand and the high halves of the one before.
template <class Simd>
[[gnu::always_inline]] inline void absorb(typename Simd::Vector (&acc)[Simd::kBlock],
                                          const typename Simd::Vector (&block)[Simd::kBlock],
                                          unsigned step, typename Simd::Vector previous,
                                          typename Simd::Vector current, unsigned first = 0) {
    constexpr unsigned B = Simd::kBlock;
#pragma GCC unroll 16
    for (unsigned j = first; j < B; ++j) {
        acc[(step + j) % B] = Simd::mul_high(acc[(step + j) % B], previous, block[j]);
    }
#pragma GCC unroll 16
    for (unsigned j = first; j < B; ++j) {
        acc[(step + j) % B] = Simd::mul_low(acc[(step + j) % B], current, block[j]);
    }
}

/// column[0, length + B) += a[0, length) * block[0, B). Length is a positive multiple of B.
template <class Simd, Filled kFilled>
[[gnu::noinline]] void sweep(typename Simd::Vector* __restrict column,
                             const typename Simd::Vector* a, std::size_t length,
                             const typename Simd::Vector* block_limbs) {
    using Vector = typename Simd::Vector;
    constexpr unsigned B = Simd::kBlock;
    Vector block[B];
    Vector acc[B];
#pragma GCC unroll 16
    for (unsigned j = 0; j < B; ++j) {
        block[j] = block_limbs[j];
        acc[j] = kFilled == Filled::none ? Simd::zero() : column[j];
    }
    // Columns at and beyond this one are empty.
    const std::size_t filled = kFilled == Filled::all    ? length + B
                               : kFilled == Filled::none ? 0
                                                         : length;
    Vector previous = a[0];
#pragma GCC unroll 16
    for (unsigned j = 0; j < B; ++j) acc[j] = Simd::mul_low(acc[j], previous, block[j]);
    column[0] = acc[0];
    acc[0] = B < filled ? column[B] : Simd::zero();
#pragma GCC unroll 16
    for (unsigned s = 1; s < B; ++s) {
        const Vector current = a[s];
        absorb<Simd>(acc, block, s, previous, current);
        column[s] = acc[s];
        acc[s] = B < filled ? column[s + B] : Simd::zero();
        previous = current;
    }
    std::size_t i = B;
    for (; i + B < filled; i += B) {
#pragma GCC unroll 16
        for (unsigned s = 0; s < B; ++s) {
            const Vector current = a[i + s];
            absorb<Simd>(acc, block, s, previous, current);
            column[i + s] = acc[s];
            acc[s] = column[i + s + B];
            previous = current;
        }
    }
    for (; i < length; i += B) {
#pragma GCC unroll 16
        for (unsigned s = 0; s < B; ++s) {
            const Vector current = a[i + s];
            absorb<Simd>(acc, block, s, previous, current);
            column[i + s] = acc[s];
            acc[s] = Simd::zero();
            previous = current;
        }
    }
#pragma GCC unroll 16
    for (unsigned j = 0; j < B; ++j) {
        column[length + j] = Simd::mul_high(acc[j], previous, block[j]);
    }
}

/// One step of quotient_blocks on one block: quotient limb i, and what it adds to the columns
/// above.
template <class Simd>
[[gnu::always_inline]] inline void quotient_step(typename Simd::Vector (&acc)[Simd::kBlock],
                                                 typename Simd::Vector& carry, unsigned i,
                                                 typename Simd::Vector* quotient,
                                                 const std::uint64_t* n,
                                                 typename Simd::Vector inverse) {
    using Vector = typename Simd::Vector;
    constexpr unsigned B = Simd::kBlock;
    const Vector q = Simd::quotient(acc[i], inverse);
    quotient[i] = q;
    carry = Simd::quotient_carry(acc[i], q, Simd::broadcast(n[0]));
    if (i + 1 == B) return;
    // The critical path: column i + 1 first.
    acc[i + 1] = Simd::add(Simd::mul_low(acc[i + 1], q, Simd::broadcast(n[1])),
                           Simd::mul_high(carry, q, Simd::broadcast(n[0])));
#pragma GCC unroll 16
    for (unsigned j = 2; j < B - i; ++j) {
        acc[i + j] = Simd::mul_low(acc[i + j], q, Simd::broadcast(n[j]));
    }
#pragma GCC unroll 16
    for (unsigned j = 1; j < B - i - 1; ++j) {
        acc[i + j + 1] = Simd::mul_high(acc[i + j + 1], q, Simd::broadcast(n[j]));
    }
}

/// The serial part of B steps of kCount independent Montgomery reductions, side by side so that
/// each hides the other's latency: quotients[r][0, B) such that columns[r] + quotients[r] * n is
/// zero in its lowest B limbs. Touches no column; carries[r] is what the lowest B columns carry
/// into the next. `k` is -n^-1 mod 2^radix.
template <class Simd, std::size_t kCount>
[[gnu::noinline]] void quotient_blocks(typename Simd::Vector* const (&quotients)[kCount],
                                       typename Simd::Vector (&carries)[kCount],
                                       const typename Simd::Vector* const (&columns)[kCount],
                                       const std::uint64_t* n, std::uint64_t k) {
    using Vector = typename Simd::Vector;
    constexpr unsigned B = Simd::kBlock;
    Vector acc[kCount][B];
    Vector carry[kCount];
#pragma GCC unroll 2
    for (std::size_t r = 0; r < kCount; ++r) {
#pragma GCC unroll 16
        for (unsigned j = 0; j < B; ++j) acc[r][j] = columns[r][j];
    }
    const Vector inverse = Simd::broadcast(k);
#pragma GCC unroll 16
    for (unsigned i = 0; i < B; ++i) {
#pragma GCC unroll 2
        for (std::size_t r = 0; r < kCount; ++r) {
            quotient_step<Simd>(acc[r], carry[r], i, quotients[r], n, inverse);
        }
    }
#pragma GCC unroll 2
    for (std::size_t r = 0; r < kCount; ++r) carries[r] = carry[r];
}

/// The rest of those B steps: column[B, h + B) += the upper part of quotient * n, and the carry.
template <class Simd>
[[gnu::noinline]] void reduce_block(typename Simd::Vector* __restrict column,
                                    const std::uint64_t* n, std::size_t h,
                                    const typename Simd::Vector* quotient,
                                    typename Simd::Vector carry) {
    using Vector = typename Simd::Vector;
    constexpr unsigned B = Simd::kBlock;
    Vector block[B];
    Vector acc[B];
#pragma GCC unroll 16
    for (unsigned j = 0; j < B; ++j) block[j] = quotient[j];
    Vector previous = Simd::broadcast(n[0]);
#pragma GCC unroll 16
    for (unsigned s = 1; s < B; ++s) {
        const Vector current = Simd::broadcast(n[s]);
        acc[s - 1] = column[s + B - 1];
        if (s == 1) acc[0] = Simd::add(acc[0], carry);
        absorb<Simd>(acc, block, s, previous, current, B - s);
        previous = current;
    }
    acc[B - 1] = column[2 * B - 1];
    for (std::size_t i = B; i < h; i += B) {
#pragma GCC unroll 16
        for (unsigned s = 0; s < B; ++s) {
            const Vector current = Simd::broadcast(n[i + s]);
            absorb<Simd>(acc, block, s, previous, current);
            column[i + s] = acc[s];
            acc[s] = column[i + s + B];
            previous = current;
        }
    }
#pragma GCC unroll 16
    for (unsigned j = 0; j < B; ++j) {
        column[h + j] = Simd::mul_high(acc[j], previous, block[j]);
    }
}

/// column[0, 2B) += the products x[i]*x[j] with i < j < B. Halves that are not filled are set.
template <class Simd, bool kLowFilled, bool kHighFilled>
[[gnu::noinline]] void triangle(typename Simd::Vector* __restrict column,
                                const typename Simd::Vector* x) {
    using Vector = typename Simd::Vector;
    constexpr unsigned B = Simd::kBlock;
    Vector acc[2 * B];
#pragma GCC unroll 16
    for (unsigned j = 0; j < B; ++j) {
        acc[j] = kLowFilled ? column[j] : Simd::zero();
        acc[B + j] = kHighFilled ? column[B + j] : Simd::zero();
    }
#pragma GCC unroll 16
    for (unsigned i = 0; i + 1 < B; ++i) {
#pragma GCC unroll 16
        for (unsigned j = i + 1; j < B; ++j) acc[i + j] = Simd::mul_low(acc[i + j], x[i], x[j]);
#pragma GCC unroll 16
        for (unsigned j = i + 1; j < B; ++j) {
            acc[i + j + 1] = Simd::mul_high(acc[i + j + 1], x[i], x[j]);
        }
    }
#pragma GCC unroll 32
    for (unsigned j = 0; j < 2 * B; ++j) column[j] = acc[j];
}

/// column[0, 2h) = x^2: twice the products above the diagonal, and the diagonal.
/// A column holds as many products as in a plain product.
template <class Simd>
void square(typename Simd::Vector* __restrict column, const typename Simd::Vector* x,
            std::size_t h) {
    using Vector = typename Simd::Vector;
    constexpr std::size_t B = Simd::kBlock;
    if (h == B) {
        triangle<Simd, false, false>(column, x);
    } else {
        sweep<Simd, Filled::none>(column + B, x + B, h - B, x);
        triangle<Simd, false, true>(column, x);
        for (std::size_t b = B; b + B < h; b += B) {
            sweep<Simd, Filled::all_but_last_block>(column + 2 * b + B, x + b + B, h - b - B,
                                                    x + b);
            triangle<Simd, true, true>(column + 2 * b, x + b);
        }
        triangle<Simd, true, false>(column + 2 * (h - B), x + h - B);
    }
    for (std::size_t i = 0; i < h; ++i) {
        const Vector low = Simd::add(column[2 * i], column[2 * i]);
        const Vector high = Simd::add(column[2 * i + 1], column[2 * i + 1]);
        column[2 * i] = Simd::mul_low(low, x[i], x[i]);
        column[2 * i + 1] = Simd::mul_high(high, x[i], x[i]);
    }
}

/// out[0, h) = the limbs of the columns; returns the carry out of the top one.
template <class Simd>
[[gnu::noinline]] typename Simd::Vector carry(typename Simd::Vector* out,
                                              const typename Simd::Vector* column, std::size_t h) {
    using Vector = typename Simd::Vector;
    Vector carried = Simd::zero();
    for (std::size_t i = 0; i < h; ++i) {
        const Vector sum = Simd::add(column[i], carried);
        out[i] = Simd::low_bits(sum);
        carried = Simd::carry(sum);
    }
    return carried;
}

/// As carry, with the number addend[0, h), the same for every lane, added.
template <class Simd>
[[gnu::noinline]] typename Simd::Vector carry_plus(typename Simd::Vector* out,
                                                   const typename Simd::Vector* column,
                                                   const std::uint64_t* addend, std::size_t h) {
    using Vector = typename Simd::Vector;
    Vector carried = Simd::zero();
    for (std::size_t i = 0; i < h; ++i) {
        const Vector sum = Simd::add(Simd::add(column[i], Simd::broadcast(addend[i])), carried);
        out[i] = Simd::low_bits(sum);
        carried = Simd::carry(sum);
    }
    return carried;
}

/// Moves carries up by one column without changing the number: each column but the top one ends
/// with little more than a limb.
template <class Simd>
[[gnu::noinline]] void relieve(typename Simd::Vector* column, std::size_t num_columns) {
    using Vector = typename Simd::Vector;
    Vector carried = Simd::zero();
    for (std::size_t i = 0; i + 1 < num_columns; ++i) {
        const Vector value = column[i];
        column[i] = Simd::add(Simd::low_bits(value), carried);
        carried = Simd::carry(value);
    }
    column[num_columns - 1] = Simd::add(column[num_columns - 1], carried);
}

}  // namespace veilsum::columns

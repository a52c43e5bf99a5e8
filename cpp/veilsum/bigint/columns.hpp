// Products and Montgomery reductions of many numbers side by side, written once over a Simd type
// (simd.hpp).
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
// Source: S. Gueron, V. Krasnov, "Software implementation of modular exponentiation, using advanced
// vector instructions architectures", WAIFI 2012 (radix, redundant representation); the blocks are
// our own. Functions are kept out of line: inlined, compilers spill the blocks they hold.
// Constant time: control flow and addresses depend on h only.

#pragma once

#include <cstddef>

#include "veilsum/bigint/simd.hpp"

namespace veilsum::columns {

/// Which of the columns [0, length + B) of a sweep hold something before it.
enum class Filled { all, all_but_last_block, none };

/// B columns take in one limb of the running operand and the high halves of the one before.
template <Simd S>
[[gnu::always_inline]] inline void absorb(typename S::Vector (&acc)[S::kBlock],
                                          const typename S::Vector (&block)[S::kBlock],
                                          unsigned step, typename S::Vector previous,
                                          typename S::Vector current, unsigned first = 0) {
    constexpr unsigned B = S::kBlock;
#pragma GCC unroll 16
    for (unsigned j = first; j < B; ++j) {
        acc[(step + j) % B] = S::mul_high(acc[(step + j) % B], previous, block[j]);
    }
#pragma GCC unroll 16
    for (unsigned j = first; j < B; ++j) {
        acc[(step + j) % B] = S::mul_low(acc[(step + j) % B], current, block[j]);
    }
}

/// column[0, length + B) += a[0, length) * block[0, B). Length is a positive multiple of B.
template <Simd S, Filled kFilled>
[[gnu::noinline]] void sweep(typename S::Vector* __restrict column, const typename S::Vector* a,
                             std::size_t length, const typename S::Vector* block_limbs) {
    using Vector = typename S::Vector;
    constexpr unsigned B = S::kBlock;
    Vector block[B];
    Vector acc[B];
#pragma GCC unroll 16
    for (unsigned j = 0; j < B; ++j) {
        block[j] = block_limbs[j];
        acc[j] = kFilled == Filled::none ? S::zero() : column[j];
    }
    // Columns at and beyond this one are empty.
    const std::size_t filled = kFilled == Filled::all    ? length + B
                               : kFilled == Filled::none ? 0
                                                         : length;
    Vector previous = a[0];
#pragma GCC unroll 16
    for (unsigned j = 0; j < B; ++j) acc[j] = S::mul_low(acc[j], previous, block[j]);
    column[0] = acc[0];
    acc[0] = B < filled ? column[B] : S::zero();
#pragma GCC unroll 16
    for (unsigned s = 1; s < B; ++s) {
        const Vector current = a[s];
        absorb<S>(acc, block, s, previous, current);
        column[s] = acc[s];
        acc[s] = B < filled ? column[s + B] : S::zero();
        previous = current;
    }
    std::size_t i = B;
    for (; i + B < filled; i += B) {
#pragma GCC unroll 16
        for (unsigned s = 0; s < B; ++s) {
            const Vector current = a[i + s];
            absorb<S>(acc, block, s, previous, current);
            column[i + s] = acc[s];
            acc[s] = column[i + s + B];
            previous = current;
        }
    }
    for (; i < length; i += B) {
#pragma GCC unroll 16
        for (unsigned s = 0; s < B; ++s) {
            const Vector current = a[i + s];
            absorb<S>(acc, block, s, previous, current);
            column[i + s] = acc[s];
            acc[s] = S::zero();
            previous = current;
        }
    }
#pragma GCC unroll 16
    for (unsigned j = 0; j < B; ++j) {
        column[length + j] = S::mul_high(acc[j], previous, block[j]);
    }
}

/// Limb i of the modulus: one for all lanes, or of each lane its own.
template <Simd S>
[[gnu::always_inline]] inline typename S::Vector limb_of(const Limb* n, std::size_t i) {
    return S::broadcast(n[i]);
}
template <Simd S>
[[gnu::always_inline]] inline typename S::Vector limb_of(const typename S::Vector* n,
                                                         std::size_t i) {
    return n[i];
}

/// One step of quotient_blocks on one block: quotient limb i, and what it adds to the columns
/// above.
template <Simd S, class Digit>
[[gnu::always_inline]] inline void quotient_step(typename S::Vector (&acc)[S::kBlock],
                                                 typename S::Vector& carry, unsigned i,
                                                 typename S::Vector* quotient, const Digit* n,
                                                 typename S::Vector inverse) {
    using Vector = typename S::Vector;
    constexpr unsigned B = S::kBlock;
    const Vector q = S::quotient(acc[i], inverse);
    quotient[i] = q;
    carry = S::quotient_carry(acc[i], q, limb_of<S>(n, 0));
    if (i + 1 == B) return;
    // The critical path: column i + 1 first.
    acc[i + 1] = S::add(S::mul_low(acc[i + 1], q, limb_of<S>(n, 1)),
                        S::mul_high(carry, q, limb_of<S>(n, 0)));
#pragma GCC unroll 16
    for (unsigned j = 2; j < B - i; ++j) {
        acc[i + j] = S::mul_low(acc[i + j], q, limb_of<S>(n, j));
    }
#pragma GCC unroll 16
    for (unsigned j = 1; j < B - i - 1; ++j) {
        acc[i + j + 1] = S::mul_high(acc[i + j + 1], q, limb_of<S>(n, j));
    }
}

/// The serial part of B steps of kCount independent Montgomery reductions, side by side so that
/// each hides the other's latency: quotients[r][0, B) such that columns[r] + quotients[r] * n is
/// zero in its lowest B limbs. Touches no column; carries[r] is what the lowest B columns carry
/// into the next. `inverse` is -n^-1 mod 2^radix.
template <Simd S, std::size_t kCount, class Digit>
[[gnu::noinline]] void quotient_blocks(typename S::Vector* const (&quotients)[kCount],
                                       typename S::Vector (&carries)[kCount],
                                       const typename S::Vector* const (&columns)[kCount],
                                       const Digit* n, typename S::Vector inverse) {
    using Vector = typename S::Vector;
    constexpr unsigned B = S::kBlock;
    Vector acc[kCount][B];
    Vector carry[kCount];
#pragma GCC unroll 2
    for (std::size_t r = 0; r < kCount; ++r) {
#pragma GCC unroll 16
        for (unsigned j = 0; j < B; ++j) acc[r][j] = columns[r][j];
    }
#pragma GCC unroll 16
    for (unsigned i = 0; i < B; ++i) {
#pragma GCC unroll 2
        for (std::size_t r = 0; r < kCount; ++r) {
            quotient_step<S>(acc[r], carry[r], i, quotients[r], n, inverse);
        }
    }
#pragma GCC unroll 2
    for (std::size_t r = 0; r < kCount; ++r) carries[r] = carry[r];
}

/// The rest of those B steps: column[B, h + B) += the upper part of quotient * n, and the carry.
template <Simd S, class Digit>
[[gnu::noinline]] void reduce_block(typename S::Vector* __restrict column, const Digit* n,
                                    std::size_t h, const typename S::Vector* quotient,
                                    typename S::Vector carry) {
    using Vector = typename S::Vector;
    constexpr unsigned B = S::kBlock;
    Vector block[B];
    Vector acc[B];
#pragma GCC unroll 16
    for (unsigned j = 0; j < B; ++j) block[j] = quotient[j];
    Vector previous = limb_of<S>(n, 0);
#pragma GCC unroll 16
    for (unsigned s = 1; s < B; ++s) {
        const Vector current = limb_of<S>(n, s);
        acc[s - 1] = column[s + B - 1];
        if (s == 1) acc[0] = S::add(acc[0], carry);
        absorb<S>(acc, block, s, previous, current, B - s);
        previous = current;
    }
    acc[B - 1] = column[2 * B - 1];
    for (std::size_t i = B; i < h; i += B) {
#pragma GCC unroll 16
        for (unsigned s = 0; s < B; ++s) {
            const Vector current = limb_of<S>(n, i + s);
            absorb<S>(acc, block, s, previous, current);
            column[i + s] = acc[s];
            acc[s] = column[i + s + B];
            previous = current;
        }
    }
#pragma GCC unroll 16
    for (unsigned j = 0; j < B; ++j) {
        column[h + j] = S::mul_high(acc[j], previous, block[j]);
    }
}

/// column[0, 2B) += the products x[i]*x[j] with i < j < B. Halves that are not filled are set.
template <Simd S, bool kLowFilled, bool kHighFilled>
[[gnu::noinline]] void triangle(typename S::Vector* __restrict column,
                                const typename S::Vector* x) {
    using Vector = typename S::Vector;
    constexpr unsigned B = S::kBlock;
    Vector acc[2 * B];
#pragma GCC unroll 16
    for (unsigned j = 0; j < B; ++j) {
        acc[j] = kLowFilled ? column[j] : S::zero();
        acc[B + j] = kHighFilled ? column[B + j] : S::zero();
    }
#pragma GCC unroll 16
    for (unsigned i = 0; i + 1 < B; ++i) {
#pragma GCC unroll 16
        for (unsigned j = i + 1; j < B; ++j) acc[i + j] = S::mul_low(acc[i + j], x[i], x[j]);
#pragma GCC unroll 16
        for (unsigned j = i + 1; j < B; ++j) {
            acc[i + j + 1] = S::mul_high(acc[i + j + 1], x[i], x[j]);
        }
    }
#pragma GCC unroll 32
    for (unsigned j = 0; j < 2 * B; ++j) column[j] = acc[j];
}

/// column[0, 2h) = x^2: twice the products above the diagonal, and the diagonal.
/// A column holds as many products as in a plain product.
template <Simd S>
void square(typename S::Vector* __restrict column, const typename S::Vector* x, std::size_t h) {
    using Vector = typename S::Vector;
    constexpr std::size_t B = S::kBlock;
    if (h == B) {
        triangle<S, false, false>(column, x);
    } else {
        sweep<S, Filled::none>(column + B, x + B, h - B, x);
        triangle<S, false, true>(column, x);
        for (std::size_t b = B; b + B < h; b += B) {
            sweep<S, Filled::all_but_last_block>(column + 2 * b + B, x + b + B, h - b - B, x + b);
            triangle<S, true, true>(column + 2 * b, x + b);
        }
        triangle<S, true, false>(column + 2 * (h - B), x + h - B);
    }
    for (std::size_t i = 0; i < h; ++i) {
        const Vector low = S::add(column[2 * i], column[2 * i]);
        const Vector high = S::add(column[2 * i + 1], column[2 * i + 1]);
        column[2 * i] = S::mul_low(low, x[i], x[i]);
        column[2 * i + 1] = S::mul_high(high, x[i], x[i]);
    }
}

/// out[0, h) = the limbs of the columns; returns the carry out of the top one.
template <Simd S>
[[gnu::noinline]] typename S::Vector carry(typename S::Vector* out,
                                           const typename S::Vector* column, std::size_t h) {
    using Vector = typename S::Vector;
    Vector carried = S::zero();
    for (std::size_t i = 0; i < h; ++i) {
        const Vector sum = S::add(column[i], carried);
        out[i] = S::low_bits(sum);
        carried = S::carry(sum);
    }
    return carried;
}

/// As carry, with the number addend[0, h), the same for every lane, added.
template <Simd S>
[[gnu::noinline]] typename S::Vector carry_plus(typename S::Vector* out,
                                                const typename S::Vector* column,
                                                const Limb* addend, std::size_t h) {
    using Vector = typename S::Vector;
    Vector carried = S::zero();
    for (std::size_t i = 0; i < h; ++i) {
        const Vector sum = S::add(S::add(column[i], S::broadcast(addend[i])), carried);
        out[i] = S::low_bits(sum);
        carried = S::carry(sum);
    }
    return carried;
}

/// Moves carries up by one column without changing the number: each column but the top one ends
/// with little more than a limb.
template <Simd S>
[[gnu::noinline]] void relieve(typename S::Vector* column, std::size_t num_columns) {
    using Vector = typename S::Vector;
    Vector carried = S::zero();
    for (std::size_t i = 0; i + 1 < num_columns; ++i) {
        const Vector value = column[i];
        column[i] = S::add(S::low_bits(value), carried);
        carried = S::carry(value);
    }
    column[num_columns - 1] = S::add(column[num_columns - 1], carried);
}

}  // namespace veilsum::columns

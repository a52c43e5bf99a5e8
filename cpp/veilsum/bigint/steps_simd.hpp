// What products in lanes are made of whatever the modulus is, over the columns of columns.hpp:
// sizes of digits, lanes of vectors, rows of columns and when these move their carries on.
//
// Columns: a row adds 3 products of limbs to a column of U (x0*y1, x1*y0, q'*n; in a square and in
//   a chain 2), and 2 to one of T. `relieve` moves carries on wherever more rows would be more than
//   kMaxProducts; what it leaves, below 2^radix + 2^(64-radix), and the few limbs and carries of a
//   block that are added besides, count as one product more.

#pragma once

#include <cstring>

#include "veilsum/bigint/columns.hpp"

namespace veilsum {

template <Simd S>
class SimdSteps {
public:
    /// Limbs of a digit below a modulus of so many bits: R > 16n, whole blocks.
    static std::size_t digit_limbs(std::size_t modulus_bits) {
        const std::size_t limbs = (modulus_bits + kSpareBits + S::kRadixBits - 1) / S::kRadixBits;
        return (limbs + B - 1) / B * B;
    }

protected:
    using Vector = typename S::Vector;
    static constexpr std::size_t B = S::kBlock;
    static constexpr std::size_t kLimbsPerVector = sizeof(Vector) / sizeof(Limb);
    // So the bytes of a digit, up to 7 bits more than n has, fit its limbs.
    static constexpr std::size_t kSpareBits = 4;
    static constexpr Limb kLimbMask = (Limb{1} << S::kRadixBits) - 1;
    // Rows between two reliefs of the columns: 3 products a row, and what relief leaves.
    static constexpr std::size_t kRowsBetweenReliefs = (S::kMaxProducts - 1) / (3 * B) * B;

    static Vector* vectors(Limb* limbs) { return reinterpret_cast<Vector*>(limbs); }
    static const Vector* vectors(const Limb* limbs) {
        return reinterpret_cast<const Vector*>(limbs);
    }
    static Limb lane_of(const Vector* vector, std::size_t lane) {
        Limb limbs[S::kLanes];
        std::memcpy(limbs, vector, sizeof limbs);
        return limbs[lane];
    }
    static void put_lanes(Vector* vector, const Limb (&limbs)[S::kLanes]) {
        *vector = S::low_bits(S::zero());
        std::memcpy(vector, limbs, sizeof limbs);
    }
    /// For results that must fit h limbs; emulated lanes check that they do.
    static void expect_zero(Vector carry) { S::expect_zero(carry); }

    /// column[b, b + h + B) += a[0, h) * block[0, B), where the top B columns are still empty.
    static void extend(Vector* column, std::size_t b, const Vector* a, std::size_t h,
                       const Vector* block) {
        if (b == 0) {
            columns::sweep<S, columns::Filled::none>(column, a, h, block);
        } else {
            columns::sweep<S, columns::Filled::all_but_last_block>(column + b, a, h, block);
        }
    }
    /// Before row b of a product.
    static void relieve_at(std::size_t b, Vector* column, std::size_t num_columns) {
        if (b != 0 && b % kRowsBetweenReliefs == 0) columns::relieve<S>(column, num_columns);
    }
};

}  // namespace veilsum

// Arithmetic modulo n itself, over digits_simd.hpp: the Engine (engine.hpp) of the vector
// kernels for numbers of one digit. Digits stay below 1.4n, as first digits do modulo n^2: T = x*y
// < 1.96n^2 becomes (T + q*n)/R < 1.96n^2/R + n < 1.13n.

#pragma once

#include "veilsum/bigint/digits_simd.hpp"

namespace veilsum {

template <Simd S>
class SimdEngineModuloN : public SimdDigits<S, 1> {
    using Digits = SimdDigits<S, 1>;
    using Digits::B;
    using Digits::h_;
    using Digits::kLimbsPerVector;
    using Digits::kRowsBetweenReliefs;
    using Digits::multiply_digits;
    using Digits::reduce_digit;
    using Digits::t_;
    using Digits::vectors;

public:
    using Digits::Digits;

    /// out = x * y * R^-1. out may be x or y.
    void mul(Limb* out, const Limb* x, const Limb* y) {
        multiply_digits(vectors(out), vectors(x), vectors(y), nullptr);
    }

    /// out = x * x * R^-1. out may be x.
    void sqr(Limb* out, const Limb* x) {
        // Its products have no relief before the last.
        if (h_ >= S::kMaxProducts) return mul(out, x, x);
        columns::square<S>(t_, vectors(x), h_);
        if (kRowsBetweenReliefs < h_) columns::relieve<S>(t_, 2 * h_);
        reduce_digit(vectors(out), t_);
    }

    /// out = table[index of each lane], reading all of it.
    void select(Limb* out, const Limb* table, std::size_t num_entries, const Limb* index) const {
        S::select(vectors(out), vectors(table), h_, num_entries, index);
    }

    /// As select, of one block of a table that keeps its entries by blocks of so many limbs.
    std::size_t block_limbs() const { return B * kLimbsPerVector; }
    void select_block(Limb* out, const Limb* table, std::size_t num_entries,
                      const Limb* index) const {
        S::select(vectors(out), vectors(table), B, num_entries, index);
    }

    void mul_first_digits(Limb* product, const Limb* x) { mul(product, product, x); }
};

}  // namespace veilsum

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace veilsum {

/// A number w below q with floor(w * 2^64 / q), or a little less: products by it need no division.
/// Source: V. Shoup, NTL; D. Harvey, "Faster arithmetic for number-theoretic transforms", 2014.
struct Factor {
    std::uint64_t w;
    std::uint64_t scaled;
};

/// The same for arithmetic in floating point: w and w / q, rounded.
struct FloatFactor {
    double w;
    double over_q;
};

/// Eight of them, for the lanes of a row.
struct alignas(64) FloatFactorRow {
    double w[8];
    double over_q[8];
};

/// Z_q[X]/(X^N + 1) for N = 2^log_dim and a prime q = 1 mod 2N, with the tables of its transform.
///
/// The transform evaluates at the odd powers of psi, which has order 2N. Values are in *lane
/// order*: of each 64 in bit-reversed order, value 8l + k lies at 8k + l. So the stages at
/// distances 1, 2 and 4 work on whole rows of eight.
class PrimeRing {
public:
    static constexpr unsigned kMinLogDim = 11;
    static constexpr unsigned kMaxLogDim = 12;
    /// Sums of 64 products in floating point stay exact, and a prime has 2^6 multiples of 2N below.
    static constexpr unsigned kMinBits = 24;
    static constexpr unsigned kMaxBits = 46;

    /// Of the largest primes of `bits` bits that are 1 modulo 2N, number `index`.
    /// Throws Error: invalid_argument (log_dim or bits outside their ranges).
    PrimeRing(unsigned log_dim, unsigned bits, unsigned index);

    /// The same without the tables of its transform, and without what they cost: enough to check
    /// residues and to add them. Throws Error: as the constructor.
    static PrimeRing without_transform(unsigned log_dim, unsigned bits, unsigned index);

    std::size_t dim() const noexcept { return std::size_t{1} << log_dim_; }
    unsigned log_dim() const noexcept { return log_dim_; }
    unsigned bits() const noexcept { return bits_; }
    std::uint64_t q() const noexcept { return q_; }

    /// psi^r(i), and psi^-r(i), for i with its bits reversed: r(i).
    const std::vector<Factor>& forward() const noexcept { return forward_; }
    const std::vector<Factor>& inverse() const noexcept { return inverse_; }
    const std::vector<FloatFactor>& float_inverse() const noexcept { return float_inverse_; }
    /// The same for the inverse transform's stages at distances 1, 2 and 4 on rows in lane order:
    /// of each 64 values, four rows of factors, two and one.
    const std::vector<FloatFactorRow>& near_inverse() const noexcept { return near_inverse_; }
    /// 1/N and 1.
    Factor dim_inverse() const noexcept { return dim_inverse_; }
    Factor one() const noexcept { return one_; }
    double q_inverse() const noexcept { return 1.0 / static_cast<double>(q_); }

    /// For public w. Requires w < q.
    Factor factor(std::uint64_t w) const noexcept;
    FloatFactor float_factor(std::uint64_t w) const noexcept;
    /// For secret w: the same without a division, whose time may tell its operands.
    Factor secret_factor(std::uint64_t w) const noexcept;

    /// For public numbers below q.
    std::uint64_t product_vartime(std::uint64_t a, std::uint64_t b) const noexcept;
    std::uint64_t power_vartime(std::uint64_t base, std::uint64_t exponent) const noexcept;

private:
    PrimeRing() = default;

    unsigned log_dim_ = 0;
    unsigned bits_ = 0;
    std::uint64_t q_ = 0;
    /// floor(2^(63 + bits) / q): below 2^64.
    std::uint64_t reciprocal_ = 0;
    std::vector<Factor> forward_;
    std::vector<Factor> inverse_;
    std::vector<FloatFactor> float_inverse_;
    std::vector<FloatFactorRow> near_inverse_;
    Factor dim_inverse_{};
    Factor one_{};
};

/// Of the largest primes of `bits` bits that are 1 modulo 2^(log_dim + 1), number `index`.
std::uint64_t largest_prime(unsigned log_dim, unsigned bits, unsigned index);

/// Where lane order has the value that bit-reversed order has at i; and the reverse.
constexpr std::size_t in_lane_order(std::size_t i) noexcept {
    return (i & ~std::size_t{63}) | (i & 7) << 3 | (i >> 3 & 7);
}

/// x * f.w modulo q, below 2q, for every x of 64 bits. Constant time.
inline std::uint64_t multiply_lazily(std::uint64_t x, Factor f, std::uint64_t q) noexcept {
    using Wide = unsigned __int128;
    const auto quotient = static_cast<std::uint64_t>(Wide{x} * f.scaled >> 64);
    return x * f.w - quotient * q;
}

/// x modulo b for x below 2b < 2^63. Constant time.
inline std::uint64_t reduce_once(std::uint64_t x, std::uint64_t b) noexcept {
    const std::uint64_t difference = x - b;
    return difference + (b & (0 - (difference >> 63)));
}

}  // namespace veilsum

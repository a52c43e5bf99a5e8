// Blocks in 64-bit integers: the reference for the other kernels, and what any machine runs.

#include <array>

#include "veilsum/base/secret.hpp"
#include "veilsum/lattice/packed_residues.hpp"
#include "veilsum/lattice/ring_kernel.hpp"

namespace veilsum {
namespace {

void prepare(std::uint64_t* prepared, const std::uint64_t* transformed, const PrimeRing& ring) {
    for (std::size_t i = 0; i < ring.dim(); ++i) {
        const Factor factor = ring.secret_factor(transformed[i]);
        prepared[2 * i] = factor.w;
        prepared[2 * i + 1] = factor.scaled;
    }
}

/// a*s in the place of a: coefficients below 2q.
void multiply(std::uint64_t* a, const std::uint64_t* prepared, const PrimeRing& ring) {
    const std::uint64_t q = ring.q();
    std::array<std::uint64_t, 64> products;
    for (std::size_t begin = 0; begin < ring.dim(); begin += 64) {
        for (std::size_t i = 0; i < 64; ++i) {
            const std::size_t at = begin + i;
            products[in_lane_order(i)] =
                multiply_lazily(a[at], {prepared[2 * at], prepared[2 * at + 1]}, q);
        }
        for (std::size_t i = 0; i < 64; ++i) a[begin + i] = products[i];
    }
    wipe(products.data(), sizeof products);
    // Gentleman and Sande's stages, from bit-reversed to natural order.
    for (std::size_t groups = ring.dim() / 2, distance = 1; groups >= 1;
         groups /= 2, distance *= 2) {
        for (std::size_t group = 0; group < groups; ++group) {
            const Factor factor = ring.inverse()[groups + group];
            std::uint64_t* x = a + 2 * group * distance;
            for (std::size_t j = 0; j < distance; ++j) {
                const std::uint64_t u = x[j];
                const std::uint64_t v = x[j + distance];
                x[j] = reduce_once(u + v, 2 * q);
                x[j + distance] = multiply_lazily(u + 2 * q - v, factor, q);
            }
        }
    }
}

/// x modulo q for any x.
std::uint64_t reduce(std::uint64_t x, const PrimeRing& ring) {
    return reduce_once(multiply_lazily(x, ring.one(), ring.q()), ring.q());
}

void protect(std::byte* out, std::uint64_t* a, const std::uint64_t* prepared,
             const BlockTerms& terms, const PrimeRing& ring) {
    const std::uint64_t q = ring.q();
    multiply(a, prepared, ring);
    pack_residues(out, terms.num_coefficients, ring.bits(), [&](std::size_t i) {
        const std::int64_t error = terms.errors[i];
        std::uint64_t sum = a[i] + static_cast<std::uint64_t>(error) +
                            (q & static_cast<std::uint64_t>(error >> 63));
        const std::int64_t* slot = terms.slots + i;
        for (const DigitWeight& weight : terms.weights) {
            const auto negative = static_cast<std::uint64_t>(*slot >> 63);
            sum += multiply_lazily(static_cast<std::uint64_t>(*slot), weight.factor, q);
            sum += (q - weight.of_sign) & negative;
            slot += terms.num_coefficients;
        }
        return reduce(sum, ring);
    });
}

bool are_residues(const std::byte* packed, std::size_t num_coefficients, const PrimeRing& ring) {
    std::uint64_t largest = 0;
    unpack_residues(packed, num_coefficients, ring.bits(),
                    [&](std::size_t, std::uint64_t x) { largest = largest < x ? x : largest; });
    return largest < ring.q() && has_zero_end(packed, num_coefficients, ring.bits());
}

void add(std::uint64_t* sums, const std::byte* packed, std::size_t num_coefficients,
         unsigned bits) {
    unpack_residues(packed, num_coefficients, bits,
                    [&](std::size_t i, std::uint64_t x) { sums[i] += x; });
}

void unmask(std::uint64_t* a, const std::uint64_t* sums, std::size_t num_coefficients,
            const std::uint64_t* prepared, const PrimeRing& ring) {
    multiply(a, prepared, ring);
    for (std::size_t i = 0; i < num_coefficients; ++i) {
        a[i] = reduce(sums[i] + 2 * ring.q() - a[i], ring);
    }
}

}  // namespace

constinit const RingKernel kPortableRingKernel = {.name = "portable",
                                                  .prepare = prepare,
                                                  .protect = protect,
                                                  .are_residues = are_residues,
                                                  .add = add,
                                                  .unmask = unmask,
                                                  .digits = nullptr};

void transform_secret(std::uint64_t* out, const std::int64_t* s, const PrimeRing& ring) {
    const std::uint64_t q = ring.q();
    Secret<std::uint64_t> x(ring.dim());
    for (std::size_t i = 0; i < x.size(); ++i) {
        x[i] = static_cast<std::uint64_t>(s[i]) + (q & static_cast<std::uint64_t>(s[i] >> 63));
    }
    // Cooley and Tukey's stages, from natural to bit-reversed order.
    for (std::size_t groups = 1, distance = ring.dim() / 2; groups < ring.dim();
         groups *= 2, distance /= 2) {
        for (std::size_t group = 0; group < groups; ++group) {
            const Factor factor = ring.forward()[groups + group];
            for (std::size_t j = 2 * group * distance; j < (2 * group + 1) * distance; ++j) {
                const std::uint64_t u = reduce_once(x[j], 2 * q);
                const std::uint64_t v = multiply_lazily(x[j + distance], factor, q);
                x[j] = u + v;
                x[j + distance] = u + 2 * q - v;
            }
        }
    }
    for (std::size_t i = 0; i < x.size(); ++i) {
        const std::uint64_t y = multiply_lazily(x[i], ring.dim_inverse(), q);
        out[in_lane_order(i)] = reduce_once(y, q);
    }
}

}  // namespace veilsum

#pragma once

#include <array>
#include <span>
#include <vector>

#include "veilsum/lattice/mask.hpp"
#include "veilsum/lattice/ring_kernel.hpp"
#include "veilsum/noise/strip_table.hpp"
#include "veilsum/rng/public_stream.hpp"

namespace veilsum {

/// What is computed once for a shape.
struct Mask::State {
    explicit State(const MaskShape& of);

    MaskShape shape;
    const RingKernel& kernel;
    StripTable gaussian;
    std::vector<PrimeRing> rings;
    /// Of each digit, for each prime.
    std::vector<std::vector<DigitWeight>> weights;
};

/// A secret as kernels want it, for each prime. Wiped.
class PreparedSecret {
public:
    /// Constant time. Requires N values below 2^23 in magnitude.
    PreparedSecret(const Mask::State& state, std::span<const std::int64_t> secret);

    const std::uint64_t* of(unsigned prime) const noexcept {
        return words_.data() + prime * words_each_;
    }

private:
    std::size_t words_each_;
    Secret<std::uint64_t> words_;
};

/// The public polynomials a_j of one context: uniform, and everybody can compute them.
///
/// Value i of block j modulo prime p, in lane order, is a function of word (j * num_primes + p) N +
/// i of the streams 0, 1, ...: the low prime_bits bits of the first stream's, or, if they are not
/// below the prime, of the next one's.
class PublicPolynomials {
public:
    /// Throws Error: invalid_argument (an empty context).
    PublicPolynomials(const MaskShape& shape, ByteView context);

    /// Requires out.size() == N.
    void expand(std::span<std::uint64_t> out, std::size_t block, unsigned prime,
                const PrimeRing& ring) const;

private:
    std::uint64_t replacement(std::uint64_t word, const PrimeRing& ring) const;

    unsigned num_primes_;
    alignas(16) std::array<std::byte, kKeystreamKeyBytes> key_{};
    PublicStream first_stream_;
};

}  // namespace veilsum

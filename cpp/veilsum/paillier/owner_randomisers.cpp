// x = hs^a by its residues. hs is an n-th residue, so its order modulo p^2 divides p - 1: with a_p
// uniform below p - 1, a_q uniform below q - 1 and of the same parity, (a_p, a_q) is uniform over
// the residues of an integer a, as gcd(p-1, q-1) = 2. With v = hs^a_p mod p^2 = v0 + v1*p, w =
// hs^a_q mod q^2 and the idempotents P = 1 (mod p^2), 0 (mod q^2) and Q = 1 - P,
//   x = v0*P + v1*(p*P) + w0*Q + w1*(q*Q)   (mod n^2):
// four products of the kernel and a sum, whatever the sizes of p and q are.

#include "veilsum/paillier/owner_randomisers.hpp"

#include <algorithm>
#include <cstring>

#include "veilsum/bigint/batch.hpp"
#include "veilsum/bigint/limbs.hpp"
#include "veilsum/rng/uniform.hpp"

namespace veilsum {
namespace {

constexpr std::size_t kNumTerms = 4;

/// Uniform below p - 1, and of that parity where it is given. p - 1 is even, so that a changed
/// lowest bit leaves the range as it is.
void random_exponents(std::span<Limb> out, const PrimeHalf& half, std::span<const Limb> parity_of,
                      RandomSource& random) {
    const std::size_t num_limbs = half.p().num_limbs();
    const std::span<const Limb> order(half.order(), num_limbs);
    for (std::size_t i = 0; i * num_limbs < out.size(); ++i) {
        const auto exponent = out.subspan(i * num_limbs, num_limbs);
        uniform_below(exponent, order, random);
        if (!parity_of.empty()) {
            const std::size_t stride = parity_of.size() / (out.size() / num_limbs);
            exponent[0] ^= (exponent[0] ^ parity_of[i * stride]) & 1;
        }
    }
}

/// Sums of elements before their digits are reduced: h + 1 limbs a digit.
class ElementSums {
public:
    ElementSums(std::size_t count, const Modulus& n)
        : n_(n),
          count_(count),
          low_(count * (n.num_limbs() + 1)),
          high_(low_.size()),
          addend_(n.num_limbs()) {}

    void add(const std::byte* elements) {
        const std::size_t h = n_.num_limbs();
        for (std::size_t i = 0; i < count_; ++i) {
            const std::byte* element = elements + i * n_.element_bytes();
            add_digit(low_.data() + i * (h + 1), element);
            add_digit(high_.data() + i * (h + 1), element + n_.digit_bytes());
        }
    }

    /// Reduces sums of kNumTerms elements: what the first digit loses in multiples of n moves to
    /// the second.
    void reduce(std::byte* out) {
        const std::size_t h = n_.num_limbs();
        for (std::size_t i = 0; i < count_; ++i) {
            Limb* low = low_.data() + i * (h + 1);
            Limb* high = high_.data() + i * (h + 1);
            std::byte* element = out + i * n_.element_bytes();
            const Limb moved = reduce_digit(low, kNumTerms - 1);
            std::fill(addend_.begin(), addend_.end(), Limb{0});
            addend_[0] = moved;
            high[h] += mpn_add_n(high, high, addend_.data(), static_cast<mp_size_t>(h));
            reduce_digit(high, kNumTerms);
            std::memcpy(element, low, n_.digit_bytes());
            std::memcpy(element + n_.digit_bytes(), high, n_.digit_bytes());
        }
    }

private:
    void add_digit(Limb* sum, const std::byte* digit) {
        const std::size_t h = n_.num_limbs();
        addend_[h - 1] = 0;
        std::memcpy(addend_.data(), digit, n_.digit_bytes());
        sum[h] += mpn_add_n(sum, sum, addend_.data(), static_cast<mp_size_t>(h));
    }
    Limb reduce_digit(Limb* sum, std::size_t max_multiples) {
        const std::size_t h = n_.num_limbs();
        Limb multiples = 0;
        for (std::size_t k = 0; k < max_multiples; ++k) {
            multiples += limbs::subtract_once(sum, sum[h], n_.n(), h, addend_.data());
        }
        return multiples;
    }

    const Modulus& n_;
    std::size_t count_;
    Secret<Limb> low_;
    Secret<Limb> high_;
    Secret<Limb> addend_;
};

/// Adds one prime's share, v0*P + v1*(p*P), to the sums.
void add_half(ElementSums& sums, std::span<const Limb> exponents, const PrimeHalf& half,
              const FixedBaseTable& table, const Modulus& n) {
    const SquareModulus& p = half.p();
    const std::size_t count = exponents.size() / p.num_limbs();
    Secret<std::byte> p_scratch(p.kernel().scratch_bytes(p));
    Secret<std::byte> v(count * p.element_bytes());
    p.kernel().fixed_base(v.data(), table, exponents.data(), p.num_limbs(), count, p,
                          p_scratch.data());
    Secret<std::byte> n_scratch(n.kernel().product_scratch_bytes(n));
    for (std::size_t digit = 0; digit < 2; ++digit) {
        Secret<std::byte> term(count * n.element_bytes());
        for (std::size_t i = 0; i < count; ++i) {
            std::memcpy(term.data() + i * n.element_bytes(),
                        v.data() + i * p.element_bytes() + digit * p.digit_bytes(),
                        p.digit_bytes());
        }
        n.kernel().mul(term.data(), {term.data(), n.element_bytes()}, {half.lift_factor(digit), 0},
                       count, n, n_scratch.data());
        sums.add(term.data());
    }
}

}  // namespace

Secret<std::byte> owner_randomisers(std::size_t num, const PublicKey& key,
                                    const PrimeHalves& halves, const Execution& execution) {
    const Modulus& n = key.modulus();
    const FixedBaseTable* tables[2];
    for (std::size_t k = 0; k < 2; ++k) {
        tables[k] =
            &halves[k].randomiser_table(key.randomiser_base(), n, execution.without_progress());
    }
    auto randomisers = make_secret<std::byte>(num * n.element_bytes(), execution);
    // Two chains of half-size products cost about half as much as one of full size.
    const std::size_t piece = batch::piece_size(num, tables[0]->num_rows() / 2 + 1, n, execution);
    parallel_for(num, piece, execution, [&](std::size_t begin, std::size_t end) {
        const std::size_t count = end - begin;
        Csprng random;
        ElementSums sums(count, n);
        Secret<Limb> exponents[2];
        for (std::size_t k = 0; k < 2; ++k) {
            exponents[k].resize(count * halves[k].p().num_limbs());
            random_exponents(exponents[k], halves[k], k == 0 ? std::span<Limb>() : exponents[0],
                             random);
            add_half(sums, exponents[k], halves[k], *tables[k], n);
        }
        sums.reduce(randomisers.data() + begin * n.element_bytes());
    });
    return randomisers;
}

}  // namespace veilsum

#include "veilsum/lattice/mask_state.hpp"

#include "veilsum/base/error.hpp"
#include "veilsum/rng/shake256.hpp"

namespace veilsum {
namespace {

const MaskShape& checked(const MaskShape& shape) {
    shape.check();
    return shape;
}

std::array<std::byte, kKeystreamKeyBytes> key_of(const MaskShape& shape, ByteView context) {
    if (context.empty()) {
        throw Error(Errc::invalid_argument,
                    "a masked vector needs a context: bytes that name the sum, the same for all "
                    "its vectors and new for every sum");
    }
    std::array<std::byte, kKeystreamKeyBytes> key{};
    const std::array ring = {static_cast<std::byte>(shape.log_dim),
                             static_cast<std::byte>(shape.num_primes),
                             static_cast<std::byte>(shape.prime_bits)};
    Shake256().absorb("veilsum/mask/public/1").absorb(ring).absorb(context).squeeze(key);
    return key;
}

}  // namespace

Mask::State::State(const MaskShape& of)
    : shape(checked(of)),
      kernel(active_ring_kernel()),
      gaussian(NoiseDistribution::discrete_gaussian(kMaskSigma)) {
    for (unsigned p = 0; p < shape.num_primes; ++p) {
        const PrimeRing& ring = rings.emplace_back(shape.log_dim, shape.prime_bits, p);
        std::uint64_t weight = ring.power_vartime(2, shape.slack());
        std::vector<DigitWeight>& digits = weights.emplace_back();
        for (unsigned k = 0; k < shape.num_digits; ++k) {
            digits.push_back(digit_weight(weight, ring));
            weight = ring.product_vartime(weight, shape.base() % ring.q());
        }
    }
}

PreparedSecret::PreparedSecret(const Mask::State& state, std::span<const std::int64_t> secret)
    : words_each_(2 * state.shape.dim()), words_(state.shape.num_primes * words_each_) {
    Secret<std::uint64_t> transformed(state.shape.dim());
    for (unsigned p = 0; p < state.shape.num_primes; ++p) {
        transform_secret(transformed.data(), secret.data(), state.rings[p]);
        state.kernel.prepare(words_.data() + p * words_each_, transformed.data(), state.rings[p]);
    }
}

PublicPolynomials::PublicPolynomials(const MaskShape& shape, ByteView context)
    : num_primes_(shape.num_primes), key_(key_of(shape, context)), first_stream_(key_, 0) {}

void PublicPolynomials::expand(std::span<std::uint64_t> out, std::size_t block, unsigned prime,
                               const PrimeRing& ring) const {
    const std::uint64_t first = (std::uint64_t{block} * num_primes_ + prime) * out.size();
    first_stream_.words(out, first);
    const std::uint64_t mask = (std::uint64_t{1} << ring.bits()) - 1;
    const std::uint64_t largest = ring.q() - 1;
    // Negative if a value is too large; compilers take several at a time, which they do not
    // compare.
    std::uint64_t differences = 0;
    for (std::uint64_t& value : out) {
        value &= mask;
        differences |= largest - value;
    }
    if (differences >> 63 == 0) return;
    for (std::size_t i = 0; i < out.size(); ++i) {
        if (out[i] >= ring.q()) out[i] = replacement(first + i, ring);
    }
}

std::uint64_t PublicPolynomials::replacement(std::uint64_t word, const PrimeRing& ring) const {
    const std::uint64_t place = word % PublicStream::kWordsPerBlock;
    for (std::uint64_t number = 1;; ++number) {
        std::array<std::uint64_t, PublicStream::kWordsPerBlock> words{};
        PublicStream(key_, number).words(words, word - place);
        const std::uint64_t value = words[place] & ((std::uint64_t{1} << ring.bits()) - 1);
        if (value < ring.q()) return value;
    }
}

}  // namespace veilsum

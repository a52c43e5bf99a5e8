#include "veilsum/lattice/mask.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "veilsum/base/error.hpp"
#include "veilsum/lattice/mask_state.hpp"
#include "veilsum/noise/sampler.hpp"
#include "veilsum/rng/seeded_source.hpp"

namespace veilsum {
namespace {

constexpr std::int64_t kShortSlot = std::int64_t{1} << 50;

/// Draws from the sequence of this number.
void draw(std::span<std::int32_t> out, const Mask::State& state, const HedgedSeed& seed,
          std::uint64_t number) {
    SeededSource main(seed, "candidates", number);
    SeededSource extra(seed, "undecided", number);
    NoiseSampler(state.gaussian, main, extra).fill(out);
}

Secret<std::int64_t> draw_secret(const Mask::State& state, const HedgedSeed& seed) {
    Secret<std::int32_t> drawn(state.shape.dim());
    draw(drawn, state, seed, state.shape.num_blocks());  // Blocks have the numbers below.
    return {drawn.begin(), drawn.end()};
}

/// A block's slots as BlockTerms wants them; copied only where the last ones are missing.
class BlockSlots {
public:
    BlockSlots(std::span<const std::int64_t> slots, const MaskShape& shape, std::size_t block) {
        const std::size_t num_digits = shape.num_digits;
        const auto own = slots.subspan(block * num_digits * shape.dim());
        const std::size_t wanted = num_digits * shape.num_coefficients(block);
        data_ = own.data();
        if (own.size() >= wanted) return;
        padded_.assign(own.begin(), own.end());
        padded_.resize(wanted);
        data_ = padded_.data();
    }
    const std::int64_t* data() const noexcept { return data_; }

private:
    const std::int64_t* data_;
    Secret<std::int64_t> padded_;
};

}  // namespace

Mask::Mask(const MaskShape& shape) : state_(std::make_shared<State>(shape)) {}
Mask::~Mask() = default;
Mask::Mask(const Mask&) = default;
Mask::Mask(Mask&&) noexcept = default;
Mask& Mask::operator=(const Mask&) = default;
Mask& Mask::operator=(Mask&&) noexcept = default;

const MaskShape& Mask::shape() const noexcept { return state_->shape; }

Mask::Protected Mask::protect(std::span<const std::int64_t> slots, ByteView context,
                              const HedgedSeed& seed, const Execution& execution) const {
    const MaskShape& shape = state_->shape;
    if (slots.size() != shape.num_slots) {
        throw Error(Errc::invalid_argument, "a vector has " + std::to_string(shape.num_slots) +
                                                " slots, got " + std::to_string(slots.size()));
    }
    const PublicPolynomials polynomials(shape, context);
    Protected result{{shape, 0, shape.num_blocks(), Bytes(shape.bytes_of(0, shape.num_blocks()))},
                     draw_secret(*state_, seed)};
    const PreparedSecret prepared(*state_, result.secret);
    parallel_for(shape.num_blocks(), 1, execution, [&](std::size_t begin, std::size_t end) {
        Secret<std::uint64_t> a(shape.dim());
        Secret<std::int32_t> errors;
        for (std::size_t block = begin; block < end; ++block) {
            const BlockSlots block_slots(slots, shape, block);
            const std::size_t num_coefficients = shape.num_coefficients(block);
            errors.resize(num_coefficients);
            draw(errors, *state_, seed, block);
            std::byte* out = result.blocks.residues.data() + shape.bytes_of(0, block);
            for (unsigned p = 0; p < shape.num_primes; ++p) {
                const PrimeRing& ring = state_->rings[p];
                const BlockTerms terms{num_coefficients, block_slots.data(),
                                       shape.max_slot < kShortSlot, errors.data(),
                                       state_->weights[p]};
                polynomials.expand(a, block, p, ring);
                state_->kernel.protect(out, a.data(), prepared.of(p), terms, ring);
                out += packed_bytes(num_coefficients, ring.bits());
            }
        }
    });
    return result;
}

}  // namespace veilsum

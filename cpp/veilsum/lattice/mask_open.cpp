// Opens sums: everything here is public.

#include <algorithm>
#include <atomic>

#include "veilsum/base/error.hpp"
#include "veilsum/lattice/mask_decoder.hpp"
#include "veilsum/lattice/mask_state.hpp"

namespace veilsum {

std::int64_t Mask::open(std::span<std::int64_t> out, const MaskedBlocks& sum,
                        std::span<const std::int64_t> secret, ByteView context,
                        const Execution& execution) const {
    const MaskShape& shape = state_->shape;
    if (!(sum.shape == shape) || sum.first != 0 || sum.count != shape.num_blocks()) {
        throw Error(Errc::invalid_argument, "these are not the blocks of a vector of this mask");
    }
    if (out.size() != shape.num_slots) {
        throw Error(Errc::invalid_argument, "a vector of this mask has another number of slots");
    }
    if (secret.size() != shape.dim()) {
        throw Error(Errc::invalid_argument,
                    "a mask is opened with as many secrets as its ring has "
                    "coefficients");
    }
    const std::int64_t most = shape.max_secret();
    if (std::ranges::any_of(secret, [&](std::int64_t s) { return s > most || s < -most; })) {
        throw Error(Errc::capacity, "the opened secrets are none that contributors draw");
    }
    const PublicPolynomials polynomials(shape, context);
    const PreparedSecret prepared(*state_, secret);
    const MaskDecoder decoder(shape, state_->rings);
    std::atomic<std::int64_t> largest_error{0};
    std::atomic<bool> fits{true};
    parallel_for(shape.num_blocks(), 1, execution, [&](std::size_t begin, std::size_t end) {
        std::vector<Secret<std::uint64_t>> residues(shape.num_primes,
                                                    Secret<std::uint64_t>(shape.dim()));
        std::vector<const std::uint64_t*> pointers;
        for (const Secret<std::uint64_t>& of_prime : residues) pointers.push_back(of_prime.data());
        std::vector<std::uint64_t> sums;
        std::vector<std::int64_t> digits;
        std::int64_t largest = 0;
        for (std::size_t block = begin; block < end; ++block) {
            const std::size_t num_coefficients = shape.num_coefficients(block);
            const std::byte* packed = sum.residues.data() + shape.bytes_of(0, block);
            for (unsigned p = 0; p < shape.num_primes; ++p) {
                const PrimeRing& ring = state_->rings[p];
                polynomials.expand(residues[p], block, p, ring);
                sums.assign(num_coefficients, 0);
                state_->kernel.add(sums.data(), packed, num_coefficients, ring.bits());
                state_->kernel.unmask(residues[p].data(), sums.data(), num_coefficients,
                                      prepared.of(p), ring);
                packed += packed_bytes(num_coefficients, ring.bits());
            }
            digits.resize(shape.num_digits * num_coefficients);
            if (!decoder.decode(digits.data(), pointers.data(), num_coefficients, state_->kernel,
                                largest)) {
                fits = false;
            }
            const auto place = out.subspan(block * shape.num_digits * shape.dim());
            const std::size_t num_own = std::min(place.size(), digits.size());
            std::copy_n(digits.begin(), num_own, place.begin());
            // Behind the last slot everybody has zeros.
            const auto padding = std::span(digits).subspan(num_own);
            if (std::ranges::any_of(padding, [](std::int64_t slot) { return slot != 0; })) {
                fits = false;
            }
        }
        std::int64_t seen = largest_error;
        while (seen < largest && !largest_error.compare_exchange_weak(seen, largest)) {
        }
    });
    if (!fits) {
        throw Error(Errc::capacity,
                    "the sum has a slot beyond what its codec has room for: somebody sent a value "
                    "out of range, or something that is no masked vector");
    }
    return largest_error;
}

}  // namespace veilsum

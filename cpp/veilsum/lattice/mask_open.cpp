// Opens sums: everything here is public.

#include <algorithm>
#include <atomic>
#include <cmath>

#include "veilsum/base/error.hpp"
#include "veilsum/lattice/mask_state.hpp"

namespace veilsum {
namespace {

using Wide = unsigned __int128;
using SignedWide = __int128;

/// Integers modulo Q from their residues, as balanced digits above an error.
class Decoder {
public:
    Decoder(const MaskShape& shape, const std::vector<PrimeRing>& rings)
        : shape_(shape), slack_(shape.slack()), base_(shape.base()), modulus_(rings[0].q()) {
        for (unsigned k = 0; k < shape.num_digits; ++k) {
            quotients_.insert(quotients_.begin(), Quotient(num_messages_, base_));
            num_messages_ *= base_;
        }
        if (rings.size() == 1) return;
        first_ = rings[0].q();
        second_ = &rings[1];
        modulus_ *= second_->q();
        // The first prime is the larger one, by less than the second.
        first_inverse_ =
            second_->factor(second_->power_vartime(first_ - second_->q(), second_->q() - 2));
    }

    /// x = first + first_prime * ((second - first) / first_prime modulo second_prime).
    Wide join(std::uint64_t first, std::uint64_t second) const {
        const std::uint64_t q = second_->q();
        const std::uint64_t difference = second + 2 * q - first;  // first < 2q.
        return first +
               Wide{first_} * reduce_once(multiply_lazily(difference, first_inverse_, q), q);
    }

    /// Writes digit k of x to out[k * stride]. False if they are none that slots add up to.
    bool split(Wide x, std::int64_t* out, std::size_t stride, std::int64_t& largest_error) const {
        const Wide half_error = Wide{1} << (slack_ - 1);
        // Up by half of all messages and of all errors, modulo Q: sums of slots are below
        // 2^slack * num_messages_ then. By a mask, since half of all x would be a surprise.
        const Wide offset = (num_messages_ / 2 << slack_) + half_error;
        const auto lowered =
            static_cast<SignedWide>(x + offset) - static_cast<SignedWide>(modulus_);
        const Wide raised =
            static_cast<Wide>(lowered) + (modulus_ & static_cast<Wide>(lowered >> 127));
        const auto error = static_cast<std::int64_t>(raised & ((Wide{1} << slack_) - 1)) -
                           static_cast<std::int64_t>(half_error);
        largest_error = std::max(largest_error, error < 0 ? -error : error);
        Wide message = raised >> slack_;
        if (message >= num_messages_) return false;
        bool fits = true;
        const auto half_base = static_cast<std::int64_t>(base_ / 2);
        for (const Quotient& quotient : quotients_) {
            const std::int64_t slot = quotient.divide(message, base_) - half_base;
            fits &= slot <= shape_.max_slot && slot >= -shape_.max_slot;
            *out = slot;
            out += stride;
        }
        return fits;
    }

private:
    /// How numbers below `bound` * base are divided by the base.
    class Quotient {
    public:
        Quotient(Wide bound, std::uint64_t base) : is_one_(bound == 1) {
            if (bound >= Wide{1} << 50) return;
            while ((bound * base) >> shift_ >> 62 != 0) ++shift_;
            scale_ = std::ldexp(1 / static_cast<double>(base), static_cast<int>(shift_));
        }

        /// Leaves the quotient in x, and returns the remainder.
        std::int64_t divide(Wide& x, std::uint64_t base) const {
            const auto low = static_cast<std::uint64_t>(x);
            if (is_one_) return static_cast<std::int64_t>(low);
            if (scale_ == 0) {
                const Wide quotient = x / base;
                x = quotient;
                return static_cast<std::int64_t>(low - static_cast<std::uint64_t>(quotient) * base);
            }
            // x is shifted so that 2^shift <= 2^-11 * base, and three roundings of a quotient below
            // 2^50 change it by less than 1/2: so it is off by one at most.
            const auto high = static_cast<double>(static_cast<std::int64_t>(x >> shift_));
            const auto near = static_cast<std::int64_t>(high * scale_);
            const auto rest =
                static_cast<std::int64_t>(low - static_cast<std::uint64_t>(near) * base);
            const auto signed_base = static_cast<std::int64_t>(base);
            const std::int64_t change = (rest >> 63) - ((signed_base - 1 - rest) >> 63);
            x = static_cast<std::uint64_t>(near + change);
            return rest - change * signed_base;
        }

    private:
        bool is_one_;
        unsigned shift_ = 0;
        double scale_ = 0;
    };

    const MaskShape& shape_;
    unsigned slack_;
    std::uint64_t base_;
    Wide modulus_;
    Wide num_messages_ = 1;
    /// Of each digit, the lowest first.
    std::vector<Quotient> quotients_;
    std::uint64_t first_ = 0;
    const PrimeRing* second_ = nullptr;
    Factor first_inverse_{};
};

}  // namespace

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
    const Decoder decoder(shape, state_->rings);
    std::atomic<std::int64_t> largest_error{0};
    std::atomic<bool> fits{true};
    parallel_for(shape.num_blocks(), 1, execution, [&](std::size_t begin, std::size_t end) {
        std::vector<Secret<std::uint64_t>> residues(shape.num_primes,
                                                    Secret<std::uint64_t>(shape.dim()));
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
            for (std::size_t i = 0; i < num_coefficients; ++i) {
                const Wide x = shape.num_primes == 1 ? Wide{residues[0][i]}
                                                     : decoder.join(residues[0][i], residues[1][i]);
                if (!decoder.split(x, digits.data() + i, num_coefficients, largest)) fits = false;
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

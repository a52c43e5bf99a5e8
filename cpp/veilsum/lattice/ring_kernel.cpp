#include "veilsum/lattice/ring_kernel.hpp"

#include <algorithm>

#include "veilsum/base/dispatch.hpp"
#include "veilsum/base/secret.hpp"
#include "veilsum/base/wire.hpp"

namespace veilsum {
namespace {

/// Everything that a kernel makes of numbers of a multiplicative generator, one after the other.
struct Known {
    Bytes packed;
    Secret<std::uint64_t> opened;
    bool takes_residues;
    bool takes_others;

    bool operator==(const Known&) const = default;
};

Known known_answers(const RingKernel& kernel, const PrimeRing& ring) {
    constexpr std::size_t kNumCoefficients = 1000;
    std::uint64_t state = 1;
    const auto next = [&state] {
        state = state * 6364136223846793005u + 1442695040888963407u;
        return state >> 11;
    };
    Secret<std::uint64_t> a(ring.dim());
    for (std::uint64_t& value : a) value = next() % ring.q();
    Secret<std::uint64_t> transformed(ring.dim());
    for (std::uint64_t& value : transformed) value = next() % ring.q();
    Secret<std::uint64_t> prepared(2 * ring.dim());
    kernel.prepare(prepared.data(), transformed.data(), ring);

    std::vector<std::int64_t> slots(2 * kNumCoefficients);
    for (std::int64_t& slot : slots) slot = static_cast<std::int64_t>(next() % (1u << 24)) - 1000;
    std::vector<std::int32_t> errors(kNumCoefficients);
    for (std::int32_t& error : errors) error = static_cast<std::int32_t>(next() % 65) - 32;
    const std::vector<DigitWeight> weights = {digit_weight(1 << 11, ring),
                                              digit_weight(next() % ring.q(), ring)};
    const BlockTerms terms{kNumCoefficients, slots.data(), true, errors.data(), weights};
    Known known;
    known.packed.resize(packed_bytes(kNumCoefficients, ring.bits()));
    Secret<std::uint64_t> scratch = a;
    kernel.protect(known.packed.data(), scratch.data(), prepared.data(), terms, ring);
    known.takes_residues = kernel.are_residues(known.packed.data(), kNumCoefficients, ring);
    Secret<std::uint64_t> sums(kNumCoefficients);
    for (int i = 0; i < 3; ++i) {
        kernel.add(sums.data(), known.packed.data(), kNumCoefficients, ring.bits());
    }
    known.opened = a;
    kernel.unmask(known.opened.data(), sums.data(), kNumCoefficients, prepared.data(), ring);
    known.opened.resize(kNumCoefficients);
    Bytes wrong = known.packed;
    for (std::size_t i = 0; i < 64; ++i) wrong[i] = std::byte{0xff};
    known.takes_others = kernel.are_residues(wrong.data(), kNumCoefficients, ring);
    return known;
}

/// Finds slots and errors, each at an end of its range, in the residues made of them.
bool finds_digits(const RingKernel& kernel) {
    if (kernel.digits == nullptr) return true;
    constexpr std::int64_t kMaxSlot = 1'000'000;
    constexpr std::uint64_t kBase = 2'031'251;
    constexpr std::int64_t kErrorRange = 1 << 11;
    constexpr std::size_t kNumDigits = 3;
    constexpr std::size_t kCount = 16;
    const PrimeRing rings[] = {PrimeRing::without_transform(PrimeRing::kMinLogDim, 40, 0),
                               PrimeRing::without_transform(PrimeRing::kMinLogDim, 40, 1)};
    const std::uint64_t q = rings[1].q();
    FloatDigits digits{{static_cast<double>(rings[0].q()), static_cast<double>(q)},
                       rings[1].float_factor(rings[1].power_vartime(rings[0].q() % q, q - 2)),
                       static_cast<double>(kMaxSlot),
                       static_cast<double>(kErrorRange),
                       {}};
    // Weights are doubles: the largest has 42 bits before those of the range.
    for (std::uint64_t k = 0, weight = kErrorRange; k < kNumDigits; ++k, weight *= kBase) {
        const auto high = static_cast<double>(weight);
        digits.weights.push_back({high, 0, 1 / high});
    }
    std::int64_t slots[kNumDigits * kCount];
    std::uint64_t residues[2][kCount];
    for (std::size_t i = 0; i < kCount; ++i) {
        // Horner's rule modulo each prime, from the last digit down.
        std::uint64_t x[2] = {0, 0};
        const auto take = [&](std::uint64_t factor, std::int64_t added) {
            for (std::size_t p = 0; p < 2; ++p) {
                const std::uint64_t modulus = rings[p].q();
                const std::uint64_t residue = added < 0
                                                  ? modulus - static_cast<std::uint64_t>(-added)
                                                  : static_cast<std::uint64_t>(added);
                x[p] = (rings[p].product_vartime(x[p], factor) + residue) % modulus;
            }
        };
        for (std::size_t k = kNumDigits; k-- > 0;) {
            std::int64_t& slot = slots[k * kCount + i];
            slot = (i >> k & 1) != 0 ? kMaxSlot : -kMaxSlot + static_cast<std::int64_t>(i);
            take(kBase, slot);
        }
        take(kErrorRange, i % 2 == 0 ? -kErrorRange / 2 : kErrorRange / 2 - 1);
        residues[0][i] = x[0];
        residues[1][i] = x[1];
    }
    const std::uint64_t* const pointers[] = {residues[0], residues[1]};
    std::int64_t found[kNumDigits * kCount];
    std::int64_t largest_error = 0;
    if (!kernel.digits(found, pointers, kCount, digits, largest_error)) return false;
    // One slot more is beyond its range.
    digits.max_slot -= 1;
    std::int64_t unused[kNumDigits * kCount];
    return std::ranges::equal(found, slots) && largest_error == kErrorRange / 2 &&
           !kernel.digits(unused, pointers, kCount, digits, largest_error);
}

/// Gives what the portable kernel does.
bool passes_self_test(const RingKernel& kernel) {
    if (!finds_digits(kernel)) return false;
    for (const unsigned bits : {40u, 27u}) {
        const PrimeRing ring(PrimeRing::kMinLogDim, bits, 0);
        if (!(known_answers(kernel, ring) == known_answers(kPortableRingKernel, ring))) {
            return false;
        }
    }
    return true;
}

constexpr Dispatcher<RingKernel>::Candidate kCandidates[] = {
    {&kPortableRingKernel, 0},
#if defined(__x86_64__)
    {&kAvx2RingKernel, cpu::kAvx2 | cpu::kFma},
    {&kAvx512RingKernel, cpu::kAvx512},
#endif
};

constinit Dispatcher<RingKernel> dispatcher("lattice kernel", kCandidates, passes_self_test);

}  // namespace

std::vector<const RingKernel*> available_ring_kernels() { return dispatcher.available(); }
const RingKernel& active_ring_kernel() { return dispatcher.active(); }

DigitWeight digit_weight(std::uint64_t weight, const PrimeRing& ring) {
    const auto times_power_of_two = [&](unsigned exponent) {
        return ring.product_vartime(weight, ring.power_vartime(2, exponent));
    };
    return {ring.factor(weight), ring.float_factor(weight),
            ring.float_factor(times_power_of_two(kSlotLowBits)), times_power_of_two(64)};
}

}  // namespace veilsum

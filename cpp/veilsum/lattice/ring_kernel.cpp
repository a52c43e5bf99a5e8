#include "veilsum/lattice/ring_kernel.hpp"

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

/// Gives what the portable kernel does.
bool passes_self_test(const RingKernel& kernel) {
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

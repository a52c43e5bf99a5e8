#include "masks.hpp"

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "timing.hpp"
#include "veilsum/base/secret.hpp"
#include "veilsum/lattice/mask_state.hpp"
#include "veilsum/lattice/packed_residues.hpp"
#include "veilsum/noise/sampler.hpp"
#include "veilsum/rng/seeded_source.hpp"

using namespace veilsum;

namespace {

constexpr std::size_t kNumValues = 1'000'000;
constexpr std::int64_t kMaxSlot = 3'276'700;
constexpr std::uint64_t kNumAddends = 100;

ByteView text(std::string_view characters) { return std::as_bytes(std::span(characters)); }

/// Of the counter of x86-64, whose rate is near that of the processor; else 1 GHz.
double cycles_per_second() {
#if defined(__x86_64__)
    std::timespec pause{0, 50'000'000};
    std::timespec begin{};
    std::timespec end{};
    clock_gettime(CLOCK_MONOTONIC, &begin);
    const std::uint64_t first = __rdtsc();
    nanosleep(&pause, nullptr);
    clock_gettime(CLOCK_MONOTONIC, &end);
    const auto cycles = static_cast<double>(__rdtsc() - first);
    return cycles / (static_cast<double>(end.tv_sec - begin.tv_sec) +
                     1e-9 * static_cast<double>(end.tv_nsec - begin.tv_nsec));
#else
    return 1e9;
#endif
}

class Report {
public:
    template <class Function>
    void operator()(const char* what, Function&& function) const {
        const double time = seconds(function);
        std::printf("  %-52s %8.3f ms %7.2f cycles a value\n", what, 1e3 * time,
                    time * rate_ / static_cast<double>(kNumValues));
    }

private:
    double rate_ = cycles_per_second();
};

/// The steps of a kernel, over all blocks of a vector.
void measure_kernel(const RingKernel& kernel, const Mask::State& state, const Report& report) {
    const MaskShape& shape = state.shape;
    const std::vector<std::int64_t> slots(shape.num_blocks() * shape.num_digits * shape.dim(), 7);
    const std::vector<std::int32_t> errors(shape.dim(), -3);
    Secret<std::uint64_t> transformed(shape.dim());
    std::vector<Secret<std::uint64_t>> prepared(shape.num_primes,
                                                Secret<std::uint64_t>(2 * shape.dim()));
    Secret<std::uint64_t> a(shape.dim());
    Bytes body(shape.bytes_of(0, shape.num_blocks()));
    std::vector<std::uint64_t> sums(shape.num_primes * shape.dim() * shape.num_blocks());
    std::vector<std::int64_t> secret(shape.dim(), 1);

    const auto for_each = [&](const auto& polynomial) {
        std::byte* packed = body.data();
        std::uint64_t* sum = sums.data();
        for (std::size_t block = 0; block < shape.num_blocks(); ++block) {
            const std::size_t count = shape.num_coefficients(block);
            for (unsigned p = 0; p < shape.num_primes; ++p) {
                polynomial(block, p, count, packed, sum);
                packed += packed_bytes(count, shape.prime_bits);
                sum += count;
            }
        }
    };
    std::printf("%s kernel:\n", kernel.name);
    report("transform and prepare a secret", [&] {
        for (unsigned p = 0; p < shape.num_primes; ++p) {
            transform_secret(transformed.data(), secret.data(), state.rings[p]);
            kernel.prepare(prepared[p].data(), transformed.data(), state.rings[p]);
        }
    });
    report("product, inverse transform, terms, packing", [&] {
        for_each([&](std::size_t block, unsigned p, std::size_t count, std::byte* packed, auto) {
            // A mask that is left over is an a of its own.
            for (std::uint64_t& x : a) x &= 0xffff'ffff;
            kernel.protect(packed, a.data(), prepared[p].data(),
                           {count, slots.data() + block * shape.num_digits * shape.dim(), true,
                            errors.data(), state.weights[p]},
                           state.rings[p]);
        });
    });
    report("product and inverse transform only", [&] {
        for_each([&](std::size_t, unsigned p, std::size_t, std::byte*, std::uint64_t* sum) {
            for (std::uint64_t& x : a) x &= 0xffff'ffff;
            kernel.unmask(a.data(), sum, 8, prepared[p].data(), state.rings[p]);
        });
    });
    report("check the residues of a body", [&] {
        for_each([&](std::size_t, unsigned p, std::size_t count, const std::byte* packed, auto) {
            if (!kernel.are_residues(packed, count, state.rings[p])) std::puts("wrong");
        });
    });
    report("add a body", [&] {
        for_each(
            [&](std::size_t, unsigned p, std::size_t count, const std::byte* packed,
                std::uint64_t* sum) { kernel.add(sum, packed, count, state.rings[p].bits()); });
    });
}

}  // namespace

void measure_masks() {
    const MaskShape shape{kNumValues, kMaxSlot, kNumAddends, 12, 2, 40, 3};
    const Mask::State state(shape);
    const Mask mask(shape);
    const Execution execution{.num_threads = 1};
    const HedgedSeed seed("bench", text("context"), text("maker"), text("input"));
    const Report report;
    std::printf("mask of %zu values, N = 4096, 2 primes of 40 bits, 3 values a coefficient\n",
                kNumValues);
    for (const RingKernel* kernel : available_ring_kernels()) {
        measure_kernel(*kernel, state, report);
    }

    std::printf("with the %s kernel:\n", state.kernel.name);
    Secret<std::int32_t> errors(shape.dim());
    report("errors", [&] {
        for (std::size_t block = 0; block < shape.num_blocks(); ++block) {
            SeededSource main(seed, "candidates", block);
            SeededSource extra(seed, "undecided", block);
            NoiseSampler(state.gaussian, main, extra).fill(errors);
        }
    });
    const PublicPolynomials polynomials(shape, text("a sum"));
    Secret<std::uint64_t> a(shape.dim());
    report("public polynomials", [&] {
        for (std::size_t block = 0; block < shape.num_blocks(); ++block) {
            for (unsigned p = 0; p < shape.num_primes; ++p) {
                polynomials.expand(a, block, p, state.rings[p]);
            }
        }
    });
    const std::vector<std::int64_t> slots(kNumValues, kMaxSlot / 100);
    report("a contributor, all of it",
           [&] { (void)mask.protect(slots, text("a sum"), seed, execution); });
    const auto made = mask.protect(slots, text("a sum"), seed, execution);
    MaskSum sum(mask);
    const MaskedBlocks* parts[] = {&made.blocks};
    sum.add(parts, 1, execution);
    report("the sum as residues", [&] { (void)sum.total(execution); });
    const MaskedBlocks total = sum.total(execution);
    std::vector<std::int64_t> opened(kNumValues);
    report("open a sum",
           [&] { (void)mask.open(opened, total, made.secret, text("a sum"), execution); });
    Bytes copy(made.blocks.residues.size());
    report("copy a body",
           [&] { std::memcpy(copy.data(), made.blocks.residues.data(), copy.size()); });
}

// Times every keystream and every kernel on one core and sets it beside what the processor could do
// at best: the rate of its AES or multiply-add instruction, measured in the same run.

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <vector>

#include "keystreams.hpp"
#include "masks.hpp"
#include "peaks.hpp"
#include "timing.hpp"
#include "veilsum/bigint/kernel.hpp"
#include "veilsum/rng/uniform.hpp"

using namespace veilsum;

namespace {

constexpr std::size_t kNumElements = 64;
constexpr std::size_t kNumTerms = 64;
constexpr std::size_t kNumColumns = 512;
// Enough for every chain of a block of the fixed-base table.
constexpr std::size_t kNumExponents = 256;

bool prints_csv = false;

/// Needs the ifma kernel.
double seconds_per_madd52() {
#if defined(__x86_64__)
    constexpr std::size_t kNumRounds = 100'000;
    return seconds([] { run_madd52(kNumRounds); }) / (kNumRounds * kMaddsPerRound);
#else
    return 0;
#endif
}

Integer random_odd(std::size_t bits, RandomSource& random) {
    Secret<Limb> limbs((bits + 63) / 64);
    uniform_bits(limbs, bits, random);
    Integer n = Integer::from_limbs(limbs);
    mpz_setbit(n.get(), bits - 1);
    mpz_setbit(n.get(), 0);
    return n;
}

struct Operands {
    Operands(std::size_t bits, const SquareKernel& kernel, RandomSource& random)
        : n(random_odd(bits, random), kernel),
          elements(kNumElements * n.element_bytes()),
          out(kNumExponents * n.element_bytes()),
          exponents(kNumExponents * n.num_limbs()),
          scratch(kernel.scratch_bytes(n)) {
        uniform_bits(exponents, exponents.size() * 64, random);
        for (std::size_t i = 0; i < kNumElements; ++i) {
            const auto x = n.element(random_odd(2 * bits - 1, random));
            std::copy(x.begin(), x.end(),
                      elements.begin() + static_cast<std::ptrdiff_t>(i * n.element_bytes()));
        }
    }

    SquareModulus n;
    Secret<std::byte> elements;
    Secret<std::byte> out;
    Secret<Limb> exponents;
    Secret<std::byte> scratch;
};

void measure(const SquareKernel& kernel, std::size_t bits, double madd_seconds) {
    Csprng random;
    Operands x(bits, kernel, random);
    const std::size_t bytes = x.n.element_bytes();
    const auto report = [&](const char* what, double operation_seconds, double products) {
        double share = 0;
        if (std::strcmp(kernel.name, "ifma") == 0) {
            const std::size_t k = x.n.r_bits() / 52;
            const double floor = products * static_cast<double>(k * k) * madd_seconds / 8;
            share = 100 * floor / operation_seconds;
        }
        if (prints_csv) {
            std::printf("%s,%zu,%.2f,%.1f\n", what, bits, 1e9 * operation_seconds, share);
            return;
        }
        std::printf("%-9s %5zu  %-24s %10.1f ns", kernel.name, bits, what, 1e9 * operation_seconds);
        if (share != 0) std::printf("   %5.1f %% of madd52", share);
        std::printf("\n");
    };

    const double mul = seconds([&] {
        for (std::size_t i = 0; i < kNumTerms; ++i) {
            kernel.mul(x.out.data(), {x.elements.data(), bytes}, {x.elements.data(), 0},
                       kNumElements, x.n, x.scratch.data());
        }
    });
    report("multiply", mul / (kNumTerms * kNumElements), 10);
    const double reduce = seconds([&] {
        kernel.mul_reduce(x.out.data(), {x.elements.data(), bytes}, kNumTerms, 0, kNumElements, x.n,
                          x.scratch.data());
    });
    const double term = reduce / ((kNumTerms - 1) * kNumElements);
    report("multiply in a product", term, 10);
    Secret<std::byte> lanes(kernel.lane_bytes(kNumElements, x.n));
    const double enter = seconds([&] {
        for (std::size_t i = 0; i < kNumTerms; ++i) {
            kernel.enter_lanes(lanes.data(), {x.elements.data(), bytes}, kNumElements, x.n,
                               x.scratch.data());
        }
    });
    report("the same without load", term - enter / (kNumTerms * kNumElements), 10);
    const double plain = seconds([&] {
        for (std::size_t i = 0; i < kNumTerms; ++i) {
            kernel.add_plain(x.out.data(), {x.elements.data(), bytes},
                             {x.exponents.data(), x.n.num_limbs() - 1, 0}, kNumElements, x.n,
                             x.scratch.data());
        }
    });
    report("add a plaintext", plain / (kNumTerms * kNumElements), 8);

    // A power of b bits: b squarings of 7k^2 and, with windows of 4 bits, b/4 products of 10k^2.
    const double power = seconds([&] {
        kernel.pow_shared(x.out.data(), {x.elements.data(), bytes}, x.n.r_squared(),
                          x.exponents.data(), bits, kNumElements, x.n, x.scratch.data());
    });
    report("power, per bit", power / static_cast<double>(kNumElements * bits), 7 + 10.0 / 4);

    // Modulo n, as pow_each is, and modulo numbers of their own: 3k^2 and 4k^2.
    std::vector<Limb> moduli;
    for (std::size_t i = 0; i < kNumElements; ++i) {
        moduli.insert(moduli.end(), x.n.n(), x.n.n() + x.n.num_limbs());
    }
    const Secret<Limb> small(kNumElements * x.n.num_limbs(), 1);
    const Powers powers{small.data(), x.exponents.data(), moduli.data(), small.data(), bits, bits};
    Secret<Limb> powers_out(kNumElements * x.n.num_limbs());
    Secret<std::byte> powers_scratch(kernel.pow_moduli_scratch_bytes(powers));
    const double own = seconds(
        [&] { kernel.pow_moduli(powers_out.data(), powers, kNumElements, powers_scratch.data()); });
    report("power with moduli of their own, per bit",
           own / static_cast<double>(kNumElements * bits), 3 + 4.0 / 4);

    const auto base = x.n.element(Integer(2));
    const FixedBaseTable table(base.data(), bits / 2, x.n, {});
    const double fixed = seconds([&] {
        kernel.fixed_base(x.out.data(), table, x.exponents.data(), x.n.num_limbs(), kNumExponents,
                          x.n, x.scratch.data());
    });
    report("fixed base, per bit",
           fixed / static_cast<double>(kNumExponents * table.exponent_bits()),
           7.0 / table.window_bits());

    // Multiplications an entry, as docs/kernels.md counts them at 2048 bits.
    const auto products = [&](const char* what, std::size_t num_rows, std::size_t num_bits,
                              auto multi_pow, auto scratch_bytes, double multiplications) {
        const std::size_t num_limbs = (num_bits + 63) / 64;
        Secret<Limb> weights(num_rows * kNumColumns * num_limbs);
        uniform_bits(weights, weights.size() * 64, random);
        for (Limb& weight : weights) weight >>= 64 * num_limbs - num_bits;
        const ExponentMatrix matrix{weights.data(),          num_rows,  kNumColumns,
                                    kNumColumns * num_limbs, num_limbs, num_bits};
        Secret<std::byte> scratch(scratch_bytes(matrix, x.n));
        const double time = seconds([&] {
            multi_pow(x.out.data(), {x.elements.data(), 0}, x.n.r_squared(), matrix, x.n,
                      scratch.data());
        });
        report(what, time / static_cast<double>(num_rows * kNumColumns), 10 * multiplications);
    };
    products("entry of 16 rows, 16 bit", 16, 16, kernel.multi_pow, kernel.multi_pow_scratch_bytes,
             5.1);
    products("public 128-bit weight", 1, 128, kernel.multi_pow_vartime,
             kernel.multi_pow_vartime_scratch_bytes, 30);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 2 && std::strcmp(argv[1], "--masks") == 0) {
        measure_masks();
        return 0;
    }
    prints_csv = argc == 2 && std::strcmp(argv[1], "--csv") == 0;
    if (!prints_csv) {
        measure_keystreams();
        measure_masks();
    }
    const auto kernels =
        prints_csv ? std::vector<const SquareKernel*>{&active_kernel()} : available_kernels();
    const bool has_ifma = std::strcmp(kernels.back()->name, "ifma") == 0;
    const double madd = has_ifma ? seconds_per_madd52() : 0;
    if (has_ifma && !prints_csv) std::printf("madd52: %.3f ns for eight lanes\n", 1e9 * madd);
    for (const SquareKernel* kernel : kernels) {
        for (const std::size_t bits : {1024u, 1536u, 2048u, 3072u, 4096u}) {
            measure(*kernel, bits, madd);
        }
    }
}

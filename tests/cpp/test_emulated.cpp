// SimdEngine keeps its promises at all sizes, and mistakes planted in its lanes are found.

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "bigint_fixtures.hpp"
#include "veilsum/bigint/engine_simd.hpp"
#include "veilsum/bigint/engine_simd_modulo_n.hpp"
#include "veilsum/bigint/kernel_table.hpp"

using namespace veilsum;
using namespace veilsum::testing;

namespace {

struct Findings {
    std::size_t num_wrong = 0;
    std::size_t num_violations = 0;
};

constexpr std::size_t kCount = 9;
constexpr std::size_t kExponentBits = 26;  // Five rows of a table, two pairs.

/// Runs what a kernel does on a few values of a world, edges among them, and compares with GMP.
class Runs {
public:
    explicit Runs(const World& world)
        : world_(world),
          stride_(world.values.size() / kCount),
          in_{world.elements.data(), stride_ * world.modulus.element_bytes()},
          out_(kCount * world.modulus.element_bytes()) {}

    void run(const Kernel& kernel, std::byte* scratch) {
        const Modulus& n = world_.modulus;
        const Operand last{world_.operand().at(world_.values.size() - 1), 0};
        kernel.mul(out_.data(), in_, last, kCount, n, scratch);
        compare([&](std::size_t i) { return world_.montgomery(value(i), world_.values.back()); });

        const Integer exponent = power_of_two(kExponentBits) - 1;
        for (const auto pow : {kernel.pow_shared, kernel.pow_shared_vartime}) {
            pow(out_.data(), in_, n.r_squared(), to_limbs(exponent, 1).data(), kExponentBits,
                kCount, n, scratch);
            compare([&](std::size_t i) { return world_.power(value(i), exponent); });
        }
    }

    void run_square(const SquareWorld& world, std::byte* scratch) {
        Integer factor = (world.n - 1) * world.n;
        mpz_add_ui(factor.get(), factor.get(), 1);
        constexpr Limb kMinusOne = ~Limb{0};
        world.kernel.add_plain(out_.data(), in_, {&kMinusOne, 1, 0}, kCount, world.modulus,
                               scratch);
        compare([&](std::size_t i) { return value(i) * factor % world.whole; });

        // -1: both digits of the odd powers are n - 1.
        const Integer base = world.whole - 1;
        const FixedBaseTable table(world.modulus.element(base).data(), kExponentBits, world.modulus,
                                   {});
        std::vector<Limb> exponents;
        for (std::size_t i = 0; i < kCount; ++i)
            exponents.push_back((Limb{1} << kExponentBits) - 1 - i);
        world.kernel.fixed_base(out_.data(), table, exponents.data(), 1, kCount, world.modulus,
                                scratch);
        compare([&](std::size_t i) { return world.power(base, Integer(exponents[i])); });
    }

    Findings found() const { return {num_wrong_, violations.take_count()}; }

private:
    const Integer& value(std::size_t i) const { return world_.values[i * stride_]; }
    template <class Expected>
    void compare(Expected&& expected) {
        for (std::size_t i = 0; i < kCount; ++i) {
            if (!(world_.at(out_, i) == expected(i))) ++num_wrong_;
        }
    }

    const World& world_;
    const std::size_t stride_;
    const Operand in_;
    Secret<std::byte> out_;
    std::size_t num_wrong_ = 0;
};

Findings run_all(const Kernel& kernel, const Integer& n) {
    World world(n, kernel);
    Runs runs(world);
    runs.run(kernel, world.scratch.data());
    return runs.found();
}

Findings run_all(const SquareKernel& kernel, const Integer& n) {
    SquareWorld world(n, kernel);
    Runs runs(world);
    runs.run(kernel, world.scratch.data());
    runs.run_square(world, world.scratch.data());
    return runs.found();
}

/// As run_all for a kernel on lanes of that type, modulo n^2 or n.
template <Simd S>
Findings run_square_on(const Integer& n) {
    static const Kernel unused = kernel_of<SimdEngineModuloN<Emulated28>>("right");
    static const SquareKernel kernel = square_kernel_of<SimdEngine<S>>("mistaken", unused);
    return run_all(kernel, n);
}
template <Simd S>
Findings run_all_on(std::size_t bits) {
    return run_square_on<S>(power_of_two(bits) - 1);
}
template <Simd S>
Findings run_all_modulo_n_on(std::size_t bits) {
    static const Kernel kernel = kernel_of<SimdEngineModuloN<S>>("mistaken");
    return run_all(kernel, power_of_two(bits) - 1);
}

template <class Base>
struct TooFewReliefs : Base {
    static constexpr std::size_t kMaxProducts = 2 * Base::kMaxProducts;
};

/// In one column of many: a wrong number, but no step that looks wrong.
template <class Base>
struct LosesACarry : Base {
    using Vector = typename Base::Vector;
    static Vector carry(const Vector& x) {
        static std::atomic<unsigned> num_calls{0};
        return ++num_calls % 997 == 0 ? Base::zero() : Base::carry(x);
    }
};

template <class Base>
struct LeavesACarry : Base {
    using Vector = typename Base::Vector;
    static Vector low_bits(Vector x) {
        for (std::uint64_t& lane : x.lane) lane &= 2 * Base::kMask + 1;
        return x;
    }
};

template <class Base>
struct QuotientOffByOne : Base {
    using Vector = typename Base::Vector;
    static Vector quotient(const Vector& c, const Vector& k) {
        return Base::low_bits(Base::add(Base::quotient(c, k), Base::broadcast(1)));
    }
};

template <class Base>
struct ComplementsTheWholeLane : Base {
    using Vector = typename Base::Vector;
    static Vector complement(Vector x) {
        for (std::uint64_t& lane : x.lane) lane = ~lane;
        return x;
    }
};

template <class Base>
struct NeverNegative : Base {
    using Vector = typename Base::Vector;
    static Vector is_negative(const Vector& /*x*/) { return Base::zero(); }
};

template <class Base>
struct FlagOfAllOnes : Base {
    using Vector = typename Base::Vector;
    static Vector is_negative(Vector x) {
        for (std::uint64_t& lane : x.lane) lane = 0 - (lane >> 63);
        return x;
    }
};

template <class Base>
struct NoHighHalves : Base {
    using Vector = typename Base::Vector;
    static Vector mul_high(const Vector& c, const Vector& /*a*/, const Vector& /*b*/) { return c; }
};

/// Finds the same broken promise in both radices.
template <template <class> class Mistake>
void require_violations(std::size_t bits) {
    REQUIRE(run_all_on<Mistake<Cramped52>>(bits).num_violations > 0);
    REQUIRE(run_all_on<Mistake<Cramped28>>(bits).num_violations > 0);
}

}  // namespace

TEST_CASE("emulated lanes find nothing in large moduli") {
    for (const SquareKernel* kernel : emulated_kernels()) {
        for (const std::size_t bits : {336u, 620u, 1024u, 2044u, 2045u, 3072u, 4096u}) {
            for (const Integer& n : moduli(bits)) {
                CAPTURE(kernel->name);
                CAPTURE(bits);
                CAPTURE(violations.first());
                const Findings found = run_all(*kernel, n);
                REQUIRE(found.num_wrong == 0);
                REQUIRE(found.num_violations == 0);
                const Findings found_modulo_n = run_all(*kernel->modulo_n, n);
                REQUIRE(found_modulo_n.num_wrong == 0);
                REQUIRE(found_modulo_n.num_violations == 0);
            }
        }
    }
}

TEST_CASE("emulated lanes find nothing where a square has more limbs than a column products") {
    for (const Findings& found :
         {run_all_on<Emulated28>(8192), run_all_modulo_n_on<Emulated28>(8192)}) {
        REQUIRE(found.num_wrong == 0);
        REQUIRE(found.num_violations == 0);
    }
}

TEST_CASE("forgotten reliefs are found, even where no number overflows") {
    REQUIRE(run_all_on<TooFewReliefs<Emulated28>>(3072).num_violations > 0);
    REQUIRE(run_all_on<TooFewReliefs<Cramped28>>(640).num_violations > 0);
    REQUIRE(run_all_modulo_n_on<TooFewReliefs<Cramped28>>(1024).num_violations > 0);
    // Hardly a limb is full; the bounds do not look at numbers.
    Integer sparse = power_of_two(1023);
    mpz_setbit(sparse.get(), 0);
    const Findings found = run_square_on<TooFewReliefs<Cramped52>>(sparse);
    CHECK(found.num_wrong == 0);
    REQUIRE(found.num_violations > 0);
}

TEST_CASE("mistakes in lanes are found by their bounds") {
    require_violations<QuotientOffByOne>(128);
    require_violations<LeavesACarry>(128);
    require_violations<ComplementsTheWholeLane>(128);
    require_violations<FlagOfAllOnes>(128);
}

TEST_CASE("mistakes that break no bound are found by the result") {
    REQUIRE(run_all_on<LosesACarry<Cramped28>>(1024).num_wrong > 0);
    REQUIRE(run_all_on<NeverNegative<Cramped28>>(128).num_wrong > 0);
    REQUIRE(run_all_on<NoHighHalves<Cramped52>>(128).num_wrong > 0);
}

// Lanes in plain C++ that check what ring_algorithm.hpp promises, on any machine: each operation on
// numbers is exact, and numbers stay within their bounds. What is found is counted, not thrown.

#include "emulated_lanes.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "emulated_simd.hpp"
#include "veilsum/lattice/ring_algorithm.hpp"

namespace veilsum::testing {
namespace {

template <std::size_t kCount>
struct EmulatedLanes {
    static constexpr std::size_t kLanes = kCount;
    using Floats = std::array<double, kLanes>;
    using Words = std::array<std::uint64_t, kLanes>;

private:
    __extension__ using Wide = __int128;
    static constexpr double kRound = 0x1.8p52;

    static void expect(bool holds, const char* what) {
        if (!holds) violations.add(what);
    }
    static bool is_integer(double x) { return std::abs(x) <= 0x1p100 && x == std::nearbyint(x); }
    /// Of numbers that the next operation rounds to `result`.
    static double exactly(Wide exact, double result, const char* what) {
        expect(static_cast<Wide>(result) == exact, what);
        return result;
    }
    template <class T, class Function>
    [[gnu::noinline]] static T make(Function&& lane) {
        T result;
        for (std::size_t i = 0; i < kLanes; ++i) result[i] = lane(i);
        return result;
    }
    static Wide sum(double a, double b) {
        expect(is_integer(a) && is_integer(b), "a summand is no integer");
        return static_cast<Wide>(a) + static_cast<Wide>(b);
    }
    static Wide times(double a, double b) {
        expect(is_integer(a) && is_integer(b), "a factor is no integer");
        return static_cast<Wide>(a) * static_cast<Wide>(b);
    }

public:
    static Floats load(const double* from) {
        Floats x;
        std::memcpy(&x, from, sizeof x);
        return x;
    }
    static void store(double* out, const Floats& x) { std::memcpy(out, &x, sizeof x); }
    static Words load_words(const std::byte* from) {
        Words x;
        std::memcpy(&x, from, sizeof x);
        return x;
    }
    static void store_words(std::byte* out, const Words& x) { std::memcpy(out, &x, sizeof x); }
    static Floats load_errors(const std::int32_t* from) {
        return make<Floats>([&](std::size_t i) { return from[i]; });
    }
    static Floats broadcast(double x) {
        return make<Floats>([&](std::size_t) { return x; });
    }
    static Words broadcast(std::uint64_t x) {
        return make<Words>([&](std::size_t) { return x; });
    }

    static Floats add(const Floats& a, const Floats& b) {
        return make<Floats>([&](std::size_t i) {
            return exactly(sum(a[i], b[i]), a[i] + b[i], "a sum is not exact");
        });
    }
    static Floats subtract(const Floats& a, const Floats& b) {
        return make<Floats>([&](std::size_t i) {
            return exactly(sum(a[i], -b[i]), a[i] - b[i], "a difference is not exact");
        });
    }
    static Floats add_rounded(const Floats& a, const Floats& b) {
        return make<Floats>([&](std::size_t i) {
            (void)sum(a[i], b[i]);
            return a[i] + b[i];
        });
    }
    static Floats subtract_rounded(const Floats& a, const Floats& b) {
        return make<Floats>([&](std::size_t i) {
            (void)sum(a[i], -b[i]);
            return a[i] - b[i];
        });
    }
    /// May round, too.
    static Floats multiply(const Floats& a, const Floats& b) {
        return make<Floats>([&](std::size_t i) {
            expect(std::abs(a[i]) <= 0x1p51, "a number to be multiplied is too large");
            const double product = a[i] * b[i];
            expect(product == 0 || std::abs(product) >= 0x1p-100, "a product is all but subnormal");
            return product;
        });
    }
    /// Only for quotients, which are rounded to integers by what is added to them.
    static Floats multiply_add(const Floats& a, const Floats& b, const Floats& c) {
        return make<Floats>([&](std::size_t i) {
            expect(c[i] == kRound, "what is added to a quotient does not round it");
            const double quotient = std::fma(a[i], b[i], c[i]);
            expect(std::abs(a[i] * b[i]) < 0x1p51 && quotient >= 0x1p52 && quotient <= 0x1p53,
                   "a quotient is too large");
            return quotient;
        });
    }
    static Floats multiply_subtract(const Floats& a, const Floats& b, const Floats& c) {
        return make<Floats>([&](std::size_t i) {
            expect(is_integer(c[i]), "a product is no integer");
            return exactly(times(a[i], b[i]) - static_cast<Wide>(c[i]), std::fma(a[i], b[i], -c[i]),
                           "the low part of a product is not exact");
        });
    }
    static Floats subtract_product(const Floats& a, const Floats& b, const Floats& c) {
        return make<Floats>([&](std::size_t i) {
            expect(is_integer(a[i]), "a product is no integer");
            const double rest = std::fma(-b[i], c[i], a[i]);
            expect(std::abs(rest) < 1.5 * c[i], "a remainder is too large");
            return exactly(static_cast<Wide>(a[i]) - times(b[i], c[i]), rest,
                           "a remainder is not exact");
        });
    }
    static Floats if_negative(const Floats& x, const Floats& y) {
        return make<Floats>([&](std::size_t i) { return x[i] < 0 ? y[i] : 0; });
    }
    static Words to_words(const Floats& x) { return std::bit_cast<Words>(x); }
    static Floats to_floats(const Words& x) { return std::bit_cast<Floats>(x); }

    static Words add(const Words& a, const Words& b) {
        return make<Words>([&](std::size_t i) { return a[i] + b[i]; });
    }
    static Words subtract(const Words& a, const Words& b) {
        return make<Words>([&](std::size_t i) { return a[i] - b[i]; });
    }
    static Words bit_and(const Words& a, const Words& b) {
        return make<Words>([&](std::size_t i) { return a[i] & b[i]; });
    }
    static Words bit_or(const Words& a, const Words& b) {
        return make<Words>([&](std::size_t i) { return a[i] | b[i]; });
    }
    static Words shift_left(const Words& x, unsigned count) {
        return make<Words>([&](std::size_t i) { return count < 64 ? x[i] << count : 0; });
    }
    static Words shift_right(const Words& x, unsigned count) {
        return make<Words>([&](std::size_t i) { return count < 64 ? x[i] >> count : 0; });
    }
    static bool has_top_bit(const Words& x) {
        std::uint64_t any = 0;
        for (const std::uint64_t lane : x) any |= lane;
        return any >> 63 != 0;
    }

    static void transpose(Floats* v) {
        for (std::size_t i = 0; i < kLanes; ++i) {
            for (std::size_t j = 0; j < i; ++j) std::swap(v[i][j], v[j][i]);
        }
    }
};

constinit const RingKernel kTwoLanes = ring_kernel<EmulatedLanes<2>>("emulated, 2 lanes");
constinit const RingKernel kFourLanes = ring_kernel<EmulatedLanes<4>>("emulated, 4 lanes");
constinit const RingKernel kEightLanes = ring_kernel<EmulatedLanes<8>>("emulated, 8 lanes");

}  // namespace

std::vector<const RingKernel*> emulated_ring_kernels() {
    return {&kTwoLanes, &kFourLanes, &kEightLanes};
}

}  // namespace veilsum::testing

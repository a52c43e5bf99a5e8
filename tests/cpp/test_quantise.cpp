#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "error_fixtures.hpp"
#include "veilsum/base/error.hpp"
#include "veilsum/codec/quantise.hpp"

namespace {

using namespace veilsum;
using veilsum::testing::code_of;
using Slots = std::vector<std::int64_t>;

Execution on_threads(unsigned num_threads) {
    Execution execution;
    execution.num_threads = num_threads;
    return execution;
}

}  // namespace

TEST_CASE("quantise rounds ties to even, clips and weights") {
    const Quantiser grid({{8, 127.0}}, {8});
    const std::vector<float> x = {0.5f, 1.5f, -2.5f, 127, -128, 1e30f, 0.49f, -0.0f};
    Slots slots(9);
    const ClipReport report = grid.quantise(slots, std::span(x), 1.0, {});
    CHECK(slots == Slots{0, 2, -2, 127, -127, 127, 0, 0, 127});
    CHECK(report.num_clipped == 2);
    const Quantiser finer({{8, 127.0}}, {8, 1});
    finer.quantise(slots, std::span(x), 0.5, {});
    CHECK(slots == Slots{0, 2, -2, 127, -127, 127, 0, 0, 127});
    std::vector<double> values(8);
    CHECK(finer.dequantise(values, slots, {}) == 0.5);
    CHECK(values[3] == 63.5);
}

TEST_CASE("quantise never leaves the grid, even where clip * scale rounds up") {
    for (unsigned value_bits = 2; value_bits <= 40; ++value_bits) {
        for (int i = 1; i < 50; ++i) {
            const double clip = i / 7.0;
            for (const Rounding rounding : {Rounding::nearest, Rounding::stochastic}) {
                const Quantiser grid({{2, clip}}, {value_bits}, Norm::none, 0, rounding);
                const std::vector<double> x = {clip, -1e300};
                Slots slots(3);
                const ClipReport report = grid.quantise(slots, std::span(x), 1.0, {});
                CHECK(slots[1] >= -grid.grid_max());
                CHECK(slots[0] <= grid.grid_max());
                CHECK(slots[0] >= grid.grid_max() - 1);
                CHECK(report.num_clipped == 1);
            }
        }
    }
}

TEST_CASE("quantise refuses NaN and infinity and leaves no slot") {
    for (const Norm norm : {Norm::none, Norm::l2}) {
        const Quantiser grid({{20000, 1.0}}, {16}, norm, norm == Norm::none ? 0 : 1.0);
        for (const double bad : {std::nan(""), -std::nan(""), HUGE_VAL, -HUGE_VAL}) {
            for (const std::size_t at : {std::size_t{0}, std::size_t{9999}, std::size_t{19999}}) {
                std::vector<double> x(20000, 1.0);
                std::vector<float> narrow(20000, std::numeric_limits<float>::max());
                x[at] = bad;
                narrow[at] = static_cast<float>(bad);
                Slots slots(20001, 42);
                CHECK(code_of([&] { grid.quantise(slots, std::span<const double>(x), 1.0, {}); }) ==
                      Errc::invalid_argument);
                CHECK(code_of([&] {
                          grid.quantise(slots, std::span<const float>(narrow), 1.0, {});
                      }) == Errc::invalid_argument);
                CHECK(slots == Slots(20001));
            }
        }
    }
}

TEST_CASE("the integer norm obeys its bound whatever the floats are") {
    for (const Norm norm : {Norm::l1, Norm::l2}) {
        for (const Rounding rounding : {Rounding::nearest, Rounding::stochastic}) {
            for (const double magnitude : {5e-324, 1e-310, 1e-5, 0.3, 1e10, 1.7e308}) {
                const Quantiser grid({{1000, 1.0}}, {20, 17}, norm, 0.75, rounding);
                std::vector<double> x(1000);
                for (std::size_t i = 0; i < x.size(); ++i) {
                    x[i] = magnitude * (i % 3 == 0 ? -1 : 1) / static_cast<double>(1 + i % 7);
                }
                Slots slots(1001);
                for (const double weight : {1.0, 0.37, 1e-5, 0.0}) {
                    const ClipReport report = grid.quantise(slots, std::span(x), weight, {});
                    const auto bound = static_cast<unsigned __int128>(grid.grid_norm_bound()) *
                                       static_cast<std::uint64_t>(slots[1000]) /
                                       static_cast<std::uint64_t>(grid.grid_max());
                    CHECK(report.grid_norm <= bound);
                    unsigned __int128 sum = 0;
                    for (std::size_t i = 0; i < 1000; ++i) {
                        const auto q = static_cast<unsigned __int128>(std::abs(slots[i]));
                        sum += norm == Norm::l1 ? q : q * q;
                    }
                    CHECK(sum <= (norm == Norm::l1 ? bound : bound * bound));
                    if (magnitude > 1 && norm == Norm::l2 && weight > 0.1) {
                        CHECK(4 * sum > 3 * bound * bound);
                    }
                }
            }
        }
    }
}

TEST_CASE("the integer re-clip is the exact floor") {
    // |q| * bound / s is an exact integer for many of these: one too few would show.
    for (const std::uint64_t bound : {1u, 7u, 100u, 4095u}) {
        Slots slots = {4096, -2048, 1024, 512, 256, -128, 64, 32, 16, 8, 7, 1};
        const Slots before = slots;
        std::uint64_t s = 0;
        for (const std::int64_t slot : slots) s += static_cast<std::uint64_t>(std::abs(slot));
        const std::uint64_t after = clip_grid_norm(slots, Norm::l1, bound, {});
        CHECK(after <= bound);
        for (std::size_t i = 0; i < slots.size(); ++i) {
            const auto magnitude = static_cast<std::uint64_t>(std::abs(before[i]));
            CHECK(static_cast<std::uint64_t>(std::abs(slots[i])) == magnitude * bound / s);
        }
    }
    Slots exact = {3, -3, 3};
    CHECK(clip_grid_norm(exact, Norm::l1, 3, {}) == 3);
    CHECK(exact == Slots{1, -1, 1});
    Slots untouched = {3, -4};
    CHECK(clip_grid_norm(untouched, Norm::l2, 5, {}) == 5);
    CHECK(untouched == Slots{3, -4});
    CHECK(clip_grid_norm(untouched, Norm::l2, 0, {}) == 0);
}

TEST_CASE("the integer norm bound is an exact floor and never above the real product") {
    const auto bound = [](double norm_bound, double clip, unsigned value_bits) {
        return Quantiser({{1000000, clip}}, {value_bits}, Norm::l2, norm_bound).grid_norm_bound();
    };
    CHECK(bound(1.0, 1.0, 16) == 32767);
    CHECK(bound(3.0, 3.0, 40) == (std::uint64_t{1} << 39) - 1);
    // As doubles 0.1 < 0.3 / 3, so floor((2^39-1) * 0.1 / 0.3) depends on every bit.
    CHECK(bound(0.1, 0.3, 40) == 183251937962);
    CHECK(bound(5e-324, 1.0, 16) == 0);
    CHECK(bound(1e300, 1.0, 16) == 32767000000);
}

TEST_CASE("a quantiser refuses what cannot work") {
    const auto refuses = [](std::size_t dim, double clip, Precision precision, auto... arguments) {
        return code_of([&] { Quantiser({{dim, clip}}, precision, arguments...); }) ==
               Errc::invalid_argument;
    };
    constexpr std::size_t kDim = 10;
    CHECK(code_of([] { Quantiser({}, {16}); }) == Errc::invalid_argument);
    CHECK(code_of([] { Quantiser({{5, 1.0}, {0, 2.0}}, {16}); }) == Errc::invalid_argument);
    CHECK(code_of([] { Quantiser({{5, 1.0}, {5, 0.0}}, {16}); }) == Errc::invalid_argument);
    CHECK(code_of([] { Quantiser({{5, 1e-200}, {5, 1e200}}, {16}); }) == Errc::invalid_argument);
    CHECK(code_of([] { Quantiser({{std::size_t{1} << 40, 1.0}, {1, 1.0}}, {16}); }) ==
          Errc::invalid_argument);
    CHECK(refuses(kDim, 1.0, {16, 25}));
    CHECK(refuses(kDim, 1.0, {2, 39}));
    CHECK(refuses(kDim, 1.0, {16, ~0u}));
    CHECK(refuses(std::size_t{0}, 1.0, {16}));
    CHECK(refuses(kDim, 0.0, {16}));
    CHECK(refuses(kDim, -1.0, {16}));
    CHECK(refuses(kDim, std::nan(""), {16}));
    CHECK(refuses(kDim, HUGE_VAL, {16}));
    CHECK(refuses(kDim, 5e-324, {16}));
    CHECK(refuses(kDim, 1.0, {1}));
    CHECK(refuses(kDim, 1.0, {41}));
    CHECK(refuses(kDim, 1.0, {16}, Norm::none, 1.0));
    CHECK(refuses(kDim, 1.0, {16}, Norm::l2, 0.0));
    CHECK(refuses(kDim, 1.0, {16}, Norm::l2, HUGE_VAL));
    CHECK(refuses(kDim, 1.0, {16}, static_cast<Norm>(3), 1.0));
    CHECK(refuses(kDim, 1.0, {16}, Norm::none, 0.0, static_cast<Rounding>(2)));
    CHECK(refuses(std::size_t{1} << 25, 1.0, {40}, Norm::l1, 1.0));
    const Quantiser grid({{kDim, 1.0}}, {16, 3});
    const std::vector<double> x(kDim);
    Slots slots(kDim + 1);
    for (const double weight : {0.0, 0.125, 0.5, 1.0})
        grid.quantise(slots, std::span(x), weight, {});
    for (const double weight : {-0.1, 1.1, std::nan(""), 5e-324, 0.124999999}) {
        CHECK(code_of([&] { grid.quantise(slots, std::span(x), weight, {}); }) ==
              Errc::invalid_argument);
    }
}

TEST_CASE("quantise gives the same slots on any number of threads") {
    const Quantiser grid({{30000, 1.0}, {70000, 0.5}}, {16, 1}, Norm::l2, 1.0);
    std::vector<float> x(100000);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<float>(i));
    Slots one(100001);
    Slots three(100001);
    const ClipReport a = grid.quantise(one, std::span(x), 0.7, on_threads(1));
    const ClipReport b = grid.quantise(three, std::span(x), 0.7, on_threads(3));
    CHECK(one == three);
    CHECK(a.norm == b.norm);
    CHECK(a.grid_norm == b.grid_norm);
}

TEST_CASE("a weight costs no precision while weight_bits carry it") {
    // Against the sum that rationals would give: half a step of value_bits for each unit of weight.
    const Quantiser grid({{64, 1.0}}, {16, 10});
    std::vector<double> x(64);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<double>(i));
    Slots slots(65);
    std::vector<double> values(64);
    for (double weight = 1; weight >= 0x1p-10; weight *= 0.7) {
        grid.quantise(slots, std::span(x), weight, {});
        const double found = grid.dequantise(values, slots, {});
        CHECK(std::abs(found - weight) <= 0.5 / 32767 * 0x1p-10);
        for (std::size_t i = 0; i < x.size(); ++i) {
            CHECK(std::abs(values[i] / found - x[i]) <= 1.0 / 32767);
        }
    }
}

TEST_CASE("every segment has its own clip") {
    const Quantiser grid({{2, 1.0}, {1, 127.0}, {3, 0.25}}, {8});
    const std::vector<double> x = {1.0, -2.0, 64.0, 0.125, 0.25, -1.0};
    Slots slots(7);
    const ClipReport report = grid.quantise(slots, std::span(x), 1.0, {});
    CHECK(slots == Slots{127, -127, 64, 64, 127, -127, 127});
    CHECK(report.num_clipped == 2);
    CHECK(grid.scale() == 1.0);
    std::vector<double> values(6);
    grid.dequantise(values, slots, {});
    CHECK(values == std::vector<double>{1.0, -1.0, 64.0, 64 * 0.25 / 127, 0.25, -0.25});
    // One clip written as many segments is one clip.
    const Quantiser one({{20000, 0.5}}, {16}, Norm::l2, 0.5);
    std::vector<Segment> pieces(20000, {1, 0.5});
    const Quantiser many(pieces, {16}, Norm::l2, 0.5);
    std::vector<float> long_x(20000);
    for (std::size_t i = 0; i < long_x.size(); ++i) long_x[i] = std::sin(static_cast<float>(i));
    Slots a(20001);
    Slots b(20001);
    one.quantise(a, std::span(long_x), 1.0, {});
    many.quantise(b, std::span(long_x), 1.0, {});
    CHECK(a == b);
}

TEST_CASE("with several clips the norm takes each value beside its clip") {
    // In the units of the largest clip the vector is (3, 4) * 2: its norm of 10 shrinks to 5.
    const Quantiser grid({{1, 127.0}, {1, 1.27}}, {8}, Norm::l2, 5.0);
    CHECK(grid.grid_norm_bound() == 5);
    const std::vector<double> x = {6.0, 0.08};
    Slots slots(3);
    const ClipReport report = grid.quantise(slots, std::span(x), 1.0, {});
    CHECK(report.norm == doctest::Approx(10.0));
    CHECK(report.norm_factor == doctest::Approx(0.5));
    CHECK(slots == Slots{3, 4, 127});
    const std::vector<double> huge = {0.0, 1e307};
    CHECK(code_of([&] { grid.quantise(slots, std::span(huge), 1.0, {}); }) ==
          Errc::invalid_argument);
    CHECK(slots == Slots(3));
}

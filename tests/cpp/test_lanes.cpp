#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "error_fixtures.hpp"
#include "veilsum/base/error.hpp"
#include "veilsum/codec/lanes.hpp"
#include "veilsum/codec/quantise.hpp"
#include "veilsum/rng/csprng.hpp"

namespace {

using namespace veilsum;
using veilsum::testing::code_of;
using Limbs = std::vector<std::uint64_t>;
using Lanes = std::vector<std::int64_t>;

/// 2^bits - 1: the largest modulus of that size.
Limbs largest_modulus(std::size_t bits) {
    Limbs limbs((bits + 63) / 64, ~std::uint64_t{0});
    if (bits % 64 != 0) limbs.back() >>= 64 - bits % 64;
    return limbs;
}

Lanes unpacked(const Plaintexts& plaintexts, const LaneLayout& layout) {
    Lanes lanes(layout.num_lanes());
    unpack(lanes, plaintexts, layout, {});
    return lanes;
}

/// Adds b to a as two's complement integers, as decrypting a sum of ciphertexts would.
void add_to(Plaintexts& a, const Plaintexts& b) {
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::uint64_t carry = 0;
        for (std::size_t j = 0; j < a.limbs_per_value(); ++j) {
            const auto sum = static_cast<unsigned __int128>(a[i][j]) + b[i][j] + carry;
            a[i][j] = static_cast<std::uint64_t>(sum);
            carry = static_cast<std::uint64_t>(sum >> 64);
        }
    }
}

Execution on_threads(unsigned num_threads) {
    Execution execution;
    execution.num_threads = num_threads;
    return execution;
}

}  // namespace

TEST_CASE("lane widths and counts of the reference workload") {
    const std::int64_t max_lane = max_lane_of({16}, 100, 0);
    CHECK(max_lane == 3276700);
    Limbs n3072(48);
    n3072.back() = std::uint64_t{1} << 63;
    n3072.front() = 1;
    const LaneLayout layout(1000001, max_lane, n3072);
    CHECK(layout.lane_bits() == 23);
    CHECK(layout.lanes_per_plaintext() == 133);
    CHECK(layout.num_plaintexts() == 7519);
    CHECK(layout.limbs_per_value() == 48);
    // 89 * 23 = 2047 bits: the count fits every 2048-bit modulus, and 90 lanes fit none.
    CHECK(LaneLayout(1, max_lane, largest_modulus(2048)).lanes_per_plaintext() == 89);
}

TEST_CASE("the bound on lanes per plaintext is exact for small moduli") {
    for (std::int64_t max_lane = 1; max_lane <= 9; ++max_lane) {
        for (std::uint64_t n = 1; n < 3000; ++n) {
            const std::uint64_t limbs[1] = {n};
            unsigned width = 2;
            while (max_lane >= std::int64_t{1} << (width - 1)) ++width;
            // Doubled largest plaintext of `count` lanes, lane by lane.
            std::size_t count = 0;
            std::uint64_t used = 0;
            while (used < n) {
                used += 2 * static_cast<std::uint64_t>(max_lane) << (width * count);
                if (used < n) ++count;
            }
            if (count == 0) {
                CHECK(code_of([&] { LaneLayout(1, max_lane, limbs); }) == Errc::invalid_argument);
            } else {
                const LaneLayout layout(1, max_lane, limbs);
                REQUIRE(layout.lanes_per_plaintext() == count);
                REQUIRE(layout.lane_bits() == width);
            }
        }
    }
}

TEST_CASE("layouts refuse what cannot work") {
    const Limbs n = largest_modulus(2048);
    CHECK(code_of([] { max_lane_of({16}, 0, 0); }) == Errc::invalid_argument);
    CHECK(code_of([] { max_lane_of({1}, 1, 0); }) == Errc::invalid_argument);
    CHECK(code_of([] { max_lane_of({41}, 1, 0); }) == Errc::invalid_argument);
    CHECK(code_of([] { max_lane_of({40}, UINT64_MAX, UINT64_MAX); }) == Errc::invalid_argument);
    constexpr std::int64_t kLargest = (std::int64_t{1} << 61) - 1;
    CHECK(max_lane_of({2}, 1, kLargest - 1) == kLargest);
    CHECK(code_of([] { max_lane_of({2}, 1, kLargest); }) == Errc::invalid_argument);
    CHECK(LaneLayout(1, kLargest, n).lane_bits() == 62);
    CHECK(code_of([&] { LaneLayout(1, kLargest + 1, n); }) == Errc::invalid_argument);
    CHECK(code_of([&] { LaneLayout(1, 0, n); }) == Errc::invalid_argument);
    CHECK(code_of([&] { LaneLayout(0, 1, n); }) == Errc::invalid_argument);
    CHECK(code_of([&] { LaneLayout(1, 1, {}); }) == Errc::invalid_argument);
    CHECK(code_of([&] { LaneLayout(1, kLargest, largest_modulus(61)); }) == Errc::invalid_argument);
    CHECK(LaneLayout(1, kLargest, largest_modulus(62)).lanes_per_plaintext() == 1);
}

TEST_CASE("packed vectors add up lane by lane") {
    Csprng random;
    for (const std::size_t bits : {100u, 128u, 129u, 2048u}) {
        for (const std::int64_t max_lane : {1LL, 2LL, 127LL, 3276700LL, (1LL << 31) - 1}) {
            const Limbs n = largest_modulus(bits);
            const std::size_t per = LaneLayout(1, max_lane, n).lanes_per_plaintext();
            for (const std::size_t size : {std::size_t{1}, per, per + 1, 3 * per + per / 2}) {
                const LaneLayout layout(size, max_lane, n);
                Lanes a(size);
                random.fill(std::as_writable_bytes(std::span(a)));
                Lanes b(size);
                for (std::size_t i = 0; i < size; ++i) {
                    a[i] %= max_lane + 1;
                    b[i] = i % 2 == 0 ? max_lane - a[i] : -max_lane - a[i];
                }
                Plaintexts sum = pack(a, layout, on_threads(2));
                CHECK(unpacked(sum, layout) == a);
                add_to(sum, pack(b, layout, {}));
                Lanes expected(size);
                for (std::size_t i = 0; i < size; ++i) expected[i] = a[i] + b[i];
                CHECK(unpacked(sum, layout) == expected);
            }
        }
    }
}

TEST_CASE("lanes beyond their width carry like integers and cancel again") {
    const LaneLayout layout(200, 1000, largest_modulus(512));
    Lanes wild(200);
    Csprng random;
    random.fill(std::as_writable_bytes(std::span(wild)));
    wild[0] = std::numeric_limits<std::int64_t>::min();
    wild[1] = std::numeric_limits<std::int64_t>::max();
    wild[199] = std::numeric_limits<std::int64_t>::min();
    Lanes opposite(200);
    for (std::size_t i = 0; i < 200; ++i) {
        // 5 - wild without overflow in the lane type; both still differ from it by 2^64 or 0.
        const auto lane = 5 - static_cast<__int128>(wild[i]);
        opposite[i] = lane > INT64_MAX ? INT64_MAX : static_cast<std::int64_t>(lane);
    }
    Plaintexts sum = pack(wild, layout, {});
    add_to(sum, pack(opposite, layout, {}));
    Lanes expected(200);
    for (std::size_t i = 0; i < 200; ++i) expected[i] = wild[i] + opposite[i];
    CHECK(unpacked(sum, layout) == expected);
}

TEST_CASE("unpack refuses sums that do not fit their lanes") {
    const LaneLayout layout(3, 1000, largest_modulus(128));  // 11 bits a lane.
    const auto with = [&](std::uint64_t low, std::uint64_t high) {
        Plaintexts plaintexts(1, 2);
        plaintexts[0][0] = low;
        plaintexts[0][1] = high;
        return unpacked(plaintexts, layout);
    };
    constexpr std::uint64_t kOffset = 1024 + (1024 << 11) + (std::uint64_t{1024} << 22);
    constexpr std::uint64_t kTop = std::uint64_t{1} << 33;
    CHECK(with(kTop - 1 - kOffset, 0) == Lanes{1023, 1023, 1023});
    CHECK(code_of([&] { with(kTop - kOffset, 0); }) == Errc::capacity);
    CHECK(with(0 - kOffset, ~std::uint64_t{0}) == Lanes{-1024, -1024, -1024});
    CHECK(code_of([&] { with(0 - kOffset - 1, ~std::uint64_t{0}); }) == Errc::capacity);
    CHECK(code_of([&] { with(0, 1); }) == Errc::capacity);
    CHECK(code_of([&] { with(0, ~std::uint64_t{0} >> 1); }) == Errc::capacity);
    CHECK(code_of([&] { with(0, std::uint64_t{1} << 63); }) == Errc::capacity);
}

TEST_CASE("pack and unpack refuse wrong shapes") {
    const LaneLayout layout(30, 1000, largest_modulus(128));
    CHECK(code_of([&] { pack(Lanes(29), layout, {}); }) == Errc::invalid_argument);
    CHECK(code_of([&] { unpacked(Plaintexts(2, 2), layout); }) == Errc::invalid_argument);
    CHECK(code_of([&] { unpacked(Plaintexts(3, 3), layout); }) == Errc::invalid_argument);
    Lanes lanes(29);
    CHECK(code_of([&] { unpack(lanes, Plaintexts(3, 2), layout, {}); }) == Errc::invalid_argument);
    CHECK(unpacked(Plaintexts(3, 2), layout) == Lanes(30));
}

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "error_fixtures.hpp"
#include "veilsum/base/error.hpp"
#include "veilsum/codec/quantise.hpp"
#include "veilsum/codec/slots.hpp"
#include "veilsum/rng/csprng.hpp"

namespace {

using namespace veilsum;
using veilsum::testing::code_of;
using Limbs = std::vector<Limb>;
using Slots = std::vector<std::int64_t>;

/// 2^bits - 1: the largest modulus of that size.
Limbs largest_modulus(std::size_t bits) {
    Limbs limbs((bits + 63) / 64, ~Limb{0});
    if (bits % 64 != 0) limbs.back() >>= 64 - bits % 64;
    return limbs;
}

Slots unpacked(const Plaintexts& plaintexts, const SlotLayout& layout) {
    Slots slots(layout.num_slots());
    unpack(slots, plaintexts, layout, {});
    return slots;
}

/// Adds b to a as two's complement integers, as decrypting a sum of ciphertexts would.
void add_to(Plaintexts& a, const Plaintexts& b) {
    for (std::size_t i = 0; i < a.size(); ++i) {
        Limb carry = 0;
        for (std::size_t j = 0; j < a.limbs_per_value(); ++j) {
            const auto sum = static_cast<unsigned __int128>(a[i][j]) + b[i][j] + carry;
            a[i][j] = static_cast<Limb>(sum);
            carry = static_cast<Limb>(sum >> 64);
        }
    }
}

Execution on_threads(unsigned num_threads) {
    Execution execution;
    execution.num_threads = num_threads;
    return execution;
}

}  // namespace

TEST_CASE("slot widths and counts of the reference workload") {
    const std::int64_t max_slot = max_slot_of({16}, 100, 0);
    CHECK(max_slot == 3276700);
    Limbs n3072(48);
    n3072.back() = Limb{1} << 63;
    n3072.front() = 1;
    const SlotLayout layout(1000001, max_slot, n3072);
    CHECK(layout.slot_bits() == 23);
    CHECK(layout.slots_per_plaintext() == 133);
    CHECK(layout.num_plaintexts() == 7519);
    CHECK(layout.limbs_per_value() == 48);
    // 89 * 23 = 2047 bits: the count fits every 2048-bit modulus, and 90 slots fit none.
    CHECK(SlotLayout(1, max_slot, largest_modulus(2048)).slots_per_plaintext() == 89);
}

TEST_CASE("the bound on slots per plaintext is exact for small moduli") {
    for (std::int64_t max_slot = 1; max_slot <= 9; ++max_slot) {
        for (Limb n = 1; n < 3000; ++n) {
            const Limb limbs[1] = {n};
            unsigned width = 2;
            while (max_slot >= std::int64_t{1} << (width - 1)) ++width;
            // Doubled largest plaintext of `count` slots, slot by slot.
            std::size_t count = 0;
            Limb used = 0;
            while (used < n) {
                used += 2 * static_cast<Limb>(max_slot) << (width * count);
                if (used < n) ++count;
            }
            if (count == 0) {
                CHECK(code_of([&] { SlotLayout(1, max_slot, limbs); }) == Errc::invalid_argument);
            } else {
                const SlotLayout layout(1, max_slot, limbs);
                REQUIRE(layout.slots_per_plaintext() == count);
                REQUIRE(layout.slot_bits() == width);
            }
        }
    }
}

TEST_CASE("layouts refuse what cannot work") {
    const Limbs n = largest_modulus(2048);
    CHECK(code_of([] { max_slot_of({16}, 0, 0); }) == Errc::invalid_argument);
    CHECK(code_of([] { max_slot_of({1}, 1, 0); }) == Errc::invalid_argument);
    CHECK(code_of([] { max_slot_of({41}, 1, 0); }) == Errc::invalid_argument);
    CHECK(code_of([] { max_slot_of({40}, UINT64_MAX, UINT64_MAX); }) == Errc::invalid_argument);
    constexpr std::int64_t kLargest = (std::int64_t{1} << 61) - 1;
    CHECK(max_slot_of({2}, 1, kLargest - 1) == kLargest);
    CHECK(code_of([] { max_slot_of({2}, 1, kLargest); }) == Errc::invalid_argument);
    CHECK(SlotLayout(1, kLargest, n).slot_bits() == 62);
    CHECK(code_of([&] { SlotLayout(1, kLargest + 1, n); }) == Errc::invalid_argument);
    CHECK(code_of([&] { SlotLayout(1, 0, n); }) == Errc::invalid_argument);
    CHECK(code_of([&] { SlotLayout(0, 1, n); }) == Errc::invalid_argument);
    CHECK(code_of([&] { SlotLayout(1, 1, {}); }) == Errc::invalid_argument);
    CHECK(code_of([&] { SlotLayout(1, kLargest, largest_modulus(61)); }) == Errc::invalid_argument);
    CHECK(SlotLayout(1, kLargest, largest_modulus(62)).slots_per_plaintext() == 1);
}

TEST_CASE("packed vectors add up slot by slot") {
    Csprng random;
    for (const std::size_t bits : {100u, 128u, 129u, 2048u}) {
        for (const std::int64_t max_slot : {1LL, 2LL, 127LL, 3276700LL, (1LL << 31) - 1}) {
            const Limbs n = largest_modulus(bits);
            const std::size_t per = SlotLayout(1, max_slot, n).slots_per_plaintext();
            for (const std::size_t size : {std::size_t{1}, per, per + 1, 3 * per + per / 2}) {
                const SlotLayout layout(size, max_slot, n);
                Slots a(size);
                random.fill(std::as_writable_bytes(std::span(a)));
                Slots b(size);
                for (std::size_t i = 0; i < size; ++i) {
                    a[i] %= max_slot + 1;
                    b[i] = i % 2 == 0 ? max_slot - a[i] : -max_slot - a[i];
                }
                Plaintexts sum = pack(a, layout, on_threads(2));
                CHECK(unpacked(sum, layout) == a);
                add_to(sum, pack(b, layout, {}));
                Slots expected(size);
                for (std::size_t i = 0; i < size; ++i) expected[i] = a[i] + b[i];
                CHECK(unpacked(sum, layout) == expected);
            }
        }
    }
}

TEST_CASE("slots beyond their width carry like integers and cancel again") {
    const SlotLayout layout(200, 1000, largest_modulus(512));
    Slots wild(200);
    Csprng random;
    random.fill(std::as_writable_bytes(std::span(wild)));
    wild[0] = std::numeric_limits<std::int64_t>::min();
    wild[1] = std::numeric_limits<std::int64_t>::max();
    wild[199] = std::numeric_limits<std::int64_t>::min();
    Slots opposite(200);
    for (std::size_t i = 0; i < 200; ++i) {
        // 5 - wild without overflow in the slot type; both still differ from it by 2^64 or 0.
        const auto slot = 5 - static_cast<__int128>(wild[i]);
        opposite[i] = slot > INT64_MAX ? INT64_MAX : static_cast<std::int64_t>(slot);
    }
    Plaintexts sum = pack(wild, layout, {});
    add_to(sum, pack(opposite, layout, {}));
    Slots expected(200);
    for (std::size_t i = 0; i < 200; ++i) expected[i] = wild[i] + opposite[i];
    CHECK(unpacked(sum, layout) == expected);
}

TEST_CASE("unpack refuses sums that do not fit their slots") {
    const SlotLayout layout(3, 1000, largest_modulus(128));  // 11 bits a slot.
    const auto with = [&](Limb low, Limb high) {
        Plaintexts plaintexts(1, 2);
        plaintexts[0][0] = low;
        plaintexts[0][1] = high;
        return unpacked(plaintexts, layout);
    };
    constexpr Limb kOffset = 1024 + (1024 << 11) + (Limb{1024} << 22);
    constexpr Limb kTop = Limb{1} << 33;
    CHECK(with(kTop - 1 - kOffset, 0) == Slots{1023, 1023, 1023});
    CHECK(code_of([&] { with(kTop - kOffset, 0); }) == Errc::capacity);
    CHECK(with(0 - kOffset, ~Limb{0}) == Slots{-1024, -1024, -1024});
    CHECK(code_of([&] { with(0 - kOffset - 1, ~Limb{0}); }) == Errc::capacity);
    CHECK(code_of([&] { with(0, 1); }) == Errc::capacity);
    CHECK(code_of([&] { with(0, ~Limb{0} >> 1); }) == Errc::capacity);
    CHECK(code_of([&] { with(0, Limb{1} << 63); }) == Errc::capacity);
}

TEST_CASE("pack and unpack refuse wrong shapes") {
    const SlotLayout layout(30, 1000, largest_modulus(128));
    CHECK(code_of([&] { pack(Slots(29), layout, {}); }) == Errc::invalid_argument);
    CHECK(code_of([&] { unpacked(Plaintexts(2, 2), layout); }) == Errc::invalid_argument);
    CHECK(code_of([&] { unpacked(Plaintexts(3, 3), layout); }) == Errc::invalid_argument);
    Slots slots(29);
    CHECK(code_of([&] { unpack(slots, Plaintexts(3, 2), layout, {}); }) == Errc::invalid_argument);
    CHECK(unpacked(Plaintexts(3, 2), layout) == Slots(30));
}

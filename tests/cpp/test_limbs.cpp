#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "veilsum/base/secret.hpp"
#include "veilsum/bigint/limbs.hpp"
#include "veilsum/rng/csprng.hpp"

using namespace veilsum;

TEST_CASE("limbs::mul and sqr equal GMP at every length, on random and all-ones limbs") {
    Csprng random;
    for (std::size_t h = 1; h <= 130; ++h) {
        std::vector<Limb> scratch(limbs::mul_scratch(h));
        std::vector<Limb> a(h);
        std::vector<Limb> b(h);
        std::vector<Limb> got(2 * h);
        std::vector<Limb> want(2 * h);
        for (int round = 0; round < 16; ++round) {
            random.fill(std::as_writable_bytes(std::span(a)));
            random.fill(std::as_writable_bytes(std::span(b)));
            // Every combination of a half of zeros or of ones in a and b.
            const auto half = [&](std::vector<Limb>& x, int kind) {
                const auto middle = x.begin() + static_cast<std::ptrdiff_t>(h / 2);
                if (kind == 1) std::fill(x.begin(), middle, ~Limb{0});
                if (kind == 2) std::fill(middle, x.end(), ~Limb{0});
                if (kind == 3) std::fill(x.begin(), x.end(), ~Limb{0});
            };
            half(a, round % 4);
            half(b, round / 4);
            if (round == 5) b = a;
            if (round == 0 && h > 1)
                std::copy_n(a.begin(), h / 2, a.begin() + static_cast<std::ptrdiff_t>(h / 2));
            limbs::mul(got.data(), a.data(), b.data(), h, scratch.data());
            mpn_mul_n(want.data(), a.data(), b.data(), static_cast<mp_size_t>(h));
            REQUIRE(got == want);
            limbs::sqr(got.data(), a.data(), h, scratch.data());
            mpn_sqr(want.data(), a.data(), static_cast<mp_size_t>(h));
            REQUIRE(got == want);
        }
    }
}

TEST_CASE("limbs::select returns the entry asked for") {
    for (const std::size_t words : {2u, 16u, 18u, 64u, 130u}) {
        for (const std::size_t num_entries : {2u, 32u, 64u, 256u}) {
            Secret<Limb> table(words * num_entries);
            Csprng().fill(std::as_writable_bytes(std::span(table)));
            Secret<Limb> out(words);
            for (std::size_t index = 0; index < num_entries; ++index) {
                limbs::select(out.data(), table.data(), words, num_entries, index);
                REQUIRE(std::equal(out.begin(), out.end(), table.data() + index * words));
            }
        }
    }
}

TEST_CASE("limbs::bits_at reads any window, zeros beyond the end") {
    const Limb x[2] = {0x8000000000000001, 0x5};
    CHECK(limbs::bits_at(x, 2, 0, 1) == 1);
    CHECK(limbs::bits_at(x, 2, 63, 3) == 0b011);
    CHECK(limbs::bits_at(x, 2, 64, 6) == 5);
    CHECK(limbs::bits_at(x, 2, 126, 6) == 0);
    CHECK(limbs::bits_at(x, 2, 128, 6) == 0);
}

TEST_CASE("limbs::bit_length_vartime skips leading zeros") {
    const Limb x[3] = {0x8000000000000000, 0x5, 0};
    CHECK(limbs::bit_length_vartime(x, 0) == 0);
    CHECK(limbs::bit_length_vartime(x, 1) == 64);
    CHECK(limbs::bit_length_vartime(x, 2) == 67);
    CHECK(limbs::bit_length_vartime(x, 3) == 67);
    CHECK(limbs::bit_length_vartime(x + 2, 1) == 0);
}

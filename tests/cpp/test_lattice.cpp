// Masks against plain integers: the ring's arithmetic, the layout of residues, and exact sums.

#include <algorithm>
#include <random>
#include <string>

#include <doctest/doctest.h>

#include "error_fixtures.hpp"
#include "veilsum/lattice/mask.hpp"
#include "veilsum/lattice/mask_state.hpp"
#include "veilsum/lattice/packed_residues.hpp"
#include "veilsum/rng/seeded_source.hpp"

using namespace veilsum;
using veilsum::testing::code_of;

namespace {

using Wide = unsigned __int128;

std::mt19937_64& generator() {
    static std::mt19937_64 engine(20261130);
    return engine;
}

std::uint64_t below(std::uint64_t bound) { return generator()() % bound; }

ByteView text(std::string_view characters) { return std::as_bytes(std::span(characters)); }

HedgedSeed seed() { return {"test", text("context"), text("maker"), text("input")}; }

/// a * s in Z_q[X]/(X^N + 1), term by term.
std::vector<std::uint64_t> product(const std::vector<std::uint64_t>& a,
                                   const std::vector<std::int64_t>& s, std::uint64_t q) {
    const std::size_t n = a.size();
    std::vector<std::uint64_t> sum(n);
    for (std::size_t j = 0; j < n; ++j) {
        if (s[j] == 0) continue;
        const auto factor = static_cast<std::uint64_t>(s[j] + (s[j] < 0 ? std::int64_t(q) : 0));
        for (std::size_t i = 0; i < n; ++i) {
            const auto term = static_cast<std::uint64_t>(Wide{a[i]} * factor % q);
            const std::size_t at = (i + j) % n;
            sum[at] = (sum[at] + (i + j < n ? term : q - term)) % q;
        }
    }
    return sum;
}

/// The coefficients of what lies in lane order: sum of value(point) over the points, slowly.
std::vector<std::uint64_t> coefficients(const std::vector<std::uint64_t>& values,
                                        const PrimeRing& ring) {
    const std::size_t n = ring.dim();
    const std::uint64_t q = ring.q();
    const std::uint64_t psi = ring.forward()[n / 2].w;  // psi^r(n/2) = psi^1.
    std::vector<std::uint64_t> result(n);
    std::vector<std::uint64_t> powers(2 * n, 1);
    for (std::size_t i = 1; i < 2 * n; ++i) powers[i] = ring.product_vartime(powers[i - 1], psi);
    for (std::size_t i = 0; i < n; ++i) {
        std::size_t reversed = 0;
        for (unsigned bit = 0; bit < ring.log_dim(); ++bit) {
            reversed |= (i >> bit & 1) << (ring.log_dim() - 1 - bit);
        }
        const std::size_t exponent = 2 * reversed + 1;
        const std::uint64_t value = values[in_lane_order(i)];
        for (std::size_t k = 0; k < n; ++k) {
            const std::uint64_t power = powers[(2 * n - k * exponent % (2 * n)) % (2 * n)];
            result[k] = (result[k] + ring.product_vartime(value, power)) % q;
        }
    }
    const std::uint64_t n_inverse = ring.power_vartime(n, q - 2);
    for (auto& c : result) c = ring.product_vartime(c, n_inverse);
    return result;
}

MaskShape shape_of(std::size_t num_slots, std::int64_t max_slot, std::uint64_t max_addends,
                   unsigned log_dim, unsigned prime_bits, unsigned num_digits) {
    return {num_slots, max_slot, max_addends, log_dim, log_dim - 10, prime_bits, num_digits};
}

}  // namespace

TEST_CASE("a secret's transform times a public polynomial is their product in the ring") {
    for (const unsigned log_dim : {11u, 12u}) {
        const PrimeRing ring(log_dim, log_dim == 11 ? 46 : 25, 0);
        std::vector<std::uint64_t> a(ring.dim());
        for (auto& x : a) x = below(ring.q());
        a[0] = ring.q() - 1;
        std::vector<std::int64_t> s(ring.dim());
        for (int i = 0; i < 40; ++i) s[below(ring.dim())] = std::int64_t(below(2001)) - 1000;
        const auto expected = product(coefficients(a, ring), s, ring.q());
        Secret<std::uint64_t> transformed(ring.dim());
        transform_secret(transformed.data(), s.data(), ring);
        for (const RingKernel* kernel : available_ring_kernels()) {
            CAPTURE(kernel->name);
            Secret<std::uint64_t> prepared(2 * ring.dim());
            kernel->prepare(prepared.data(), transformed.data(), ring);
            Secret<std::uint64_t> x(a.begin(), a.end());
            const std::vector<std::uint64_t> zeros(ring.dim());
            kernel->unmask(x.data(), zeros.data(), ring.dim(), prepared.data(), ring);
            bool same = true;
            for (std::size_t i = 0; i < x.size(); ++i) {
                same &= (x[i] + expected[i]) % ring.q() == 0 && x[i] < ring.q();
            }
            CHECK(same);
        }
    }
}

TEST_CASE("packed residues are read as they were written, at every width and size") {
    for (unsigned bits = PrimeRing::kMinBits; bits <= PrimeRing::kMaxBits; ++bits) {
        for (const std::size_t count : {8u, 16u, 64u, 72u, 512u, 1000u, 2048u}) {
            std::vector<std::uint64_t> values(count);
            for (auto& x : values) x = below(std::uint64_t{1} << bits);
            values[count - 1] = (std::uint64_t{1} << bits) - 1;
            std::vector<std::byte> packed(packed_bytes(count, bits));
            pack_residues(packed.data(), count, bits, [&](std::size_t i) { return values[i]; });
            for (const RingKernel* kernel : available_ring_kernels()) {
                std::vector<std::uint64_t> sums(count, 5);
                kernel->add(sums.data(), packed.data(), count, bits);
                bool same = true;
                for (std::size_t i = 0; i < count; ++i) same &= sums[i] == values[i] + 5;
                CHECK_MESSAGE(same, kernel->name, bits, count);
            }
        }
    }
}

TEST_CASE("sums of masked vectors open to the sums of their slots") {
    struct Case {
        MaskShape shape;
        unsigned num_addends;
    };
    const std::vector<Case> cases = {
        {shape_of(1, 1, 1, 11, 24, 1), 1},
        {shape_of(7, 3276700, 100, 12, 40, 3), 100},
        {shape_of(30'000, 3276700, 100, 12, 40, 3), 7},
        {shape_of(3 * 4096, 3276700, 100, 12, 40, 3), 3},
        {shape_of(5000, 1000, 4, 11, 36, 2), 4},
        {shape_of(100, (std::int64_t{1} << 61) - 1, 2, 12, 36, 1), 2},
        {shape_of(4097, 7, 10, 12, 40, 13), 10},
        // Quotients of more than 50 bits, and a wide base.
        {shape_of(5000, 10, 10, 12, 42, 16), 10},
        {shape_of(3000, std::int64_t{1} << 39, 4, 12, 46, 2), 4},
    };
    for (const Case& each : cases) {
        const MaskShape& shape = each.shape;
        const unsigned num_addends = each.num_addends;
        CAPTURE(shape.num_slots);
        CAPTURE(shape.num_digits);
        const Mask mask(shape);
        const Execution execution;
        MaskSum sum(mask);
        std::vector<std::int64_t> expected(shape.num_slots);
        std::vector<std::int64_t> secret(shape.dim());
        for (unsigned k = 0; k < num_addends; ++k) {
            const std::int64_t most = shape.max_slot / num_addends;
            std::vector<std::int64_t> slots(shape.num_slots);
            for (auto& slot : slots) {
                slot = std::int64_t(below(2 * std::uint64_t(most) + 1)) - most;
            }
            slots.front() = most;
            slots.back() = -most;
            const auto made = mask.protect(slots, text("a sum"), seed(), execution);
            const auto wire = made.blocks.to_bytes(execution);
            const auto read = MaskedBlocks::from_bytes(wire, shape, execution);
            CHECK(read.residues == made.blocks.residues);
            CHECK(read.part(0, read.count) == read);
            CHECK(code_of([&] { (void)read.part(0, read.count + 1); }) == Errc::invalid_argument);
            CHECK(code_of([&] { (void)read.part(read.count, 1); }) == Errc::invalid_argument);
            CHECK(code_of([&] { (void)read.part(0, 0); }) == Errc::invalid_argument);
            const MaskedBlocks* parts[] = {&read};
            sum.add(parts, 1, execution);
            for (std::size_t i = 0; i < slots.size(); ++i) expected[i] += slots[i];
            for (std::size_t i = 0; i < secret.size(); ++i) secret[i] += made.secret[i];
        }
        std::vector<std::int64_t> opened(shape.num_slots);
        const std::int64_t largest_error =
            mask.open(opened, sum.total(execution), secret, text("a sum"), execution);
        CHECK(opened == expected);
        CHECK(largest_error <= shape.max_error(num_addends));
        CHECK(largest_error > 0);
        // Under another context, or with another secret, nothing is left of it.
        const auto garbled = [&](std::string_view context, std::int64_t change) {
            std::vector<std::int64_t> other = secret;
            other[0] += change;
            try {
                const std::int64_t found =
                    mask.open(opened, sum.total(execution), other, text(context), execution);
                return found > shape.max_error(num_addends);
            } catch (const Error& error) {
                return error.code() == Errc::capacity;
            }
        };
        CHECK(garbled("another sum", 0));
        CHECK(garbled("a sum", 1));
        CHECK_FALSE(garbled("a sum", 0));
    }
}

TEST_CASE("a sum within the guard is refused by name, and fits at the bound") {
    const MaskShape shape = shape_of(50, 1000, 2, 12, 30, 3);
    const Mask mask(shape);
    const Execution execution;
    for (const std::int64_t beyond : {0, 1, 16}) {
        for (const std::int64_t sign : {1, -1}) {
            for (const std::size_t place : {std::size_t{0}, std::size_t{49}}) {
                std::vector<std::int64_t> slots(shape.num_slots, -sign * shape.max_slot);
                slots[place] = sign * (shape.max_slot + beyond);
                const auto made = mask.protect(slots, text("a sum"), seed(), execution);
                std::vector<std::int64_t> opened(shape.num_slots);
                const auto open = [&] {
                    mask.open(opened, made.blocks, made.secret, text("a sum"), execution);
                    return opened;
                };
                if (beyond == 0) {
                    CHECK(open() == slots);
                } else {
                    CHECK(code_of([&] { (void)open(); }) == Errc::capacity);
                }
            }
        }
    }
}

TEST_CASE("masked blocks from outside are refused unless they are residues of the shape") {
    const MaskShape shape = shape_of(5000, 1000, 4, 11, 37, 2);
    const Mask mask(shape);
    const Execution execution;
    const auto made =
        mask.protect(std::vector<std::int64_t>(shape.num_slots), text("a sum"), seed(), execution);
    const auto refused = [&](const MaskedBlocks& blocks) {
        const auto wire = blocks.to_bytes(execution);
        CHECK(code_of([&] { (void)MaskedBlocks::from_bytes(wire, shape, execution); }) ==
              Errc::malformed);
    };
    MaskShape no_ring = shape;
    no_ring.prime_bits = 47;
    CHECK(code_of([&] {
              const auto wire = made.blocks.to_bytes(execution);
              (void)MaskedBlocks::from_bytes(wire, no_ring, execution);
          }) == Errc::invalid_argument);
    MaskedBlocks blocks = made.blocks;
    for (std::size_t i = 0; i < 5 * 8; ++i) blocks.residues[i] = std::byte{0xff};
    refused(blocks);
    blocks = made.blocks;
    blocks.residues.pop_back();
    refused(blocks);
    blocks = made.blocks;
    blocks.count = 1;
    refused(blocks);
    blocks = made.blocks;
    blocks.first = 1;
    refused(blocks);
    blocks = made.blocks;
    blocks.shape.prime_bits = 38;
    refused(blocks);
    // Bits behind the last residue: the last block has 904 coefficients, so 113 rows of 37 bits.
    blocks = made.blocks;
    blocks.residues.back() |= std::byte{0x80};
    refused(blocks);
    // The largest residue passes, and the prime itself does not.
    const PrimeRing ring(11, 37, 0);
    for (const std::uint64_t value : {ring.q() - 1, ring.q()}) {
        blocks = made.blocks;
        pack_residues(blocks.residues.data(), 2048, 37,
                      [&](std::size_t i) { return i == 1234 ? value : 0; });
        if (value < ring.q()) {
            const auto wire = blocks.to_bytes(execution);
            CHECK_NOTHROW(MaskedBlocks::from_bytes(wire, shape, execution));
        } else {
            refused(blocks);
        }
    }
}

TEST_CASE("a mask needs a context, all slots, and room for its addends") {
    const MaskShape shape = shape_of(10, 1000, 2, 11, 30, 1);
    const Mask mask(shape);
    const Execution execution;
    const std::vector<std::int64_t> slots(10);
    CHECK(code_of([&] { (void)mask.protect(slots, {}, seed(), execution); }) ==
          Errc::invalid_argument);
    CHECK(code_of([&] {
              (void)mask.protect(std::vector<std::int64_t>(9), text("x"), seed(), execution);
          }) == Errc::invalid_argument);
    const auto made = mask.protect(slots, text("x"), seed(), execution);
    const MaskedBlocks* parts[] = {&made.blocks};
    MaskSum sum(mask);
    CHECK(code_of([&] { (void)sum.total(execution); }) == Errc::invalid_argument);
    sum.add(parts, 2, execution);
    CHECK(code_of([&] { sum.add(parts, 1, execution); }) == Errc::capacity);
    CHECK(code_of([&] { sum.add({}, 1, execution); }) == Errc::invalid_argument);
    CHECK(sum.num_addends() == 2);
}

TEST_CASE("what is derived from a seed depends on all of it") {
    const MaskShape shape = shape_of(10, 1000, 2, 11, 30, 1);
    const Mask mask(shape);
    const HedgedSeed one = seed();
    const std::vector<std::int64_t> slots(10);
    const auto made = mask.protect(slots, text("x"), one, {});
    CHECK(mask.protect(slots, text("x"), one, {}).secret == made.secret);
    CHECK(mask.protect(slots, text("x"), seed(), {}).secret != made.secret);
    std::array<std::byte, 200> whole{};
    SeededSource(one, "purpose", 1).fill(whole);
    SeededSource pieces(one, "purpose", 1);
    std::array<std::byte, 200> joined{};
    std::size_t done = 0;
    for (const std::size_t size : {1u, 63u, 64u, 5u, 0u, 67u}) {
        pieces.fill(std::span(joined).subspan(done, size));
        done += size;
    }
    CHECK(joined == whole);
    for (const auto& [purpose, number] : {std::pair{"purpose", 2}, std::pair{"other", 1}}) {
        std::array<std::byte, 200> other{};
        SeededSource(one, purpose, std::uint64_t(number)).fill(other);
        CHECK(other != whole);
    }
}

TEST_CASE("public polynomials are the same on every machine") {
    const MaskShape shape = shape_of(10, 1000, 2, 11, 30, 1);
    const PrimeRing ring(11, 30, 0);
    std::vector<std::uint64_t> a(2048);
    PublicPolynomials(shape, text("a sum")).expand(a, 3, 0, ring);
    CHECK(*std::ranges::max_element(a) < ring.q());
    // As OpenSSL has them, through Python: tests/test_masked.py computes more.
    CHECK(a[0] == 1055724703);
    CHECK(a[1] == 893964163);
    CHECK(a[2047] == 241378089);
}

// Lattice kernels against the portable one, on random and on extreme numbers.

#include <algorithm>
#include <limits>
#include <random>

#include <doctest/doctest.h>

#include "emulated_lanes.hpp"
#include "emulated_simd.hpp"
#include "veilsum/base/secret.hpp"
#include "veilsum/lattice/packed_residues.hpp"

using namespace veilsum;
using veilsum::testing::emulated_ring_kernels;
using veilsum::testing::violations;

namespace {

std::mt19937_64& generator() {
    static std::mt19937_64 engine(20261201);
    return engine;
}

std::uint64_t below(std::uint64_t bound) { return generator()() % bound; }

/// Numbers of [least, most]: all the least, all the most, either of both, or any.
enum class Values { least, most, either, any };
constexpr Values kAllValues[] = {Values::least, Values::most, Values::either, Values::any};

template <class T>
void fill(std::span<T> out, std::int64_t least, std::int64_t most, Values values) {
    for (T& x : out) {
        const bool is_most =
            values == Values::most || (values == Values::either && generator()() % 2 == 0);
        std::int64_t value = is_most ? most : least;
        if (values == Values::any) {
            value = least +
                    static_cast<std::int64_t>(below(static_cast<std::uint64_t>(most - least) + 1));
        }
        x = static_cast<T>(value);
    }
}

struct Inputs {
    Inputs(const PrimeRing& ring, std::size_t num, unsigned num_digits)
        : num_coefficients(num),
          a(ring.dim()),
          transformed(ring.dim()),
          slots(num_digits * num),
          errors(num),
          sums(num) {
        for (unsigned k = 0; k < num_digits; ++k) {
            const std::uint64_t w = k == 0 ? ring.q() - 1 : below(ring.q());
            weights.push_back(digit_weight(w, ring));
        }
    }

    BlockTerms terms() const {
        return {num_coefficients, slots.data(), slots_are_short, errors.data(), weights};
    }

    std::size_t num_coefficients;
    Secret<std::uint64_t> a;
    Secret<std::uint64_t> transformed;
    std::vector<std::int64_t> slots;
    bool slots_are_short = true;
    std::vector<std::int32_t> errors;
    std::vector<DigitWeight> weights;
    std::vector<std::uint64_t> sums;
};

struct Outputs {
    std::vector<std::byte> packed;
    std::vector<std::uint64_t> sums;
    std::vector<std::uint64_t> opened;
    bool are_residues;

    bool operator==(const Outputs&) const = default;
};

Outputs outputs_of(const RingKernel& kernel, const Inputs& in, const PrimeRing& ring) {
    Secret<std::uint64_t> prepared(2 * ring.dim());
    kernel.prepare(prepared.data(), in.transformed.data(), ring);
    Outputs out;
    Secret<std::uint64_t> a = in.a;
    // Nothing is written behind the residues, and they may begin anywhere.
    const std::size_t num_bytes = packed_bytes(in.num_coefficients, ring.bits());
    out.packed.assign(num_bytes + 9, std::byte{0xa5});
    kernel.protect(out.packed.data() + 1, a.data(), prepared.data(), in.terms(), ring);
    out.are_residues = kernel.are_residues(out.packed.data() + 1, in.num_coefficients, ring);
    out.sums = in.sums;
    kernel.add(out.sums.data(), out.packed.data() + 1, in.num_coefficients, ring.bits());
    a = in.a;
    kernel.unmask(a.data(), in.sums.data(), in.num_coefficients, prepared.data(), ring);
    out.opened.assign(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(in.num_coefficients));
    return out;
}

/// Whether kernels give what the portable one gives.
void check_same(std::span<const RingKernel* const> kernels, const Inputs& in,
                const PrimeRing& ring) {
    const Outputs expected = outputs_of(kPortableRingKernel, in, ring);
    CHECK(expected.are_residues);
    for (const RingKernel* kernel : kernels) {
        CAPTURE(kernel->name);
        const Outputs found = outputs_of(*kernel, in, ring);
        CHECK(found.are_residues);
        CHECK(found.packed == expected.packed);
        CHECK(found.sums == expected.sums);
        CHECK(found.opened == expected.opened);
    }
}

constexpr std::int64_t kShort = (std::int64_t{1} << 50) - 1;
constexpr std::int64_t kLong = std::int64_t{1} << 61;
constexpr std::int64_t kError = (std::int64_t{1} << 20) - 1;
constexpr std::int64_t kSum = std::numeric_limits<std::int64_t>::max();

void check_ring(std::span<const RingKernel* const> kernels, unsigned log_dim, unsigned bits) {
    CAPTURE(log_dim);
    CAPTURE(bits);
    const PrimeRing ring(log_dim, bits, bits % 2);
    const auto largest = static_cast<std::int64_t>(ring.q() - 1);
    const std::size_t sizes[] = {ring.dim(), 8, 16, 1000};
    for (const Values values : kAllValues) {
        for (const bool slots_are_short : {true, false}) {
            const auto which = static_cast<std::size_t>(values);
            const unsigned num_digits =
                slots_are_short ? 16 - 5 * unsigned(which) : 1 + unsigned(which) * 5;
            Inputs in(ring, sizes[(which + bits) % 4], num_digits);
            in.slots_are_short = slots_are_short;
            const std::int64_t most = slots_are_short ? kShort : kLong;
            fill(std::span(in.a), 0, largest, values);
            fill(std::span(in.transformed), 0, largest, kAllValues[(which + bits) % 4]);
            fill(std::span(in.slots), -most, most, values);
            fill(std::span(in.errors), -kError, kError, values);
            fill(std::span(in.sums), 0, kSum - (std::int64_t{1} << bits), values);
            check_same(kernels, in, ring);
        }
    }
}

/// Each lane and each bit of what is no residue, and of what lies behind the last one.
void check_refusals(std::span<const RingKernel* const> kernels) {
    constexpr unsigned kBits = 37;
    const PrimeRing ring(11, kBits, 0);
    for (const std::size_t count : {8u, 72u, 512u}) {
        std::vector<std::uint64_t> values(count);
        std::vector<std::byte> packed(packed_bytes(count, kBits));
        const auto are_residues = [&](const RingKernel& kernel) {
            return kernel.are_residues(packed.data(), count, ring);
        };
        for (const std::size_t i : {std::size_t{0}, std::size_t{7}, count / 2 + 3, count - 1}) {
            for (const std::uint64_t x :
                 {ring.q() - 1, ring.q(), (std::uint64_t{1} << kBits) - 1}) {
                values[i] = x;
                pack_residues(packed.data(), count, kBits,
                              [&](std::size_t j) { return values[j]; });
                for (const RingKernel* kernel : kernels) {
                    CHECK_MESSAGE(are_residues(*kernel) == (x < ring.q()), kernel->name, i, x);
                }
            }
            values[i] = 0;
        }
        std::ranges::fill(packed, std::byte{0});
        const std::size_t num_bits = count / 8 * kBits;
        for (std::size_t bit = num_bits; bit % 64 != 0; ++bit) {
            for (std::size_t lane = 0; lane < 8; ++lane) {
                std::byte& changed = packed[(bit / 64 * 8 + lane) * 8 + bit % 64 / 8];
                changed = std::byte{1} << bit % 8;
                for (const RingKernel* kernel : kernels) CHECK_FALSE(are_residues(*kernel));
                changed = std::byte{0};
            }
        }
    }
}

}  // namespace

TEST_CASE("all lattice kernels give the same, for primes of every size and extreme numbers") {
    const auto kernels = available_ring_kernels();
    for (unsigned bits = PrimeRing::kMinBits; bits <= PrimeRing::kMaxBits; ++bits) {
        for (const unsigned log_dim : {11u, 12u}) check_ring(kernels, log_dim, bits);
    }
}

TEST_CASE("all lattice kernels refuse what is no residue, in every lane") {
    check_refusals(available_ring_kernels());
    check_refusals(emulated_ring_kernels());
}

TEST_CASE("emulated lanes find that floating-point blocks are exact, within their bounds") {
    (void)violations.take_count();
    for (const unsigned bits : {24u, 37u, 46u}) {
        for (const unsigned log_dim : {11u, 12u}) {
            check_ring(emulated_ring_kernels(), log_dim, bits);
            CHECK_MESSAGE(violations.take_count() == 0, violations.first());
        }
    }
}

// Constant time, watched by valgrind: secrets are marked undefined, so memcheck reports every
// branch and every address that depends on one.
//
// Method: A. Langley's ctgrind (2010). Instructions whose own time varies are out of its sight, and
// so is GMP code for processors that valgrind does not emulate. Run it by the preset `ctime`.

#include <gmp.h>
#include <valgrind/memcheck.h>

#include <algorithm>
#include <cstdio>
#include <span>
#include <vector>

#include "veilsum/bigint/kernel.hpp"
#include "veilsum/bigint/limbs.hpp"
#include "veilsum/bigint/residue.hpp"
#include "veilsum/paillier/encrypt.hpp"
#include "veilsum/paillier/prime_half.hpp"
#include "veilsum/rng/uniform.hpp"

using namespace veilsum;

namespace {

bool all_passed = true;

void mark_secret(const void* data, std::size_t size_bytes) {
    VALGRIND_MAKE_MEM_UNDEFINED(data, size_bytes);
}

template <class T>
void mark_secret(std::span<T> data) {
    mark_secret(data.data(), data.size_bytes());
}

/// A result of secrets is secret: were it not, the check would have lost them on the way.
template <class T>
void expect_secret(std::span<T> result) {
    std::vector<unsigned char> undefined_bits(result.size_bytes());
    VALGRIND_GET_VBITS(result.data(), undefined_bits.data(), undefined_bits.size());
    if (std::ranges::all_of(undefined_bits, [](unsigned char bits) { return bits == 0; })) {
        all_passed = false;
        std::puts("FAIL the result above does not depend on secrets");
    }
}

/// Runs f and compares how often memcheck saw time depend on a secret.
template <class F>
void expect_reports(unsigned expected, const char* what, F&& f) {
    const auto before = VALGRIND_COUNT_ERRORS;
    f();
    const auto reports = VALGRIND_COUNT_ERRORS - before;
    const bool passed = reports == expected;
    all_passed = all_passed && passed;
    std::printf("%s %s: %u reports, %u expected\n", passed ? "ok  " : "FAIL", what,
                static_cast<unsigned>(reports), expected);
}

/// No report, and a result that is secret.
template <class T, class F>
void expect_constant_time(const char* what, std::span<T> result, F&& f) {
    std::ranges::fill(result, T{});
    expect_reports(0, what, f);
    expect_secret(result);
}

Secret<Limb> random_limbs(std::size_t num_limbs) {
    Secret<Limb> limbs(num_limbs);
    Csprng().fill(std::as_writable_bytes(std::span(limbs)));
    return limbs;
}

/// Odd, with the top bit set.
Integer random_odd(std::size_t bits) {
    Integer x = Integer::from_limbs(random_limbs(bits / 64));
    mpz_setbit(x.get(), bits - 1);
    mpz_setbit(x.get(), 0);
    return x;
}

Integer random_coprime(std::size_t bits, const Integer& other) {
    for (;;) {
        Integer x = random_odd(bits);
        if (gcd(x, other) == Integer(1)) return x;
    }
}

Secret<Limb> secret_limbs(std::size_t num_limbs) {
    Secret<Limb> limbs = random_limbs(num_limbs);
    mark_secret(std::span(limbs));
    return limbs;
}

/// An element that is secret, with zeros in front so that it is below n.
Secret<std::byte> secret_elements(std::size_t count, const Modulus& n) {
    Secret<std::byte> elements(count * n.element_bytes());
    Csprng().fill(elements);
    for (std::size_t digit = 1; digit <= 2 * count; ++digit) {
        elements[digit * n.digit_bytes() - 1] = std::byte{0};
    }
    mark_secret(std::span(elements));
    return elements;
}

void mark_secret(const Modulus& n) {
    // The top limb stays known: lengths are public, and GMP's division looks up an inverse of the
    // divisor's top bits.
    mark_secret(n.n(), (n.num_limbs() - 1) * sizeof(Limb));
    for (const std::byte* constant : {n.r_squared(), n.r()}) {
        mark_secret(constant, n.element_bytes());
    }
}

void check_instrument() {
    const Secret<Limb> a = secret_limbs(4);
    const Secret<Limb> b = secret_limbs(4);
    volatile int sink = 0;
    const auto before = VALGRIND_COUNT_ERRORS;
    // A leak on purpose: the comparison ends at the first limb that differs.
    if (mpn_cmp(a.data(), b.data(), 4) > 0) sink = 1;
    const bool passed = VALGRIND_COUNT_ERRORS > before;
    all_passed = all_passed && passed;
    std::printf("%s a planted leak is found (the report above)\n", passed ? "ok  " : "FAIL");
    static_cast<void>(sink);
}

void check_limbs() {
    for (const std::size_t h : {1u, 7u, 16u, 24u, 32u, 48u}) {
        const Secret<Limb> a = secret_limbs(h);
        const Secret<Limb> b = secret_limbs(h);
        const Secret<Limb> n = secret_limbs(h);
        Secret<Limb> T(2 * h);
        Secret<Limb> q(h);
        Secret<Limb> out(h);
        Secret<Limb> scratch(limbs::mul_scratch(h) + h);
        expect_constant_time("limbs::mul, sqr, reduce, subtract_once", std::span(out), [&] {
            limbs::sqr(T.data(), a.data(), h, scratch.data());
            limbs::mul(T.data(), a.data(), b.data(), h, scratch.data());
            Limb carry = limbs::reduce(out.data(), q.data(), T.data(), n.data(), b[0], h);
            limbs::subtract_once(out.data(), carry, n.data(), h, scratch.data());
        });
    }
    Secret<Limb> table = secret_limbs(32 * 10);
    Secret<Limb> entry(10);
    expect_constant_time("limbs::select, bits_at", std::span(entry), [&] {
        const Limb index = limbs::bits_at(table.data(), table.size(), 61, 5);
        limbs::select(entry.data(), table.data(), 10, 32, index);
    });
}

void check_kernel(const char* what, const Modulus& n, const FixedBaseTable& table) {
    constexpr std::size_t kCount = 3;
    constexpr std::size_t kExponentBits = 100;
    const Kernel& kernel = n.kernel();
    const std::size_t h = n.num_limbs();
    const Secret<std::byte> a = secret_elements(kCount, n);
    const Secret<std::byte> b = secret_elements(kCount, n);
    const Operand a_operand{a.data(), n.element_bytes()};
    const Secret<Limb> exponents = secret_limbs(kCount * 2);
    Secret<Limb> m = random_limbs(kCount * h);
    for (std::size_t i = 1; i <= kCount; ++i) m[i * h - 1] = 0;
    mark_secret(std::span(m));
    Secret<std::byte> out(a.size());
    Secret<std::byte> scratch(kernel.scratch_bytes(n));
    std::printf("%s kernel, %s:\n", kernel.name, what);
    expect_constant_time("mul", std::span(out), [&] {
        kernel.mul(out.data(), a_operand, {b.data(), n.element_bytes()}, kCount, n, scratch.data());
    });
    expect_constant_time("mul_reduce", std::span(out), [&] {
        kernel.mul_reduce(out.data(), a_operand, kCount, n.element_bytes(), 1, n, scratch.data());
    });
    expect_constant_time("add_plain", std::span(out), [&] {
        kernel.add_plain(out.data(), a_operand, m.data(), h, kCount, n, scratch.data());
    });
    expect_constant_time("pow_shared", std::span(out), [&] {
        kernel.pow_shared(out.data(), a_operand, n.r_squared(), exponents.data(), kExponentBits, 1,
                          n, scratch.data());
    });
    expect_constant_time("pow_each", std::span(out), [&] {
        kernel.pow_each(out.data(), a_operand, n.r_squared(), exponents.data(), 2, kExponentBits,
                        kCount, n, scratch.data());
    });
    const ExponentMatrix matrix{exponents.data(), kCount - 1, 2, 2, 2, kExponentBits};
    Secret<std::byte> multi_pow_scratch(kernel.multi_pow_scratch_bytes(matrix, n));
    expect_constant_time("multi_pow", std::span(out), [&] {
        kernel.multi_pow(out.data(), a_operand, n.r_squared(), matrix, n, multi_pow_scratch.data());
    });
    expect_constant_time("fixed_base", std::span(out), [&] {
        kernel.fixed_base(out.data(), table, exponents.data(), 2, kCount, n, scratch.data());
    });
    const Secret<Limb> x = secret_limbs(h);
    Secret<Limb> product(h);
    Secret<Limb> residue_scratch(residue::scratch_limbs(n));
    expect_constant_time("residue::mul", std::span(product), [&] {
        residue::mul(product.data(), x.data(), m.data(), n, residue_scratch.data());
    });
}

void check_kernels(std::size_t bits) {
    for (const Kernel* kernel : available_kernels()) {
        const Modulus n(random_odd(bits), *kernel);
        const FixedBaseTable table(n.element(random_coprime(bits - 64, n.n_integer())).data(), 70,
                                   n, {});
        check_kernel("public n", n, table);
        mark_secret(n);
        mark_secret(table.row(0), table.size_bytes());
        check_kernel("secret n", n, table);
    }
}

void check_plaintexts() {
    const Modulus n(random_odd(2048), active_kernel());
    for (const std::size_t limbs_per_value : {1u, 32u, 33u}) {
        Plaintexts plaintexts(4, limbs_per_value);
        for (std::size_t i = 0; i < plaintexts.size(); ++i) {
            plaintexts[i][0] = i;
            if (i % 2 != 0) {
                for (Limb& limb : plaintexts[i]) limb = ~limb;
            }
            mark_secret(plaintexts[i]);
        }
        // That all values are in range is told on purpose: out of range is an error.
        expect_reports(1, "plaintext_residues",
                       [&] { plaintext_residues(plaintexts, n, {.num_threads = 1}); });
    }
}

void check_prime_half() {
    const Integer p = random_odd(1024);
    const Integer q = random_coprime(1024, p);
    const Modulus n(p * q, active_kernel());
    const PrimeHalf half(p, q, n);
    mark_secret(half.p());
    mark_secret(half.order(), (half.p().num_limbs() - 1) * sizeof(Limb));

    const Secret<std::byte> c = secret_elements(1, n);
    Secret<std::byte> reduced(half.p().element_bytes());
    Secret<Limb> sum(n.num_limbs() + 1);
    Secret<Limb> scratch(half.scratch_limbs(n));
    expect_constant_time("PrimeHalf::reduce", std::span(reduced),
                         [&] { half.reduce(reduced.data(), c.data(), n, scratch.data()); });
    expect_constant_time("PrimeHalf::add_message_part", std::span(sum), [&] {
        half.add_message_part(sum.data(), reduced.data(), n, scratch.data());
    });
}

}  // namespace

int main() {
    if (RUNNING_ON_VALGRIND == 0) {
        std::puts("This program says something only under valgrind: ctest --preset ctime");
        return 2;
    }
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    check_instrument();
    check_limbs();
    check_kernels(512);
    check_kernels(2048);
    check_plaintexts();
    check_prime_half();
    return all_passed ? 0 : 1;
}

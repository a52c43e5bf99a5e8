// Constant time: no branch and no address depends on a secret, in the kernels and in what the core
// computes around them. ctime_secrets.hpp says how that is seen.
//
// `./run test --ctime` runs it under valgrind, with the library of the Python extension, and by the
// preset `ctime-ifma`, all compiled for MemorySanitizer.
// Under valgrind, GMP's code for processors that valgrind does not emulate stays unseen.

#include <gmp.h>

#include <algorithm>
#include <cstdio>
#include <span>
#include <string>
#include <vector>

#include "ctime_verdicts.hpp"
#include "veilsum/bigint/kernel.hpp"
#include "veilsum/bigint/limbs.hpp"
#include "veilsum/bigint/residue.hpp"
#include "veilsum/lattice/ring_kernel.hpp"
#include "veilsum/paillier/plaintext_proof.hpp"
#include "veilsum/paillier/prime_half.hpp"
#include "veilsum/paillier/seal.hpp"
#include "veilsum/paillier/secret_exponent.hpp"
#include "veilsum/paillier/share_proof.hpp"
#include "veilsum/rng/uniform.hpp"

using namespace veilsum;

namespace {

using ctime::all_passed;
using ctime::expect_constant_time;
using ctime::expect_leak;
using ctime::expect_secret;
using ctime::mark_secret;
using ctime::reports_of;
using ctime::verdict;

constexpr int kSkipped = 77;

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
    for (std::size_t digit = 1; digit <= n.num_digits() * count; ++digit) {
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
    const volatile int table[64] = {};
    volatile int sink = 0;
    expect_leak("planted: a branch", [&] {
        if (a[0] > a[1]) sink = 1;
    });
    expect_leak("planted: a look-up", [&] { sink = table[a[0] % 64]; });
    if (ctime::kSeesGmp) {
        expect_leak("planted: a comparison that ends at the first limb that differs", [&] {
            if (mpn_cmp(a.data(), a.data() + 2, 2) > 0) sink = 1;
        });
    }
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

void check_products(const Modulus& n) {
    constexpr std::size_t kCount = 3;
    const Kernel& kernel = n.kernel();
    const Secret<std::byte> a = secret_elements(kCount, n);
    const Secret<std::byte> b = secret_elements(kCount, n);
    const Operand a_operand{a.data(), n.element_bytes()};
    const Operand b_operand{b.data(), n.element_bytes()};
    Secret<std::byte> out(a.size());
    const std::span<std::byte> first = std::span(out).first(n.element_bytes());
    Secret<std::byte> scratch(kernel.scratch_bytes(n));
    expect_constant_time("mul", std::span(out), [&] {
        kernel.mul(out.data(), a_operand, b_operand, kCount, n, scratch.data());
    });
    volatile int sink = 0;
    expect_leak("planted: a branch on a product", [&] {
        if (out[0] > out[1]) sink = 1;
    });
    expect_constant_time("mul_reduce", first, [&] {
        kernel.mul_reduce(out.data(), a_operand, kCount, n.element_bytes(), 1, n, scratch.data());
    });
    const std::size_t rows[kCount] = {2, 0, 1};
    const RowList lists[] = {{rows, kCount}, {rows, 1}};
    expect_constant_time("mul_lists", std::span(out).first(2 * n.element_bytes()), [&] {
        kernel.mul_lists(out.data(), {a.data(), 1, lists}, 0, 2, n, scratch.data());
    });
    expect_constant_time("horner", first, [&] {
        kernel.horner(out.data(), a_operand, kCount, n.element_bytes(), 5, 1, n, scratch.data());
    });
    Secret<std::byte> known(n.element_bytes());
    mark_secret(known.data(), 1);
    expect_constant_time("mul by one secret byte", first, [&] {
        kernel.mul(out.data(), {known.data(), 0}, {n.r_squared(), 0}, 1, n, scratch.data());
    });
    Secret<std::byte> lanes(kernel.lane_bytes(kCount, n));
    expect_constant_time("lanes", std::span(out), [&] {
        kernel.enter_lanes(lanes.data(), a_operand, kCount, n, scratch.data());
        kernel.mul_lanes(lanes.data(), b_operand, kCount, n, scratch.data());
        kernel.leave_lanes(out.data(), lanes.data(), kCount, n, scratch.data());
    });
}

void check_square(const SquareModulus& n, const FixedBaseTable& table) {
    constexpr std::size_t kCount = 3;
    constexpr std::size_t kExponentLimbs = 2;
    const SquareKernel& kernel = n.kernel();
    const std::size_t h = n.num_limbs();
    // So many that look-ups go by several groups of lanes at once, and one is left.
    const std::size_t num_fixed = 4 * kernel.num_lanes + 1;
    const Secret<std::byte> a = secret_elements(kCount, n);
    Secret<Limb> m = random_limbs(kCount * h);
    // Of either sign, and small enough for n.
    for (std::size_t i = 1; i <= kCount; ++i) m[i * h - 1] = i % 2 == 0 ? ~Limb{0} : 0;
    mark_secret(std::span(m));
    const Secret<Limb> exponents = secret_limbs(num_fixed * kExponentLimbs);
    Secret<std::byte> out(num_fixed * n.element_bytes());
    Secret<std::byte> scratch(kernel.scratch_bytes(n));
    expect_constant_time("add_plain", std::span(out).first(a.size()), [&] {
        kernel.add_plain(out.data(), {a.data(), n.element_bytes()}, {m.data(), h, h}, kCount, n,
                         scratch.data());
    });
    // The windows of p - 1 and its coefficients are secret as p is; what is here need not be a
    // prime.
    const OrderPower order(n);
    mark_secret(order.exponent(), h * sizeof(Limb));
    mark_secret(order.coefficients(0), OrderPower::kNumEntries * n.digit_bytes());
    expect_constant_time("pow_order", std::span(out).first(a.size()), [&] {
        kernel.pow_order(out.data(), {a.data(), n.element_bytes()}, order, kCount, n,
                         scratch.data());
    });
    expect_constant_time("fixed_base", std::span(out), [&] {
        kernel.fixed_base(out.data(), table, exponents.data(), kExponentLimbs, num_fixed, n,
                          scratch.data());
    });
}

void check_powers(const Modulus& n) {
    constexpr std::size_t kCount = 3;
    constexpr std::size_t kExponentLimbs = 2;
    constexpr std::size_t kExponentBits = 100;
    const Kernel& kernel = n.kernel();
    const Secret<std::byte> base = secret_elements(kCount, n);
    const Operand bases{base.data(), n.element_bytes()};
    // Rows of the matrix below begin an exponent apart.
    const Secret<Limb> exponents = secret_limbs((kCount + 1) * kExponentLimbs);
    Secret<std::byte> out(kCount * n.element_bytes());
    const auto elements = [&](std::size_t count) {
        return std::span(out).first(count * n.element_bytes());
    };
    Secret<std::byte> scratch(kernel.scratch_bytes(n));
    expect_constant_time("pow_shared", elements(1), [&] {
        kernel.pow_shared(out.data(), bases, n.r_squared(), exponents.data(), kExponentBits, 1, n,
                          scratch.data());
    });
    constexpr Limb kPublicExponent = 0xd0'0000'0000'7b31;
    expect_constant_time("pow_shared_vartime, public exponent", elements(kCount), [&] {
        kernel.pow_shared_vartime(out.data(), bases, n.r_squared(), &kPublicExponent, 64, kCount, n,
                                  scratch.data());
    });
    expect_constant_time("pow_each", elements(kCount), [&] {
        kernel.pow_each(out.data(), bases, n.r_squared(), exponents.data(), kExponentLimbs,
                        kExponentBits, kCount, n, scratch.data());
    });
    const ExponentMatrix matrix{exponents.data(), 2, kCount, kExponentLimbs, kExponentLimbs,
                                kExponentBits};
    Secret<std::byte> multi_pow_scratch(kernel.multi_pow_scratch_bytes(matrix, n));
    expect_constant_time("multi_pow", elements(matrix.num_rows), [&] {
        kernel.multi_pow(out.data(), bases, n.r_squared(), matrix, n, multi_pow_scratch.data());
    });
}

/// Moduli are public here.
void check_pow_moduli(const SquareKernel& kernel, std::size_t bits) {
    constexpr std::size_t kCount = 3;
    constexpr std::size_t kExponentBits = 100;
    const std::size_t num_limbs = bits / 64;
    Secret<Limb> moduli(kCount * num_limbs);
    Secret<Limb> bases = random_limbs(kCount * num_limbs);
    for (std::size_t i = 0; i < kCount; ++i) {
        random_odd(bits).to_limbs(std::span(moduli).subspan(i * num_limbs, num_limbs));
        bases[(i + 1) * num_limbs - 1] = 0;  // Below its modulus.
    }
    mark_secret(std::span(bases));
    const Secret<Limb> exponents = secret_limbs(kCount * 2);
    // Any numbers below their moduli do.
    const Powers powers{bases.data(), exponents.data(), moduli.data(), bases.data(),
                        bits,         kExponentBits};
    Secret<Limb> out(kCount * num_limbs);
    Secret<std::byte> scratch(kernel.pow_moduli_scratch_bytes(powers));
    expect_constant_time("pow_moduli", std::span(out),
                         [&] { kernel.pow_moduli(out.data(), powers, kCount, scratch.data()); });
}

/// Exponents are public here, bases and n are not. So many that buckets serve.
void check_multi_pow_vartime(const Modulus& n) {
    constexpr std::size_t kCount = 64;
    const Kernel& kernel = n.kernel();
    const Secret<std::byte> bases = secret_elements(kCount, n);
    const Secret<Limb> exponents = random_limbs(kCount);
    const ExponentMatrix matrix{exponents.data(), 1, kCount, kCount, 1, 64};
    Secret<std::byte> out(n.element_bytes());
    Secret<std::byte> scratch(kernel.multi_pow_vartime_scratch_bytes(matrix, n));
    expect_constant_time("multi_pow_vartime", std::span(out), [&] {
        kernel.multi_pow_vartime(out.data(), {bases.data(), n.element_bytes()}, n.r_squared(),
                                 matrix, n, scratch.data());
    });
}

void check_residue(const Modulus& n) {
    const Secret<Limb> x = secret_limbs(n.num_limbs());
    const Secret<Limb> y = secret_limbs(n.num_limbs());
    Secret<Limb> product(n.num_limbs());
    Secret<Limb> scratch(residue::scratch_limbs(n));
    expect_constant_time("residue::mul", std::span(product), [&] {
        residue::mul(product.data(), x.data(), y.data(), n, scratch.data());
    });
}

void check_kernel_modulo_n(const Kernel& kernel, std::size_t bits) {
    const Modulus n(random_odd(bits), kernel);
    std::printf("%s kernel modulo n of %zu bits:\n", kernel.name, bits);
    check_products(n);
    check_powers(n);
    check_multi_pow_vartime(n);
}

bool is_checked(const Kernel& kernel) {
    return ctime::kSeesGmp || std::string(kernel.name) == "ifma";
}

void check_kernel(const SquareKernel& kernel, std::size_t bits) {
    std::printf("%s kernel, moduli of %zu bits:\n", kernel.name, bits);
    check_pow_moduli(kernel, bits);
    const SquareModulus n(random_odd(bits), kernel);
    const FixedBaseTable table(n.element(random_coprime(bits - 64, n.n_integer())).data(), 70, n,
                               {});
    for (const bool is_n_secret : {false, true}) {
        std::printf("%s kernel, %s n of %zu bits:\n", kernel.name,
                    is_n_secret ? "secret" : "public", bits);
        if (is_n_secret) {
            mark_secret(n);
            mark_secret(table.row(0), table.size_bytes());
        }
        check_products(n);
        check_powers(n);
        check_square(n, table);
        check_multi_pow_vartime(n);
        if (ctime::kSeesGmp) check_residue(n);
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
        // That all values are in range is told on purpose, unless a limb cannot be out of range:
        // what is so is an error.
        const unsigned expected = limbs_per_value == 1 ? 0 : 1;
        const unsigned reports =
            reports_of([&] { require_representable(plaintexts, n, {.num_threads = 1}); });
        verdict(reports == expected, "require_representable", reports, expected == 0 ? "0" : "1");
    }
}

void check_prime_half() {
    const Integer p = random_odd(1024);
    const Integer q = random_coprime(1024, p);
    const SquareModulus n(p * q, active_kernel());
    const PrimeHalf half(p, q, n);
    mark_secret(half.p());
    mark_secret(half.order(), (half.p().num_limbs() - 1) * sizeof(Limb));

    const Secret<std::byte> c = secret_elements(1, n);
    Secret<std::byte> reduced(half.p().element_bytes());
    Secret<Limb> sum(n.num_limbs() + 1);
    Secret<Limb> scratch(half.scratch_limbs(n));
    expect_constant_time("PrimeHalf::reduce", std::span(reduced),
                         [&] { half.reduce(reduced.data(), c.data(), n, scratch.data()); });
    // The sum is zero before, so nothing is carried into its top limb.
    const auto written = std::span(sum).first(n.num_limbs());
    expect_constant_time("PrimeHalf::add_message_part", written, [&] {
        half.add_message_part(sum.data(), reduced.data(), n, scratch.data());
    });
}

/// A proof with its nonce, from a secret exponent; the challenge is public, and looks secret here.
void check_share_proof() {
    const Integer n = random_odd(1024);
    const PublicKey public_key = PublicKey::unchecked(n, KeyForm::djn);
    Bytes elements, residues;
    for (int i = 0; i < 3; ++i) {
        const auto element = public_key.modulus().element(random_coprime(1024, n));
        elements.insert(elements.end(), element.begin(), element.end());
        residues.insert(residues.end(), element.begin(), element.begin() + 1024 / 8);
    }
    for (const KeyOrigin origin : {KeyOrigin::dealt, KeyOrigin::made_together}) {
        const ThresholdKey key(public_key, {2, 2, 1}, residues, origin);
        SecretExponent exponent(Integer(1), key.has_signed_exponents(), key.exponent_limbs());
        exponent.magnitude = random_limbs(key.exponent_limbs());
        exponent.magnitude.back() = 0;
        mark_secret(std::span(exponent.magnitude).first(exponent.magnitude.size() - 1));
        mark_secret(std::span(exponent.sign));
        Bytes response(ShareProof::response_bytes(key) - 2);  // The last hold a bit or two.
        expect_constant_time("prove_share", std::span(response), [&] {
            const auto proof = prove_share({key, 1, 0, {}, elements, residues}, exponent, {});
            std::copy_n(proof.response.begin(), response.size(), response.begin());
        });
        Bytes mixed(1);  // Bytes that x and its inverse have in common are no secret.
        expect_constant_time("signed_bases", std::span(mixed), [&] {
            const Operand residue{residues.data(), 0};
            for (auto x : exponent.signed_bases(residue, 1, key.modulo_n(), {})) mixed[0] ^= x;
        });
    }
}

void check_keystreams() {
    constexpr std::size_t kNumBlocks = 2 * 16 + 3;
    const std::byte start[kKeystreamStartBytes] = {};
    for (const Keystream* keystream : available_keystreams()) {
        std::printf("%s:\n", keystream->name);
        Secret<std::byte> key(kKeystreamKeyBytes);
        Csprng().fill(key);
        mark_secret(std::span(key));
        KeySchedule schedule;
        Secret<std::byte> out(kNumBlocks * kKeystreamBlockBytes);
        expect_constant_time("expand, generate", std::span(out), [&] {
            keystream->expand(schedule, key.data(), start);
            keystream->generate(out.data(), kNumBlocks, schedule, 0);
        });
    }
}

/// Slots, errors and the secret are secret; the public polynomial is not.
void check_masks() {
    // MemorySanitizer was not tried on the AVX-512 kernel, for want of such a processor.
    if (!ctime::kSeesGmp) return;
    for (const RingKernel* kernel : available_ring_kernels()) {
        std::printf("%s lattice kernel:\n", kernel->name);
        const PrimeRing ring(PrimeRing::kMinLogDim, 40, 0);
        constexpr std::size_t kNumCoefficients = 1024;
        Secret<std::int64_t> secret(ring.dim());
        for (std::size_t i = 0; i < secret.size(); ++i) secret[i] = std::int64_t(i % 65) - 32;
        mark_secret(std::span(secret));
        Secret<std::uint64_t> transformed(ring.dim());
        Secret<std::uint64_t> prepared(2 * ring.dim());
        const auto prepare = [&] {
            transform_secret(transformed.data(), secret.data(), ring);
            kernel->prepare(prepared.data(), transformed.data(), ring);
        };
        // A word of a residue or of a double has bytes that are known: zeros, or an exponent's.
        const unsigned reports = reports_of(prepare);
        verdict(reports == 0, "transform_secret, prepare", reports, "none");

        const std::vector<DigitWeight> weights = {digit_weight(1 << 11, ring),
                                                  digit_weight(ring.q() / 3, ring)};
        std::vector<std::int64_t> slots(weights.size() * kNumCoefficients, -5);
        std::vector<std::int32_t> errors(kNumCoefficients, 3);
        mark_secret(std::span(slots));
        mark_secret(std::span(errors));
        mark_secret(std::span(prepared));
        Secret<std::byte> out(packed_bytes(kNumCoefficients, ring.bits()));
        for (const bool slots_are_short : {true, false}) {
            Secret<std::uint64_t> a(ring.dim(), ring.q() / 7);
            expect_constant_time("protect", std::span(out), [&] {
                kernel->protect(
                    out.data(), a.data(), prepared.data(),
                    {kNumCoefficients, slots.data(), slots_are_short, errors.data(), weights},
                    ring);
            });
        }
    }
}

/// Nonces are hashed from the randomisers' witnesses, so that answers are secret here, though they
/// are public.
void check_plaintext_proof() {
    const Integer n = random_odd(1024);
    for (const KeyForm form : {KeyForm::djn, KeyForm::classic}) {
        const PublicKey key = PublicKey::unchecked(n, form);
        Plaintexts plaintexts(3, 1);
        for (std::size_t i = 0; i < plaintexts.size(); ++i) mark_secret(plaintexts[i]);
        Bytes answers;
        // As in check_plaintexts, a limb cannot be out of range.
        const unsigned reports = reports_of([&] {
            const auto proof =
                encrypt_and_prove(plaintexts, {3}, key, nullptr, {}, 0, 2, {.num_threads = 1})
                    .proof;
            answers = proof.responses;
        });
        verdict(reports == 0, "encrypt_and_prove", reports, "none");
        expect_secret(std::span(answers));
    }
}

}  // namespace

int main() {
    if (!ctime::is_watching()) {
        std::puts("This program says something only under valgrind: ./run test --ctime");
        return 2;
    }
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    std::vector<const SquareKernel*> kernels = available_kernels();
    std::erase_if(kernels, [](const Kernel* kernel) { return !is_checked(*kernel); });
    if (kernels.empty()) {
        std::puts(
            "This processor has none of the kernels that this instrument can follow: skipped");
        return kSkipped;
    }
    check_instrument();
    check_keystreams();
    check_masks();
    for (const SquareKernel* kernel : kernels) {
        for (const std::size_t bits : {512u, 2048u}) {
            check_kernel(*kernel, bits);
            check_kernel_modulo_n(*kernel->modulo_n, bits);
        }
    }
    if (ctime::kSeesGmp) {
        check_limbs();
        check_plaintexts();
        check_prime_half();
        check_share_proof();
        check_plaintext_proof();
    }
    return all_passed ? 0 : 1;
}

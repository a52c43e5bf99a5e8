#include "veilsum/paillier/public_key.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>
#include <vector>

#include "veilsum/base/error.hpp"
#include "veilsum/base/lazy.hpp"
#include "veilsum/bigint/fixed_base.hpp"
#include "veilsum/bigint/kernel.hpp"
#include "veilsum/rng/shake256.hpp"

namespace veilsum {
namespace {

constexpr std::uint8_t kWireVersion = 1;
constexpr std::size_t kExtraDerivationBits = 128;  // Leaves x within 2^-128 of uniform modulo n.

[[noreturn]] void invalid_key(const std::string& message) {
    throw Error(Errc::invalid_key, message);
}

void require_odd(const Integer& n) {
    if (!n.is_odd()) invalid_key("PK2: the modulus is even, so it is no product of two odd primes");
}

void check_modulus(const Integer& n) {
    require_key_bits(n.bit_length());
    require_odd(n);
}

Bytes n_bytes(const Modulus& modulus) {
    Bytes bytes(modulus.digit_bytes());
    modulus.n_integer().to_bytes(bytes);
    return bytes;
}

Bytes wire_of(const Modulus& modulus, KeyForm form) {
    Writer writer(WireKind::public_key, kWireVersion);
    writer.u8(static_cast<std::uint8_t>(form));
    writer.u32(static_cast<std::uint32_t>(modulus.bits()));
    writer.bytes(n_bytes(modulus));
    return std::move(writer).finish();
}

Fingerprint fingerprint_of(const Modulus& modulus, KeyForm form) {
    Fingerprint fingerprint;
    Shake256().absorb("veilsum/key/1").absorb(wire_of(modulus, form)).squeeze(fingerprint);
    return fingerprint;
}

/// h = -x^2 mod n with x from SHAKE256("veilsum/djn/1" || n), the next block if x is no unit.
Integer derive_h(const Modulus& modulus) {
    const Integer n = modulus.n_integer();
    Shake256 shake;
    shake.absorb("veilsum/djn/1").absorb(n_bytes(modulus));
    Bytes block((modulus.bits() + kExtraDerivationBits + 7) / 8);
    Integer x;
    do {
        shake.squeeze(block);
        x = Integer::from_bytes(block) % n;
    } while (!(gcd(x, n) == Integer(1)));
    Integer h = x * x % n;
    mpz_sub(h.get(), n.get(), h.get());
    return h;
}

Integer power(const Integer& base, const Integer& exponent, const Integer& modulus) {
    Integer result;
    mpz_powm(result.get(), base.get(), exponent.get(), modulus.get());
    return result;
}

/// base^(2^(j*spacing_bits)) for j < num, as elements.
Secret<std::byte> spaced_powers(const std::byte* base, std::size_t num, std::size_t spacing_bits,
                                const Modulus& n) {
    const std::size_t bytes = n.element_bytes();
    const Integer modulus = n.modulus_integer();
    Integer spacing;
    mpz_setbit(spacing.get(), spacing_bits);
    Secret<std::byte> powers(num * bytes);
    Integer x = n.integer(base);
    for (std::size_t j = 0; j < num; ++j) {
        if (j != 0) x = power(x, spacing, modulus);
        const Secret<std::byte> element = n.element(x);
        std::copy(element.begin(), element.end(),
                  powers.begin() + static_cast<std::ptrdiff_t>(j * bytes));
    }
    return powers;
}

}  // namespace

void require_key_bits(std::size_t bits) {
    if (bits < kMinKeyBits || bits > kMaxKeyBits) {
        invalid_key("PK1: the modulus has " + std::to_string(bits) + " bits; allowed are " +
                    std::to_string(kMinKeyBits) + " to " + std::to_string(kMaxKeyBits));
    }
}

struct PublicKey::State {
    State(const Integer& n, KeyForm key_form, const SquareKernel& kernel)
        : modulus(n, kernel), modulo_n(n, *kernel.modulo_n), form(key_form) {}

    SquareModulus modulus;
    Modulus modulo_n;
    KeyForm form;
    Fingerprint fingerprint{};
    Lazy<Secret<std::byte>> randomiser_base;
    Lazy<Secret<std::byte>> limb_bases;
    Lazy<Secret<std::byte>> stride_bases;
    Lazy<FixedBaseTable> randomiser_table;
    mutable std::atomic<std::size_t> num_randomisers{0};
};

const SquareModulus& PublicKey::modulus() const noexcept { return state_->modulus; }
const Modulus& PublicKey::modulo_n() const noexcept { return state_->modulo_n; }
KeyForm PublicKey::form() const noexcept { return state_->form; }
const Fingerprint& PublicKey::fingerprint() const noexcept { return state_->fingerprint; }

PublicKey PublicKey::unchecked(const Integer& n, KeyForm form) {
    return unchecked(n, form, active_kernel());
}

PublicKey PublicKey::unchecked(const Integer& n, KeyForm form, const SquareKernel& kernel) {
    auto state = std::make_shared<State>(n, form, kernel);
    state->fingerprint = fingerprint_of(state->modulus, form);
    return PublicKey(state);
}

PublicKey PublicKey::one_by_one() const {
    if (modulus().kernel().num_lanes == 1) return *this;
    return unchecked(modulus().n_integer(), form(), kPortableKernel);
}

bool PublicKey::has_modulus_of(const PublicKey& other) const noexcept {
    return &modulus().kernel() == &other.modulus().kernel() && has_modulus_of_any_kernel(other);
}

bool PublicKey::has_modulus_of_any_kernel(const PublicKey& other) const noexcept {
    if (state_ == other.state_) return true;
    const Modulus& a = modulus();
    const Modulus& b = other.modulus();
    return a.bits() == b.bits() &&
           mpn_cmp(a.n(), b.n(), static_cast<mp_size_t>(a.num_limbs())) == 0;
}

bool PublicKey::is_named_by(ByteView name) const {
    if (std::ranges::equal(name, fingerprint())) return true;
    const KeyForm other = form() == KeyForm::djn ? KeyForm::classic : KeyForm::djn;
    return std::ranges::equal(name, fingerprint_of(modulus(), other));
}

PublicKey PublicKey::from_modulus(const Integer& n) {
    check_modulus(n);
    return unchecked(n, KeyForm::classic);
}

PublicKey PublicKey::hazmat_from_modulus(const Integer& n) {
    if (n.bit_length() > kMaxKeyBits) require_key_bits(n.bit_length());
    require_odd(n);
    if (n.bit_length() < 4) invalid_key("PK2: no two odd primes have so small a product");
    return unchecked(n, KeyForm::classic);
}

Bytes PublicKey::to_bytes() const { return wire_of(modulus(), form()); }

PublicKey PublicKey::from_bytes(ByteView wire) {
    Reader reader(wire, WireKind::public_key, kWireVersion);
    const std::uint8_t form = reader.u8();
    const std::size_t key_bits = reader.u32();
    if (form > static_cast<std::uint8_t>(KeyForm::djn)) {
        throw Error(Errc::malformed,
                    "unknown form of public key; it may come from a newer version");
    }
    if (key_bits > kMaxKeyBits) require_key_bits(key_bits);
    const Integer n = Integer::from_bytes(reader.bytes((key_bits + 7) / 8));
    reader.finish();
    if (n.bit_length() != key_bits) {
        invalid_key("PK3: the modulus does not have the number of bits the key claims");
    }
    check_modulus(n);
    if (form == static_cast<std::uint8_t>(KeyForm::djn) && mpz_fdiv_ui(n.get(), 4) != 1) {
        invalid_key("PK4: the key claims primes p = q = 3 (mod 4), but n is not 1 (mod 4)");
    }
    return unchecked(n, static_cast<KeyForm>(form));
}

// Single powers of public numbers are GMP's: a kernel takes as long for one as for all its lanes.

const std::byte* PublicKey::randomiser_base() const {
    return state_->randomiser_base
        .get([&] {
            const Integer n = modulus().n_integer();
            return modulus().element(power(derive_h(modulus()), n, n * n));
        })
        .data();
}

const std::byte* PublicKey::limb_bases() const {
    return state_->limb_bases
        .get([&] { return spaced_powers(randomiser_base(), randomiser_limbs(), 64, modulus()); })
        .data();
}

const std::byte* PublicKey::stride_bases() const {
    // The first digit of hs is its residue modulo n.
    return state_->stride_bases
        .get([&] {
            return spaced_powers(randomiser_base(), kStrides, 64 * stride_limbs(), modulo_n());
        })
        .data();
}

bool PublicKey::is_table_worth(std::size_t num) const noexcept {
    return state_->num_randomisers.fetch_add(num) + num > kRandomisersWithoutTable;
}

const FixedBaseTable& PublicKey::randomiser_table(const Execution& execution) const {
    return state_->randomiser_table.get([&] {
        return FixedBaseTable(randomiser_base(), randomiser_bits(), modulus(),
                              execution.without_progress());
    });
}

}  // namespace veilsum

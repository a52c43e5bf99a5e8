#include "veilsum/paillier/secret_key.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>

#include "veilsum/base/error.hpp"
#include "veilsum/bigint/batch.hpp"
#include "veilsum/bigint/limbs.hpp"
#include "veilsum/bigint/primes.hpp"
#include "veilsum/paillier/centre.hpp"
#include "veilsum/paillier/owner_randomisers.hpp"
#include "veilsum/paillier/prime_half.hpp"
#include "veilsum/paillier/seal.hpp"

namespace veilsum {
namespace {

// |p - q| this far below p would let n be factored by looking near its square root (Fermat); primes
// drawn at random never come close.
constexpr std::size_t kCloseBits = 100;

// The longer a prime, the shorter the other, which is then the easier to find.
constexpr std::size_t kMostUnequalBits = 2;

[[noreturn]] void invalid_key(const std::string& message) {
    throw Error(Errc::invalid_key, message);
}

bool are_close(const Integer& p, const Integer& q) {
    Integer difference;
    mpz_sub(difference.get(), p.get(), q.get());
    mpz_abs(difference.get(), difference.get());
    return difference.bit_length() + kCloseBits < p.bit_length();
}

/// Whether the conditions of Damgard-Jurik-Nielsen randomisers hold.
bool is_djn_form(const Integer& p, const Integer& q) {
    return mpz_fdiv_ui(p.get(), 4) == 3 && mpz_fdiv_ui(q.get(), 4) == 3 &&
           gcd(p - 1, q - 1) == Integer(2);
}

/// Of p*q; of numbers whose product is too long in any case about as many.
std::size_t modulus_bits(const Integer& p, const Integer& q) {
    const std::size_t most = p.bit_length() + q.bit_length();
    return most > kMaxKeyBits + 1 ? most : (p * q).bit_length();
}

void check_primes(const Integer& p, const Integer& q, const Execution& execution) {
    if (!p.is_odd() || !q.is_odd() || !is_probable_prime(p, execution) ||
        !is_probable_prime(q, execution)) {
        invalid_key("SK1: p and q must be odd primes");
    }
    if (p == q) invalid_key("SK2: p and q must differ");
    if (!(gcd(p * q, (p - 1) * (q - 1)) == Integer(1))) {
        invalid_key("SK3: n = p*q shares a factor with (p-1)*(q-1), so decryption is ambiguous");
    }
}

}  // namespace

struct SecretKey::State {
    State(const Integer& p, const Integer& q) : State(p, q, active_kernel()) {}
    State(const Integer& p, const Integer& q, const SquareKernel& kernel)
        : public_key(PublicKey::unchecked(
              p * q, is_djn_form(p, q) ? KeyForm::djn : KeyForm::classic, kernel)),
          halves{{p, q, public_key.modulus()}, {q, p, public_key.modulus()}} {}

    PublicKey public_key;
    PrimeHalves halves;
};

const PublicKey& SecretKey::public_key() const noexcept { return state_->public_key; }

SecretKey SecretKey::one_by_one() const {
    if (public_key().modulus().kernel().num_lanes == 1) return *this;
    const auto& [p, q] = state_->halves;
    return SecretKey(
        std::make_shared<State>(p.p().n_integer(), q.p().n_integer(), kPortableKernel));
}

SecretKey SecretKey::hazmat_from_primes(const Integer& p, const Integer& q,
                                        const Execution& execution) {
    const std::size_t bits = modulus_bits(p, q);
    if (bits > kMaxKeyBits) require_key_bits(bits);
    check_primes(p, q, execution);
    return SecretKey(std::make_shared<State>(p, q));
}

SecretKey SecretKey::from_primes(const Integer& p, const Integer& q, const Execution& execution) {
    require_key_bits(modulus_bits(p, q));
    const std::size_t p_bits = p.bit_length();
    const std::size_t q_bits = q.bit_length();
    if (std::max(p_bits, q_bits) - std::min(p_bits, q_bits) > kMostUnequalBits) {
        invalid_key("SK6: the primes have " + std::to_string(p_bits) + " and " +
                    std::to_string(q_bits) + " bits; they must be of about equal size");
    }
    if (!(p == q) && are_close(p, q)) {
        invalid_key("SK6: the primes agree in their first " + std::to_string(kCloseBits) +
                    " bits, so that their product is easily factored");
    }
    check_primes(p, q, execution);
    return SecretKey(std::make_shared<State>(p, q));
}

SecretKey SecretKey::generate(std::size_t key_bits, bool safe_primes, const Execution& execution) {
    if (key_bits % 2 != 0 || key_bits <= kMinKeyBits || key_bits > kMaxKeyBits) {
        throw Error(Errc::invalid_argument,
                    "key_bits must be even and from " + std::to_string(kMinKeyBits + 1) + " to " +
                        std::to_string(kMaxKeyBits) + ", not " + std::to_string(key_bits) +
                        "; 3072 is the usual choice");
    }
    const PrimeKind kind = safe_primes ? PrimeKind::safe : PrimeKind::blum;
    const Integer p = random_prime(key_bits / 2, kind, execution);
    for (;;) {
        const Integer q = random_prime(key_bits / 2, kind, execution);
        if (p == q || are_close(p, q) || !is_djn_form(p, q) ||
            !(gcd(p * q, (p - 1) * (q - 1)) == Integer(1))) {
            continue;
        }
        return SecretKey(std::make_shared<State>(p, q));
    }
}

Secret<std::byte> SecretKey::to_secret_bytes() const {
    const std::size_t prime_bytes = public_key().modulus().digit_bytes();
    Secret<std::byte> bytes(2 * prime_bytes);
    for (std::size_t i = 0; i < 2; ++i) {
        const Modulus& p = state_->halves[i].p();
        std::memcpy(bytes.data() + i * prime_bytes, p.n(), p.digit_bytes());
    }
    return bytes;
}

SecretKey SecretKey::from_secret_bytes(ByteView bytes, const Execution& execution) {
    if (bytes.size() % 2 != 0 || bytes.size() > 2 * kMaxKeyBits / 8) {
        throw Error(Errc::malformed, "the secret part of the key has a wrong length");
    }
    const std::size_t prime_bytes = bytes.size() / 2;
    const Integer p = Integer::from_bytes(bytes.first(prime_bytes));
    const Integer q = Integer::from_bytes(bytes.subspan(prime_bytes));
    const std::size_t key_bits = (p * q).bit_length();
    if (key_bits < kMinKeyBits || (key_bits + 7) / 8 != prime_bytes) {
        throw Error(Errc::malformed, "the secret part of the key has a wrong length");
    }
    return hazmat_from_primes(p, q, execution);
}

Plaintexts SecretKey::decrypt(const Ciphertexts& ciphertexts, const Execution& execution) const {
    if (!ciphertexts.key().has_modulus_of(public_key())) {
        throw Error(Errc::key_mismatch,
                    "the ciphertexts were made under another key: its modulus differs");
    }
    const SquareModulus& n = public_key().modulus();
    const SquareKernel& kernel = n.kernel();
    const std::size_t h = n.num_limbs();
    const Ciphertexts normal = ciphertexts.normalise(execution.without_progress());
    Plaintexts plaintexts(ciphertexts.size(), (n.bits() + 63) / 64, execution);
    std::atomic<bool> is_sound{true};

    // Two powers of |p| bits in numbers of half size cost about as much as |p| / 2 products.
    const std::size_t piece = batch::piece_size(ciphertexts.size(), n.bits() / 2, n, execution);
    parallel_for(ciphertexts.size(), piece, execution, [&](std::size_t begin, std::size_t end) {
        const std::size_t count = end - begin;
        Secret<Limb> sums(count * (h + 1));
        for (const PrimeHalf& half : state_->halves) {
            const Modulus& p = half.p();
            Secret<Limb> scratch(half.scratch_limbs(n));
            Secret<std::byte> kernel_scratch(kernel.scratch_bytes(p));
            Secret<std::byte> powers(count * p.element_bytes());
            for (std::size_t i = 0; i < count; ++i) {
                half.reduce(powers.data() + i * p.element_bytes(),
                            normal.elements().data() + (begin + i) * n.element_bytes(), n,
                            scratch.data());
            }
            kernel.pow_order(powers.data(), {powers.data(), p.element_bytes()}, half.order_power(),
                             count, p, kernel_scratch.data());
            for (std::size_t i = 0; i < count; ++i) {
                if (half.add_message_part(sums.data() + i * (h + 1),
                                          powers.data() + i * p.element_bytes(), n,
                                          scratch.data()) == 0) {
                    is_sound = false;
                }
            }
        }
        Secret<Limb> scratch(2 * h);
        for (std::size_t i = 0; i < count; ++i) {
            Limb* m = sums.data() + i * (h + 1);
            limbs::subtract_once(m, m[h], n.n(), h, scratch.data());
            centre(plaintexts[begin + i], m, n, scratch.data());
        }
    });
    if (!is_sound) {
        throw Error(Errc::internal,
                    "a decryption failed its self-check and was discarded; if it "
                    "happens again, suspect the hardware");
    }
    return plaintexts;
}

Ciphertexts SecretKey::encrypt(const Plaintexts& plaintexts, Ciphertexts::Shape shape,
                               const Execution& execution) const {
    if (public_key().form() != KeyForm::djn) {
        return veilsum::encrypt(plaintexts, std::move(shape), public_key(), nullptr, execution);
    }
    require_representable(plaintexts, public_key().modulus(), execution.without_progress());
    const auto make = [&](std::size_t num, const Execution& part) {
        return owner_randomisers(num, public_key(), state_->halves, part);
    };
    return seal_with(make, plaintexts, std::move(shape), public_key(), execution);
}

}  // namespace veilsum

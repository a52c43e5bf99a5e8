// With f(0) = delta = -n^-1 mod p'*q' and D = num_holders!, interpolation at 0 gives, modulo n,
//   Y = prod (c^(2*D*t_i))^(2*mu_i) = c^(4*D^2*delta),
// and Y^n modulo n^2 depends on Y modulo n only, so
//   c^(4*D^2) * Y^n = c^(4*D^2*(1 + n*delta)) = (1 + n)^(4*D^2*m) = 1 + (4*D^2*m mod n)*n:
// 1 + n*delta is 0 mod p'*q', which removes the randomiser, and 1 mod n. So digit 0 must be 1, and
// digit 1 times (4*D^2)^-1 mod n is m. As x -> x^n is one to one modulo n, digit 0 is 1 for the
// right Y only.

#include "veilsum/paillier/combination.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>

#include "veilsum/base/error.hpp"
#include "veilsum/bigint/batch.hpp"
#include "veilsum/bigint/residue.hpp"
#include "veilsum/paillier/centre.hpp"
#include "veilsum/paillier/interpolate.hpp"

namespace veilsum {
namespace {

constexpr std::size_t kMostNamed = 8;

// Some hundred microseconds.
constexpr std::size_t kPlaintextsPerPiece = 512;

[[noreturn]] void invalid_argument(const std::string& message) {
    throw Error(Errc::invalid_argument, message);
}

Integer four_d_squared(const ThresholdKey& key) {
    Integer result = key.factorial() * key.factorial();
    mpz_mul_2exp(result.get(), result.get(), 2);
    return result;
}

std::vector<Limb> limbs_of(const Integer& x) {
    std::vector<Limb> limbs(x.num_limbs());
    x.to_limbs(limbs);
    return limbs;
}

/// (1 + n)^(4*D^2*m) of ciphertexts, from the interpolated Y of each.
Bytes powers_of_plaintexts(const ThresholdKey& key, const std::byte* ciphertexts,
                           const Bytes& roots, const Execution& execution) {
    const Modulus& n = key.modulus();
    const std::size_t bytes = n.element_bytes();
    const std::size_t count = roots.size() / n.digit_bytes();
    const Execution quiet = execution.without_progress();
    Bytes result(count * bytes);
    for (std::size_t i = 0; i < count; ++i) {
        std::memcpy(result.data() + i * bytes, roots.data() + i * n.digit_bytes(), n.digit_bytes());
    }
    batch::pow_shared_vartime(result.data(), {result.data(), bytes}, n.r_squared(), n.n(), n.bits(),
                              count, n, quiet);
    const Integer exponent = four_d_squared(key);
    Bytes power(count * bytes);
    batch::pow_shared_vartime(power.data(), {ciphertexts, bytes}, n.r_squared(),
                              limbs_of(exponent).data(), exponent.bit_length(), count, n, quiet);
    batch::mul(power.data(), {power.data(), bytes}, {n.r_squared(), 0}, count, n, quiet);
    batch::mul(result.data(), {result.data(), bytes}, {power.data(), bytes}, count, n, quiet);
    return result;
}

/// Writes the plaintexts of powers (1 + n)^(4*D^2*m). Returns false if one is no power of 1 + n.
bool write_plaintexts(Plaintexts& plaintexts, std::size_t begin, const Bytes& powers,
                      const ThresholdKey& key, const Execution& execution) {
    const Modulus& n = key.modulus();
    const std::size_t h = n.num_limbs();
    const std::size_t bytes = n.element_bytes();
    const Integer modulus = n.n_integer();
    const Secret<Limb> unscale =
        residue::constant(inverse(four_d_squared(key) % modulus, modulus), 1, n);
    std::atomic<bool> is_sound{true};
    parallel_for(powers.size() / bytes, kPlaintextsPerPiece, execution.without_progress(),
                 [&](std::size_t first, std::size_t last) {
                     Secret<Limb> m(h);
                     Secret<Limb> scratch(std::max(2 * h, residue::scratch_limbs(n)));
                     for (std::size_t i = first; i < last; ++i) {
                         const std::byte* power = powers.data() + i * bytes;
                         if (std::memcmp(power, n.one(), n.digit_bytes()) != 0) is_sound = false;
                         m[h - 1] = 0;
                         std::memcpy(m.data(), power + n.digit_bytes(), n.digit_bytes());
                         residue::mul(m.data(), m.data(), unscale.data(), n, scratch.data());
                         centre(plaintexts[begin + i], m.data(), n, scratch.data());
                     }
                 });
    return is_sound;
}

std::size_t end_of(const PartialDecryption& partial) { return partial.first + partial.size(); }

bool covers(const PartialDecryption& partial, std::size_t begin, std::size_t end) {
    return partial.first <= begin && end <= end_of(partial);
}

/// The elements of the partial decryptions from that position on.
std::vector<HolderPowers> powers_of(const std::vector<const PartialDecryption*>& partials,
                                    std::size_t num_holders, std::size_t position) {
    std::vector<HolderPowers> powers;
    for (const PartialDecryption* partial : partials) {
        if (powers.size() == num_holders) break;
        const std::size_t bytes = partial->key.modulo_n().element_bytes();
        powers.push_back(
            {partial->holder, partial->elements.data() + (position - partial->first) * bytes});
    }
    return powers;
}

}  // namespace

Combination::Combination(const ThresholdKey& key, const Ciphertexts& ciphertexts, ByteView context,
                         const Execution& execution)
    : key_(key),
      ciphertexts_(ciphertexts.normalise(execution.without_progress())),
      context_(context.begin(), context.end()) {
    if (!ciphertexts.key().has_modulus_of(key.public_key())) {
        throw Error(Errc::key_mismatch,
                    "the ciphertexts were made under another key: its modulus differs");
    }
}

void Combination::add(const PartialDecryption& partial, const Execution& execution) {
    if (!(partial.key == key_)) {
        throw Error(Errc::key_mismatch,
                    "SH7: the partial decryption belongs to another threshold key");
    }
    const std::size_t total = ciphertexts_.size();
    const std::size_t count = partial.size();
    if (count == 0 || partial.first > total || count > total - partial.first) {
        invalid_argument(
            "SH11: the partial decryption is of ciphertexts that are not in the batch");
    }
    for (const PartialDecryption& other : partials_) {
        if (other.holder == partial.holder && other.first < end_of(partial) &&
            partial.first < end_of(other)) {
            invalid_argument("SH11: holder " + std::to_string(partial.holder) +
                             " has decrypted some of these ciphertexts already");
        }
    }
    const std::size_t bytes = key_.modulus().element_bytes();
    const ByteView asked =
        ByteView(ciphertexts_.elements()).subspan(partial.first * bytes, count * bytes);
    try {
        verify_share({key_, partial.holder, partial.first, context_, asked, partial.elements},
                     partial.proof, execution);
    } catch (const Error& error) {
        if (error.code() != Errc::invalid_proof) throw;
        throw Error(Errc::invalid_proof, error.what() + wrong_positions(partial, execution));
    }
    partials_.push_back(partial);
}

std::vector<Combination::Segment> Combination::segments() const {
    std::vector<std::size_t> ends{0, ciphertexts_.size()};
    for (const PartialDecryption& partial : partials_) {
        ends.push_back(partial.first);
        ends.push_back(end_of(partial));
    }
    std::ranges::sort(ends);
    ends.erase(std::unique(ends.begin(), ends.end()), ends.end());  // As Clang 14 reads it too.
    std::vector<Segment> result;
    for (std::size_t i = 0; i + 1 < ends.size(); ++i) {
        Segment segment{ends[i], ends[i + 1], {}};
        for (const PartialDecryption& partial : partials_) {
            if (covers(partial, segment.begin, segment.end)) segment.partials.push_back(&partial);
        }
        result.push_back(std::move(segment));
    }
    return result;
}

std::size_t Combination::num_missing() const {
    std::size_t count = 0;
    for (const Segment& segment : segments()) {
        if (segment.partials.size() < key_.policy().threshold) count += segment.end - segment.begin;
    }
    return count;
}

Plaintexts Combination::open(const Execution& execution) const {
    const std::size_t threshold = key_.policy().threshold;
    const auto parts = segments();
    for (const Segment& segment : parts) {
        if (segment.partials.size() < threshold) {
            throw Error(Errc::not_enough_shares,
                        "SH12: ciphertexts " + std::to_string(segment.begin) + " to " +
                            std::to_string(segment.end - 1) + " have " +
                            std::to_string(segment.partials.size()) +
                            " partial decryptions; the threshold is " + std::to_string(threshold));
        }
    }
    Plaintexts plaintexts(ciphertexts_.size(), key_.modulus().num_limbs(), execution);
    for (const Segment& segment : parts) {
        const Bytes roots = interpolate(key_, powers_of(segment.partials, threshold, segment.begin),
                                        segment.end - segment.begin, 0, execution);
        const std::byte* asked =
            ciphertexts_.elements().data() + segment.begin * key_.modulus().element_bytes();
        const Bytes powers = powers_of_plaintexts(key_, asked, roots, execution);
        if (!write_plaintexts(plaintexts, segment.begin, powers, key_, execution)) {
            throw Error(Errc::internal,
                        "a combination failed its self-check and was discarded; if it happens "
                        "again, suspect the hardware, or a dealer whose primes are not safe");
        }
    }
    return plaintexts;
}

// The right holders' elements are x^(f(j)) with x = c^(2D) mod n; interpolated at i they are
// x^(2*D*f(i)), which is the (2D)-th power of what holder i should have sent.
std::string Combination::wrong_positions(const PartialDecryption& partial,
                                         const Execution& execution) const {
    const Modulus& n = key_.modulo_n();
    const std::size_t bytes = n.element_bytes();
    const Execution quiet = execution.without_progress();
    Integer power = key_.factorial();
    mpz_mul_2exp(power.get(), power.get(), 1);
    const std::vector<Limb> exponent = limbs_of(power);

    std::string named;
    std::size_t num_wrong = 0;
    for (const Segment& segment : segments()) {
        const std::size_t begin = std::max<std::size_t>(segment.begin, partial.first);
        const std::size_t end = std::min(segment.end, end_of(partial));
        if (begin >= end || segment.partials.size() < key_.policy().threshold) continue;
        const std::size_t count = end - begin;
        const Bytes expected =
            interpolate(key_, powers_of(segment.partials, key_.policy().threshold, begin), count,
                        partial.holder, quiet);
        Bytes found(count * bytes);
        batch::pow_shared_vartime(
            found.data(), {partial.elements.data() + (begin - partial.first) * bytes, bytes},
            n.r_squared(), exponent.data(), power.bit_length(), count, n, quiet);
        for (std::size_t i = 0; i < count; ++i) {
            if (std::memcmp(found.data() + i * bytes, expected.data() + i * bytes, bytes) == 0) {
                continue;
            }
            if (num_wrong++ < kMostNamed) {
                named += (num_wrong == 1 ? " " : ", ") + std::to_string(begin + i);
            }
        }
    }
    if (num_wrong == 0) return "";
    return "; wrong at" + named + (num_wrong > kMostNamed ? " and more" : "");
}

Plaintexts combine_unproved(const ThresholdKey& key, const Ciphertexts& ciphertexts,
                            const std::vector<PartialDecryption>& partials,
                            const Execution& execution) {
    std::vector<HolderPowers> given;
    for (const PartialDecryption& partial : partials) {
        if (!(partial.key == key) || partial.size() != ciphertexts.size() ||
            std::ranges::count(partials, partial.holder, &PartialDecryption::holder) != 1) {
            invalid_argument("combine partial decryptions of the same by different holders");
        }
        given.push_back({partial.holder, partial.elements.data()});
    }
    if (given.empty()) invalid_argument("there is nothing to combine");
    Plaintexts plaintexts(partials[0].size(), key.modulus().num_limbs(), execution);
    const Bytes roots = interpolate(key, given, plaintexts.size(), 0, execution);
    const Ciphertexts normal = ciphertexts.normalise(execution.without_progress());
    const Bytes powers = powers_of_plaintexts(key, normal.elements().data(), roots, execution);
    if (!write_plaintexts(plaintexts, 0, powers, key, execution)) {
        throw Error(Errc::invalid_proof, "too few partial decryptions, or wrong ones");
    }
    return plaintexts;
}

}  // namespace veilsum

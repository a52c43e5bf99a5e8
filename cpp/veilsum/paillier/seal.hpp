// The steps of encryption: what is checked, randomisers, and what they seal.

#pragma once

#include <functional>

#include "veilsum/bigint/kernel.hpp"
#include "veilsum/paillier/encrypt.hpp"

namespace veilsum {

/// A random r below a modulus of that many bits shares a factor with it with probability below
/// 2^-250: checking would cost more than it is worth and leak timing of a secret.
inline constexpr std::size_t kUnitCheckBits = 512;

/// Throws Error: invalid_argument (a value outside (-n/2, n/2), called `what`), cancelled. Constant
/// time in all other values.
void require_representable(const Plaintexts& plaintexts, const Modulus& n,
                           const Execution& execution, const char* what = "a plaintext");

/// Representable plaintexts as kernels read them; a single one is repeated.
SignedOperand signed_operand(const Plaintexts& plaintexts);

/// What is made at a time where many are used: tens of megabytes.
inline constexpr std::size_t kRandomisersPerBlock = std::size_t{1} << 16;

/// Throws Error: entropy, cancelled.
Randomisers fresh_randomisers(std::size_t num, const PublicKey& key, const Execution& execution,
                              const HedgedSeed* seed = nullptr);

/// The ciphertexts rho * (1 + m*n) of randomisers rho and representable plaintexts m.
/// Throws Error: cancelled.
Ciphertexts seal(std::span<const std::byte> randomisers, const Plaintexts& plaintexts,
                 Ciphertexts::Shape shape, const PublicKey& key, const Execution& execution);

/// As seal, with as many randomisers as make(num, execution) gives at a time.
using MakeRandomisers = std::function<Secret<std::byte>(std::size_t num, const Execution&)>;
Ciphertexts seal_with(const MakeRandomisers& make, const Plaintexts& plaintexts,
                      Ciphertexts::Shape shape, const PublicKey& key, const Execution& execution);

/// Throws Error: key_mismatch, if there is a pool and it belongs to another key, or has randomisers
/// that the form of this key does not vouch for.
void require_pool_of(const PublicKey& key, const RandomiserPool* pool);

}  // namespace veilsum

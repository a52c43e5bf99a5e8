#pragma once

#include "veilsum/base/parallel.hpp"
#include "veilsum/base/wire.hpp"
#include "veilsum/bigint/modulus.hpp"

namespace veilsum {

/// Checks elements that came from outside: digits below n (CT1) and units modulo n^2 (CT2, one gcd
/// for each some thousand). Variable time: ciphertexts are public.
/// Throws Error: invalid_ciphertext (names the rule and the position), cancelled.
void validate_ciphertexts(ByteView elements, const Modulus& n, const Execution& execution);

}  // namespace veilsum

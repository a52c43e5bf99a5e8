#pragma once

#include "veilsum/base/parallel.hpp"
#include "veilsum/paillier/prime_half.hpp"
#include "veilsum/paillier/public_key.hpp"

namespace veilsum {

/// Fresh djn randomisers as fresh_randomisers makes them, but from the primes: exponents are
/// uniform over the whole group, and half-size numbers make it about 1.5 times as fast.
Secret<std::byte> owner_randomisers(std::size_t num, const PublicKey& key,
                                    const PrimeHalves& halves, const Execution& execution);

}  // namespace veilsum

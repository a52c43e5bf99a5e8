#pragma once

#include <vector>

#include "veilsum/paillier/threshold_key.hpp"

namespace veilsum {

/// One holder's elements modulo n, x^(f(i)) for the unknown x of each position.
struct HolderPowers {
    std::size_t holder;
    const std::byte* elements;
};

/// out[k] = prod over i of elements_i[k]^(2*lambda_i), lambda_i = D * prod over j != i of
/// (at - j)/(i - j), an integer: with f of lower degree than there are holders, x^(2*D*f(at)).
/// Requires different holders from 1 to num_holders, and units. Variable time: all is public.
/// Throws Error: cancelled. Cost: 25 multiplications for each holder, of five; with negative
/// lambda_i two more and an inversion for some hundred positions.
/// Source: Shoup 2000, section 3.
Bytes interpolate(const ThresholdKey& key, const std::vector<HolderPowers>& powers,
                  std::size_t count, std::size_t at, const Execution& execution);

}  // namespace veilsum

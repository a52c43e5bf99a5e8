#pragma once

#include "veilsum/paillier/threshold_key.hpp"

namespace veilsum {

/// What the exponents of a dealt key are below: D*2^(|n|-2).
Integer dealt_exponent_bound(const Integer& n, const SharePolicy& policy);

/// What the exponents of a key that was made together are nearer to 0 than, of either sign. A
/// holder's is D*z less, for each set A of threshold - 1 holders that it is not in, R_A*D*L_A(i)
/// with |D*L_A(i)| <= D*l^(t-1). R_A is below (f + 1)*n*2^128, z is the sum of all R_A and a number
/// below (f + 1)*n; docs/threshold.md, section 10.
Integer joint_exponent_bound(const Integer& n, const SharePolicy& policy);

}  // namespace veilsum

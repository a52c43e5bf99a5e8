#include "veilsum/bigint/uniform_integer.hpp"

#include "veilsum/base/secret.hpp"
#include "veilsum/rng/uniform.hpp"

namespace veilsum {

Integer uniform_integer(const Integer& bound, RandomSource& random) {
    Secret<Limb> limbs(bound.num_limbs());
    Secret<Limb> drawn(limbs.size());
    bound.to_limbs(limbs);
    uniform_below(drawn, limbs, random);
    return Integer::from_limbs(drawn);
}

}  // namespace veilsum

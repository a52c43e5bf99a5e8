#include "veilsum/paillier/centre.hpp"

#include <algorithm>

namespace veilsum {

void centre(std::span<Limb> out, Limb* m, const Modulus& n, Limb* scratch) noexcept {
    const auto h = static_cast<mp_size_t>(n.num_limbs());
    // m > n/2 stands for m - n: compare 2m with n, which is odd.
    const Limb top = mpn_lshift(scratch, m, h, 1);
    const Limb borrow = mpn_sub_n(scratch + h, scratch, n.n(), h);
    mpn_cnd_sub_n(top | (borrow ^ 1), m, m, n.n(), h);
    std::copy_n(m, n.num_limbs(), out.begin());
}

}  // namespace veilsum

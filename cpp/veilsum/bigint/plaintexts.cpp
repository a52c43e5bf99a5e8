#include "veilsum/bigint/plaintexts.hpp"

#include "veilsum/base/error.hpp"

namespace veilsum {

Plaintexts::Plaintexts(std::size_t size, std::size_t limbs_per_value, const Execution& execution)
    : size_(size),
      limbs_per_value_(limbs_per_value),
      limbs_(make_secret<Limb>(size * limbs_per_value, execution)) {
    if (limbs_per_value == 0) {
        throw Error(Errc::invalid_argument, "a plaintext needs at least one limb");
    }
}

}  // namespace veilsum

#pragma once

#include "veilsum/bigint/kernel.hpp"
#include "veilsum/bigint/multi_pow_vartime.hpp"
#include "veilsum/bigint/powers.hpp"

namespace veilsum {

/// The kernel of an Engine (engine.hpp).
template <Engine E>
constexpr Kernel kernel_of(const char* name, const Kernel* modulo_n = nullptr) {
    Kernel kernel{
        .name = name,
        .num_lanes = E::kLanes,
        .num_digits = E::kNumDigits,
        .modulo_n = modulo_n,
        .r_bits = E::r_bits,
        .product_scratch_bytes = algorithms::product_scratch_bytes<E>,
        .scratch_bytes = algorithms::scratch_bytes<E>,
        .mul = algorithms::mul<E>,
        .mul_reduce = algorithms::mul_reduce<E>,
        .lane_bytes = algorithms::lane_bytes<E>,
        .enter_lanes = algorithms::enter_lanes<E>,
        .mul_lanes = algorithms::mul_lanes<E>,
        .leave_lanes = algorithms::leave_lanes<E>,
        .inspect = algorithms::inspect<E>,
        .add_plain = nullptr,
        .pow_shared = algorithms::pow_shared<E>,
        .pow_shared_vartime = algorithms::pow_shared_vartime<E>,
        .pow_each = algorithms::pow_each<E>,
        .multi_pow = algorithms::multi_pow<E>,
        .multi_pow_scratch_bytes = algorithms::multi_pow_scratch_bytes<E>,
        .multi_pow_vartime = algorithms::multi_pow_vartime<E>,
        .multi_pow_vartime_scratch_bytes = algorithms::multi_pow_vartime_scratch_bytes<E>,
        .max_table_window = 0,
        .row_limbs = nullptr,
        .put_entry = nullptr,
        .fixed_base = nullptr,
    };
    if constexpr (E::kNumDigits == 2) {
        kernel.add_plain = algorithms::add_plain<E>;
        kernel.max_table_window = E::kMaxTableWindow;
        kernel.row_limbs = E::row_limbs;
        kernel.put_entry = E::put_entry;
        kernel.fixed_base = algorithms::fixed_base<E>;
    }
    return kernel;
}

}  // namespace veilsum

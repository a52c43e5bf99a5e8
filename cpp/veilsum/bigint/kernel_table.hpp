#pragma once

#include "veilsum/bigint/algorithms.hpp"
#include "veilsum/bigint/kernel.hpp"
#include "veilsum/bigint/multi_pow_vartime.hpp"

namespace veilsum {

/// The kernel of an Engine (algorithms.hpp).
template <class Engine>
constexpr Kernel kernel_of(const char* name) {
    return {
        .name = name,
        .num_lanes = Engine::kLanes,
        .r_bits = Engine::r_bits,
        .product_scratch_bytes = algorithms::product_scratch_bytes<Engine>,
        .scratch_bytes = algorithms::scratch_bytes<Engine>,
        .mul = algorithms::mul<Engine>,
        .mul_reduce = algorithms::mul_reduce<Engine>,
        .lane_bytes = algorithms::lane_bytes<Engine>,
        .enter_lanes = algorithms::enter_lanes<Engine>,
        .mul_lanes = algorithms::mul_lanes<Engine>,
        .leave_lanes = algorithms::leave_lanes<Engine>,
        .inspect = algorithms::inspect<Engine>,
        .add_plain = algorithms::add_plain<Engine>,
        .pow_shared = algorithms::pow_shared<Engine>,
        .pow_each = algorithms::pow_each<Engine>,
        .multi_pow = algorithms::multi_pow<Engine>,
        .multi_pow_scratch_bytes = algorithms::multi_pow_scratch_bytes<Engine>,
        .multi_pow_vartime = algorithms::multi_pow_vartime<Engine>,
        .multi_pow_vartime_scratch_bytes = algorithms::multi_pow_vartime_scratch_bytes<Engine>,
        .max_table_window = Engine::kMaxTableWindow,
        .row_limbs = Engine::row_limbs,
        .put_entry = Engine::put_entry,
        .fixed_base = algorithms::fixed_base<Engine>,
    };
}

}  // namespace veilsum

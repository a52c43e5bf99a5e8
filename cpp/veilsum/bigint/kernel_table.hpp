#pragma once

#include "veilsum/bigint/kernel.hpp"
#include "veilsum/bigint/multi_pow_vartime.hpp"
#include "veilsum/bigint/powers.hpp"

namespace veilsum {

/// The kernel of an Engine (algorithms.hpp).
template <class Engine>
constexpr Kernel kernel_of(const char* name, const Kernel* modulo_n = nullptr) {
    Kernel kernel{
        .name = name,
        .num_lanes = Engine::kLanes,
        .num_digits = Engine::kNumDigits,
        .modulo_n = modulo_n,
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
        .add_plain = nullptr,
        .pow_shared = algorithms::pow_shared<Engine>,
        .pow_shared_vartime = algorithms::pow_shared_vartime<Engine>,
        .pow_each = algorithms::pow_each<Engine>,
        .multi_pow = algorithms::multi_pow<Engine>,
        .multi_pow_scratch_bytes = algorithms::multi_pow_scratch_bytes<Engine>,
        .multi_pow_vartime = algorithms::multi_pow_vartime<Engine>,
        .multi_pow_vartime_scratch_bytes = algorithms::multi_pow_vartime_scratch_bytes<Engine>,
        .max_table_window = 0,
        .row_limbs = nullptr,
        .put_entry = nullptr,
        .fixed_base = nullptr,
    };
    if constexpr (Engine::kNumDigits == 2) {
        kernel.add_plain = algorithms::add_plain<Engine>;
        kernel.max_table_window = Engine::kMaxTableWindow;
        kernel.row_limbs = Engine::row_limbs;
        kernel.put_entry = Engine::put_entry;
        kernel.fixed_base = algorithms::fixed_base<Engine>;
    }
    return kernel;
}

}  // namespace veilsum

#pragma once

#include "veilsum/bigint/kernel.hpp"
#include "veilsum/bigint/multi_pow_vartime.hpp"
#include "veilsum/bigint/pow_order.hpp"
#include "veilsum/bigint/powers.hpp"

namespace veilsum {

/// The kernel of an Engine (engine.hpp).
template <Engine E>
constexpr Kernel kernel_of(const char* name) {
    return {
        .name = name,
        .num_lanes = E::kLanes,
        .num_digits = E::kNumDigits,
        .r_bits = E::r_bits,
        .product_scratch_bytes = algorithms::product_scratch_bytes<E>,
        .scratch_bytes = algorithms::scratch_bytes<E>,
        .mul = algorithms::mul<E>,
        .mul_reduce = algorithms::mul_reduce<E>,
        .mul_lists = algorithms::mul_lists<E>,
        .horner = algorithms::horner<E>,
        .lane_bytes = algorithms::lane_bytes<E>,
        .enter_lanes = algorithms::enter_lanes<E>,
        .mul_lanes = algorithms::mul_lanes<E>,
        .leave_lanes = algorithms::leave_lanes<E>,
        .inspect = algorithms::inspect<E>,
        .pow_shared = algorithms::pow_shared<E>,
        .pow_shared_vartime = algorithms::pow_shared_vartime<E>,
        .pow_each = algorithms::pow_each<E>,
        .multi_pow = algorithms::multi_pow<E>,
        .multi_pow_scratch_bytes = algorithms::multi_pow_scratch_bytes<E>,
        .multi_pow_vartime = algorithms::multi_pow_vartime<E>,
        .multi_pow_vartime_scratch_bytes = algorithms::multi_pow_vartime_scratch_bytes<E>,
    };
}

/// Its powers with moduli of their own; none in kernels that tests make for the rest.
struct PowModuli {
    decltype(SquareKernel::pow_moduli) compute = nullptr;
    decltype(SquareKernel::pow_moduli_scratch_bytes) scratch_bytes = nullptr;
};

template <SquareEngine E>
constexpr SquareKernel square_kernel_of(const char* name, const Kernel& modulo_n,
                                        const PowModuli& pow_moduli = {}) {
    return {kernel_of<E>(name),
            &modulo_n,
            pow_moduli.compute,
            pow_moduli.scratch_bytes,
            algorithms::add_plain<E>,
            algorithms::pow_order<E>,
            E::kMaxTableWindow,
            E::row_limbs,
            E::put_entry,
            algorithms::fixed_base<E>};
}

}  // namespace veilsum

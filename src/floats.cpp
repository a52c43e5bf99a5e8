// Float64 arrays to plaintexts in a unit of 2^exponent, and back.

#include "floats.hpp"

#include <pybind11/numpy.h>

#include <memory>

#include "execution.hpp"
#include "integers.hpp"
#include "slot_arrays.hpp"
#include "veilsum/base/error.hpp"
#include "veilsum/bigint/floats.hpp"
#include "veilsum/paillier/public_key.hpp"

namespace {

using veilsum::Plaintexts;

// Keys say what they have room for; a limb more leaves that to them.
constexpr std::size_t kMaxBits = veilsum::kMaxKeyBits + 64;

std::shared_ptr<Plaintexts> plaintexts_from_floats(const Array<double>& values,
                                                   std::int64_t unit_exponent) {
    const std::span<const double> view = vector_view(values);
    return unlocked([&](const veilsum::Execution& execution) {
        return std::make_shared<Plaintexts>(
            veilsum::round_to_unit(view, unit_exponent, kMaxBits, execution));
    });
}

Array<double> plaintexts_to_floats(const Plaintexts& plaintexts, std::int64_t unit_exponent,
                                   const py::int_& bound) {
    const veilsum::Integer most = to_integer(bound, "the bound", veilsum::Errc::invalid_argument);
    std::vector<veilsum::Limb> limbs(most.num_limbs());
    most.to_limbs(limbs);
    Array<double> values(static_cast<py::ssize_t>(plaintexts.size()));
    const std::span<double> out = whole(values);
    unlocked([&](const veilsum::Execution& execution) {
        veilsum::nearest_floats(out, plaintexts, unit_exponent, limbs, execution);
    });
    return values;
}

std::shared_ptr<Plaintexts> plaintexts_shifted(const Plaintexts& plaintexts, std::size_t num_bits) {
    return unlocked([&](const veilsum::Execution& execution) {
        return std::make_shared<Plaintexts>(
            veilsum::shifted_left(plaintexts, num_bits, kMaxBits, execution));
    });
}

}  // namespace

void register_floats(py::module_& core) {
    core.def("plaintexts_from_floats", &plaintexts_from_floats, py::arg("values").noconvert(),
             py::arg("unit_exponent"));
    core.def("plaintexts_to_floats", &plaintexts_to_floats, py::arg("plaintexts"),
             py::arg("unit_exponent"), py::arg("bound"));
    core.def("plaintexts_shifted", &plaintexts_shifted, py::arg("plaintexts"), py::arg("num_bits"));
}

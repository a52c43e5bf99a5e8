// Binds the codec: numpy arrays in, numpy arrays and Plaintexts out.

#include "codec.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <pybind11/native_enum.h>
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include "execution.hpp"
#include "slot_arrays.hpp"
#include "veilsum/base/error.hpp"
#include "veilsum/base/limb.hpp"
#include "veilsum/codec/quantise.hpp"
#include "veilsum/codec/slots.hpp"

namespace {

using veilsum::Limb;
using veilsum::Plaintexts;
using veilsum::Quantiser;
using veilsum::SlotLayout;

SlotLayout make_layout(std::size_t num_slots, std::int64_t max_slot, const py::bytes& modulus) {
    const std::string_view bytes = modulus;
    std::vector<Limb> limbs((bytes.size() + 7) / 8);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        limbs[i / 8] |= Limb{static_cast<unsigned char>(bytes[i])} << (8 * (i % 8));
    }
    return {num_slots, max_slot, limbs};
}

Quantiser make_quantiser(const std::vector<std::pair<std::size_t, double>>& segments,
                         unsigned value_bits, unsigned weight_bits, veilsum::Norm norm,
                         double norm_bound, veilsum::Rounding rounding) {
    std::vector<veilsum::Segment> runs;
    for (const auto& [num_values, clip] : segments) runs.push_back({num_values, clip});
    return {std::move(runs), {value_bits, weight_bits}, norm, norm_bound, rounding};
}

template <class Float>
std::pair<Array<std::int64_t>, veilsum::ClipReport> quantise(const Quantiser& self,
                                                             const Array<Float>& values,
                                                             double weight, unsigned num_threads) {
    const auto x = vector_view(values);
    Array<std::int64_t> slots(static_cast<py::ssize_t>(self.num_slots()));
    const auto out = whole(slots);
    const auto report = unlocked(num_threads, [&](const veilsum::Execution& execution) {
        return self.quantise(out, x, weight, execution);
    });
    return {std::move(slots), report};
}

std::pair<Array<double>, double> dequantise(const Quantiser& self, const Array<std::int64_t>& slots,
                                            unsigned num_threads) {
    const auto in = vector_view(slots);
    Array<double> values(static_cast<py::ssize_t>(self.dim()));
    const auto out = whole(values);
    const double weight = unlocked(num_threads, [&](const veilsum::Execution& execution) {
        return self.dequantise(out, in, execution);
    });
    return {std::move(values), weight};
}

std::shared_ptr<Plaintexts> pack(const Array<std::int64_t>& slots, const SlotLayout& layout,
                                 unsigned num_threads) {
    const auto in = vector_view(slots);
    return unlocked(num_threads, [&](const veilsum::Execution& execution) {
        return std::make_shared<Plaintexts>(veilsum::pack(in, layout, execution));
    });
}

Array<std::int64_t> unpack(const Plaintexts& plaintexts, const SlotLayout& layout,
                           unsigned num_threads) {
    Array<std::int64_t> slots(static_cast<py::ssize_t>(layout.num_slots()));
    const auto out = whole(slots);
    unlocked(num_threads, [&](const veilsum::Execution& execution) {
        veilsum::unpack(out, plaintexts, layout, execution);
    });
    return slots;
}

void register_quantiser(py::module_& core) {
    py::native_enum<veilsum::Norm>(core, "Norm", "enum.IntEnum")
        .value("NONE", veilsum::Norm::none)
        .value("L1", veilsum::Norm::l1)
        .value("L2", veilsum::Norm::l2)
        .finalize();
    py::native_enum<veilsum::Rounding>(core, "Rounding", "enum.IntEnum")
        .value("NEAREST", veilsum::Rounding::nearest)
        .value("STOCHASTIC", veilsum::Rounding::stochastic)
        .finalize();
    py::class_<veilsum::ClipReport>(core, "ClipReport")
        .def_readonly("num_clipped", &veilsum::ClipReport::num_clipped)
        .def_readonly("norm", &veilsum::ClipReport::norm)
        .def_readonly("norm_factor", &veilsum::ClipReport::norm_factor)
        .def_readonly("grid_norm", &veilsum::ClipReport::grid_norm);

    const auto slots = py::arg("slots").noconvert();
    const auto values = py::arg("values").noconvert();
    py::class_<Quantiser>(core, "Quantiser")
        .def(py::init(&make_quantiser), py::arg("segments"), py::arg("value_bits"),
             py::arg("weight_bits") = 0, py::arg("norm") = veilsum::Norm::none,
             py::arg("norm_bound") = 0.0, py::arg("rounding") = veilsum::Rounding::nearest,
             "segments: pairs of a number of values and their clip, in order.")
        .def_property_readonly("dim", &Quantiser::dim)
        .def_property_readonly("num_slots", &Quantiser::num_slots)
        .def_property_readonly("grid_max", &Quantiser::grid_max)
        .def_property_readonly("min_weight", &Quantiser::min_weight)
        .def_property_readonly("scale", &Quantiser::scale)
        .def_property_readonly("grid_norm_bound", &Quantiser::grid_norm_bound)
        .def("quantise", &quantise<float>, values, py::arg("weight") = 1.0,
             py::arg("num_threads") = 0)
        .def("quantise", &quantise<double>, values, py::arg("weight") = 1.0,
             py::arg("num_threads") = 0)
        .def("dequantise", &dequantise, slots, py::arg("num_threads") = 0);
}

void register_slots(py::module_& core) {
    core.def(
        "max_slot_of",
        [](unsigned value_bits, unsigned weight_bits, std::uint64_t max_addends,
           std::uint64_t noise_bound) {
            return veilsum::max_slot_of({value_bits, weight_bits}, max_addends, noise_bound);
        },
        py::arg("value_bits"), py::arg("weight_bits"), py::arg("max_addends"),
        py::arg("noise_bound") = 0);
    py::class_<SlotLayout>(core, "SlotLayout")
        .def(py::init(&make_layout), py::arg("num_slots"), py::arg("max_slot"), py::arg("modulus"),
             "modulus: n as little-endian bytes.")
        .def_property_readonly("num_slots", &SlotLayout::num_slots)
        .def_property_readonly("max_slot", &SlotLayout::max_slot)
        .def_property_readonly("slot_bits", &SlotLayout::slot_bits)
        .def_property_readonly("slots_per_plaintext", &SlotLayout::slots_per_plaintext)
        .def_property_readonly("num_plaintexts", &SlotLayout::num_plaintexts)
        .def_property_readonly("limbs_per_value", &SlotLayout::limbs_per_value);
    core.def("pack", &pack, py::arg("slots").noconvert(), py::arg("layout"),
             py::arg("num_threads") = 0);
    core.def("unpack", &unpack, py::arg("plaintexts"), py::arg("layout"),
             py::arg("num_threads") = 0);
}

}  // namespace

void register_codec(py::module_& core) {
    register_quantiser(core);
    register_slots(core);
}

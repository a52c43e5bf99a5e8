// Binds masks: numpy arrays of slots and secrets, and masked blocks as bytes.

#include "masks.hpp"

#include <utility>
#include <vector>

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include "bytes.hpp"
#include "execution.hpp"
#include "slot_arrays.hpp"
#include "veilsum/lattice/mask.hpp"

namespace {

using namespace veilsum;

std::pair<MaskedBlocks, Array<std::int64_t>> protect(const Mask& self,
                                                     const Array<std::int64_t>& slots,
                                                     const py::bytes& context,
                                                     const HedgedSeed& seed, unsigned num_threads,
                                                     const py::object& progress) {
    const auto in = vector_view(slots);
    const ByteView view = from_python(context);
    Array<std::int64_t> secret(static_cast<py::ssize_t>(self.shape().dim()));
    const auto out = whole(secret);
    MaskedBlocks blocks = unlocked(num_threads, progress, [&](const Execution& execution) {
        Mask::Protected made = self.protect(in, view, seed, execution);
        std::ranges::copy(made.secret, out.begin());
        return std::move(made.blocks);
    });
    return {std::move(blocks), std::move(secret)};
}

std::pair<Array<std::int64_t>, std::int64_t> open(const Mask& self, const MaskedBlocks& sum,
                                                  const Array<std::int64_t>& secret,
                                                  const py::bytes& context, unsigned num_threads) {
    const auto in = vector_view(secret);
    const ByteView view = from_python(context);
    Array<std::int64_t> slots(static_cast<py::ssize_t>(self.shape().num_slots));
    const auto out = whole(slots);
    const std::int64_t largest_error = unlocked(num_threads, [&](const Execution& execution) {
        return self.open(out, sum, in, view, execution);
    });
    return {std::move(slots), largest_error};
}

MaskedBlocks read_blocks(const py::bytes& wire, const MaskShape& shape, unsigned num_threads) {
    const ByteView view = from_python(wire);
    return unlocked(num_threads, [&](const Execution& execution) {
        return MaskedBlocks::from_bytes(view, shape, execution);
    });
}

void add(MaskSum& self, const std::vector<const MaskedBlocks*>& parts, std::uint64_t num_addends,
         unsigned num_threads) {
    unlocked(num_threads,
             [&](const Execution& execution) { self.add(parts, num_addends, execution); });
}

}  // namespace

void register_masks(py::module_& core) {
    py::class_<HedgedSeed>(core, "HedgedSeed")
        .def(py::init([](const std::string& label, const py::bytes& context, const py::bytes& maker,
                         const py::bytes& input) {
                 return HedgedSeed(label, from_python(context), from_python(maker),
                                   from_python(input));
             }),
             py::arg("label"), py::arg("context"), py::arg("maker"), py::arg("input"));

    py::class_<MaskShape>(core, "MaskShape")
        .def(py::init([](std::size_t num_slots, std::int64_t max_slot, std::uint64_t max_addends,
                         unsigned log_dim, unsigned num_primes, unsigned prime_bits,
                         unsigned num_digits) {
                 const MaskShape shape{num_slots,  max_slot,   max_addends, log_dim,
                                       num_primes, prime_bits, num_digits};
                 shape.check();
                 return shape;
             }),
             py::arg("num_slots"), py::arg("max_slot"), py::arg("max_addends"), py::arg("log_dim"),
             py::arg("num_primes"), py::arg("prime_bits"), py::arg("num_digits"))
        .def_static("choose", &MaskShape::choose, py::arg("num_slots"), py::arg("max_slot"),
                    py::arg("max_addends"))
        .def_readonly("num_slots", &MaskShape::num_slots)
        .def_readonly("max_slot", &MaskShape::max_slot)
        .def_readonly("max_addends", &MaskShape::max_addends)
        .def_readonly("log_dim", &MaskShape::log_dim)
        .def_readonly("num_primes", &MaskShape::num_primes)
        .def_readonly("prime_bits", &MaskShape::prime_bits)
        .def_readonly("num_digits", &MaskShape::num_digits)
        .def_property_readonly("dim", &MaskShape::dim)
        .def_property_readonly("base", &MaskShape::base)
        .def_property_readonly("slack", &MaskShape::slack)
        .def_property_readonly("max_secret", &MaskShape::max_secret)
        .def_property_readonly("num_blocks", &MaskShape::num_blocks)
        .def("__eq__", [](const MaskShape& self, const MaskShape& other) { return self == other; })
        .def("max_error", &MaskShape::max_error, py::arg("num_addends"))
        .def("bytes_of", &MaskShape::bytes_of, py::arg("first"), py::arg("count"))
        .def_property_readonly("strength", [](const MaskShape& self) {
            const MaskStrength strength = self.strength();
            return std::pair(strength.core_svp, strength.matzov);
        });

    py::class_<Mask>(core, "Mask")
        .def(py::init<const MaskShape&>(), py::arg("shape"))
        .def_property_readonly("shape", &Mask::shape)
        .def("protect", &protect, py::arg("slots"), py::arg("context"), py::arg("seed"),
             py::arg("num_threads") = 0, py::arg("progress") = py::none())
        .def("open", &open, py::arg("sum"), py::arg("secret"), py::arg("context"),
             py::arg("num_threads") = 0);

    py::class_<MaskedBlocks>(core, "MaskedBlocks")
        .def_static("from_bytes", &read_blocks, py::arg("wire"), py::arg("shape"),
                    py::arg("num_threads") = 0)
        .def("to_bytes",
             [](const MaskedBlocks& self) {
                 return to_python(unlocked(
                     [&](const Execution& execution) { return self.to_bytes(execution); }));
             })
        .def("part", &MaskedBlocks::part, py::arg("first"), py::arg("count"))
        .def("__add__",
             [](const MaskedBlocks& self, const MaskedBlocks& other) {
                 return unlocked([&](const Execution&) { return self.plus(other); });
             })
        .def_readonly("first", &MaskedBlocks::first)
        .def_readonly("count", &MaskedBlocks::count)
        .def_readonly("shape", &MaskedBlocks::shape)
        .def("__eq__",
             [](const MaskedBlocks& self, const MaskedBlocks& other) { return self == other; });

    py::class_<MaskSum>(core, "MaskSum")
        .def(py::init<const Mask&>(), py::arg("mask"))
        .def_property_readonly("num_addends", &MaskSum::num_addends)
        .def("add", &add, py::arg("parts"), py::arg("num_addends"), py::arg("num_threads") = 0)
        .def("total", [](const MaskSum& self) {
            return unlocked([&](const Execution& execution) { return self.total(execution); });
        });
}

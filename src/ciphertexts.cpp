// Binds Ciphertexts and their operations.

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <memory>

#include "bytes.hpp"
#include "execution.hpp"
#include "integers.hpp"
#include "paillier.hpp"
#include "veilsum/paillier/ciphertext_sum.hpp"
#include "veilsum/paillier/ciphertexts.hpp"

namespace {

using namespace veilsum;

py::bytes to_bytes(const Ciphertexts& self) {
    return to_python(
        unlocked([&](const Execution& execution) { return self.to_bytes(execution); }));
}

Ciphertexts from_bytes(const py::bytes& wire, const PublicKey& key) {
    const ByteView view = from_python(wire);
    return unlocked(
        [&](const Execution& execution) { return Ciphertexts::from_bytes(view, key, execution); });
}

py::list to_ints(const Ciphertexts& self) {
    const auto integers =
        unlocked([&](const Execution& execution) { return self.to_integers(execution); });
    return from_integers(integers);
}

Ciphertexts from_ints(const py::list& values, Ciphertexts::Shape shape, const PublicKey& key) {
    const std::vector<Integer> integers =
        to_integers(values, "CT1: a ciphertext", Errc::invalid_ciphertext);
    return unlocked([&](const Execution& execution) {
        return Ciphertexts::from_integers(integers, std::move(shape), key, execution);
    });
}

}  // namespace

void register_ciphertexts(py::module_& core) {
    py::class_<Ciphertexts>(core, "Ciphertexts")
        .def_static("from_bytes", &from_bytes, py::arg("wire"), py::arg("key"))
        .def("to_bytes", &to_bytes)
        .def_static("from_ints", &from_ints, py::arg("values"), py::arg("shape"), py::arg("key"))
        .def("to_ints", &to_ints)
        .def_property_readonly(
            "shape", [](const Ciphertexts& self) { return py::tuple(py::cast(self.shape())); })
        .def(
            "is_same",
            [](const Ciphertexts& self, const Ciphertexts& other) {
                return unlocked([&](const Execution& e) { return self.is_same(other, e); });
            },
            py::arg("other"))
        .def(
            "add",
            [](const Ciphertexts& self, const Ciphertexts& other) {
                return unlocked([&](const Execution& e) { return self.add(other, e); });
            },
            py::arg("other"))
        .def(
            "subtract",
            [](const Ciphertexts& self, const Ciphertexts& other) {
                return unlocked([&](const Execution& e) { return self.subtract(other, e); });
            },
            py::arg("other"))
        .def("negate",
             [](const Ciphertexts& self) {
                 return unlocked([&](const Execution& e) { return self.negate(e); });
             })
        .def(
            "add_plaintexts",
            [](const Ciphertexts& self, const Plaintexts& plaintexts) {
                return unlocked([&](const Execution& e) { return self.add(plaintexts, e); });
            },
            py::arg("plaintexts"))
        .def(
            "multiply",
            [](const Ciphertexts& self, const Plaintexts& scalars) {
                return unlocked([&](const Execution& e) { return self.multiply(scalars, e); });
            },
            py::arg("scalars"))
        .def(
            "multiply_vartime",
            [](const Ciphertexts& self, const Plaintexts& scalars) {
                return unlocked(
                    [&](const Execution& e) { return self.multiply_vartime(scalars, e); });
            },
            py::arg("scalars"))
        .def(
            "sum",
            [](const Ciphertexts& self, std::optional<std::size_t> axis) {
                return unlocked([&](const Execution& e) { return self.sum(axis, e); });
            },
            py::arg("axis"))
        .def(
            "group_sum",
            [](const Ciphertexts& self, const py::array_t<std::int64_t, py::array::c_style>& groups,
               const py::array_t<std::uint8_t, py::array::c_style>& counts,
               std::size_t num_groupings, std::size_t num_groups, Ciphertexts::Shape shape) {
                const std::span labels(groups.data(), static_cast<std::size_t>(groups.size()));
                const std::span chosen(counts.data(), static_cast<std::size_t>(counts.size()));
                return unlocked([&](const Execution& execution) {
                    return self.group_sum(labels, chosen, num_groupings, num_groups,
                                          std::move(shape), execution);
                });
            },
            py::arg("groups").noconvert(), py::arg("counts").noconvert(), py::arg("num_groupings"),
            py::arg("num_groups"), py::arg("shape"))
        .def(
            "matrix_product",
            [](const Ciphertexts& self, const Plaintexts& matrix, std::size_t num_rows) {
                return unlocked(
                    [&](const Execution& e) { return self.matrix_product(matrix, num_rows, e); });
            },
            py::arg("matrix"), py::arg("num_rows"))
        .def(
            "matrix_product_vartime",
            [](const Ciphertexts& self, const Plaintexts& matrix, std::size_t num_rows) {
                return unlocked([&](const Execution& e) {
                    return self.matrix_product_vartime(matrix, num_rows, e);
                });
            },
            py::arg("matrix"), py::arg("num_rows"))
        .def(
            "pack",
            [](const Ciphertexts& self, unsigned bits) {
                return unlocked([&](const Execution& e) { return self.pack(bits, e); });
            },
            py::arg("bits"))
        .def_static(
            "unpack",
            [](const Plaintexts& packed, unsigned bits, std::size_t size) {
                py::array_t<std::int64_t> values(static_cast<py::ssize_t>(size));
                const std::span out(values.mutable_data(), size);
                unlocked([&](const Execution& execution) {
                    Ciphertexts::unpack(out, packed, bits, execution);
                });
                return values;
            },
            py::arg("packed"), py::arg("bits"), py::arg("size"))
        .def("rerandomise",
             [](const Ciphertexts& self) {
                 return unlocked([&](const Execution& e) { return self.rerandomise(e); });
             })
        .def(
            "take",
            [](const Ciphertexts& self,
               const py::array_t<std::int64_t, py::array::c_style>& positions,
               Ciphertexts::Shape shape) {
                const std::span chosen(positions.data(),
                                       static_cast<std::size_t>(positions.size()));
                return unlocked([&](const Execution& execution) {
                    return self.take(chosen, std::move(shape), execution);
                });
            },
            py::arg("positions").noconvert(), py::arg("shape"))
        .def(
            "under",
            [](const Ciphertexts& self, const PublicKey& key) {
                return unlocked([&](const Execution& e) { return self.under(key, e); });
            },
            py::arg("key"))
        .def("split",
             [](const Ciphertexts& self) {
                 return unlocked([&](const Execution& e) { return self.split(e); });
             })
        .def_static(
            "concatenate",
            [](const std::vector<Ciphertexts>& parts) {
                return unlocked(
                    [&](const Execution& e) { return Ciphertexts::concatenate(parts, e); });
            },
            py::arg("parts"));

    py::class_<CiphertextSum>(core, "CiphertextSum")
        .def(py::init([](const Ciphertexts& first, std::uint64_t num_addends) {
                 return unlocked([&](const Execution& execution) {
                     return std::make_unique<CiphertextSum>(first, num_addends, execution);
                 });
             }),
             py::arg("first"), py::arg("num_addends"))
        .def(
            "add",
            [](CiphertextSum& self, const Ciphertexts& batch, std::uint64_t num_addends) {
                unlocked(
                    [&](const Execution& execution) { self.add(batch, num_addends, execution); });
            },
            py::arg("batch"), py::arg("num_addends"))
        .def_property_readonly("num_addends", &CiphertextSum::num_addends)
        .def("total", [](const CiphertextSum& self) {
            return unlocked([&](const Execution& execution) { return self.total(execution); });
        });
}

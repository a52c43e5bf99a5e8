// Binds Plaintexts as an opaque handle: it passes between codec and key and shows no content.

#include "plaintexts.hpp"

#include <memory>
#include <string>

#include "veilsum/bigint/plaintexts.hpp"

void register_plaintexts(py::module_& core) {
    py::class_<veilsum::Plaintexts, std::shared_ptr<veilsum::Plaintexts>>(
        core, "Plaintexts", "Integers on their way between a codec and a key; wiped when freed.")
        .def("__len__", &veilsum::Plaintexts::size)
        .def("__repr__",
             [](const veilsum::Plaintexts& self) {
                 return "<Plaintexts: " + std::to_string(self.size()) + " values>";
             })
        .def("__reduce__", [](const veilsum::Plaintexts&) -> py::object {
            throw py::type_error("Plaintexts are secret and cannot be pickled or copied");
        });
}

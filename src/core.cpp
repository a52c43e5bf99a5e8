// The extension module veilsum._core: conversion and the GIL, nothing else.

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string>
#include <vector>

#include "codec.hpp"
#include "errors.hpp"
#include "floats.hpp"
#include "integers.hpp"
#include "masks.hpp"
#include "noise.hpp"
#include "paillier.hpp"
#include "plaintexts.hpp"
#include "powers.hpp"
#include "random.hpp"
#include "veilsum/bigint/plaintexts.hpp"
#include "wire.hpp"

namespace {

/// Those of the core; enums are Python's own.
std::vector<py::object> classes(const py::module_& core) {
    const py::type type_of_classes = py::type::of(py::type::of<veilsum::Plaintexts>());
    std::vector<py::object> found;
    for (const auto& [name, thing] : py::dict(core.attr("__dict__"))) {
        if (py::isinstance(thing, type_of_classes)) {
            found.push_back(py::reinterpret_borrow<py::object>(thing));
        }
    }
    return found;
}

newfunc allocate = nullptr;

PyObject* allocate_for_constructor(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
    return allocate(type, args, kwargs);
}

/// What pickle and copy ask an object for. The oldest protocols ask the base class for a copy.
void refuse_pickling(py::handle self, const py::args&) {
    const auto name = py::str(py::type::of(self).attr("__name__"));
    throw py::type_error("cannot pickle '" + std::string(name) + "' object");
}

PyTypeObject* base_of_classes = nullptr;  // Of all modules of pybind11; it is never freed.

PyObject* allocate_for_heirs(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
    if (type == base_of_classes) {  // It stands for no C++ class, and pybind11 ends the process.
        PyErr_SetString(PyExc_TypeError, "there is no object of pybind11's base class");
        return nullptr;
    }
    return allocate(type, args, kwargs);
}

/// Leaves X(...) as the only way to an object of class X: X.__new__(X) would have no C++ object
/// inside, and any use of it would crash. Python refuses to call the __new__ of a base, which is
/// where pybind11 has it, for a class that allocates with another function.
void refuse_direct_new(const py::module_& core) {
    for (const auto& thing : classes(core)) {
        auto* type = reinterpret_cast<PyTypeObject*>(thing.ptr());
        allocate = type->tp_new;
        type->tp_new = allocate_for_constructor;
        PyType_Modified(type);
    }
    const py::object base = py::type::of<veilsum::Plaintexts>().attr("__base__");
    base_of_classes = reinterpret_cast<PyTypeObject*>(base.ptr());
    base_of_classes->tp_new = allocate_for_heirs;
    PyType_Modified(base_of_classes);
}

/// No object of a class of the core is pickled or copied; what wraps it knows how.
void refuse_pickles(const py::module_& core) {
    for (const auto& thing : classes(core)) {
        const py::cpp_function refuse(refuse_pickling, py::is_method(thing));
        for (const char* name : {"__reduce__", "__reduce_ex__"}) thing.attr(name) = refuse;
    }
}

}  // namespace

PYBIND11_MODULE(_core, core) {
    core.doc() = "Native core of veilsum. Private: use the veilsum package.";
    register_errors(core);
    register_wire(core);
    register_plaintexts(core);
    register_integers(core);
    register_floats(core);
    register_masks(core);
    register_keys(core);
    register_ciphertexts(core);
    register_proofs(core);
    register_threshold(core);
    register_codec(core);
    register_noise(core);
    register_powers(core);
    register_random(core);
    refuse_direct_new(core);
    refuse_pickles(core);
    // pybind11 imports numpy with the first array, which is too late while the interpreter ends.
    py::dtype::of<double>();
}

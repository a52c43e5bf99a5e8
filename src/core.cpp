// The extension module veilsum._core: conversion and the GIL, nothing else.

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include "codec.hpp"
#include "errors.hpp"
#include "integers.hpp"
#include "noise.hpp"
#include "paillier.hpp"
#include "plaintexts.hpp"
#include "random.hpp"
#include "veilsum/bigint/plaintexts.hpp"
#include "wire.hpp"

namespace {

newfunc allocate = nullptr;

PyObject* allocate_for_constructor(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
    return allocate(type, args, kwargs);
}

/// Leaves X(...) as the only way to an object of class X: X.__new__(X) would have no C++ object
/// inside, and any use of it would crash. Python refuses to call the __new__ of a base, which is
/// where pybind11 has it, for a class that allocates with another function.
void refuse_direct_new(const py::module_& core) {
    const py::type type_of_classes = py::type::of(py::type::of<veilsum::Plaintexts>());
    for (const auto& [name, thing] : py::dict(core.attr("__dict__"))) {
        if (!py::isinstance(thing, type_of_classes)) continue;  // Enums are Python's own.
        auto* type = reinterpret_cast<PyTypeObject*>(thing.ptr());
        allocate = type->tp_new;
        type->tp_new = allocate_for_constructor;
        PyType_Modified(type);
    }
}

}  // namespace

PYBIND11_MODULE(_core, core) {
    core.doc() = "Native core of veilsum. Private: use the veilsum package.";
    register_errors(core);
    register_wire(core);
    register_plaintexts(core);
    register_integers(core);
    register_keys(core);
    register_ciphertexts(core);
    register_proofs(core);
    register_threshold(core);
    register_codec(core);
    register_noise(core);
    register_random(core);
    refuse_direct_new(core);
    // pybind11 imports numpy with the first array, which is too late while the interpreter ends.
    py::dtype::of<double>();
}

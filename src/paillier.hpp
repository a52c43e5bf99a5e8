#pragma once

#include <pybind11/pybind11.h>

namespace py = pybind11;

void register_keys(py::module_& core);
void register_ciphertexts(py::module_& core);
void register_proofs(py::module_& core);
void register_threshold(py::module_& core);

#pragma once

#include <pybind11/pybind11.h>

namespace py = pybind11;

/// Converts between float64 arrays and Plaintexts in a unit.
void register_floats(py::module_& core);

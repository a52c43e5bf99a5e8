#pragma once

#include <pybind11/pybind11.h>

namespace py = pybind11;

/// Powers and divisors of many public moduli at once.
void register_powers(py::module_& core);

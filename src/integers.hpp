#pragma once

#include <pybind11/pybind11.h>

#include <vector>

#include "veilsum/base/error.hpp"
#include "veilsum/bigint/integer.hpp"
#include "veilsum/bigint/plaintexts.hpp"

namespace py = pybind11;

/// A non-negative Python int, called `name` in messages.
/// Throws TypeError (not an int), Error: `negative` (below 0).
veilsum::Integer to_integer(const py::handle& value, const char* name, veilsum::Errc negative);
py::int_ from_integer(const veilsum::Integer& value);

/// The same for many, stopped by Ctrl-C.
std::vector<veilsum::Integer> to_integers(const py::list& values, const char* name,
                                          veilsum::Errc negative);
py::list from_integers(const std::vector<veilsum::Integer>& values);

/// Converts between Python integers and Plaintexts.
void register_integers(py::module_& core);

#pragma once

#include <pybind11/pybind11.h>

#include "veilsum/base/parallel.hpp"

namespace py = pybind11;

/// An Execution for a core call that runs without the GIL: Ctrl-C (any Python signal handler that
/// raises) cancels it, and `progress`, a Python callable (done, total) or None, watches it.
/// num_threads 0 means the default. The returned object must not outlive `progress`.
veilsum::Execution python_execution(unsigned num_threads, const py::object& progress);

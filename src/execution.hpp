#pragma once

#include <pybind11/pybind11.h>

#include "veilsum/base/parallel.hpp"

namespace py = pybind11;

/// An Execution for a core call that runs without the GIL: Ctrl-C (any Python signal handler that
/// raises) cancels it, and `progress`, a Python callable (done, total) or None, watches it.
/// num_threads 0 means the default. The returned object must not outlive `progress`.
veilsum::Execution python_execution(unsigned num_threads, const py::object& progress);

/// Runs operation(execution) without the GIL, stoppable by Ctrl-C. It touches no Python object:
/// views of bytes are taken before.
template <class Operation>
auto unlocked(unsigned num_threads, const py::object& progress, Operation&& operation) {
    const veilsum::Execution execution = python_execution(num_threads, progress);
    const py::gil_scoped_release release;
    return operation(execution);
}

/// The same on the default number of threads, unwatched.
template <class Operation>
auto unlocked(Operation&& operation) {
    return unlocked(0, py::none(), operation);
}

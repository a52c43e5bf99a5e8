#pragma once

#include "gil.hpp"
#include "veilsum/base/parallel.hpp"

/// An Execution for a core call that runs without the GIL: Ctrl-C (any Python signal handler that
/// raises) cancels it, and `progress`, a Python callable (done, total) or None, watches it.
/// num_threads 0 means the default. The returned object must not outlive the two references.
veilsum::Execution python_execution(const GilRelease& released, unsigned num_threads,
                                    const py::object& progress);

/// Runs operation(execution) without the GIL, stoppable by Ctrl-C. It touches no Python object:
/// views of bytes are taken before.
template <class Operation>
auto unlocked(unsigned num_threads, const py::object& progress, Operation&& operation) {
    const GilRelease released;
    const veilsum::Execution execution = python_execution(released, num_threads, progress);
    return operation(execution);
}

/// The same, unwatched.
template <class Operation>
auto unlocked(unsigned num_threads, Operation&& operation) {
    return unlocked(num_threads, py::none(), operation);
}

/// The same on the default number of threads.
template <class Operation>
auto unlocked(Operation&& operation) {
    return unlocked(0, operation);
}

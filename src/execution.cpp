#include "execution.hpp"

#include "veilsum/base/error.hpp"

veilsum::Execution python_execution(unsigned num_threads, const py::object& progress) {
    veilsum::Execution execution;
    execution.num_threads = num_threads;
    // Both run on the calling thread, which gave up the GIL before it entered the core.
    execution.cancelled = [] {
        const py::gil_scoped_acquire gil;
        return PyErr_CheckSignals() != 0;
    };
    if (!progress.is_none()) {
        execution.progress = [&progress](std::size_t done, std::size_t total) {
            const py::gil_scoped_acquire gil;
            if (PyObject* result = PyObject_CallFunction(progress.ptr(), "nn", done, total)) {
                Py_DECREF(result);
                return;
            }
            // Its exception stays pending; errors.cpp hands it on in place of `cancelled`.
            throw veilsum::Error(veilsum::Errc::cancelled, "the progress callback raised");
        };
    }
    return execution;
}

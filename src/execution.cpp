#include "execution.hpp"

#include "veilsum/base/error.hpp"

veilsum::Execution python_execution(const GilRelease& released, unsigned num_threads,
                                    const py::object& progress) {
    veilsum::Execution execution;
    execution.num_threads = num_threads;
    // Both run on the calling thread, which gave up the GIL before it entered the core.
    execution.cancelled = [&released] {
        const GilAcquire gil(released);
        bool has_raised = false;
        stop_at_exit([&] { has_raised = PyErr_CheckSignals() != 0; });
        return has_raised;
    };
    if (!progress.is_none()) {
        execution.progress = [&released, &progress](std::size_t done, std::size_t total) {
            const GilAcquire gil(released);
            bool has_raised = false;
            stop_at_exit([&] {
                PyObject* result = PyObject_CallFunction(progress.ptr(), "nn", done, total);
                has_raised = result == nullptr;
                Py_XDECREF(result);
            });
            // Its exception stays pending; errors.cpp hands it on in place of `cancelled`.
            if (has_raised) {
                throw veilsum::Error(veilsum::Errc::cancelled, "the progress callback raised");
            }
        };
    }
    return execution;
}

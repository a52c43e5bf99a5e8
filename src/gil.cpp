#include "gil.hpp"

#include <pthread.h>
#include <unistd.h>

namespace {

void stop_for_ever(void* /*unused*/) {
    for (;;) pause();
}

}  // namespace

// pthread_exit runs this handler before it leaves the frame, whether it unwinds (glibc) or not
// (musl). A frame of its own, so that no caller's noexcept comes first.
[[gnu::noinline]] void stop_at_exit(void (*call)(void*), void* argument) {
    pthread_cleanup_push(stop_for_ever, nullptr);
    call(argument);
    pthread_cleanup_pop(0);
}

void GilRelease::take_gil() const {
    stop_at_exit([this] { PyEval_RestoreThread(state_); });
}

void check_signals() {
    bool has_raised = false;
    stop_at_exit([&] { has_raised = PyErr_CheckSignals() != 0; });
    if (has_raised) throw py::error_already_set();
}

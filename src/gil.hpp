#pragma once

#include <pybind11/pybind11.h>

#include <type_traits>

namespace py = pybind11;

/// Calls call(argument), which may wait for the GIL, as whatever runs Python code may.
///
/// When the interpreter ends, CPython before 3.14 ends a daemon thread that waits for the GIL, by
/// pthread_exit: it would unwind a stack with noexcept destructors in it, and one that helper
/// threads of the core work on. The thread stops here for ever instead, as in CPython 3.14; the
/// process ends without it. Nobody asks beforehand whether the interpreter is ending: the answer
/// could be outdated at once, and the thread that ends it may still call.
/// `call` must not throw.
void stop_at_exit(void (*call)(void*), void* argument);

/// The same for any callable.
template <class Call>
void stop_at_exit(Call&& call) {
    stop_at_exit([](void* self) { (*static_cast<std::remove_reference_t<Call>*>(self))(); }, &call);
}

/// Gives up the GIL for its lifetime. Every binding uses this class in place of
/// py::gil_scoped_release, in which a thread at the interpreter's end aborts the process.
class GilRelease {
public:
    GilRelease() : state_(PyEval_SaveThread()) {}
    ~GilRelease() { take_gil(); }
    GilRelease(const GilRelease&) = delete;
    GilRelease& operator=(const GilRelease&) = delete;

private:
    friend class GilAcquire;
    void take_gil() const;

    PyThreadState* state_;
};

/// Takes the GIL back for its lifetime, on the thread that gave it up.
class GilAcquire {
public:
    explicit GilAcquire(const GilRelease& released) { released.take_gil(); }
    ~GilAcquire() { PyEval_SaveThread(); }
    GilAcquire(const GilAcquire&) = delete;
    GilAcquire& operator=(const GilAcquire&) = delete;
};

/// With the GIL: has Python's signal handlers run, and throws what they raise.
void check_signals();

#pragma once

#include <pybind11/pybind11.h>

#include <span>
#include <string_view>

#include "veilsum/base/wire.hpp"

namespace py = pybind11;

/// A copy, for Python.
inline py::bytes to_python(veilsum::ByteView bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// No copy: valid while the Python object lives.
inline veilsum::ByteView from_python(const py::bytes& bytes) {
    const std::string_view view = bytes;
    return std::as_bytes(std::span(view.data(), view.size()));
}

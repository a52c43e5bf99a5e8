#pragma once

#include <pybind11/numpy.h>

#include <cstddef>
#include <span>
#include <string>

#include "veilsum/base/error.hpp"

namespace py = pybind11;

template <class T>
using Array = py::array_t<T, py::array::c_style>;

/// Of a 1-D array.
template <class T>
std::span<const T> vector_view(const Array<T>& array) {
    if (array.ndim() != 1) {
        throw veilsum::Error(
            veilsum::Errc::invalid_argument,
            "expected a 1-D array, got " + std::to_string(array.ndim()) + " dimensions");
    }
    return {array.data(), static_cast<std::size_t>(array.size())};
}

template <class T>
std::span<T> whole(Array<T>& array) {
    return {array.mutable_data(), static_cast<std::size_t>(array.size())};
}

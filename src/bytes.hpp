#pragma once

#include <pybind11/pybind11.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <string_view>

#include "gil.hpp"
#include "veilsum/base/wire.hpp"

namespace py = pybind11;

/// A copy, for Python. Stopped by Ctrl-C if it is long.
inline py::bytes to_python(veilsum::ByteView bytes) {
    constexpr std::size_t kPieceBytes = std::size_t{1} << 24;
    if (bytes.size() <= kPieceBytes) {
        return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }
    py::bytes copy(nullptr, bytes.size());
    char* next = PyBytes_AS_STRING(copy.ptr());
    while (!bytes.empty()) {
        const auto piece = bytes.first(std::min(bytes.size(), kPieceBytes));
        std::memcpy(next, piece.data(), piece.size());
        next += piece.size();
        bytes = bytes.subspan(piece.size());
        check_signals();
    }
    return copy;
}

/// The bytes of a secret in bytes or a bytearray, which stays as it is while this lives.
class SecretView {
public:
    explicit SecretView(const py::buffer& secret) : buffer_(secret.request()) {}
    veilsum::ByteView bytes() const {
        return {static_cast<const std::byte*>(buffer_.ptr),
                static_cast<std::size_t>(buffer_.size * buffer_.itemsize)};
    }

private:
    py::buffer_info buffer_;
};

/// No copy: valid while the Python object lives.
inline veilsum::ByteView from_python(const py::bytes& bytes) {
    const std::string_view view = bytes;
    return std::as_bytes(std::span(view.data(), view.size()));
}

// Binds the generator in use, and for hazmat its bytes and those of chosen keys.

#include "random.hpp"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <string>

#include "execution.hpp"
#include "veilsum/base/error.hpp"
#include "veilsum/rng/csprng.hpp"
#include "veilsum/rng/hazmat_keystream.hpp"

namespace {

using namespace veilsum;

// Some milliseconds.
constexpr std::size_t kPieceBytes = std::size_t{1} << 22;

std::vector<std::string> keystream_names() {
    std::vector<std::string> names;
    for (const Keystream* keystream : available_keystreams()) names.emplace_back(keystream->name);
    return names;
}

template <std::size_t kSizeBytes>
std::span<const std::byte, kSizeBytes> fixed_bytes(const char* what, const py::bytes& bytes) {
    const std::string_view view = bytes;
    if (view.size() != kSizeBytes) {
        throw Error(Errc::invalid_argument, std::string(what) + " must be " +
                                                std::to_string(kSizeBytes) + " bytes, not " +
                                                std::to_string(view.size()));
    }
    return std::span<const std::byte, kSizeBytes>(reinterpret_cast<const std::byte*>(view.data()),
                                                  kSizeBytes);
}

py::bytes keystream(const std::string& name, const py::bytes& key, std::size_t size_bytes,
                    const py::bytes& start) {
    const auto key_bytes = fixed_bytes<kKeystreamKeyBytes>("key", key);
    const auto start_bytes = fixed_bytes<kKeystreamStartBytes>("start", start);
    Secret<std::byte> stream(size_bytes);
    unlocked([&](const Execution& execution) {
        hazmat_keystream(stream, name, key_bytes, start_bytes, execution);
    });
    return {reinterpret_cast<const char*>(stream.data()), stream.size()};
}

void random_bytes(py::array_t<std::uint8_t, py::array::c_style>& out) {
    // mutable_data refuses read-only arrays.
    const std::span<std::uint8_t> bytes(out.mutable_data(), static_cast<std::size_t>(out.size()));
    unlocked([&](const Execution& execution) {
        Csprng random;
        serial_for(bytes.size(), kPieceBytes, execution, [&](std::size_t begin, std::size_t end) {
            random.fill(std::as_writable_bytes(bytes.subspan(begin, end - begin)));
        });
    });
}

}  // namespace

void register_random(py::module_& core) {
    core.def("keystream_name", [] { return std::string(active_keystream().name); });
    core.def("keystream_names", &keystream_names);
    core.def("keystream", &keystream, py::arg("name"), py::arg("key"), py::arg("size_bytes"),
             py::arg("start"));
    core.def("random_bytes", &random_bytes, py::arg("out").noconvert());
}

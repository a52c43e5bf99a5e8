// Python ints and integer arrays to core integers and back. Words of 64 bits go directly, larger
// ones through int.to_bytes and int.from_bytes.

#include "integers.hpp"

#include <pybind11/numpy.h>

#include <algorithm>
#include <memory>
#include <string>

#include "bytes.hpp"
#include "execution.hpp"
#include "veilsum/base/error.hpp"
#include "veilsum/paillier/public_key.hpp"
#include "veilsum/paillier/seal.hpp"

namespace {

using veilsum::Limb;
using veilsum::Plaintexts;

// Some milliseconds.
constexpr std::size_t kWordsPerPiece = 1 << 16;
constexpr std::size_t kIntsPerPiece = 1 << 10;

/// For the i-th turn of a loop that holds the GIL.
void check_signals_at(std::size_t i) {
    if (i % kIntsPerPiece == 0) check_signals();
}

/// Whether it is a number with a fraction: a float, a Fraction, a Decimal, a complex number.
bool is_fractional(const py::handle& value) {
    return PyComplex_Check(value.ptr()) ||
           (!PyBool_Check(value.ptr()) && py::hasattr(value, "as_integer_ratio"));
}

/// A Python int from anything with __index__ that is not a bool. `cure` tells whoever passed a
/// number with a fraction what to do instead.
py::int_ as_int(const py::handle& value, const std::string& name, const std::string& cure = "") {
    if (!PyBool_Check(value.ptr())) {
        PyObject* index = nullptr;
        stop_at_exit([&] { index = PyNumber_Index(value.ptr()); });
        if (index != nullptr) return py::reinterpret_steal<py::int_>(index);
        if (PyErr_ExceptionMatches(PyExc_TypeError) == 0) throw py::error_already_set();
        PyErr_Clear();
    }
    std::string message = name + " is a " +
                          std::string(py::str(py::type::of(value).attr("__name__"))) +
                          ", not an integer";
    if (!cure.empty() && is_fractional(value)) message += "; " + cure;
    throw py::type_error(message);
}

/// True and the value if it fits 64 bits.
bool fits_word(const py::int_& value, std::int64_t& word) {
    int overflow = 0;
    word = PyLong_AsLongLongAndOverflow(value.ptr(), &overflow);
    return overflow == 0;
}

/// Bits in two's complement, sign included.
std::size_t signed_bits(const py::int_& value) {
    return value.attr("bit_length")().cast<std::size_t>() + 1;
}

std::shared_ptr<Plaintexts> plaintexts_from_list(const py::list& values, const std::string& cure) {
    std::vector<py::int_> ints;
    ints.reserve(values.size());
    std::size_t num_bits = 64;
    for (const py::handle value : values) {
        check_signals_at(ints.size());
        ints.push_back(as_int(value, "value " + std::to_string(ints.size()), cure));
        std::int64_t word = 0;
        if (fits_word(ints.back(), word)) continue;
        num_bits = std::max(num_bits, signed_bits(ints.back()));
        // All values take as much memory as the longest.
        if (num_bits > veilsum::kMaxKeyBits) {
            throw veilsum::Error(veilsum::Errc::invalid_argument,
                                 "value " + std::to_string(ints.size() - 1) + " has " +
                                     std::to_string(num_bits) +
                                     " bits, which lies outside (-n/2, n/2) for every key");
        }
    }
    auto plaintexts = std::make_shared<Plaintexts>(ints.size(), (num_bits + 63) / 64);
    for (std::size_t i = 0; i < ints.size(); ++i) {
        check_signals_at(i);
        const auto limbs = (*plaintexts)[i];
        std::int64_t word = 0;
        if (fits_word(ints[i], word)) {
            std::fill(limbs.begin(), limbs.end(), static_cast<Limb>(word >> 63));
            limbs[0] = static_cast<Limb>(word);
        } else {
            const py::bytes bytes =
                ints[i].attr("to_bytes")(limbs.size_bytes(), "little", py::arg("signed") = true);
            const std::string_view view = bytes;
            std::copy(view.begin(), view.end(), reinterpret_cast<char*>(limbs.data()));
        }
    }
    return plaintexts;
}

template <class T>
std::shared_ptr<Plaintexts> plaintexts_from_array(
    const py::array_t<T, py::array::c_style>& values) {
    const auto size = static_cast<std::size_t>(values.size());
    // An unsigned word needs one bit more for its sign.
    auto plaintexts = std::make_shared<Plaintexts>(size, std::is_signed_v<T> ? 1 : 2);
    const T* data = values.data();
    unlocked([&](const veilsum::Execution& execution) {
        serial_for(size, kWordsPerPiece, execution, [&](std::size_t begin, std::size_t end) {
            for (std::size_t i = begin; i < end; ++i) {
                (*plaintexts)[i][0] = static_cast<Limb>(data[i]);
            }
        });
    });
    return plaintexts;
}

bool is_word(std::span<const Limb> limbs) {
    const Limb sign = static_cast<Limb>(static_cast<std::int64_t>(limbs[0]) >> 63);
    return std::all_of(limbs.begin() + 1, limbs.end(), [=](Limb limb) { return limb == sign; });
}

py::list plaintexts_to_list(const Plaintexts& plaintexts) {
    const py::object from_bytes = py::type::of(py::int_(0)).attr("from_bytes");
    py::list values(plaintexts.size());
    for (std::size_t i = 0; i < plaintexts.size(); ++i) {
        check_signals_at(i);
        const auto limbs = plaintexts[i];
        if (is_word(limbs)) {
            values[i] = py::int_(static_cast<std::int64_t>(limbs[0]));
        } else {
            const py::bytes bytes(reinterpret_cast<const char*>(limbs.data()), limbs.size_bytes());
            values[i] = from_bytes(bytes, "little", py::arg("signed") = true);
        }
    }
    return values;
}

py::bytes plaintexts_to_bytes(const Plaintexts& plaintexts, std::size_t value_bytes) {
    std::string bytes;
    bytes.reserve(plaintexts.size() * value_bytes);
    for (std::size_t i = 0; i < plaintexts.size(); ++i) {
        check_signals_at(i);
        const std::span<const std::byte> value = std::as_bytes(plaintexts[i]);
        const std::size_t taken = std::min(value_bytes, value.size());
        const bool is_negative = (plaintexts[i].back() >> 63) != 0;
        bytes.append(reinterpret_cast<const char*>(value.data()), taken);
        bytes.append(value_bytes - taken, is_negative ? '\xff' : '\0');
    }
    return {bytes.data(), bytes.size()};
}

/// What plaintexts_to_bytes wrote, in as many bytes a value as the modulus has.
std::shared_ptr<Plaintexts> plaintexts_from_bytes(const py::bytes& data,
                                                  const veilsum::PublicKey& key) {
    const veilsum::ByteView bytes = from_python(data);
    const veilsum::Modulus& n = key.modulus();
    const std::size_t value_bytes = n.digit_bytes();
    if (bytes.size() % value_bytes != 0) {
        throw veilsum::Error(veilsum::Errc::malformed, "plaintexts of " +
                                                           std::to_string(value_bytes) +
                                                           " bytes each cannot be " +
                                                           std::to_string(bytes.size()) + " bytes");
    }
    const std::size_t size = bytes.size() / value_bytes;
    auto plaintexts = std::make_shared<Plaintexts>(size, n.num_limbs());
    unlocked([&](const veilsum::Execution& execution) {
        serial_for(size, kIntsPerPiece, execution, [&](std::size_t begin, std::size_t end) {
            for (std::size_t i = begin; i < end; ++i) {
                const auto value = bytes.subspan(i * value_bytes, value_bytes);
                const auto out = std::as_writable_bytes((*plaintexts)[i]);
                const auto rest = std::copy(value.begin(), value.end(), out.begin());
                const bool is_negative = (std::to_integer<int>(value.back()) & 0x80) != 0;
                std::fill(rest, out.end(), is_negative ? std::byte{0xff} : std::byte{0});
            }
        });
        try {
            veilsum::require_representable(*plaintexts, n, execution, "an opened plaintext");
        } catch (const veilsum::Error& error) {
            if (error.code() != veilsum::Errc::invalid_argument) throw;
            throw veilsum::Error(veilsum::Errc::malformed, error.what());
        }
    });
    return plaintexts;
}

[[noreturn]] void refuse_large_plaintext(std::size_t i) {
    throw veilsum::Error(veilsum::Errc::invalid_argument,
                         "plaintext " + std::to_string(i) +
                             " does not fit int64; use decrypt, which returns Python ints");
}

py::array_t<std::int64_t> plaintexts_to_int64(const Plaintexts& plaintexts) {
    py::array_t<std::int64_t> values(static_cast<py::ssize_t>(plaintexts.size()));
    std::int64_t* data = values.mutable_data();
    unlocked([&](const veilsum::Execution& execution) {
        serial_for(plaintexts.size(), kWordsPerPiece, execution,
                   [&](std::size_t begin, std::size_t end) {
                       for (std::size_t i = begin; i < end; ++i) {
                           if (!is_word(plaintexts[i])) refuse_large_plaintext(i);
                           data[i] = static_cast<std::int64_t>(plaintexts[i][0]);
                       }
                   });
    });
    return values;
}

}  // namespace

veilsum::Integer to_integer(const py::handle& value, const char* name, veilsum::Errc negative) {
    const py::int_ integer = as_int(value, name);
    if (integer < py::int_(0)) {
        throw veilsum::Error(negative, std::string(name) + " must not be negative");
    }
    const auto size_bytes = (integer.attr("bit_length")().cast<std::size_t>() + 7) / 8;
    const py::bytes bytes = integer.attr("to_bytes")(size_bytes, "little");
    return veilsum::Integer::from_bytes(from_python(bytes));
}

py::int_ from_integer(const veilsum::Integer& value) {
    veilsum::Secret<std::byte> bytes((value.bit_length() + 7) / 8);
    value.to_bytes(bytes);
    return py::type::of(py::int_(0))
        .attr("from_bytes")(py::bytes(reinterpret_cast<const char*>(bytes.data()), bytes.size()),
                            "little");
}

std::vector<veilsum::Integer> to_integers(const py::list& values, const char* name,
                                          veilsum::Errc negative) {
    std::vector<veilsum::Integer> integers;
    integers.reserve(values.size());
    for (const py::handle value : values) {
        check_signals_at(integers.size());
        integers.push_back(to_integer(value, name, negative));
    }
    return integers;
}

py::list from_integers(const std::vector<veilsum::Integer>& values) {
    py::list list(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
        check_signals_at(i);
        list[i] = from_integer(values[i]);
    }
    return list;
}

void register_integers(py::module_& core) {
    core.def("plaintexts_from_list", &plaintexts_from_list, py::arg("values"),
             py::arg("cure") = "");
    core.def("plaintexts_from_int64", &plaintexts_from_array<std::int64_t>,
             py::arg("values").noconvert());
    core.def("plaintexts_from_uint64", &plaintexts_from_array<std::uint64_t>,
             py::arg("values").noconvert());
    core.def("plaintexts_to_list", &plaintexts_to_list, py::arg("plaintexts"));
    core.def("plaintexts_to_bytes", &plaintexts_to_bytes, py::arg("plaintexts"),
             py::arg("value_bytes"));
    core.def("plaintexts_from_bytes", &plaintexts_from_bytes, py::arg("data"), py::arg("key"));
    core.def("plaintexts_to_int64", &plaintexts_to_int64, py::arg("plaintexts"));
}

#include "noise.hpp"

#include <pybind11/numpy.h>

#include <cstdint>
#include <span>

#include "execution.hpp"
#include "veilsum/noise/noise.hpp"

namespace {

using veilsum::NoiseDistribution;

/// C-contiguous and of this dtype as it comes: nothing is converted, so nothing is filled in a
/// copy.
template <class T>
using Array = py::array_t<T, py::array::c_style>;

template <class T>
std::span<T> elements(Array<T>& array) {
    // mutable_data refuses read-only arrays.
    return {array.mutable_data(), static_cast<std::size_t>(array.size())};
}

template <class T>
void fill(Array<T>& out, const NoiseDistribution& distribution, unsigned num_threads) {
    const std::span<T> values = elements(out);
    unlocked(num_threads, [&](const veilsum::Execution& execution) {
        veilsum::fill_noise(values, distribution, execution);
    });
}

void add(Array<std::int64_t>& values, const NoiseDistribution& distribution, unsigned num_threads) {
    const std::span<std::int64_t> span = elements(values);
    unlocked(num_threads, [&](const veilsum::Execution& execution) {
        veilsum::add_noise(span, distribution, execution);
    });
}

template <NoiseDistribution (*kMake)(double)>
void register_distribution(py::module_& core, const char* fill_name, const char* add_name,
                           const char* parameter) {
    core.def(
        fill_name,
        [](Array<std::int64_t>& out, double scale, unsigned num_threads) {
            fill(out, kMake(scale), num_threads);
        },
        py::arg("out").noconvert(), py::arg(parameter), py::arg("num_threads"));
    core.def(
        fill_name,
        [](Array<std::int32_t>& out, double scale, unsigned num_threads) {
            fill(out, kMake(scale), num_threads);
        },
        py::arg("out").noconvert(), py::arg(parameter), py::arg("num_threads"));
    core.def(
        add_name,
        [](Array<std::int64_t>& values, double scale, unsigned num_threads) {
            add(values, kMake(scale), num_threads);
        },
        py::arg("values").noconvert(), py::arg(parameter), py::arg("num_threads"));
}

}  // namespace

void register_noise(py::module_& core) {
    register_distribution<NoiseDistribution::discrete_gaussian>(core, "fill_discrete_gaussian",
                                                                "add_discrete_gaussian", "sigma");
    register_distribution<NoiseDistribution::discrete_laplace>(core, "fill_discrete_laplace",
                                                               "add_discrete_laplace", "scale");
}

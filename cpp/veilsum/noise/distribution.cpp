#include "veilsum/noise/distribution.hpp"

#include <string>

#include "veilsum/base/error.hpp"

namespace veilsum {
namespace {

// P(|Z| >= t) <= 2 exp(-phi(t)), for the Gaussian because it is sub-Gaussian with variance proxy
// sigma^2 (Canonne, Kamath, Steinke 2020). At t = 2^31 both limits give
// phi(t) = 128 and 2 exp(-128) < 2^-183.
constexpr double kMaxInt32Sigma = 0x1p27;
constexpr double kMaxInt32LaplaceScale = 0x1p24;

double checked(double value, const char* name) {
    // Written so that NaN fails too.
    if (!(value >= NoiseDistribution::kMinScale && value <= NoiseDistribution::kMaxScale)) {
        throw Error(Errc::invalid_argument,
                    std::string(name) + " is outside the allowed range [0.3, 2**40]");
    }
    return value;
}

}  // namespace

NoiseDistribution NoiseDistribution::discrete_gaussian(double sigma) {
    return {NoiseKind::gaussian, checked(sigma, "sigma")};
}

NoiseDistribution NoiseDistribution::discrete_laplace(double scale) {
    return {NoiseKind::laplace, checked(scale, "scale")};
}

bool NoiseDistribution::fits_int32() const noexcept {
    return scale_ <= (kind_ == NoiseKind::gaussian ? kMaxInt32Sigma : kMaxInt32LaplaceScale);
}

}  // namespace veilsum

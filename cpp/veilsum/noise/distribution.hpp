#pragma once

#include <cstdint>

namespace veilsum {

enum class NoiseKind { gaussian, laplace };

/// A discrete noise distribution on the integers: P(z) proportional to exp(-phi(|z|)) with
/// phi(a) = a^2 / (2 sigma^2) (discrete Gaussian) or phi(a) = a / scale (discrete Laplace).
///
/// The parameter is the exact rational value of the double, not an approximation of it.
/// Source of both distributions: C. Canonne, G. Kamath, T. Steinke, "The Discrete Gaussian for
/// Differential Privacy", 2020, https://arxiv.org/abs/2004.00010.
class NoiseDistribution {
public:
    static constexpr double kMinScale = 0.3;
    static constexpr double kMaxScale = 0x1p40;

    /// Throws Error: invalid_argument (not in [kMinScale, kMaxScale], or not a number).
    static NoiseDistribution discrete_gaussian(double sigma);
    static NoiseDistribution discrete_laplace(double scale);

    NoiseKind kind() const noexcept { return kind_; }

    /// sigma or scale, in units of one integer step.
    double scale() const noexcept { return scale_; }

    /// True if a sample is outside int32 with probability below 2^-100 (in fact 2^-180).
    bool fits_int32() const noexcept;

private:
    NoiseDistribution(NoiseKind kind, double scale) : kind_(kind), scale_(scale) {}

    NoiseKind kind_;
    double scale_;
};

}  // namespace veilsum

// Interval arithmetic as explainers/causal/intervals.py has it, on one interval at a time.
//
// NaN and infinity carry meaning: never compile this with -ffast-math.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

namespace ifonly::causal {

inline constexpr double INF = std::numeric_limits<double>::infinity();
inline constexpr double NOT_A_NUMBER = std::numeric_limits<double>::quiet_NaN();

struct Interval {
    double lower, upper;
};

// Interval arithmetic as intervals.py has it.
namespace intervals {

inline constexpr Interval EVERYTHING{-INF, INF};

// Unknown is everything: a bound may be too wide, never too narrow.
inline Interval known(double lower, double upper) {
    return {std::isnan(lower) ? -INF : lower, std::isnan(upper) ? INF : upper};
}

inline Interval add(Interval a, Interval b) { return known(a.lower + b.lower, a.upper + b.upper); }

inline Interval negate(Interval a) { return {-a.upper, -a.lower}; }

// 0 times an infinite bound is 0, as the limit of the bounds that it stands for.
inline double product(double a, double b) {
    const double found = a * b;
    return std::isnan(found) ? 0.0 : found;
}

inline Interval multiply(Interval a, Interval b) {
    const double corners[4] = {product(a.lower, b.lower), product(a.lower, b.upper),
                               product(a.upper, b.lower), product(a.upper, b.upper)};
    return {std::min(std::min(corners[0], corners[1]), std::min(corners[2], corners[3])),
            std::max(std::max(corners[0], corners[1]), std::max(corners[2], corners[3]))};
}

inline bool is_through_zero(Interval a) { return a.lower <= 0.0 && a.upper >= 0.0; }

inline Interval invert(Interval a) {
    // Through 0, the reciprocal goes to both infinities.
    return is_through_zero(a) ? EVERYTHING : Interval{1.0 / a.upper, 1.0 / a.lower};
}

inline double power(double x, int exponent) {
    if (exponent == 1) return x;
    if (exponent == 2) return x * x;
    return std::pow(x, static_cast<double>(exponent));
}

inline Interval whole_power(Interval a, int exponent) {
    if (exponent < 0) return invert(whole_power(a, -exponent));
    const double low = power(a.lower, exponent), high = power(a.upper, exponent);
    if (exponent % 2 || exponent == 0) return {low, high};
    // A square is never negative; multiplied as two intervals, it would seem so.
    return {is_through_zero(a) ? 0.0 : std::min(low, high), std::max(low, high)};
}

inline Interval magnitude(Interval a) {
    const double low = std::fabs(a.lower), high = std::fabs(a.upper);
    return {is_through_zero(a) ? 0.0 : std::min(low, high), std::max(low, high)};
}

// `weight` times an interval; without weight nothing, however wide.
inline Interval weigh(Interval a, double weight) {
    if (weight == 0.0) return {0.0, 0.0};
    return weight > 0.0 ? Interval{weight * a.lower, weight * a.upper}
                        : Interval{weight * a.upper, weight * a.lower};
}

}  // namespace intervals

}  // namespace ifonly::causal

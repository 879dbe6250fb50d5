// Curves of units between straight lines, over an interval of their sums.
//
// Lines lie on their side of the curve by more than float64 can round them; what a curve is to the
// last digit is in the doubt about the graph, not here.
#pragma once

#include <algorithm>
#include <cmath>

#include "arrays.hpp"

namespace ifonly::networks {

// As `ifonly.models.graph.units.Curve`, in its order.
enum Curve : Whole {
    RELU, ABS, STEP, SQUARE, TANH, SIGMOID, ERF, EXP, SOFTPLUS, LOG, SQRT, RECIPROCAL, CURVES
};

struct Line {
    double slope;
    double shift;
    double at(double z) const { return slope * z + shift; }
};

struct Span {
    double low;
    double high;
    double width() const { return high - low; }
    double clip(double z) const { return std::min(std::max(z, low), high); }
};

inline double sigmoid(double z) {
    return z >= 0.0 ? 1.0 / (1.0 + std::exp(-z)) : std::exp(z) / (1.0 + std::exp(z));
}

inline double curve_at(Whole curve, double z) {
    switch (curve) {
        case RELU: return std::max(z, 0.0);
        case ABS: return std::abs(z);
        case STEP: return z > 0.0 ? 1.0 : 0.0;
        case SQUARE: return z * z;
        case TANH: return std::tanh(z);
        case SIGMOID: return sigmoid(z);
        case ERF: return std::erf(z);
        case EXP: return std::exp(z);
        case SOFTPLUS: return std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z)));
        case LOG: return std::log(z);
        case SQRT: return std::sqrt(z);
        default: return 1.0 / z;
    }
}

// Of smooth curves.
inline double slope_at(Whole curve, double z) {
    switch (curve) {
        case SQUARE: return 2.0 * z;
        case TANH: {
            const double t = std::tanh(z);
            return 1.0 - t * t;
        }
        case SIGMOID: {
            const double s = sigmoid(z);
            return s * (1.0 - s);
        }
        case ERF: return 1.1283791670955126 * std::exp(-z * z);
        case EXP: return std::exp(z);
        case SOFTPLUS: return sigmoid(z);
        case LOG: return 1.0 / z;
        case SQRT: return 0.5 / std::sqrt(z);
        default: return -1.0 / (z * z);
    }
}

inline bool is_s_shaped(Whole curve) { return curve == TANH || curve == SIGMOID || curve == ERF; }
inline bool is_kinked(Whole curve) { return curve == RELU || curve == ABS || curve == STEP; }

// How a curve bends over an interval.
enum Bend { STRAIGHT, CONVEX, CONCAVE, BOTH };

inline Bend bend(Whole curve, Span z) {
    switch (curve) {
        case RELU:
        case ABS: return z.low >= 0.0 || z.high <= 0.0 ? STRAIGHT : CONVEX;
        case LOG:
        case SQRT: return CONCAVE;
        case RECIPROCAL: return z.low > 0.0 ? CONVEX : CONCAVE;
        case TANH:
        case SIGMOID:
        case ERF: return z.high <= 0.0 ? CONVEX : z.low >= 0.0 ? CONCAVE : BOTH;
        default: return CONVEX;
    }
}

// The greatest and the least value of the curve over an interval.
inline Span values_over(Whole curve, Span z) {
    const double a = curve_at(curve, z.low), b = curve_at(curve, z.high);
    Span found{std::min(a, b), std::max(a, b)};
    if ((curve == ABS || curve == SQUARE) && z.low < 0.0 && z.high > 0.0) found.low = 0.0;
    if (curve == STEP) return {a, b};
    if (is_kinked(curve)) return found;
    const double slack = 1e-13 * std::max(std::abs(found.low), std::abs(found.high));
    const bool never_negative = curve == SQUARE || curve == EXP || curve == SOFTPLUS || curve == SQRT;
    return {never_negative ? std::max(found.low - slack, 0.0) : found.low - slack, found.high + slack};
}

inline Line shifted(Line line, double size, double sign) {
    return {line.slope, line.shift + sign * 1e-14 * (1.0 + size)};
}

inline Line tangent(Whole curve, double t, double sign) {
    // A root has no tangent at 0.
    if (curve == SQRT && t < 1e-12) t = 1e-12;
    const double f = curve_at(curve, t), m = slope_at(curve, t);
    return shifted({m, f - m * t}, std::abs(f) + std::abs(m * t), sign);
}

// The line through both ends of the curve, or beyond them: above where ``sign`` is 1, below where -1.
inline Line chord(Whole curve, Span z, double sign) {
    const double a = curve_at(curve, z.low), b = curve_at(curve, z.high);
    const double width = z.width();
    const double m = width > 1e-12 * (std::abs(z.low) + std::abs(z.high)) ? (b - a) / width : 0.0;
    const double one = a - m * z.low, other = b - m * z.high;
    const double shift = sign > 0.0 ? std::max(one, other) : std::min(one, other);
    const double size = std::abs(a) + std::abs(b) + std::abs(m) * (std::abs(z.low) + std::abs(z.high));
    // A narrow interval of a curve that bends has no chord worth its division; STEP jumps in it.
    if (m == 0.0 && a != b) {
        return shifted({0.0, sign > 0.0 ? std::max(a, b) : std::min(a, b)}, size, sign);
    }
    return shifted({m, shift}, size, sign);
}

// Where the tangent of an S-shaped curve, left of 0, passes through ``(end, f(end))`` or below it,
// ``end > 0``: at it and left of it every tangent lies below the curve up to ``end``.
inline double last_below(Whole curve, Span z) {
    const double f = curve_at(curve, z.high);
    const auto is_below = [&](double t) {
        return curve_at(curve, t) + slope_at(curve, t) * (z.high - t) <= f;
    };
    if (!is_below(z.low)) return -INFINITY;
    double low = z.low, high = 0.0;
    for (int k = 0; k < 30; ++k) {
        const double middle = 0.5 * (low + high);
        (is_below(middle) ? low : high) = middle;
    }
    return low;
}

// The same on the other side: S-shaped curves are odd around 0.
inline double first_above(Whole curve, Span z) { return -last_below(curve, {-z.high, -z.low}); }

// Where lines below and above may touch the curve; found once for an interval.
struct Touch {
    double below = INFINITY;
    double above = -INFINITY;
};

inline Touch touch_of(Whole curve, Span z) {
    if (!is_s_shaped(curve) || bend(curve, z) != BOTH) return {};
    return {last_below(curve, z), first_above(curve, z)};
}

// A line below the curve; ``a`` says which: a slope where the curve has a kink, else a place.
inline Line line_below(Whole curve, Span z, double a, Touch touch, double blur) {
    switch (curve) {
        case RELU:
            if (z.low >= 0.0) return {1.0, 0.0};
            if (z.high <= 0.0) return {0.0, 0.0};
            return {std::min(std::max(a, 0.0), 1.0), 0.0};
        case ABS:
            if (z.low >= 0.0) return {1.0, 0.0};
            if (z.high <= 0.0) return {-1.0, 0.0};
            return {std::min(std::max(a, -1.0), 1.0), 0.0};
        case STEP: {
            // The graph's sum may be so far below ours and its step be 0.
            if (z.low > blur) return {0.0, 1.0};
            const double end = z.high - blur;
            if (end <= 0.0) return {0.0, 0.0};
            const double m = std::min(std::max(a, 0.0), 1.0) / end * (1.0 - 1e-12);
            return {m, -m * blur - 1e-14};
        }
        default: break;
    }
    switch (bend(curve, z)) {
        case CONVEX: return tangent(curve, z.clip(a), -1.0);
        case CONCAVE: return chord(curve, z, -1.0);
        default:
            if (touch.below == -INFINITY) return chord(curve, z, -1.0);
            return tangent(curve, std::min(std::max(a, z.low), touch.below), -1.0);
    }
}

inline Line line_above(Whole curve, Span z, double b, Touch touch, double blur) {
    switch (curve) {
        case RELU:
            if (z.low >= 0.0) return {1.0, 0.0};
            if (z.high <= 0.0) return {0.0, 0.0};
            return chord(curve, z, 1.0);
        case ABS:
            if (z.low >= 0.0) return {1.0, 0.0};
            if (z.high <= 0.0) return {-1.0, 0.0};
            return chord(curve, z, 1.0);
        case STEP: {
            if (z.high <= -blur) return {0.0, 0.0};
            const double end = z.low + blur;
            if (end >= 0.0) return {0.0, 1.0};
            const double m = std::min(std::max(b, 0.0), 1.0) / -end * (1.0 - 1e-12);
            return {m, 1.0 + m * blur + 1e-14};
        }
        default: break;
    }
    switch (bend(curve, z)) {
        case CONVEX: return chord(curve, z, 1.0);
        case CONCAVE: return tangent(curve, z.clip(b), 1.0);
        default:
            if (touch.above == INFINITY) return chord(curve, z, 1.0);
            return tangent(curve, std::max(std::min(b, z.high), touch.above), 1.0);
    }
}

}  // namespace ifonly::networks

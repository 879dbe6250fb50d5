// Convex curves bounded from above within a ball of cost.
//
// The rows of interest of a box lie in a simplex: from its cheapest corner they go some part of the way to
// each end, and all these parts, weighted by what the ends cost, come to what is left below the best. A
// convex function of a row is nowhere above what its values at the simplex's vertices make of it, and that
// is linear in the parts (Rockafellar, Convex Analysis, 1970, theorem 32.2): exact where one feature moves,
// where a chord over the interval of a unit's sum says least.
#pragma once

#include <vector>

#include "separable.hpp"

namespace ifonly::networks {

inline constexpr double EPSILON = 1.2e-16;  // of one operation in float64, and a little

// Which features move in a box, and their ends: what functions of the ends are of.
struct Layout {
    Places feature;
    Places first;
    Places piece;
    Places position;

    // ``values`` of the ends, at a position of the feature that is ``m``-th; straight between two ends of
    // one piece.
    double at(const Numbers& values, Whole m, Whole place) const {
        Whole low = first[m], high = first[m + 1] - 1;
        while (low < high) {
            const Whole middle = (low + high + 1) >> 1;
            if (position[middle] <= place) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        if (position[low] == place || low + 1 >= first[m + 1]) return values[low];
        const double share = static_cast<double>(place - position[low]) /
                             static_cast<double>(position[low + 1] - position[low]);
        return values[low] + share * (values[low + 1] - values[low]);
    }
};

// The simplex of a box: ``sum(inverse * parts) <= 1`` in all rows of interest.
struct Ball {
    Places key;       // each moving feature's end at the cheapest corner
    Numbers inverse;  // of each end: how much of the ball it takes; 0 at the corner
    Places key_of;    // of each end, its feature's key

    // ``room`` is left for cost, beyond the corner; rounding included.
    void of_ends(const Ends& ends, double best) {
        const Whole n = ends.n_moving();
        key.resize(n), inverse.resize(ends.size()), key_of.resize(ends.size());
        double corner = ends.fixed_cost, size = std::abs(ends.fixed_cost);
        for (Whole m = 0; m < n; ++m) {
            Whole least = ends.first[m];
            for (Whole e = least; e < ends.first[m + 1]; ++e) {
                if (ends.cost[e] < ends.cost[least]) least = e;
            }
            key[m] = least;
            corner += ends.cost[least];
            size += std::abs(ends.cost[least]);
        }
        const double room = std::max(best - corner, 0.0) + 1e-12 * (size + std::abs(best)) + 1e-300;
        for (Whole m = 0; m < n; ++m) {
            for (Whole e = ends.first[m]; e < ends.first[m + 1]; ++e) {
                key_of[e] = key[m];
                inverse[e] = (ends.cost[e] - ends.cost[key[m]]) / room * (1.0 - 1e-12);
            }
        }
    }
};

inline bool is_convex(Whole curve) {
    return curve == RELU || curve == ABS || curve == SQUARE || curve == EXP || curve == SOFTPLUS;
}

// Above each unit's curve: ``base`` and a part for each end.
struct Envelopes {
    Numbers base, size;
    std::vector<char> is_known, is_used;

    void begin(Whole units, Whole ends) {
        n_ = ends;
        base.resize(units), size.resize(units);
        is_known.assign(units, 0), is_used.assign(units, 0);
        parts_.resize(static_cast<std::size_t>(units * ends));
    }
    const double* part(Whole i) const { return parts_.data() + i * n_; }

    // Of a unit whose sum is at least ``low0 + low`` and at most ``high0 + high`` in the ball's rows, each a
    // sum over ends, off by at most ``error``.
    void make(Whole i, Whole curve, const Ends& ends, const Ball& ball, double low0, const Numbers& low,
              double high0, const Numbers& high, double error) {
        double least = low0 - error, most = high0 + error;
        for (const Whole e : ball.key) least += low[e], most += high[e];
        const double top = std::max(curve_at(curve, least), curve_at(curve, most));
        const double slack = 1e-14 * (std::abs(top) + std::abs(least) + std::abs(most)) + 2.0 * error;
        base[i] = top + slack;
        double* own = parts_.data() + i * n_;
        double total = std::abs(base[i]);
        for (Whole m = 0; m < ends.n_moving(); ++m) {
            double far = 0.0;
            for (Whole e = ends.first[m]; e < ends.first[m + 1]; ++e) {
                own[e] = 0.0;
                if (e == ball.key[m]) continue;
                const double down = low[e] - low[ball.key[m]] - 2.0 * error;
                const double up = high[e] - high[ball.key[m]] + 2.0 * error;
                const double share = ball.inverse[e];
                double far_value = 0.0;
                if (share > 1e-9) {
                    const double value = std::max(curve_at(curve, least + down / share),
                                                  curve_at(curve, most + up / share));
                    far_value = (value - top) * share;
                    far_value += 1e-14 * (std::abs(value) + std::abs(top)) * share;
                } else if (curve == RELU) {
                    far_value = std::max(up, 0.0);
                } else if (curve == ABS) {
                    far_value = std::max(up, -down);
                } else {
                    return;
                }
                own[e] = far_value + 1e-14 * (std::abs(up) + std::abs(down));
                far = std::max(far, std::abs(own[e]));
            }
            total += far;
        }
        if (!(total < 1e300)) return;
        size[i] = total;
        is_known[i] = 1;
    }

private:
    Whole n_ = 0;
    Numbers parts_;
};

}  // namespace ifonly::networks

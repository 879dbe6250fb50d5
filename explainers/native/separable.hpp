// Sums over features, each of them straight over pieces of its axis: the least of one sum while
// another is kept below a limit.
#pragma once

#include <vector>

#include "cells.hpp"
#include "unit_arrays.hpp"

namespace ifonly::networks {

using Numbers = std::vector<double>;
using Places = std::vector<Whole>;

inline Whole piece_at(const Pieces& p, Whole j, Whole position) {
    Whole low = p.of[j], high = p.of[j + 1] - 1;
    while (low < high) {
        const Whole middle = (low + high + 1) >> 1;
        if (p.first[middle] <= position) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

inline double cost_in(const Pieces& p, Whole k, Whole position) {
    return p.cost[k] + static_cast<double>(position - p.first[k]) * p.rise[k];
}

// The ends of the pieces of a box: what is straight between them is least at one of them.
struct Ends {
    Places feature;  // those that can move in the box
    Places first;    // end of each of them, and one more
    Places piece;
    Places position;
    Numbers cost;
    Places term;
    Places column;
    Numbers value;
    Numbers constant;  // columns of what cannot move
    double fixed_cost = 0.0;

    Whole size() const { return static_cast<Whole>(position.size()); }
    Whole n_moving() const { return static_cast<Whole>(feature.size()); }

    void of_box(const Pieces& p, Wholes lo, Wholes hi) {
        feature.clear(), piece.clear(), position.clear(), cost.clear(), column.clear(), value.clear();
        first.assign(1, 0), term.assign(1, 0);
        constant.assign(p.constant.begin(), p.constant.end());
        fixed_cost = 0.0;
        for (Whole j = 0; j < p.n_features(); ++j) {
            Whole k = piece_at(p, j, lo[j]);
            if (lo[j] == hi[j]) {
                fixed_cost += cost_in(p, k, lo[j]);
                const double step = static_cast<double>(lo[j] - p.first[k]);
                for (Whole t = p.terms[k]; t < p.terms[k + 1]; ++t) {
                    constant[p.column[t]] += p.input[t] + step * p.input_rise[t];
                }
                continue;
            }
            for (; k < p.of[j + 1] && p.first[k] <= hi[j]; ++k) {
                const Whole a = std::max(lo[j], p.first[k]), b = std::min(hi[j], p.last[k]);
                add(p, k, a);
                if (b > a) add(p, k, b);
            }
            feature.push_back(j);
            first.push_back(size());
        }
    }

    // ``weights`` of columns as sums at every end; what cannot move comes to the number returned.
    double sums(const Numbers& weights, Numbers& out) const {
        out.resize(position.size());
        for (Whole e = 0; e < size(); ++e) {
            double total = 0.0;
            for (Whole t = term[e]; t < term[e + 1]; ++t) total += weights[column[t]] * value[t];
            out[e] = total;
        }
        double fixed = 0.0;
        for (std::size_t c = 0; c < constant.size(); ++c) fixed += weights[c] * constant[c];
        return fixed;
    }

private:
    void add(const Pieces& p, Whole k, Whole at) {
        piece.push_back(k);
        position.push_back(at);
        cost.push_back(cost_in(p, k, at));
        const double step = static_cast<double>(at - p.first[k]);
        for (Whole t = p.terms[k]; t < p.terms[k + 1]; ++t) {
            column.push_back(p.column[t]);
            value.push_back(p.input[t] + step * p.input_rise[t]);
        }
        term.push_back(static_cast<Whole>(column.size()));
    }
};

// The greatest over prices ``s >= 0`` of the least over rows of ``a + s b``: no row with ``b <= 0``
// has a smaller ``a``.
struct Priced {
    double price = 0.0;
    double value = 0.0;
    bool is_endless = false;   // it grows with the price for ever: no row has ``b <= 0``
    Places below, above;       // an end of each moving feature, at a price before and behind
    double share = 1.0;        // of ``below``, so that ``b`` comes to 0
    double slack = 0.0;        // how far below 0 ``b`` is where ``a`` is least; 0 where it is above

    struct Look {
        double price, value, slope;
    };

    Look look(const Ends& ends, const Numbers& a, const Numbers& b, double fixed_a, double fixed_b,
              double s, Places& chosen) const {
        double value = fixed_a + s * fixed_b, slope = fixed_b;
        const Whole n = ends.n_moving();
        chosen.resize(n);
        for (Whole m = 0; m < n; ++m) {
            Whole best = ends.first[m];
            double least = a[best] + s * b[best];
            for (Whole e = best + 1; e < ends.first[m + 1]; ++e) {
                const double here = a[e] + s * b[e];
                if (here < least) {
                    least = here;
                    best = e;
                }
            }
            value += least;
            slope += b[best];
            chosen[m] = best;
        }
        return {s, value, slope};
    }

    // Stops once the value is ``enough``. ``start`` is a price to look at first.
    void find(const Ends& ends, const Numbers& a, const Numbers& b, double fixed_a, double fixed_b,
              double start, double enough, double tolerance) {
        is_endless = false;
        share = 1.0;
        Look left = look(ends, a, b, fixed_a, fixed_b, 0.0, below);
        price = 0.0;
        value = left.value;
        slack = std::max(-left.slope, 0.0);
        if (left.slope <= tolerance || left.value >= enough) {
            above = below;
            return;
        }
        double s = start > 0.0 ? start : 1e-3;
        Look right = look(ends, a, b, fixed_a, fixed_b, s, above);
        for (int k = 0; right.slope > tolerance; ++k) {
            left = right;
            below.swap(above);
            note(left);
            if (value >= enough) {
                above = below;
                return;
            }
            if (k == 60) {
                is_endless = true;
                above = below;
                return;
            }
            s *= k < 8 ? 4.0 : 32.0;
            right = look(ends, a, b, fixed_a, fixed_b, s, above);
        }
        note(right);
        for (int k = 0; k < 24 && value < enough; ++k) {
            // Where both tangents meet nothing can be higher.
            const double fall = left.slope - right.slope;
            if (!(fall > 0.0)) break;
            s = (right.value - right.slope * right.price - left.value + left.slope * left.price) / fall;
            if (!(s > left.price && s < right.price)) break;
            const double most = left.value + left.slope * (s - left.price);
            Look middle = look(ends, a, b, fixed_a, fixed_b, s, spare_);
            note(middle);
            if (middle.value >= most - 1e-12 * std::max(1.0, std::abs(most))) break;
            if (middle.slope > 0.0) {
                left = middle;
                below.swap(spare_);
            } else {
                right = middle;
                above.swap(spare_);
            }
        }
        const double fall = left.slope - right.slope;
        share = fall > 0.0 ? std::min(std::max(-right.slope / fall, 0.0), 1.0) : 1.0;
    }

private:
    void note(const Look& here) {
        if (here.value > value) {
            value = here.value;
            price = here.price;
        }
    }

    Places spare_;
};

}  // namespace ifonly::networks

// How far the graph's sums may be from ours: in the rows of interest of a box, and of one row.
//
// A sum rounds by a part of the size of what it adds up (Higham, Accuracy and Stability of Numerical
// Algorithms, 2002, 4.2), and what it reads is off already. Over all rows that a question may look at,
// units are large and so are their roundings; in a small box they are not, and what is in doubt there can
// be told to be in the target or not.
#pragma once

#include "network_search.hpp"

namespace ifonly::networks {

// Our own arithmetic here, and more: errors are sums of positive numbers.
inline constexpr double ABOVE = 1.0 + 1e-9;

// Times a size or an error that may be infinite; nothing of it is nothing.
inline double part(double weight, double of) { return weight == 0.0 ? 0.0 : std::abs(weight) * of; }

// How far the value of a unit may be off whose sum is in ``z``, and off by ``error``.
inline double value_off(Whole curve, Span z, double error, double ulp, double most) {
    const double size = std::max(std::abs(z.low), std::abs(z.high));
    switch (curve) {
        case RELU: return z.high + error <= 0.0 ? 0.0 : std::min(error, most);
        case ABS: return std::min(error, most);
        case SQUARE: {
            const double far = size + error;
            return std::min((2.0 * size + error) * error + ulp * far * far, most);
        }
        case TANH: return std::min(error + ulp, most);
        case SIGMOID: return std::min(0.25 * error + ulp, most);
        case ERF: return std::min(1.13 * error + ulp, most);
        default: return most;
    }
}

// What is known is off, into ``off_``; of what is at most as large as ``size_``, with units' sums in
// ``sum_of(i)``.
template <class Sums>
void Search::errors(const Sums& sum_of) {
    std::copy(u_.off.begin(), u_.off.begin() + u_.columns, off_.begin());
    for (Whole layer = 0; layer < u_.n_layers(); ++layer) {
        const Whole from = u_.from[layer], n = u_.till[layer] - from, curve = u_.curve[layer];
        for (Whole i = u_.first[layer]; i < u_.first[layer + 1]; ++i) {
            const double* w = u_.weight.data + u_.start[i];
            const double* s = u_.slips.data + u_.start[i];
            double error = u_.slip[i];
            for (Whole k = 0; k < n; ++k) {
                const double off = off_[from + k];
                error += part(s[k], size_[from + k] + off) + part(w[k], off);
            }
            off_[u_.columns + i] = value_off(curve, sum_of(i), error * ABOVE, u_.ulp[i], u_.off[u_.columns + i]);
        }
    }
}

// How far limit ``g`` is in doubt where what is known is off by ``off_``.
inline double Search::doubt_of(Whole g) const {
    const Reals w = g_.weights[g], s = g_.slips[g];
    double total = g_.slip[g];
    for (Whole k = 0; k < w.size(); ++k) {
        total += part(s[k], size_[k] + off_[k]) + part(w[k], off_[k]);
    }
    total *= ABOVE;
    return std::isnan(total) ? g_.doubt[g] : std::min(total, g_.doubt[g]);
}

// The doubt in the rows of interest of the box whose units' sums have been narrowed.
inline void Search::narrow_doubt(Node& node) {
    for (Whole k = 0; k < u_.known(); ++k) size_[k] = std::max(std::abs(low_[k]), std::abs(high_[k]));
    errors([&](Whole i) { return relaxation_.sum[i]; });
    for (Whole g = 0; g < g_.size(); ++g) node.doubt[g] = std::min(node.doubt[g], doubt_of(g));
    for (std::size_t k = 0; k < rows_.size(); ++k) {
        const Whole source = rows_[k].row->source;
        if (source < g_.size()) fixed_[k] += doubt_[source] - node.doubt[source];
    }
    doubt_ = node.doubt;
}

// The doubt at the row whose ``known_`` and ``sum_`` are laid out.
inline void Search::row_doubt() {
    for (Whole k = 0; k < u_.known(); ++k) size_[k] = std::abs(known_[k]);
    errors([&](Whole i) { return Span{sum_[i], sum_[i]}; });
    for (Whole g = 0; g < g_.size(); ++g) row_doubt_[g] = doubt_of(g);
}

}  // namespace ifonly::networks

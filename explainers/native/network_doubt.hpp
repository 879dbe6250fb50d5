// How far the graph's sums may be from ours: in the rows of interest of a box, and of one row.
//
// A sum rounds by a part of the size of what it adds up (Higham, Accuracy and Stability of Numerical
// Algorithms, 2002, 4.2), and what it reads is off already. Over all rows that a question may look at,
// units are large and so are their roundings; in a small box they are not, and what is in doubt there can
// be told to be in the target or not.
//
// The graph's value of a unit less ours is the same less of its sums, times a slope of its curve between
// the two; so a limit is off by what each sum slips, times products of weights and slopes, in which much
// cancels out that sizes alone add up.
#pragma once

#include "network_search.hpp"

namespace ifonly::networks {

// Our own arithmetic here, and more: errors are sums of positive numbers.
inline constexpr double ABOVE = 1.0 + 1e-9;

// Times a size or an error that may be infinite; nothing of it is nothing.
inline double part(double weight, double of) { return weight == 0.0 ? 0.0 : std::abs(weight) * of; }

// Of a curve between our sum in ``z`` and the graph's, off by ``error``.
struct Slopes {
    Span rise;   // between what the slope lies
    double cut;  // how far the value is off besides
};

inline Slopes slopes_of(Whole curve, Span z, double error, double ulp, double most) {
    switch (curve) {
        case RELU:
            if (z.low - error >= 0.0) return {{1.0, 1.0}, 0.0};
            if (z.high + error <= 0.0) return {{0.0, 0.0}, 0.0};
            return {{0.0, 1.0}, 0.0};
        case ABS:
            if (z.low - error >= 0.0) return {{1.0, 1.0}, 0.0};
            if (z.high + error <= 0.0) return {{-1.0, -1.0}, 0.0};
            return {{-1.0, 1.0}, 0.0};
        case SQUARE: {
            const double far = std::max(std::abs(z.low), std::abs(z.high)) + error;
            return {{2.0 * z.low - error, 2.0 * z.high + error}, ulp * far * far};
        }
        case TANH: return {{0.0, 1.0}, ulp};
        case SIGMOID: return {{0.0, 0.25}, ulp};
        case ERF: return {{0.0, 1.13}, ulp};
        default: return {{0.0, 0.0}, most};
    }
}

// How far what is known may be off, into ``off_``; of what is at most as large as ``size_``, with units'
// sums in ``sum_of(i)``. Sums slip by ``slipped_`` of their own.
template <class Sums>
void Search::errors(const Sums& sum_of) {
    std::copy(u_.off.begin(), u_.off.begin() + u_.columns, off_.begin());
    for (Whole layer = 0; layer < u_.n_layers(); ++layer) {
        const Whole from = u_.from[layer], n = u_.till[layer] - from, curve = u_.curve[layer];
        for (Whole i = u_.first[layer]; i < u_.first[layer + 1]; ++i) {
            const double* w = u_.weight.data + u_.start[i];
            const double* s = u_.slips.data + u_.start[i];
            double slip = u_.slip[i], error = 0.0;
            for (Whole k = 0; k < n; ++k) {
                const double off = off_[from + k];
                slip += part(s[k], size_[from + k] + off);
                error += part(w[k], off);
            }
            error = (error + slip) * ABOVE;
            slipped_[i] = slip * ABOVE;
            const double most = u_.off[u_.columns + i];
            const Slopes found = slopes_of(curve, sum_of(i), error, u_.ulp[i], most);
            const double steep = std::max(std::abs(found.rise.low), std::abs(found.rise.high));
            rise_[i] = found.rise, cut_[i] = found.cut;
            const double off = (part(steep, error) + found.cut) * ABOVE;
            off_[u_.columns + i] = off <= most ? off : most;
        }
    }
}

// How far limit ``g`` is in doubt where what is known is off by ``off_``; ``is_signed``: what cancels out
// is looked at, too.
inline double Search::doubt_of(Whole g, bool is_signed) {
    const Reals w = g_.weights[g], s = g_.slips[g];
    double slip = g_.slip[g], off = 0.0;
    for (Whole k = 0; k < w.size(); ++k) {
        slip += part(s[k], size_[k] + off_[k]);
        off += part(w[k], off_[k]);
    }
    // Where sums cancel out, our own roundings are those of what was added up.
    if (is_signed) off = std::fmin(off, signed_doubt(g) * ABOVE + 1e-12 * off);
    // Nothing that is known is what was known before.
    return std::fmin((slip + off) * ABOVE, g_.doubt[g]);
}

// The same of what is known: backwards, between which products of weights and slopes lie.
inline double Search::signed_doubt(Whole g) {
    const Reals w = g_.weights[g];
    std::copy(w.begin(), w.end(), least_share_.begin());
    std::copy(w.begin(), w.end(), most_share_.begin());
    double total = 0.0;
    for (Whole layer = u_.n_layers(); layer-- > 0;) {
        const Whole from = u_.from[layer], n = u_.till[layer] - from;
        for (Whole i = u_.first[layer]; i < u_.first[layer + 1]; ++i) {
            const double low = least_share_[u_.columns + i], high = most_share_[u_.columns + i];
            if (low == 0.0 && high == 0.0) continue;
            total += part(std::max(std::abs(low), std::abs(high)), cut_[i]);
            const Span rise = rise_[i];
            if (rise.low == 0.0 && rise.high == 0.0) continue;
            const double ends[] = {low * rise.low, low * rise.high, high * rise.low, high * rise.high};
            const double least = *std::min_element(ends, ends + 4);
            const double most = *std::max_element(ends, ends + 4);
            total += part(std::max(std::abs(least), std::abs(most)), slipped_[i]);
            const double* own = u_.weight.data + u_.start[i];
            for (Whole k = 0; k < n; ++k) {
                const double a = own[k] * least, b = own[k] * most;
                least_share_[from + k] += std::min(a, b);
                most_share_[from + k] += std::max(a, b);
            }
        }
    }
    for (Whole c = 0; c < u_.columns; ++c) {
        total += part(std::max(std::abs(least_share_[c]), std::abs(most_share_[c])), u_.off[c]);
    }
    return total;
}

// The doubt in the rows of interest of the box whose units' sums have been narrowed.
inline void Search::narrow_doubt(Node& node) {
    for (Whole k = 0; k < u_.known(); ++k) size_[k] = std::max(std::abs(low_[k]), std::abs(high_[k]));
    errors([&](Whole i) { return relaxation_.sum[i]; });
    // Of many goals few are near.
    is_near_.assign(g_.size(), g_.size() <= FEW_GOALS);
    for (const PricedRow& each : rows_) {
        if (each.row->source < g_.size()) is_near_[each.row->source] = 1;
    }
    for (Whole g = 0; g < g_.size(); ++g) {
        node.doubt[g] = std::min(node.doubt[g], doubt_of(g, is_near_[g]));
    }
    for (std::size_t k = 0; k < rows_.size(); ++k) {
        const Whole source = rows_[k].row->source;
        if (source < g_.size()) fixed_[k] += doubt_[source] - node.doubt[source];
    }
    doubt_ = node.doubt;
}

// What is off at the row whose ``known_`` and ``sum_`` are laid out.
inline void Search::row_errors() {
    for (Whole k = 0; k < u_.known(); ++k) size_[k] = std::abs(known_[k]);
    errors([&](Whole i) { return Span{sum_[i], sum_[i]}; });
}

}  // namespace ifonly::networks

// How a box is halved: at a unit's sum, or at a feature's position.
#pragma once

#include "network_search.hpp"

namespace ifonly::networks {

// What to halve: the unit whose line is farthest from its curve, by what that adds to the bound, or
// the feature between whose values the bound lies.
inline void Search::choose(Node& node) {
    columns_of_point();
    columns_ = known_;
    forward_exactly(u_, known_, sum_);
    touch_at(sum_);
    Numbers worths(g_.size(), 0.0);
    double worth = 0.0;
    for (const PricedRow& each : rows_) {
        if (each.row->source < g_.size()) {
            worths[each.row->source] += each.price;
            worth += each.price;
        }
    }
    if (worth > 1e-2 * node.worth) {
        node.worth = worth;
    } else {
        // Where goals are worth nothing, because lines let rows meet them that do not, units are.
        const double instead = node.worth > 0.0 ? node.worth : 1.0;
        // Those that the point misses: what is below a limit and above another's would cancel out.
        bool any = false;
        for (Whole g = 0; g < g_.size(); ++g) any = any || (g_.begin[g] > 0.0 && is_missed(g));
        for (Whole g = 0; g < g_.size(); ++g) {
            worths[g] = !any || is_missed(g) ? g_.begin[g] * instead : 0.0;
        }
    }
    main_.with_error(false);
    main_.clear();
    for (Whole g = 0; g < g_.size(); ++g) {
        const Reals w = g_.weights[g];
        if (worths[g] == 0.0) continue;
        for (Whole k = 0; k < w.size(); ++k) {
            if (w[k] != 0.0) main_.add_known(k, worths[g] * w[k]);
        }
    }
    main_.carry(u_.n_layers(), relaxation_);
    double most = -1.0;
    for (Whole layer = 0; layer < u_.n_layers(); ++layer) {
        const Whole curve = u_.curve[layer];
        for (Whole i = u_.first[layer]; i < u_.first[layer + 1]; ++i) {
            const Span z = relaxation_.sum[i];
            if (!is_open(curve, i, z) || main_.nu[i] == 0.0) continue;
            if (!is_kinked(curve) && node.curved >= MOST_CURVED) continue;
            if (!(z.width() > 1e-7 * (1.0 + std::abs(z.low) + std::abs(z.high)))) continue;
            const double here = z.clip(sum_[i]);
            const double nu = main_.nu[i];
            double off = nu < 0.0 && relaxation_.envelopes.is_used[i]
                ? std::abs(up_[u_.columns + i] - curve_at(curve, here))
                : std::abs((nu > 0.0 ? relaxation_.under : relaxation_.over)[i].at(here) -
                           curve_at(curve, here));
            double at = 0.0;
            if (!is_kinked(curve)) {
                at = std::min(std::max(here, z.low + 0.2 * z.width()), z.high - 0.2 * z.width());
            } else if (!(z.low < 0.0 && z.high > 0.0)) {
                continue;
            }
            const double score = std::abs(main_.nu[i]) * off;
            if (score > most) {
                most = score;
                node.unit = i;
                node.at = at;
            }
        }
    }
    choose_feature(node, most);
    choose_way(node, most);
}

// The feature on which the point has spent most, where that is worth more than a unit: beyond the cut
// less is left to spend, and before it the envelopes of units lie closer.
inline void Search::choose_way(Node& node, double most) {
    double best = node.unit >= 0 ? std::max(most, 0.0) : 0.0;
    for (const Gone& each : gone_) {
        const Whole j = ends_.feature[each.moving], origin = ball_.key[each.moving];
        const double key = static_cast<double>(ends_.position[origin]);
        const double end = static_cast<double>(ends_.position[each.end]);
        const double spent = ends_.cost[each.end] - ends_.cost[origin];
        const double score = WAY * spent * std::min(each.share, 0.8);
        const double at = key + std::min(std::max(each.share, 0.2), 0.8) * (end - key);
        const Whole edge = static_cast<Whole>(end > key ? std::ceil(at) : std::floor(at) + 1.0);
        if (edge <= lo_[j] || edge > hi_[j] || !(score > best)) continue;
        best = score;
        node.unit = -1;
        node.feature = j;
        node.edge = edge;
    }
}

inline void Search::choose_feature(Node& node, double most) {
    Whole found = -1, edge = 0;
    double score = 0.0;
    for (Whole m = 0; m < ends_.n_moving(); ++m) {
        const Whole j = ends_.feature[m];
        if (lo_[j] >= hi_[j]) continue;
        const double x = place_[m];
        const Whole low = std::min(std::max(static_cast<Whole>(std::floor(x)), lo_[j]), hi_[j] - 1);
        const double share = x - static_cast<double>(low);
        if (share < 1e-6 || share > 1.0 - 1e-6) continue;
        const double under = whole_at(m, low) - least_[m], over = whole_at(m, low + 1) - least_[m];
        const double step = std::abs(cost_at(q_, j, low + 1) - cost_at(q_, j, low));
        const double here = std::min(under, over) + std::min(share, 1.0 - share) * step;
        if (here > score) {
            score = here;
            found = j;
            edge = low + 1;
        }
    }
    if (node.unit >= 0 && most > 1e-9 && (most >= score || found < 0)) return;
    if (found < 0) {
        // The point is a row: it was refused, or is too near to a limit. What it breaks, or else the
        // widest feature, is cut beside it.
        at_ = lo_;
        for (Whole m = 0; m < ends_.n_moving(); ++m) {
            at_[ends_.feature[m]] = static_cast<Whole>(std::rint(place_[m]));
        }
        const Whole rule = broken_rule(q_, ALL, view(at_));
        double widest = -1.0;
        for (Whole m = 0; m < ends_.n_moving(); ++m) {
            const Whole j = ends_.feature[m];
            if (lo_[j] >= hi_[j]) continue;
            bool reads = rule < 0;
            for (Whole k = 0; rule >= 0 && k < q_.rules.reads[rule + 1] - q_.rules.reads[rule]; ++k) {
                reads = reads || q_.rules.read[q_.rules.reads[rule] + k] == j;
            }
            double spread = 0.0;
            for (Whole e = ends_.first[m]; e < ends_.first[m + 1]; ++e) {
                spread = std::max(spread, whole_[e] - least_[m]);
            }
            const double width = (reads ? 1e6 : 0.0) + spread +
                                 1e-9 * static_cast<double>(hi_[j] - lo_[j]);
            if (width > widest) {
                widest = width;
                found = j;
                const Whole p = at_[j];
                const Whole middle = lo_[j] + (hi_[j] - lo_[j] + 1) / 2;
                edge = rule >= 0 ? middle : p > lo_[j] ? p : p + 1;
                edge = std::min(std::max(edge, lo_[j] + 1), hi_[j]);
            }
        }
    }
    node.unit = -1;
    node.feature = found;
    node.edge = edge;
}

}  // namespace ifonly::networks

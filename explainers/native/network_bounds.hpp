// Between which units' sums lie in a box, and what stands for their curves there.
#pragma once

#include "network_search.hpp"

namespace ifonly::networks {

// How far rounding may put a unit's sum that is bounded backwards, through lines that are hardly
// steeper than 1 and pass 0 no farther than the sum is large; negative where they may be.
inline void Search::bound_errors() {
    side_error_.assign(u_.size(), -1.0);
    Numbers size(reach_);
    size.resize(u_.known(), INFINITE);
    const double steps = static_cast<double>((u_.known() + 20) * (u_.n_layers() + 2));
    for (Whole layer = 0; layer < u_.n_layers(); ++layer) {
        const Whole curve = u_.curve[layer];
        const bool is_tame = curve == RELU || curve == ABS || is_s_shaped(curve);
        for (Whole i = u_.first[layer]; i < u_.first[layer + 1]; ++i) {
            double total = std::abs(u_.bias[i]);
            for (Whole k = u_.from[layer]; k < u_.till[layer]; ++k) {
                const double w = std::abs(u_.weight[u_.start[i] + k - u_.from[layer]]);
                if (w > 0.0) total += w * size[k];
            }
            if (total < INFINITE) side_error_[i] = EPSILON * steps * total;
            size[u_.columns + i] = is_tame ? 2.3 * total + 1.2 : INFINITE;
        }
    }
}

// Of which units a bound from above is ever asked: a goal that they lower, or units behind them, read them.
inline void Search::note_readers() {
    is_bounded_above_.assign(u_.size(), 0);
    for (Whole layer = 0; layer < u_.n_layers(); ++layer) {
        for (Whole k = std::max(u_.from[layer], u_.columns); k < u_.till[layer]; ++k) {
            is_bounded_above_[k - u_.columns] = 1;
        }
    }
    for (Whole g = 0; g < g_.size(); ++g) {
        for (Whole i = 0; i < u_.size(); ++i) {
            if (g_.weights[g][u_.columns + i] < 0.0) is_bounded_above_[i] = 1;
        }
    }
}

inline void Search::add_reach(Whole j) {
    std::vector<double> most(reach_.size(), 0.0);
    double cost = 0.0;
    for (Whole k = p_.of[j]; k < p_.of[j + 1]; ++k) {
        const double steps = static_cast<double>(p_.last[k] - p_.first[k]);
        cost = std::max({cost, p_.cost[k], p_.cost[k] + steps * p_.rise[k]});
        for (Whole t = p_.terms[k]; t < p_.terms[k + 1]; ++t) {
            const double a = p_.input[t], b = a + steps * p_.input_rise[t];
            double& own = most[p_.column[t]];
            own = std::max({own, std::abs(a), std::abs(b)});
        }
    }
    dearest_ += 2.0 * cost;
    for (std::size_t c = 0; c < most.size(); ++c) reach_[c] += most[c];
}

// Between which the units' sums lie in rows of the box that are cheaper than the best and may meet
// the goals; whether there is none.
inline bool Search::narrow_units() {
    Relaxation& r = relaxation_;
    const double room = std::max(best_ - total_, 0.0) + error_;
    column_ends();
    ball_.of_ends(ends_, best_);
    r.envelopes.begin(u_.size(), ends_, ball_);
    gone_from(*node_);
    side_.bend.resize(ends_.size()), main_.bend.resize(ends_.size());
    // What each moving feature's ends are beyond its least, of the sum that is below the best.
    beyond_.resize(whole_.size());
    for (Whole m = 0; m < ends_.n_moving(); ++m) {
        for (Whole e = ends_.first[m]; e < ends_.first[m + 1]; ++e) beyond_[e] = whole_[e] - least_[m];
    }
    for (Whole layer = 0; layer < u_.n_layers(); ++layer) {
        const Whole curve = u_.curve[layer];
        for (Whole i = u_.first[layer]; i < u_.first[layer + 1]; ++i) {
            Span& z = r.sum[i];
            if (is_open(curve, i, z) && z.width() > 1e-9 * (1.0 + std::abs(z.low))) {
                by_intervals(layer, i, z);
                if (is_open(curve, i, z)) {
                    z.low = std::max(z.low, least_sum(layer, i, 1.0, r, room));
                    const double low = side_fixed_;
                    low_part_.swap(side_part_);
                    z.high = std::min(z.high, -least_sum(layer, i, -1.0, r, room));
                    if (is_convex(curve) && is_bounded_above_[i] && is_open(curve, i, z)) {
                        for (double& each : side_part_) each = -each;
                        r.envelopes.make(i, curve, low, low_part_, -side_fixed_, side_part_, side_doubt_,
                                         gone_);
                    }
                }
                if (std::isnan(z.low) || std::isnan(z.high)) {
                    is_lost = true;
                    return false;
                }
                if (z.low > z.high) return true;
            }
            r.touch[i] = touch_of(curve, z);
            set_lines(curve, z, r, i);
            lay_lines(curve, i);
            r.envelopes.is_used[i] = r.envelopes.is_known[i];
            const Span out = curve == STEP
                ? Span{z.low > u_.blur[i] ? 1.0 : 0.0, z.high > -u_.blur[i] ? 1.0 : 0.0}
                : values_over(curve, z);
            low_[u_.columns + i] = out.low;
            high_[u_.columns + i] = out.high;
        }
    }
    return false;
}

// Whether the curve is no straight line over the interval.
inline bool Search::is_open(Whole curve, Whole i, Span z) const {
    if (curve == STEP) return z.low <= u_.blur[i] && z.high > -u_.blur[i];
    return !is_kinked(curve) || (z.low < 0.0 && z.high > 0.0);
}

// Lines that leave little room, wherever the sum is.
inline void Search::set_lines(Whole curve, Span z, Relaxation& r, Whole i) const {
    if (curve == RELU || curve == STEP) {
        r.below[i] = z.high > -z.low ? 1.0 : 0.0;
        r.above[i] = 0.0;
    } else if (curve == ABS) {
        r.below[i] = (z.high + z.low) / std::max(z.width(), 1e-300);
    } else {
        r.below[i] = r.above[i] = 0.5 * (z.low + z.high);
    }
}

inline void Search::lay_lines(Whole curve, Whole i) {
    Relaxation& r = relaxation_;
    r.under[i] = line_below(curve, r.sum[i], r.below[i], r.touch[i], u_.blur[i]);
    r.over[i] = line_above(curve, r.sum[i], r.above[i], r.touch[i], u_.blur[i]);
}

// The lines that are nearest to the curves at sums ``z``, those of the point; ``columns_`` are its.
inline void Search::touch_at(const Numbers& z) {
    std::copy(columns_.begin(), columns_.begin() + u_.columns, up_.begin());
    std::copy(columns_.begin(), columns_.begin() + u_.columns, down_.begin());
    gone_of_point();
    for (Whole layer = 0; layer < u_.n_layers(); ++layer) {
        const Whole curve = u_.curve[layer];
        for (Whole i = u_.first[layer]; i < u_.first[layer + 1]; ++i) {
            double& a = relaxation_.below[i];
            double& b = relaxation_.above[i];
            if (curve == RELU) {
                a = z[i] > 0.0 ? 1.0 : 0.0;
            } else if (curve == ABS) {
                a = z[i] > 0.0 ? 1.0 : -1.0;
            } else if (curve == STEP) {
                a = z[i] > 0.0 ? 1.0 : 0.0;
                b = z[i] > 0.0 ? 0.0 : 1.0;
            } else {
                a = b = relaxation_.sum[i].clip(z[i]);
            }
            lay_lines(curve, i);
            if (curve == RELU && u_.till[layer] > u_.columns && relaxation_.envelopes.is_known[i]) lift(layer, i);
            meet(layer, i);
        }
    }
}

// What is most of a unit's sum, through what stands for the curves before it at the point.
inline void Search::lift(Whole layer, Whole i) {
    side_.with_error(side_error_[i] < 0.0);
    side_.clear();
    side_.add_sum(layer, i, -1.0);
    side_.carry(layer, relaxation_);
    const double fixed = side_.constant + ends_.sums(side_.weight, side_part_);
    for (std::size_t e = 0; e < side_part_.size(); ++e) side_part_[e] = -side_part_[e] - side_.bend[e];
    const double error = side_error_[i] < 0.0 ? side_.error(reach_) : side_error_[i] + side_.bend_error();
    relaxation_.envelopes.make(i, RELU, -fixed, side_part_, -fixed, side_part_, error, gone_);
}

// Between which a unit's value is at the point by what stands for the curves; what is lower above it
// is used.
inline void Search::meet(Whole layer, Whole i) {
    Relaxation& r = relaxation_;
    const double* w = u_.weight.data + u_.start[i];
    const Whole from = u_.from[layer], n = u_.till[layer] - from;
    double least = u_.bias[i], most = u_.bias[i];
    for (Whole k = 0; k < n; ++k) {
        const double a = w[k] * down_[from + k], b = w[k] * up_[from + k];
        least += std::min(a, b);
        most += std::max(a, b);
    }
    const Line under = r.under[i], over = r.over[i];
    down_[u_.columns + i] = under.slope >= 0.0 ? under.at(least) : under.at(most);
    double& up = up_[u_.columns + i];
    up = over.slope >= 0.0 ? over.at(most) : over.at(least);
    r.envelopes.is_used[i] = 0;
    r.envelopes.touch(i, gone_, up);
    if (!r.envelopes.is_known[i]) return;
    const double bent = r.envelopes.base[i] + of_point(r.envelopes.part(i), point_);
    if (bent < up) {
        up = bent;
        r.envelopes.is_used[i] = 1;
    }
}

inline void Search::gone_of_point() {
    gone_.clear();
    for (std::size_t c = 0; c < choices_.size(); ++c) {
        if (point_[c] > LEAST_GONE) gone_.push_back({choices_[c].end, choices_[c].moving, point_[c]});
    }
    sort_gone();
}

inline void Search::sort_gone() {
    std::stable_sort(gone_.begin(), gone_.end(), [](const Gone& a, const Gone& b) { return a.share < b.share; });
}

// Where the point of the box that was halved has gone.
inline void Search::gone_from(const Node& node) {
    gone_.clear();
    if (node.place.empty()) return;
    for (Whole m = 0; m < ends_.n_moving(); ++m) {
        const Whole j = ends_.feature[m];
        const double key = static_cast<double>(ends_.position[ball_.key[m]]);
        const double x = std::min(std::max(node.place[j], static_cast<double>(lo_[j])),
                                  static_cast<double>(hi_[j]));
        for (Whole e = ends_.first[m]; e < ends_.first[m + 1]; ++e) {
            const double end = static_cast<double>(ends_.position[e]);
            const double share = (x - key) / (end - key);
            if (std::abs(end - key) <= 1.0 && ends_.first[m + 1] - ends_.first[m] > 2) continue;
            if (end == key || !(share > 1e-9) || share > 1.0) continue;
            gone_.push_back({e, m, share});
            break;
        }
    }
    sort_gone();
}

// A function of ends at the program's point.
inline double Search::of_point(const double* part, const std::vector<double>& point) const {
    double total = 0.0;
    for (const Whole e : key_) total += part[e];
    for (std::size_t c = 0; c < choices_.size(); ++c) {
        if (point[c] == 0.0) continue;
        total += point[c] * (part[choices_[c].end] - part[key_[choices_[c].moving]]);
    }
    return total;
}

// Least and greatest value of each column in the box.
inline void Search::column_ends() {
    for (Whole c = 0; c < u_.columns; ++c) low_[c] = high_[c] = ends_.constant[c];
    for (Whole m = 0; m < ends_.n_moving(); ++m) {
        const Whole begin = ends_.term[ends_.first[m]], end = ends_.term[ends_.first[m + 1]];
        for (Whole t = begin; t < end; ++t) {
            Column& own = spans_[ends_.column[t]];
            own.low = std::min(own.low, ends_.value[t]);
            own.high = std::max(own.high, ends_.value[t]);
            ++own.count;
        }
        for (Whole t = begin; t < end; ++t) {
            const Whole c = ends_.column[t];
            Column& own = spans_[c];
            if (own.count == 0) continue;
            // An end that says nothing of a column leaves it at 0.
            const bool all = own.count >= ends_.first[m + 1] - ends_.first[m];
            low_[c] += all ? own.low : std::min(own.low, 0.0);
            high_[c] += all ? own.high : std::max(own.high, 0.0);
            own = Column{};
        }
    }
}

inline void Search::by_intervals(Whole layer, Whole i, Span& z) const {
    const double* w = u_.weight.data + u_.start[i];
    const Whole from = u_.from[layer], n = u_.till[layer] - from;
    double least = u_.bias[i], most = u_.bias[i], size = std::abs(u_.bias[i]);
    bool positive = u_.bias[i] >= 0.0;
    for (Whole k = 0; k < n; ++k) {
        const double a = w[k] * low_[from + k], b = w[k] * high_[from + k];
        least += std::min(a, b);
        most += std::max(a, b);
        size += std::max(std::abs(a), std::abs(b));
        positive = positive && std::min(a, b) >= 0.0;
    }
    const double slack = 4.0 * EPSILON * static_cast<double>(n + 4) * size;
    least = positive ? std::max(least - slack, 0.0) : least - slack;
    z.low = std::max(z.low, least);
    z.high = std::min(z.high, most + slack);
}

// The least of ``sign`` times a unit's sum over rows of the box whose sum is within ``room``.
inline double Search::least_sum(Whole layer, Whole i, double sign, const Relaxation& r, double room) {
    side_.with_error(side_error_[i] < 0.0);
    side_.clear();
    side_.add_sum(layer, i, sign);
    side_.carry(layer, r);
    const double fixed = side_fixed_ = side_.constant + ends_.sums(side_.weight, side_part_);
    for (std::size_t e = 0; e < side_part_.size(); ++e) side_part_[e] += side_.bend[e];
    double spread = 0.0, most = 0.0;
    for (Whole m = 0; m < ends_.n_moving(); ++m) {
        double a = INFINITE, b = -INFINITE, far = 0.0;
        for (Whole e = ends_.first[m]; e < ends_.first[m + 1]; ++e) {
            a = std::min(a, side_part_[e]), b = std::max(b, side_part_[e]);
            far = std::max(far, beyond_[e]);
        }
        spread = std::max(spread, b - a);
        most = std::max(most, far);
    }
    const double start = most > 0.0 ? spread / most : 0.0;
    sided_.find(ends_, side_part_, beyond_, fixed, -room, start, INFINITE, 0.0);
    const double error = side_error_[i] < 0.0 ? side_.error(reach_)
                                              : side_error_[i] + side_.bend_error();
    side_doubt_ = sign > 0.0 ? error : std::max(side_doubt_, error);
    return sided_.value - error -
           1e-13 * (std::abs(sided_.value) + sided_.price * (room + most));
}

}  // namespace ifonly::networks

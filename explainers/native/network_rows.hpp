// Rows that are looked at one by one: all that a box has left, and those beside the program's point.
#pragma once

#include "network_search.hpp"

namespace ifonly::networks {

// Look at all rows of the box whose sum is below the best, if they are few; whether they were.
inline bool Search::listed() {
    order_.resize(ends_.n_moving());
    for (Whole m = 0; m < ends_.n_moving(); ++m) order_[m] = m;
    const auto length = [&](Whole m) { return hi_[ends_.feature[m]] - lo_[ends_.feature[m]] + 1; };
    // The longest last: the goals and the cost leave little of it.
    std::stable_sort(order_.begin(), order_.end(), [&](Whole a, Whole b) { return length(a) < length(b); });
    double size = 1.0;
    for (std::size_t k = 0; k + 1 < order_.size(); ++k) {
        size *= static_cast<double>(length(order_[k]));
        if (size > 1e7) return false;
    }
    const double room = best_ - total_ + error_ + 1e-12 * std::abs(best_);
    found_.clear();
    at_ = lo_;
    Whole left = 16 * effort_.rows;
    kept_.clear();
    for (std::size_t k = 0; k < rows_.size(); ++k) {
        if (rows_[k].price > 0.0) kept_.push_back(k);
    }
    so_far_.assign((order_.size() + 1) * kept_.size(), 0.0);
    for (std::size_t k = 0; k < kept_.size(); ++k) {
        double size = std::abs(fixed_[kept_[k]]);
        for (const double each : parts_[kept_[k]]) size = std::max(size, std::abs(each));
        so_far_[k] = fixed_[kept_[k]] - rows_[kept_[k]].row->error -
                     1e-13 * static_cast<double>(ends_.n_moving() + 4) * size;
    }
    if (!list(0, room, left)) return false;
    for (std::size_t k = 0; k < found_.size(); k += n_) {
        keep_possible({found_.data() + k, n_});
    }
    return true;
}

inline bool Search::list(std::size_t depth, double room, Whole& left) {
    if (depth == order_.size()) {
        if (static_cast<Whole>(found_.size()) >= effort_.rows * n_) return false;
        found_.insert(found_.end(), at_.begin(), at_.end());
        return true;
    }
    const Whole m = order_[depth], j = ends_.feature[m];
    const double* so_far = so_far_.data() + depth * kept_.size();
    double* next = so_far_.data() + (depth + 1) * kept_.size();
    Whole low = lo_[j], high = hi_[j];
    if (depth + 1 == order_.size()) keep_rows_of_last(m, so_far, room, low, high);
    for (Whole p = low; p <= high; ++p) {
        if (--left < 0) return false;
        const double beyond = layout_->at(whole_, m, p) - least_[m];
        if (beyond > room + 1e-12 * (std::abs(least_[m]) + 1.0)) continue;
        at_[j] = p;
        for (std::size_t k = 0; k < kept_.size(); ++k) {
            next[k] = so_far[k] + layout_->at(parts_[kept_[k]], m, p);
        }
        if (!list(depth + 1, room - beyond, left)) return false;
    }
    at_[j] = lo_[j];
    return true;
}

// Between which positions of the last feature rows and the sum below the best leave anything: both are
// straight from end to end.
inline void Search::keep_rows_of_last(Whole m, const double* so_far, double room, Whole& low, Whole& high) const {
    Whole first = high + 1, last = low - 1;
    const double most = least_[m] + room + 1e-12 * (std::abs(least_[m]) + 1.0 + std::abs(room));
    for (Whole e = ends_.first[m]; e < ends_.first[m + 1]; ++e) {
        const bool is_two = e + 1 < ends_.first[m + 1] && ends_.piece[e + 1] == ends_.piece[e];
        const Whole f = is_two ? e + 1 : e;
        Whole from = ends_.position[e], to = ends_.position[f];
        clip(whole_[e], whole_[f], most, ends_.position[e], ends_.position[f], from, to);
        for (std::size_t k = 0; k < kept_.size() && from <= to; ++k) {
            const Numbers& part = parts_[kept_[k]];
            clip(part[e], part[f], -so_far[k], ends_.position[e], ends_.position[f], from, to);
        }
        if (from <= to) first = std::min(first, from), last = std::max(last, to);
        e = f;
    }
    low = std::max(low, first);
    high = std::min(high, last);
}

// Where a line from ``a`` at ``begin`` to ``b`` at ``end`` is at most ``most``; one position more, for
// rounding.
inline void Search::clip(double a, double b, double most, Whole begin, Whole end, Whole& from, Whole& to) {
    if (a <= most && b <= most) return;
    if (!(a <= most) && !(b <= most)) {
        to = from - 1;
        return;
    }
    const double share = std::min(std::max((most - a) / (b - a), 0.0), 1.0);
    const double at = static_cast<double>(begin) + share * static_cast<double>(end - begin);
    if (a <= most) {
        to = std::min(to, static_cast<Whole>(std::floor(at)) + 1);
    } else {
        from = std::max(from, static_cast<Whole>(std::ceil(at)) - 1);
    }
}

inline void Search::columns_at(Wholes at) {
    std::copy(p_.constant.begin(), p_.constant.end(), known_.begin());
    for (Whole j = 0; j < n_; ++j) {
        const Whole k = piece_at(p_, j, at[j]);
        const double step = static_cast<double>(at[j] - p_.first[k]);
        for (Whole t = p_.terms[k]; t < p_.terms[k + 1]; ++t) {
            known_[p_.column[t]] += p_.input[t] + step * p_.input_rise[t];
        }
    }
}

// By how much the row at hand misses its worst goal, doubt taken into account or not.
inline double Search::missed(bool is_doubted, bool is_clear) {
    if (!is_clear) return -INFINITE;
    double worst = -INFINITE;
    bool has_errors = false;
    for (Whole g = 0; g < g_.size(); ++g) {
        const Reals w = g_.weights[g];
        double total = -g_.limit[g], size = 0.0;
        for (Whole k = 0; k < w.size(); ++k) {
            total += w[k] * known_[k];
            size += std::abs(w[k] * known_[k]);
        }
        if (is_doubted && total > 0.0) {
            if (!has_errors) row_errors();
            has_errors = true;
            total -= doubt_of(g, true) + 1e-11 * size;
        }
        worst = std::max(worst, total);
    }
    return worst;
}

inline void Search::keep_possible(Wholes at) {
    if (cost_of(q_, at) >= best_ || !allowed(q_, ALL, at)) return;
    columns_at(at);
    // NaN is no miss: whoever asks the model decides.
    const bool is_clear = forward_exactly(u_, known_, sum_);
    if (missed(true, is_clear) > 0.0) return;
    rows.insert(rows.end(), at.begin(), at.end());
}

// Whether there is nothing more to look for beyond a row: it will do, or costs too much.
inline bool Search::hope(Wholes at) {
    if (cost_of(q_, at) >= best_) return true;
    if (!allowed(q_, ALL, at)) return false;
    columns_at(at);
    if (!forward_exactly(u_, known_, sum_) || missed(false, true) > 0.0) return false;
    hopes.insert(hopes.end(), at.begin(), at.end());
    return true;
}

// Where the program's point is on each axis.
inline void Search::places_of_point() {
    place_.resize(ends_.n_moving());
    for (Whole m = 0; m < ends_.n_moving(); ++m) {
        place_[m] = static_cast<double>(ends_.position[key_[m]]);
    }
    for (std::size_t c = 0; c < choices_.size(); ++c) {
        const Whole m = choices_[c].moving;
        place_[m] += point_[c] * static_cast<double>(
            ends_.position[choices_[c].end] - ends_.position[key_[m]]
        );
    }
    for (Whole m = 0; m < ends_.n_moving(); ++m) {
        const Whole j = ends_.feature[m];
        const double low = static_cast<double>(lo_[j]), high = static_cast<double>(hi_[j]);
        place_[m] = std::min(std::max(place_[m], low), high);
    }
}

// Rows beside the point: rounded to the nearest, and away from the cheapest, the farther the more
// it takes to meet the goals.
inline void Search::look_at() {
    places_of_point();
    look_beside(0.0);
    for (const double times : {1.0, 1.05, 1.15, 1.3, 1.6, 2.0}) {
        if (look_beside(times)) break;
    }
    if (nodes % 16 == 1 || nodes < 8) look_far();
}

// A row that meets the goals on the way beyond the point, from which others may go down.
inline void Search::look_far() {
    for (const double times : {1.0, 1.2, 1.5, 2.0, 3.0, 4.0, 6.0}) {
        place_beside(times);
        columns_at(view(at_));
        if (forward_exactly(u_, known_, sum_) && missed(false, true) <= 0.0) {
            far = at_;
            return;
        }
    }
}

inline bool Search::look_beside(double times) {
    place_beside(times);
    return hope(view(at_));
}

inline void Search::place_beside(double times) {
    at_ = lo_;
    for (Whole m = 0; m < ends_.n_moving(); ++m) {
        const Whole j = ends_.feature[m];
        const double key = static_cast<double>(ends_.position[key_[m]]);
        const double x = times > 0.0 ? key + times * (place_[m] - key) : place_[m];
        const double y = times <= 0.0 ? std::rint(x)
                         : x > key    ? std::ceil(x - 1e-6)
                                      : std::floor(x + 1e-6);
        const Whole last = q_.size[j] - 1;
        at_[j] = std::min(std::max(static_cast<Whole>(y), Whole{0}), last);
    }
}

}  // namespace ifonly::networks

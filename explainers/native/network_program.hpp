// The linear program of a box: its rows, their prices, and what these cut off.
#pragma once

#include "network_search.hpp"

namespace ifonly::networks {

// The rows of a box, laid out at its ends.
inline void Search::lay_rows(const Node& node) {
    parts_.clear(), fixed_.clear();
    rows_ = node.rows;
    for (const PricedRow& each : rows_) lay_row(*each.row);
}

inline void Search::lay_row(const Row& row) {
    parts_.emplace_back();
    const double doubt = row.source < g_.size() ? doubt_[row.source] : 0.0;
    fixed_.push_back(row.constant - doubt + ends_.sums(row.weights, parts_.back()));
    if (row.bends.empty()) return;
    Numbers& part = parts_.back();
    if (row.layout == layout_) {
        for (std::size_t e = 0; e < part.size(); ++e) part[e] += row.bends[e];
        return;
    }
    // Both count the moving features in the same order; here fewer of them move.
    const Layout& from = *row.layout;
    Whole m = 0;
    for (Whole k = 0; k < static_cast<Whole>(from.feature.size()); ++k) {
        const Whole j = from.feature[k];
        if (m < ends_.n_moving() && ends_.feature[m] == j) {
            for (Whole e = ends_.first[m]; e < ends_.first[m + 1]; ++e) {
                part[e] += from.at(row.bends, k, ends_.position[e]);
            }
            ++m;
        } else {
            fixed_.back() += from.at(row.bends, k, lo_[j]);
        }
    }
}

// Bound the box by the prices of its rows; whether that closes it. What each feature adds is laid
// out, and how far it is in doubt.
inline bool Search::priced(Node& node) {
    whole_ = ends_.cost;
    fixed_part_ = ends_.fixed_cost;
    double size = std::abs(fixed_part_);
    error_ = 0.0;
    for (std::size_t k = 0; k < rows_.size(); ++k) {
        const double price = rows_[k].price;
        if (!(price > 0.0)) continue;
        const Numbers& part = parts_[k];
        for (std::size_t e = 0; e < part.size(); ++e) whole_[e] += price * part[e];
        fixed_part_ += price * fixed_[k];
        error_ += price * rows_[k].row->error;
        size += price * std::abs(fixed_[k]);
    }
    least_.resize(ends_.n_moving());
    double total = fixed_part_;
    for (Whole m = 0; m < ends_.n_moving(); ++m) {
        double least = INFINITE;
        for (Whole e = ends_.first[m]; e < ends_.first[m + 1]; ++e) least = std::min(least, whole_[e]);
        least_[m] = least;
        total += least;
        size += std::abs(least);
    }
    if (!std::isfinite(total) || !std::isfinite(size)) {
        // Rows of steep curves may be beyond all numbers: the cost alone is not.
        if (rows_.empty()) {
            is_lost = true;
            return false;
        }
        rows_.clear(), parts_.clear(), fixed_.clear();
        was_cleared_ = true;
        return priced(node);
    }
    total_ = total;
    error_ += EPSILON * static_cast<double>(ends_.n_moving() + 4 * rows_.size() + 20) * size;
    node.bound = std::max(node.bound, total - error_);
    return total - error_ >= best_;
}

// Add rows that the best point breaks, and price them anew; whether the box is closed by that.
inline bool Search::improve(Node& node, Whole steps) {
    lay_program();
    double before = total_;
    Whole idle = 0;
    for (Whole step = 0;; ++step) {
        const bool is_possible = simplex_.solve();
        std::vector<double> prices;
        simplex_.prices(prices);
        if (!is_possible) {
            // Prices by which no row is left, as high as it takes.
            if (closed_by_ray(node, prices)) return true;
            if (is_lost) return false;
            break;
        }
        for (std::size_t k = 0; k < rows_.size(); ++k) rows_[k].price = prices[k] / scales_[k];
        was_cleared_ = false;
        if (priced(node)) return true;
        if (is_lost) return false;
        simplex_.point(point_);
        best_point_ = point_;
        if (was_cleared_) break;
        const double gain = total_ - before;
        idle = step > 0 && gain < IDLE_GAIN * (best_ - total_) ? idle + 1 : 0;
        before = std::max(before, total_);
        if (step >= steps || idle >= MOST_IDLE) break;
        blend(step);
        bool found = separate(node);
        point_ = best_point_;
        if (!found && step > 0) found = separate(node);
        if (!found) break;
    }
    return false;
}

// Move the point behind the program's, towards where rows were looked for before: rows that are made there
// cut deeper, and fewer are needed (in-out separation: Ben-Ameur and Neto 2007).
inline void Search::blend(Whole step) {
    if (step == 0) {
        center_ = point_;
        return;
    }
    for (std::size_t c = 0; c < point_.size(); ++c) {
        center_[c] = BEHIND * center_[c] + (1.0 - BEHIND) * point_[c];
        if (center_[c] < 1e-4) center_[c] = 0.0;
    }
    point_ = center_;
}

// Each feature's cheapest end, and those that the program may choose instead.
inline void Search::lay_program() {
    key_.resize(ends_.n_moving());
    choices_.clear();
    Numbers cost;
    for (Whole m = 0; m < ends_.n_moving(); ++m) {
        Whole key = ends_.first[m];
        for (Whole e = key; e < ends_.first[m + 1]; ++e) {
            if (ends_.cost[e] < ends_.cost[key]) key = e;
        }
        key_[m] = key;
        const Whole first = ends_.first[m], last = ends_.first[m + 1] - 1;
        for (Whole e = first; e <= last; ++e) {
            if (e == key) continue;
            // Beside the cheapest, on the way to others, nothing turns.
            const bool is_outer = e == first || e == last;
            if (!is_outer && std::abs(ends_.position[e] - ends_.position[key]) == 1) continue;
            choices_.push_back({m, e});
            cost.push_back(ends_.cost[e] - ends_.cost[key]);
        }
    }
    simplex_.begin(cost);
    scales_.clear();
    for (std::size_t k = 0; k < rows_.size(); ++k) add_to_program(k);
    point_.assign(choices_.size(), 0.0);
}

inline void Search::add_to_program(std::size_t k) {
    const Numbers& part = parts_[k];
    line_.resize(choices_.size());
    double constant = fixed_[k], scale = 1e-12;
    for (Whole m = 0; m < ends_.n_moving(); ++m) constant += part[key_[m]];
    for (std::size_t c = 0; c < choices_.size(); ++c) {
        line_[c] = part[choices_[c].end] - part[key_[choices_[c].moving]];
        scale = std::max(scale, std::abs(line_[c]));
    }
    for (double& each : line_) each /= scale;
    scales_.push_back(scale);
    simplex_.add(line_.data(), constant / scale);
}

inline bool Search::closed_by_ray(Node& node, const std::vector<double>& prices) {
    const double missing = std::max(best_ - total_, 0.0) + std::abs(best_) + 1.0;
    for (const double times : {2.0, 100.0}) {
        const double length = times * missing / std::max(simplex_.missed, 1e-9);
        for (std::size_t k = 0; k < rows_.size(); ++k) {
            rows_[k].price = (prices[k] + length * simplex_.ray[k]) / scales_[k];
        }
        was_cleared_ = false;
        if (priced(node) || is_lost) return !is_lost;
        if (was_cleared_) break;
    }
    return false;
}

// Columns at the program's point.
inline void Search::columns_of_point() {
    std::copy(ends_.constant.begin(), ends_.constant.end(), known_.begin());
    for (Whole m = 0; m < ends_.n_moving(); ++m) add_end(key_[m], 1.0);
    for (std::size_t c = 0; c < choices_.size(); ++c) {
        if (point_[c] == 0.0) continue;
        add_end(choices_[c].end, point_[c]);
        add_end(key_[choices_[c].moving], -point_[c]);
    }
}

// Find goals and cuts that the point breaks, bounded by the lines that are nearest there; whether
// one was found.
inline bool Search::separate(const Node& node) {
    columns_of_point();
    columns_ = known_;
    forward_exactly(u_, known_, sum_);
    touch_at(sum_);
    bool found = false;
    for (Whole g = 0; g < g_.size(); ++g) {
        // Of many goals the point misses few.
        if (g_.size() <= FEW_GOALS || is_missed(g)) found |= add_row(node, g);
    }
    for (std::size_t c = 0; c < node.cuts.size(); ++c) {
        const Cut& cut = node.cuts[c];
        const double beyond = cut.is_upper ? sum_[cut.unit] - cut.at : cut.at - sum_[cut.unit];
        if (beyond > -0.05 * relaxation_.sum[cut.unit].width()) {
            found |= add_row(node, g_.size() + static_cast<Whole>(c));
        }
    }
    return found;
}

// Whether the point misses a goal by the curves themselves.
inline bool Search::is_missed(Whole g) const {
    const Reals w = g_.weights[g];
    double total = -(g_.limit[g] + doubt_[g]), size = 0.0;
    for (Whole k = 0; k < w.size(); ++k) {
        total += w[k] * known_[k];
        size += std::abs(w[k] * known_[k]);
    }
    return !(total <= -1e-9 * size);
}

inline void Search::begin_source(const Node& node, Whole source, bool with_error) {
    main_.with_error(with_error);
    main_.clear();
    if (source < g_.size()) {
        const Reals w = g_.weights[source];
        for (Whole k = 0; k < w.size(); ++k) {
            if (w[k] != 0.0) main_.add_known(k, w[k]);
        }
        main_.add_constant(-g_.limit[source]);
        main_.carry(u_.n_layers(), relaxation_);
        return;
    }
    const Cut& cut = node.cuts[source - g_.size()];
    const double sign = cut.is_upper ? 1.0 : -1.0;
    const Whole layer = layer_of_[cut.unit];
    main_.add_sum(layer, cut.unit, sign);
    main_.add_constant(-sign * cut.at);
    main_.carry(layer, relaxation_);
}

// A row of a goal or a cut, if the point breaks it.
inline bool Search::add_row(const Node& node, Whole source) {
    begin_source(node, source, true);
    double here = main_.constant, size = std::abs(here);
    for (Whole c = 0; c < u_.columns; ++c) {
        here += main_.weight[c] * columns_[c];
        size += std::abs(main_.weight[c] * columns_[c]);
    }
    if (main_.bend_size > 0.0) here += of_point(main_.bend.data(), point_);
    if (!std::isfinite(here)) return false;
    auto row = std::make_shared<Row>();
    row->weights.assign(main_.weight.begin(), main_.weight.begin() + u_.columns);
    row->constant = main_.constant;
    row->error = main_.error(reach_);
    row->source = source;
    if (main_.bend_size > 0.0) {
        row->bends = main_.bend;
        row->layout = layout_;
    }
    lay_row(*row);
    // Whether it cuts off the program's point.
    here = fixed_.back() + of_point(parts_.back().data(), best_point_);
    if (!(here > 1e-9 * size)) {
        parts_.pop_back(), fixed_.pop_back();
        return false;
    }
    rows_.push_back({std::move(row), 0.0});
    add_to_program(rows_.size() - 1);
    return true;
}

inline void Search::keep_rows(Node& node) const {
    node.rows.clear();
    for (const PricedRow& each : rows_) {
        // Cuts are counted anew in the halves; their rows hold whatever they are called.
        if (each.price > 0.0) node.rows.push_back(each);
    }
}

inline void Search::add_end(Whole e, double share) {
    for (Whole t = ends_.term[e]; t < ends_.term[e + 1]; ++t) {
        known_[ends_.column[t]] += share * ends_.value[t];
    }
}

// Cut off positions whose sum is beyond the best with all others at their least; whether the box
// has become much smaller.
inline bool Search::narrow_box() {
    const double room = best_ - total_ + error_;
    bool much = false;
    for (Whole m = 0; m < ends_.n_moving(); ++m) {
        const Whole j = ends_.feature[m];
        const double most = least_[m] + room + 1e-12 * (std::abs(least_[m]) + std::abs(room));
        Whole low = -1, high = -1;
        for (Whole e = ends_.first[m]; e < ends_.first[m + 1];) {
            // A piece has one end or two.
            const bool two = e + 1 < ends_.first[m + 1] && ends_.piece[e + 1] == ends_.piece[e];
            const Whole f = two ? e + 1 : e;
            if (!(whole_[e] > most && whole_[f] > most)) {
                if (low < 0) low = inside(e, f, most);
                high = inside(f, e, most);
            }
            e = f + 1;
        }
        if (low < 0) continue;  // rounding: it has a least
        const double before = static_cast<double>(hi_[j] - lo_[j]);
        lo_[j] = std::max(lo_[j], low);
        hi_[j] = std::min(hi_[j], high);
        much = much || static_cast<double>(hi_[j] - lo_[j]) < 0.7 * before;
    }
    return much;
}

// The first position on the way from one end of a piece to the other whose sum is at most ``most``.
inline Whole Search::inside(Whole from, Whole to, double most) const {
    if (whole_[from] <= most || from == to) return ends_.position[from];
    const double share = (whole_[from] - most) / (whole_[from] - whole_[to]);
    const Whole away = ends_.position[to] - ends_.position[from];
    // One less than it says, for rounding.
    const double steps = std::floor(share * static_cast<double>(std::abs(away)) - 1e-6);
    const Whole whole = std::max<Whole>(static_cast<Whole>(steps), 0);
    return ends_.position[from] + (away > 0 ? whole : -whole);
}

// The sum of a moving feature at a position.
inline double Search::whole_at(Whole m, Whole position) const {
    for (Whole e = ends_.first[m]; e < ends_.first[m + 1]; ++e) {
        if (ends_.position[e] == position) return whole_[e];
        const bool two = e + 1 < ends_.first[m + 1] && ends_.piece[e + 1] == ends_.piece[e];
        if (two && ends_.position[e] < position && position < ends_.position[e + 1]) {
            const double share = static_cast<double>(position - ends_.position[e]) /
                                 static_cast<double>(ends_.position[e + 1] - ends_.position[e]);
            return whole_[e] + share * (whole_[e + 1] - whole_[e]);
        }
    }
    return INFINITE;
}

}  // namespace ifonly::networks

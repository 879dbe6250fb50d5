// Branch and bound over boxes of settings and intervals of units' sums.
//
// Goals, and what a cut says of a unit, are bounded by sums of columns: backwards, through lines that are
// nearest to the curves at the point where the program at hand is cheapest (CROWN: Zhang et al. 2018; of
// all such lines the best would be alpha-CROWN's: Xu et al. 2021). Each such row goes into a linear
// program, whose prices bound the cost of every row of the box (as beta-CROWN's: Wang et al. 2021): cost
// plus priced rows is a sum of features, least feature by feature. It also says what each feature can
// still be below the best, and how far each unit's sum can go.
#pragma once

#include <memory>

#include "bounded_simplex.hpp"
#include "boxes.hpp"
#include "dual.hpp"

namespace ifonly::networks {

// A sum of columns that is at most 0 in every row of interest: a goal, or a cut, bounded by lines.
struct Row {
    Numbers weights;
    double constant = 0.0;
    double error = 0.0;
    Whole source = 0;  // which goal; or which cut, counted behind all goals
    Numbers bends;     // more, of each end of ``layout``; or none
    std::shared_ptr<const Layout> layout;
};

struct PricedRow {
    std::shared_ptr<const Row> row;
    double price = 0.0;
};

struct Node {
    double bound = 0.0;
    std::vector<std::int32_t> lo, hi;
    std::vector<Span> sum;
    std::vector<Cut> cuts;
    std::vector<PricedRow> rows;
    Numbers place;       // on each axis, where the point was that bounds it; none yet
    double worth = 0.0;  // of a goal's unit, where it was worth something
    Whole depth = 0;
    // How it is to be halved.
    Whole unit = -1;
    double at = 0.0;
    Whole feature = -1;
    Whole edge = 0;  // first position of the upper half
};

struct Costlier {
    bool operator()(const Node* a, const Node* b) const { return a->bound > b->bound; }
};

// What the search may do; Python's to say, for tests and measurements.
struct Effort {
    Whole steps = 6;           // that rows are added in, of a box
    Whole first_steps = 60;    // of the first
    Whole rounds = 2;          // of narrowing a box
    Whole rows = 256;          // of a box that are looked at one by one
    Whole most_open = 16'384;  // boxes kept by their bounds; beyond, the newest is halved first
};

class Search {
public:
    Search(const Units& u, const Pieces& p, const Limits& g, const Question& q, Effort effort)
        : u_(u), p_(p), g_(g), q_(q), effort_(effort), n_(p.n_features()), main_(u), side_(u) {
        lo_.resize(n_), hi_.resize(n_), at_.resize(n_);
        known_.resize(u.known()), sum_.resize(u.size());
        reach_.assign(p.constant.begin(), p.constant.end());
        for (double& each : reach_) each = std::abs(each);
        dearest_ = 1.0;
        for (Whole j = 0; j < n_; ++j) add_reach(j);
        bound_errors();
        low_.resize(u.known()), high_.resize(u.known()), spans_.resize(u.columns);
        relaxation_.below.resize(u.size()), relaxation_.above.resize(u.size());
        relaxation_.touch.resize(u.size()), layer_of_.resize(u.size());
        relaxation_.under.resize(u.size()), relaxation_.over.resize(u.size());
        up_.resize(u.known()), down_.resize(u.known());
        for (Whole layer = 0; layer < u.n_layers(); ++layer) {
            for (Whole i = u.first[layer]; i < u.first[layer + 1]; ++i) layer_of_[i] = layer;
        }
    }
    ~Search() {
        for (Node* node : open_) delete node;
        for (Node* node : newest_) delete node;
    }
    Search(const Search&) = delete;

    // Open the whole space, where rows of ``best`` and more are of no interest.
    void start(double best) {
        set_best(best);
        auto root = std::make_unique<Node>();
        root->lo.assign(q_.least.begin(), q_.least.end());
        root->hi.assign(q_.most.begin(), q_.most.end());
        for (Whole i = 0; i < u_.size(); ++i) root->sum.push_back({u_.low[i], u_.high[i]});
        settle(std::move(root), effort_.first_steps);
    }

    // Halve boxes until ``most`` are, or none is open; whether none is. Rows that have been found are
    // waiting to be judged after it.
    bool run(Whole most, double best) {
        set_best(best);
        for (Whole k = 0; k < most; ++k) {
            std::unique_ptr<Node> node = next();
            if (!node) return true;
            halve(*node);
        }
        return open_.empty() && newest_.empty();
    }

    // No row of a box that is open costs less.
    double bound() const {
        double least = open_.empty() ? INFINITE : open_.front()->bound;
        for (const Node* node : newest_) least = std::min(least, node->bound);
        return least;
    }

    Whole nodes = 0;
    Places rows;      // positions of rows that may be answers, laid end to end: they were taken out
    Places hopes;     // of rows that are worth a look
    Places far;       // of the last row beyond a box's point that meets the goals, whatever it costs
    bool is_lost = false;  // a number was none: nothing that is said may be relied upon

private:
    const Units& u_;
    const Pieces& p_;
    const Limits& g_;
    const Question& q_;
    const Effort effort_;
    const Whole n_;
    Backward main_, side_;
    Ends ends_;
    Priced sided_;
    Places lo_, hi_, at_;
    Numbers known_, sum_, reach_;
    Numbers side_part_, whole_, least_;
    double dearest_ = 0.0;
    double best_ = INFINITE;
    double fixed_part_ = 0.0;
    double error_ = 0.0;
    std::vector<Node*> open_, newest_;

    Wholes view(Places& some) const { return {some.data(), static_cast<Whole>(some.size())}; }

    void set_best(double best) { best_ = std::min({best_, best, dearest_}); }

    // How far rounding may put a unit's sum that is bounded backwards, through lines that are hardly
    // steeper than 1 and pass 0 no farther than the sum is large; negative where they may be.
    void bound_errors() {
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

    void add_reach(Whole j) {
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

    std::unique_ptr<Node> next() {
        while (true) {
            Node* node = nullptr;
            if (!newest_.empty()) {
                node = newest_.back();
                newest_.pop_back();
            } else if (!open_.empty()) {
                std::pop_heap(open_.begin(), open_.end(), Costlier{});
                node = open_.back();
                open_.pop_back();
            } else {
                return nullptr;
            }
            std::unique_ptr<Node> held(node);
            if (node->bound < best_) return held;
        }
    }

    void push(std::unique_ptr<Node> node) {
        if (static_cast<Whole>(open_.size()) < effort_.most_open) {
            open_.push_back(node.release());
            std::push_heap(open_.begin(), open_.end(), Costlier{});
        } else {
            newest_.push_back(node.release());
        }
    }

    void halve(const Node& node) {
        for (const bool is_upper : {false, true}) {
            auto half = std::make_unique<Node>(node);
            half->unit = half->feature = -1;
            half->depth += 1;
            if (node.unit >= 0) {
                Span& z = half->sum[node.unit];
                (is_upper ? z.low : z.high) = node.at;
                auto& cuts = half->cuts;
                // A cut that is beyond says nothing any more.
                std::erase_if(cuts, [&](const Cut& c) {
                    return c.unit == node.unit && c.is_upper != is_upper;
                });
                cuts.push_back({node.unit, !is_upper, node.at});
            } else if (is_upper) {
                half->lo[node.feature] = static_cast<std::int32_t>(node.edge);
            } else {
                half->hi[node.feature] = static_cast<std::int32_t>(node.edge - 1);
            }
            settle(std::move(half), effort_.steps);
        }
    }

    // Bound a box, and keep it unless it is closed.
    void settle(std::unique_ptr<Node> node, Whole steps) {
        ++nodes;
        if (is_lost || is_closed(*node, steps) || is_lost) return;
        for (Whole j = 0; j < n_; ++j) {
            node->lo[j] = static_cast<std::int32_t>(lo_[j]);
            node->hi[j] = static_cast<std::int32_t>(hi_[j]);
        }
        push(std::move(node));
    }

    bool is_closed(Node& node, Whole steps) {
        std::copy(node.lo.begin(), node.lo.end(), lo_.begin());
        std::copy(node.hi.begin(), node.hi.end(), hi_.begin());
        relaxation_.sum = node.sum;
        node_ = &node;
        for (Whole i = 0; i < u_.size(); ++i) relaxation_.touch[i] = Touch{};
        for (Whole round = 0; round < effort_.rounds; ++round) {
            const double corner = shrink(q_, best_, ALL, view(lo_), view(hi_), view(at_));
            if (corner >= best_) return true;
            node.bound = std::max(node.bound, corner);
            ends_.of_box(p_, view(lo_), view(hi_));
            layout_ = std::make_shared<const Layout>(
                Layout{ends_.feature, ends_.first, ends_.piece, ends_.position});
            if (ends_.n_moving() == 0) return single();
            lay_rows(node);
            if (priced(node)) return true;
            if (narrow_units()) return true;
            if (is_lost) return false;
            node.sum = relaxation_.sum;
            if (improve(node, steps)) return true;
            if (is_lost) return false;
            if (!narrow_box()) break;
            steps = std::min(steps, effort_.steps);
        }
        const double corner = shrink(q_, best_, ALL, view(lo_), view(hi_), view(at_));
        if (corner >= best_) return true;
        if (listed()) return true;
        look_at();
        choose(node);
        keep_rows(node);
        node.place.assign(lo_.begin(), lo_.end());
        for (Whole m = 0; m < ends_.n_moving(); ++m) node.place[ends_.feature[m]] = place_[m];
        return false;
    }

    // The only row of a box, decided by whoever asks.
    bool single() {
        keep_possible(view(lo_));
        return true;
    }

    // The rows of a box, laid out at its ends.
    void lay_rows(const Node& node) {
        parts_.clear(), fixed_.clear();
        rows_ = node.rows;
        for (const PricedRow& each : rows_) lay_row(*each.row);
    }

    void lay_row(const Row& row) {
        parts_.emplace_back();
        fixed_.push_back(row.constant + ends_.sums(row.weights, parts_.back()));
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
    bool priced(Node& node) {
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

    // Between which the units' sums lie in rows of the box that are cheaper than the best and may meet
    // the goals; whether there is none.
    bool narrow_units() {
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
                        if (is_convex(curve) && is_open(curve, i, z)) {
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
    bool is_open(Whole curve, Whole i, Span z) const {
        if (curve == STEP) return z.low <= u_.blur[i] && z.high > -u_.blur[i];
        return !is_kinked(curve) || (z.low < 0.0 && z.high > 0.0);
    }

    // Lines that leave little room, wherever the sum is.
    void set_lines(Whole curve, Span z, Relaxation& r, Whole i) const {
        if (curve == RELU || curve == STEP) {
            r.below[i] = z.high > -z.low ? 1.0 : 0.0;
            r.above[i] = 0.0;
        } else if (curve == ABS) {
            r.below[i] = (z.high + z.low) / std::max(z.width(), 1e-300);
        } else {
            r.below[i] = r.above[i] = 0.5 * (z.low + z.high);
        }
    }

    void lay_lines(Whole curve, Whole i) {
        Relaxation& r = relaxation_;
        r.under[i] = line_below(curve, r.sum[i], r.below[i], r.touch[i], u_.blur[i]);
        r.over[i] = line_above(curve, r.sum[i], r.above[i], r.touch[i], u_.blur[i]);
    }

    // The lines that are nearest to the curves at sums ``z``, those of the point; ``columns_`` are its.
    void touch_at(const Numbers& z) {
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
                meet(layer, i);
            }
        }
    }

    // Between which a unit's value is at the point by what stands for the curves; what is lower above it
    // is used.
    void meet(Whole layer, Whole i) {
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
        r.envelopes.touch(i, gone_);
        if (!r.envelopes.is_known[i]) return;
        const double bent = r.envelopes.base[i] + of_point(r.envelopes.part(i));
        if (bent < up) {
            up = bent;
            r.envelopes.is_used[i] = 1;
        }
    }

    void gone_of_point() {
        gone_.clear();
        for (std::size_t c = 0; c < choices_.size(); ++c) {
            if (point_[c] > 1e-9) gone_.push_back({choices_[c].end, choices_[c].moving, point_[c]});
        }
    }

    // Where the point of the box that was halved has gone.
    void gone_from(const Node& node) {
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
    }

    // A function of ends at the program's point.
    double of_point(const double* part) const {
        double total = 0.0;
        for (const Whole e : key_) total += part[e];
        for (std::size_t c = 0; c < choices_.size(); ++c) {
            if (point_[c] == 0.0) continue;
            total += point_[c] * (part[choices_[c].end] - part[key_[choices_[c].moving]]);
        }
        return total;
    }

    // Least and greatest value of each column in the box.
    void column_ends() {
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

    void by_intervals(Whole layer, Whole i, Span& z) const {
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
    double least_sum(Whole layer, Whole i, double sign, const Relaxation& r, double room) {
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

    // Add rows that the best point breaks, and price them anew; whether the box is closed by that.
    bool improve(Node& node, Whole steps) {
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
            if (was_cleared_) break;
            const double gain = total_ - before;
            idle = step > 0 && gain < 0.01 * (best_ - total_) ? idle + 1 : 0;
            before = std::max(before, total_);
            if (step >= steps || idle >= 3) break;
            if (!separate(node)) break;
        }
        return false;
    }

    // Each feature's cheapest end, and those that the program may choose instead.
    void lay_program() {
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

    void add_to_program(std::size_t k) {
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

    bool closed_by_ray(Node& node, const std::vector<double>& prices) {
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
    void columns_of_point() {
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
    bool separate(const Node& node) {
        columns_of_point();
        columns_ = known_;
        forward_exactly(u_, known_, sum_);
        touch_at(sum_);
        bool found = false;
        for (Whole g = 0; g < g_.size(); ++g) found |= add_row(node, g);
        for (std::size_t c = 0; c < node.cuts.size(); ++c) {
            const Cut& cut = node.cuts[c];
            const double beyond = cut.is_upper ? sum_[cut.unit] - cut.at : cut.at - sum_[cut.unit];
            if (beyond > -0.05 * relaxation_.sum[cut.unit].width()) {
                found |= add_row(node, g_.size() + static_cast<Whole>(c));
            }
        }
        return found;
    }

    void begin_source(const Node& node, Whole source, bool with_error) {
        main_.with_error(with_error);
        main_.clear();
        if (source < g_.size()) {
            const Reals w = g_.weights[source];
            for (Whole k = 0; k < w.size(); ++k) {
                if (w[k] != 0.0) main_.add_known(k, w[k]);
            }
            main_.add_constant(-(g_.limit[source] + g_.doubt[source]));
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
    bool add_row(const Node& node, Whole source) {
        begin_source(node, source, true);
        double here = main_.constant, size = std::abs(here);
        for (Whole c = 0; c < u_.columns; ++c) {
            here += main_.weight[c] * columns_[c];
            size += std::abs(main_.weight[c] * columns_[c]);
        }
        if (main_.bend_size > 0.0) here += of_point(main_.bend.data());
        if (!std::isfinite(here)) return false;
        if (here <= 1e-9 * size) return false;
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
        rows_.push_back({std::move(row), 0.0});
        add_to_program(rows_.size() - 1);
        return true;
    }

    void keep_rows(Node& node) const {
        node.rows.clear();
        for (const PricedRow& each : rows_) {
            // Cuts are counted anew in the halves; their rows hold whatever they are called.
            if (each.price > 0.0) node.rows.push_back(each);
        }
    }

    void add_end(Whole e, double share) {
        for (Whole t = ends_.term[e]; t < ends_.term[e + 1]; ++t) {
            known_[ends_.column[t]] += share * ends_.value[t];
        }
    }

    // Cut off positions whose sum is beyond the best with all others at their least; whether the box
    // has become much smaller.
    bool narrow_box() {
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
    Whole inside(Whole from, Whole to, double most) const {
        if (whole_[from] <= most || from == to) return ends_.position[from];
        const double share = (whole_[from] - most) / (whole_[from] - whole_[to]);
        const Whole away = ends_.position[to] - ends_.position[from];
        // One less than it says, for rounding.
        const double steps = std::floor(share * static_cast<double>(std::abs(away)) - 1e-6);
        const Whole whole = std::max<Whole>(static_cast<Whole>(steps), 0);
        return ends_.position[from] + (away > 0 ? whole : -whole);
    }

    // The sum of a moving feature at a position.
    double whole_at(Whole m, Whole position) const {
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

    // Look at all rows of the box whose sum is below the best, if they are few; whether they were.
    bool listed() {
        double size = 1.0;
        for (Whole m = 0; m < ends_.n_moving(); ++m) {
            const Whole j = ends_.feature[m];
            size *= static_cast<double>(hi_[j] - lo_[j] + 1);
            if (size > 1e7) return false;
        }
        const double room = best_ - total_ + error_ + 1e-12 * std::abs(best_);
        found_.clear();
        at_ = lo_;
        Whole left = 16 * effort_.rows;
        if (!list(0, room, left)) return false;
        for (std::size_t k = 0; k < found_.size(); k += n_) {
            keep_possible({found_.data() + k, n_});
        }
        return true;
    }

    bool list(Whole m, double room, Whole& left) {
        if (m == ends_.n_moving()) {
            if (static_cast<Whole>(found_.size()) >= effort_.rows * n_) return false;
            found_.insert(found_.end(), at_.begin(), at_.end());
            return true;
        }
        const Whole j = ends_.feature[m];
        for (Whole p = lo_[j]; p <= hi_[j]; ++p) {
            if (--left < 0) return false;
            const double beyond = whole_at(m, p) - least_[m];
            if (beyond > room + 1e-12 * (std::abs(least_[m]) + 1.0)) continue;
            at_[j] = p;
            if (!list(m + 1, room - beyond, left)) return false;
        }
        at_[j] = lo_[j];
        return true;
    }

    void columns_at(Wholes at) {
        std::copy(p_.constant.begin(), p_.constant.end(), known_.begin());
        for (Whole j = 0; j < n_; ++j) {
            const Whole k = piece_at(p_, j, at[j]);
            const double step = static_cast<double>(at[j] - p_.first[k]);
            for (Whole t = p_.terms[k]; t < p_.terms[k + 1]; ++t) {
                known_[p_.column[t]] += p_.input[t] + step * p_.input_rise[t];
            }
        }
    }

    // By how much the worst goal is missed, doubt taken into account (``share`` 1) or not (0).
    double missed(double share, bool is_clear) const {
        if (!is_clear) return -INFINITE;
        double worst = -INFINITE;
        for (Whole g = 0; g < g_.size(); ++g) {
            const Reals w = g_.weights[g];
            double total = -(g_.limit[g] + share * g_.doubt[g]), size = 0.0;
            for (Whole k = 0; k < w.size(); ++k) {
                total += w[k] * known_[k];
                size += std::abs(w[k] * known_[k]);
            }
            worst = std::max(worst, total - 1e-11 * share * size);
        }
        return worst;
    }

    void keep_possible(Wholes at) {
        if (cost_of(q_, at) >= best_ || !allowed(q_, ALL, at)) return;
        columns_at(at);
        // NaN is no miss: whoever asks the model decides.
        const bool is_clear = forward_exactly(u_, known_, sum_);
        if (missed(1.0, is_clear) > 0.0) return;
        rows.insert(rows.end(), at.begin(), at.end());
    }

    // Whether there is nothing more to look for beyond a row: it will do, or costs too much.
    bool hope(Wholes at) {
        if (cost_of(q_, at) >= best_) return true;
        if (!allowed(q_, ALL, at)) return false;
        columns_at(at);
        if (!forward_exactly(u_, known_, sum_) || missed(0.0, true) > 0.0) return false;
        hopes.insert(hopes.end(), at.begin(), at.end());
        return true;
    }

    // Where the program's point is on each axis.
    void places_of_point() {
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
    void look_at() {
        places_of_point();
        look_beside(0.0);
        for (const double times : {1.0, 1.05, 1.15, 1.3, 1.6, 2.0}) {
            if (look_beside(times)) break;
        }
        if (nodes % 16 == 1 || nodes < 8) look_far();
    }

    // A row that meets the goals on the way beyond the point, from which others may go down.
    void look_far() {
        for (const double times : {1.0, 1.2, 1.5, 2.0, 3.0, 4.0, 6.0}) {
            place_beside(times);
            columns_at(view(at_));
            if (forward_exactly(u_, known_, sum_) && missed(0.0, true) <= 0.0) {
                far = at_;
                return;
            }
        }
    }

    bool look_beside(double times) {
        place_beside(times);
        return hope(view(at_));
    }

    void place_beside(double times) {
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

    // What to halve: the unit whose line is farthest from its curve, by what that adds to the bound, or
    // the feature between whose values the bound lies.
    void choose(Node& node) {
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
            for (Whole g = 0; g < g_.size(); ++g) worths[g] = g_.begin[g] * instead;
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
        static const double spatial = std::getenv("SPATIAL") ? std::atof(std::getenv("SPATIAL")) : 0.0;
        if (spatial > 0.0) choose_spatial(node, most, spatial);
    }

    void choose_spatial(Node& node, double most, double spatial) {
        double best = most > 0.0 && node.unit >= 0 ? most : 0.0;
        for (const Gone& each : gone_) {
            const Whole j = ends_.feature[each.moving];
            const double key = static_cast<double>(ends_.position[ball_.key[each.moving]]);
            const double end = static_cast<double>(ends_.position[each.end]);
            const double share = std::min(std::max(each.share, 0.2), 0.8);
            const double score = spatial * ends_.cost[each.end] * 0 + spatial * (ends_.cost[each.end] - ends_.cost[ball_.key[each.moving]]) * std::min(each.share, 0.8);
            const double at = key + share * (end - key);
            const Whole edge = static_cast<Whole>(end > key ? std::ceil(at) : std::floor(at) + 1.0);
            if (edge <= lo_[j] || edge > hi_[j]) continue;
            if (score > best) {
                best = score;
                node.unit = -1;
                node.feature = j;
                node.edge = edge;
            }
        }
    }

    void choose_feature(Node& node, double most) {
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
        static const double tilt = std::getenv("TILT") ? std::atof(std::getenv("TILT")) : 1.0;
        if (node.unit >= 0 && most > 1e-9 && (tilt * most >= score || found < 0)) return;
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

    struct Column {
        double low = INFINITE, high = -INFINITE;
        Whole count = 0;
    };

    struct Choice {
        Whole moving;
        Whole end;
    };

    Ball ball_;
    std::shared_ptr<const Layout> layout_;
    Numbers up_, down_, low_part_;
    std::vector<Gone> gone_;
    const Node* node_ = nullptr;
    double side_fixed_ = 0.0, side_doubt_ = 0.0;
    Numbers low_, high_, side_error_, beyond_, columns_, fixed_, scales_, line_, place_;
    std::vector<double> point_;
    std::vector<Numbers> parts_;
    std::vector<PricedRow> rows_;
    std::vector<Choice> choices_;
    Places key_, layer_of_;
    Relaxation relaxation_;
    Simplex simplex_;
    double total_ = 0.0;
    bool was_cleared_ = false;
    std::vector<Column> spans_;
    Places found_;
};

}  // namespace ifonly::networks

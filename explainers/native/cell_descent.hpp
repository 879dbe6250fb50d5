// From a row that meets the goals to cheaper ones, from cell to cell of a network of kinked units.
//
// While no unit changes sides, the network is a sum of columns, and what is cheapest in the cell a small
// linear program. Its optimum lies on edges of the cell; beyond one of those that have a price it may become
// cheaper still. What is found is looked at by whoever asks: nothing that is claimed rests on it.
#pragma once

#include "bounded_simplex.hpp"
#include "dual.hpp"

namespace ifonly::networks {

class CellDescent {
public:
    CellDescent(const Units& u, const Pieces& p, const Limits& g, const Question& q)
        : u_(u), p_(p), g_(g), q_(q), known_(u.known()), sum_(u.size()), side_(u.size()) {
        for (Whole layer = 0; layer < u.n_layers(); ++layer) {
            is_kinked_ = is_kinked_ && (u.curve[layer] == RELU || u.curve[layer] == ABS);
        }
        const Numbers low(q.least.begin(), q.least.end());
        ends_.of_box(p, q.least, q.most);
        lay_choices();
    }

    // Rows beside the cheapest points of cells on the way down from the row at ``at``, dearest first; none
    // where nothing can be said. At most ``programs`` are solved.
    Places from(Wholes at, Whole programs) {
        Places found;
        if (!is_kinked_ || choices_.empty() || !place(at)) return found;
        left_ = programs;
        take_sides();
        double best = INFINITE;
        if (!cheapest(0.0)) return found;
        best = value_;
        while (left_ > 0) {
            const std::vector<double> point = point_;
            const std::vector<char> sides = side_;
            bool is_better = false;
            for (const Whole unit : priced_units()) {
                if (left_ <= 0) break;
                side_ = sides;
                side_[unit] = !side_[unit];
                if (cheapest(0.0) && value_ < best - 1e-6 * (1.0 + std::abs(best))) {
                    is_better = true;
                    best = value_;
                    break;
                }
            }
            if (!is_better) {
                side_ = sides;
                break;
            }
        }
        // A grid's rows lie beside the point: the nearest that meets the goals is dearer.
        for (const double share : {0.0, 0.05, 0.2, 0.5, 1.0, 2.0}) {
            if (!cheapest(share)) break;
            round_to(found, at);
        }
        return found;
    }

private:
    struct Choice {
        Whole moving;
        Whole end;
    };

    const Units& u_;
    const Pieces& p_;
    const Limits& g_;
    const Question& q_;
    Ends ends_;
    bool is_kinked_ = true;
    std::vector<Choice> choices_;
    Places key_, unit_of_;
    Numbers known_, sum_, base_, slopes_, line_;
    std::vector<double> cost_, point_, prices_;
    std::vector<char> side_;
    Simplex simplex_;
    double value_ = 0.0;
    Whole left_ = 0;

    void lay_choices() {
        key_.resize(ends_.n_moving());
        for (Whole m = 0; m < ends_.n_moving(); ++m) {
            const Whole first = ends_.first[m], last = ends_.first[m + 1] - 1;
            Whole key = first;
            for (Whole e = first; e <= last; ++e) {
                if (ends_.cost[e] < ends_.cost[key]) key = e;
            }
            key_[m] = key;
            for (Whole e = first; e <= last; ++e) {
                const bool is_outer = e == first || e == last;
                if (e == key) continue;
                if (!is_outer && std::abs(ends_.position[e] - ends_.position[key]) == 1) continue;
                choices_.push_back({m, e});
                cost_.push_back(ends_.cost[e] - ends_.cost[key]);
            }
        }
    }

    // The row at ``at`` as shares of choices.
    bool place(Wholes at) {
        point_.assign(choices_.size(), 0.0);
        for (std::size_t c = 0; c < choices_.size(); ++c) {
            const Whole m = choices_[c].moving;
            const Whole key = ends_.position[key_[m]], end = ends_.position[choices_[c].end];
            const Whole here = at[ends_.feature[m]];
            const bool same_way = (here > key) == (end > key) && here != key;
            if (!same_way || std::abs(here - key) > std::abs(end - key)) continue;
            // The nearest end that is not before it.
            if (c > 0 && choices_[c - 1].moving == m && point_[c - 1] > 0.0) continue;
            point_[c] = static_cast<double>(here - key) / static_cast<double>(end - key);
        }
        return true;
    }

    void add_end(Whole e, double share) {
        for (Whole t = ends_.term[e]; t < ends_.term[e + 1]; ++t) {
            known_[ends_.column[t]] += share * ends_.value[t];
        }
    }

    // On which side of their kinks the units are at the point.
    void take_sides() {
        std::copy(ends_.constant.begin(), ends_.constant.end(), known_.begin());
        for (const Whole e : key_) add_end(e, 1.0);
        for (std::size_t c = 0; c < choices_.size(); ++c) {
            if (point_[c] == 0.0) continue;
            add_end(choices_[c].end, point_[c]);
            add_end(key_[choices_[c].moving], -point_[c]);
        }
        forward_exactly(u_, known_, sum_);
        for (Whole i = 0; i < u_.size(); ++i) side_[i] = sum_[i] > 0.0;
    }

    // All that is known as sums over choices, while units stay on their sides.
    void lay_slopes() {
        const Whole n = static_cast<Whole>(choices_.size());
        base_.assign(u_.known(), 0.0);
        slopes_.assign(static_cast<std::size_t>(u_.known() * n), 0.0);
        std::copy(ends_.constant.begin(), ends_.constant.end(), base_.begin());
        for (const Whole e : key_) {
            for (Whole t = ends_.term[e]; t < ends_.term[e + 1]; ++t) {
                base_[ends_.column[t]] += ends_.value[t];
            }
        }
        for (Whole c = 0; c < n; ++c) {
            const Whole e = choices_[c].end, key = key_[choices_[c].moving];
            for (Whole t = ends_.term[e]; t < ends_.term[e + 1]; ++t) {
                slopes_[ends_.column[t] * n + c] += ends_.value[t];
            }
            for (Whole t = ends_.term[key]; t < ends_.term[key + 1]; ++t) {
                slopes_[ends_.column[t] * n + c] -= ends_.value[t];
            }
        }
        sums_.assign(static_cast<std::size_t>(u_.size() * n), 0.0);
        for (Whole layer = 0; layer < u_.n_layers(); ++layer) {
            const Whole from = u_.from[layer], reads = u_.till[layer] - from;
            for (Whole i = u_.first[layer]; i < u_.first[layer + 1]; ++i) {
                double* own = sums_.data() + i * n;
                double z = u_.bias[i];
                for (Whole k = 0; k < reads; ++k) {
                    const double w = u_.weight[u_.start[i] + k];
                    if (w == 0.0) continue;
                    z += w * base_[from + k];
                    const double* other = slopes_.data() + (from + k) * n;
                    for (Whole c = 0; c < n; ++c) own[c] += w * other[c];
                }
                sum_[i] = z;
                const double times = side_[i] ? 1.0 : u_.curve[layer] == ABS ? -1.0 : 0.0;
                base_[u_.columns + i] = times * z;
                double* value = slopes_.data() + (u_.columns + i) * n;
                for (Whole c = 0; c < n; ++c) value[c] = times * own[c];
            }
        }
    }

    // The cheapest point of the cell that meets the goals, by ``share`` of what rounding to a grid may do
    // more than it must; whether there is one.
    bool cheapest(double share) {
        --left_;
        lay_slopes();
        simplex_.begin(cost_);
        unit_of_.clear();
        scales_.clear();
        const Whole n = static_cast<Whole>(choices_.size());
        line_.resize(n);
        for (Whole g = 0; g < g_.size(); ++g) {
            const Reals w = g_.weights[g];
            double constant = -g_.limit[g];
            std::fill(line_.begin(), line_.end(), 0.0);
            for (Whole k = 0; k < w.size(); ++k) {
                if (w[k] == 0.0) continue;
                constant += w[k] * base_[k];
                const double* other = slopes_.data() + k * n;
                for (Whole c = 0; c < n; ++c) line_[c] += w[k] * other[c];
            }
            double apart = 0.0;
            for (Whole c = 0; share > 0.0 && c < n; ++c) {
                const Whole m = choices_[c].moving;
                const double steps = std::abs(
                    static_cast<double>(ends_.position[choices_[c].end] - ends_.position[key_[m]]));
                if (steps > 1.0 && point_[c] > 0.0) apart += std::abs(line_[c]) / steps;
            }
            add(-1, constant + share * apart);
        }
        std::vector<char> is_in(u_.size(), 0);
        while (true) {
            if (!simplex_.solve()) return false;
            simplex_.point(point_);
            bool is_broken = false;
            for (Whole i = 0; i < u_.size(); ++i) {
                if (is_in[i]) continue;
                const double* own = sums_.data() + i * n;
                double z = sum_[i], size = std::abs(z);
                for (Whole c = 0; c < n; ++c) {
                    z += own[c] * point_[c];
                    size += std::abs(own[c] * point_[c]);
                }
                const double sign = side_[i] ? -1.0 : 1.0;
                if (!(sign * z > 1e-9 * size)) continue;
                for (Whole c = 0; c < n; ++c) line_[c] = sign * own[c];
                add(i, sign * sum_[i]);
                is_in[i] = 1;
                is_broken = true;
            }
            if (!is_broken) break;
        }
        value_ = 0.0;
        for (Whole c = 0; c < n; ++c) value_ += cost_[c] * point_[c];
        return true;
    }

    void add(Whole unit, double constant) {
        double scale = 1e-12;
        for (const double each : line_) scale = std::max(scale, std::abs(each));
        for (double& each : line_) each /= scale;
        simplex_.add(line_.data(), constant / scale);
        unit_of_.push_back(unit);
        scales_.push_back(scale);
    }

    // Units whose sides have a price, the dearest first.
    Places priced_units() {
        simplex_.prices(prices_);
        std::vector<std::pair<double, Whole>> found;
        for (std::size_t k = 0; k < unit_of_.size(); ++k) {
            if (unit_of_[k] >= 0 && prices_[k] > 1e-9) found.push_back({-prices_[k], unit_of_[k]});
        }
        std::sort(found.begin(), found.end());
        Places units;
        for (const auto& each : found) units.push_back(each.second);
        return units;
    }

    // The rows nearest to the point, and next to it away from the cheapest.
    void round_to(Places& found, Wholes at) const {
        for (const bool is_away : {false, true}) {
            const std::size_t begin = found.size();
            found.insert(found.end(), at.begin(), at.end());
            std::vector<double> place(ends_.n_moving());
            for (Whole m = 0; m < ends_.n_moving(); ++m) {
                place[m] = static_cast<double>(ends_.position[key_[m]]);
            }
            for (std::size_t c = 0; c < choices_.size(); ++c) {
                const Whole m = choices_[c].moving;
                place[m] += point_[c] * static_cast<double>(
                    ends_.position[choices_[c].end] - ends_.position[key_[m]]);
            }
            for (Whole m = 0; m < ends_.n_moving(); ++m) {
                const Whole j = ends_.feature[m];
                const double key = static_cast<double>(ends_.position[key_[m]]);
                const double x = place[m];
                const double y = !is_away ? std::rint(x)
                                 : x > key ? std::ceil(x - 1e-6)
                                           : std::floor(x + 1e-6);
                found[begin + j] = std::min(std::max(static_cast<Whole>(y), q_.least[j]), q_.most[j]);
            }
        }
    }

    Numbers sums_, scales_;
};

}  // namespace ifonly::networks

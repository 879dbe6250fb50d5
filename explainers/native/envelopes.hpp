// Convex curves bounded from above within a ball of cost.
//
// The rows of interest of a box lie in a simplex: from its cheapest corner they go some part of the way to
// each end, and all these parts, weighted by what the ends cost, come to what is left below the best. A
// convex function of a row is nowhere above what its values at the simplex's vertices make of it, and that
// is linear in the parts (Rockafellar, Convex Analysis, 1970, theorem 32.2): exact where one feature moves,
// where a chord over the interval of a unit's sum says least.
#pragma once

#include <algorithm>
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

// How far a point has gone to an end of a moving feature; ends it has not gone to are left out.
struct Gone {
    Whole end;
    Whole moving;
    double share;
};

// Above each unit's curve: ``base`` and a part for each end.
//
// Of a kink, the larger of two linear functions, more is known: with prices of cost and of each feature's
// ends it is ``max(first, second) <= base + parts``, for any prices that are not negative; the prices that
// make that least at a point are those of its convex hull (Anderson et al., Strong mixed-integer programming
// formulations for trained neural networks, 2020, there for boxes).
struct Envelopes {
    Numbers base, size;
    std::vector<char> is_known, is_used;

    void begin(Whole units, const Ends& ends, const Ball& ball) {
        n_ = ends.size();
        ends_ = &ends, ball_ = &ball;
        base.resize(units), size.resize(units);
        is_known.assign(units, 0), is_used.assign(units, 0);
        parts_.resize(static_cast<std::size_t>(units * n_));
        more_.resize(parts_.size()), less_.resize(parts_.size());
        more0_.resize(units), less0_.resize(units), slack_.resize(units), is_bent_.assign(units, 0);
        charge_.resize(n_), pay_.resize(n_), last_.resize(units, 0.0);
    }
    const double* part(Whole i) const { return parts_.data() + i * n_; }

    // Of a unit whose sum is at least ``low0 + low`` and at most ``high0 + high`` in the ball's rows, each a
    // sum over ends, off by at most ``error``.
    void make(Whole i, Whole curve, double low0, const Numbers& low, double high0, const Numbers& high,
              double error, const std::vector<Gone>& at) {
        if (curve == RELU || curve == ABS) {
            make_kink(i, curve, low0, low, high0, high, error);
            touch(i, at, INFINITE);
        } else {
            make_smooth(i, curve, low0, low, high0, high, error);
        }
    }

    // Of a kink, the least at a point; what it was stays unless that is below ``most`` there. ``at`` is in
    // the order of shares.
    void touch(Whole i, const std::vector<Gone>& at, double most) {
        if (!is_bent_[i]) return;
        const double* more = more_.data() + i * n_;
        const double* less_of = less_.data() + i * n_;
        const double z = more0_[i];
        double here = z, less = less0_[i];
        for (const Gone& each : at) {
            here += each.share * more[each.end];
            less += each.share * less_of[each.end];
        }
        // The hull is nowhere below the curve.
        if (std::max(here, 0.0) + less >= most) return;
        ways_.clear();
        prices_.assign({-std::max(z, 0.0), -std::min(z, 0.0)});
        if (z != 0.0) prices_.push_back(0.0);
        spent_ = 0.0;
        for (const Gone& each : at) {
            const Way way{ball_->inverse[each.end], more[each.end], each.share, 0.0};
            ways_.push_back(way);
            spent_ += way.cost * way.share;
            if (way.cost > 0.0) prices_.push_back(way.more / way.cost);
        }
        std::sort(prices_.begin(), prices_.end());
        double best = INFINITE, price = 0.0, share = 0.0;
        // What prices say is convex in them; the best is mostly near that of the last point.
        std::size_t low = 0, high = prices_.size();
        std::size_t middle = std::lower_bound(prices_.begin(), prices_.end() - 1, last_[i]) - prices_.begin();
        for (bool is_first = true; low < high; is_first = false) {
            const Worth found = worth(prices_[middle], z);
            if (found.value < best) best = found.value, price = prices_[middle], share = found.share;
            if (found.slope > 0.0) {
                high = middle;
                middle = is_first && high > low ? high - 1 : (low + high) / 2;
            } else {
                low = middle + 1;
                middle = is_first ? low : (low + high) / 2;
            }
        }
        last_[i] = price;
        if (best + less < most) lay(i, price, share, at);
    }

private:
    struct Way {
        double cost, more, share;
        double gain;  // of the second function beyond the first, at the price at hand
    };
    struct Worth {
        double value, slope;
        double share;  // of the second function
    };

    Whole n_ = 0;
    const Ends* ends_ = nullptr;
    const Ball* ball_ = nullptr;
    // ``max(0, more) + less``, of kinks.
    Numbers parts_, more_, less_, more0_, less0_, slack_, charge_, pay_;
    std::vector<char> is_bent_;
    std::vector<double> prices_;
    std::vector<Way> ways_;
    Numbers last_;         // price at which each unit's envelope was made
    double spent_ = 0.0;   // of the cost, by the point at hand

    void make_kink(Whole i, Whole curve, double low0, const Numbers& low, double high0, const Numbers& high,
                   double error) {
        double* more = more_.data() + i * n_;
        double* less = less_.data() + i * n_;
        const bool is_abs = curve == ABS;
        double least = low0, most = high0, far = 0.0;
        for (Whole m = 0; m < ends_->n_moving(); ++m) {
            const Whole key = ball_->key[m];
            least += low[key], most += high[key];
            double own = 0.0;
            for (Whole e = ends_->first[m]; e < ends_->first[m + 1]; ++e) {
                const double up = e == key ? 0.0 : high[e] - high[key] + 2.0 * error;
                const double down = e == key ? 0.0 : low[e] - low[key] - 2.0 * error;
                more[e] = is_abs ? up + down + 4.0 * error : up;
                less[e] = is_abs ? -down : 0.0;
                own = std::max(own, std::abs(up) + std::abs(down));
            }
            far += own;
        }
        more0_[i] = is_abs ? most + least + 2.0 * error : most + error;
        less0_[i] = is_abs ? -least + error : 0.0;
        slack_[i] = 1e-14 * (std::abs(least) + std::abs(most) + far) + error;
        is_bent_[i] = std::isfinite(more0_[i]) && std::isfinite(far);
    }

    // What prices say of ``max(0, more)`` at a point: ``price`` is of cost, below 0 of the first function
    // and above of the second.
    Worth worth(double price, double z) {
        const double first = std::max(-price, 0.0), second = std::max(price, 0.0);
        // From share 0 of the second function to 1, what one more share of it adds falls: where it has all
        // that a way with a gain goes, and where it has to take over a way with a loss.
        double rise = z + second - first, total = first - first * spent_;
        for (Way& way : ways_) {
            way.gain = way.more - price * way.cost;
            rise += std::max(way.gain, 0.0);
        }
        double share = 0.0;
        const Whole n = static_cast<Whole>(ways_.size());
        for (Whole k = 0, l = n - 1; rise > 0.0;) {
            while (k < n && !(ways_[k].gain > 0.0)) ++k;
            while (l >= 0 && !(ways_[l].gain < 0.0)) --l;
            if (k >= n && l < 0) break;
            const bool is_second = l < 0 || (k < n && ways_[k].share <= 1.0 - ways_[l].share);
            const double turn = is_second ? ways_[k].share : 1.0 - ways_[l].share;
            const double to = std::min(std::max(turn, share), 1.0);
            total += (to - share) * rise;
            share = to;
            rise -= std::abs(is_second ? ways_[k++].gain : ways_[l--].gain);
        }
        if (rise > 0.0) {
            total += (1.0 - share) * rise;
            share = 1.0;
        }
        // What the second function has of the cost.
        double spent = 0.0;
        for (const Way& way : ways_) {
            const double part = way.gain > 0.0   ? std::min(way.share, share)
                                : way.gain < 0.0 ? std::max(share - 1.0 + way.share, 0.0)
                                                 : 0.0;
            spent += way.cost * part;
        }
        const double slope = price > 0.0 ? share - spent : (spent_ - spent) - (1.0 - share);
        return {total, slope, share};
    }

    // The function of the prices at hand; it holds for any.
    void lay(Whole i, double price, double share, const std::vector<Gone>& at) {
        const double* more = more_.data() + i * n_;
        const double* less = less_.data() + i * n_;
        double* own = parts_.data() + i * n_;
        double first = std::max(-price, 0.0), second = std::max(price, 0.0);
        std::fill(charge_.begin(), charge_.end(), 0.0), std::fill(pay_.begin(), pay_.end(), 0.0);
        double one = first, other = more0_[i] + second, edge = 0.0;
        Whole open = -1;
        bool is_second = false;
        for (const Gone& each : at) {
            const double s = more[each.end] - price * ball_->inverse[each.end];
            const Whole begin = ends_->first[each.moving];
            if (charge_[begin] > 0.0 || pay_[begin] > 0.0) continue;
            if (s > 0.0 && each.share >= share) {
                if (each.share == share) {
                    edge = s, open = each.moving, is_second = true;
                    continue;
                }
                price_of(pay_, each.moving, s);
                other += s;
            } else if (s < 0.0 && 1.0 - each.share <= share) {
                if (1.0 - each.share == share) {
                    edge = -s, open = each.moving, is_second = false;
                    continue;
                }
                price_of(charge_, each.moving, -s);
                one -= s;
            }
        }
        // Where both functions are worth the same, one feature's price lies between.
        if (open >= 0) {
            const double part = std::min(std::max(is_second ? one - other : other - one, 0.0), edge);
            price_of(is_second ? pay_ : charge_, open, part);
            (is_second ? other : one) += part;
        }
        if (one < other) {
            first += other - one;
            one = other;
        } else {
            second += one - other;
            other = one;
        }
        base[i] = std::max(one, other) + less0_[i] + slack_[i];
        double total = std::abs(base[i]);
        const double* inverse = ball_->inverse.data();
        const double* charge = charge_.data();
        const double* pay = pay_.data();
        for (Whole e = 0; e < n_; ++e) {
            const double one_of = first * inverse[e] + charge[e], other_of = second * inverse[e] + pay[e];
            own[e] = std::max(-one_of, more[e] - other_of) + less[e] +
                     4e-16 * (one_of + std::abs(more[e]) + other_of);
        }
        for (Whole e = 0; e < n_; ++e) total += std::abs(own[e]);
        base[i] += 1e-14 * (first + second + total);
        size[i] = total;
        is_known[i] = total < 1e300;
    }

    // A price of all ends of a feature.
    void price_of(Numbers& prices, Whole moving, double price) const {
        for (Whole e = ends_->first[moving]; e < ends_->first[moving + 1]; ++e) prices[e] = price;
    }

    void make_smooth(Whole i, Whole curve, double low0, const Numbers& low, double high0,
                     const Numbers& high, double error) {
        const Ends& ends = *ends_;
        const Ball& ball = *ball_;
        double least = low0 - error, most = high0 + error;
        for (const Whole e : ball.key) least += low[e], most += high[e];
        const double top = std::max(curve_at(curve, least), curve_at(curve, most));
        base[i] = top + 1e-14 * (std::abs(top) + std::abs(least) + std::abs(most)) + 2.0 * error;
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
                if (!(share > 1e-9)) return;
                const double value = std::max(curve_at(curve, least + down / share),
                                              curve_at(curve, most + up / share));
                own[e] = (value - top) * share + 1e-14 * (std::abs(value) + std::abs(top)) * share +
                         1e-14 * (std::abs(up) + std::abs(down));
                far = std::max(far, std::abs(own[e]));
            }
            total += far;
        }
        if (!(total < 1e300)) return;
        size[i] = total;
        is_known[i] = 1;
    }
};

}  // namespace ifonly::networks

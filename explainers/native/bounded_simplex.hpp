// A dual simplex over few rows and bounded variables, dense: what it finds are prices, and a point to
// look around. Nothing that is claimed rests on it.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "arrays.hpp"

namespace ifonly::networks {

// Minimise ``cost @ y`` for ``0 <= y <= 1`` and ``rows @ y + constant <= 0``; costs are not negative.
class Simplex {
public:
    void begin(const std::vector<double>& cost) {
        n_ = static_cast<Whole>(cost.size());
        m_ = 0;
        table_.clear(), shift_.clear(), basic_.clear();
        reduced_ = cost;
        away_.resize(n_);
        at_upper_.assign(n_, 0);
        for (Whole e = 0; e < n_; ++e) away_[e] = e;
        place_.resize(n_);
        for (Whole e = 0; e < n_; ++e) place_[e] = -1 - e;  // not basic
        ray.clear();
    }

    void add(const double* row, double constant) {
        table_.resize(static_cast<std::size_t>((m_ + 1) * n_), 0.0);
        double* own = table_.data() + m_ * n_;
        std::fill(own, own + n_, 0.0);
        double shift = -constant;
        for (Whole e = 0; e < n_; ++e) {
            const double a = -row[e];
            if (a == 0.0) continue;
            if (place_[e] < 0) {
                own[-1 - place_[e]] += a;
            } else {
                const double* basic = table_.data() + place_[e] * n_;
                for (Whole k = 0; k < n_; ++k) own[k] += a * basic[k];
                shift += a * shift_[place_[e]];
            }
        }
        shift_.push_back(shift);
        basic_.push_back(n_ + m_);
        place_.push_back(m_);
        ++m_;
    }

    // Whether there is a point; if not, ``ray`` are prices by which there is none.
    bool solve() {
        ray.clear();
        value_.resize(m_);
        for (Whole step = 0; step < 4 * m_ + 60; ++step) {
            Whole leaving = -1;
            double worst = 1e-9, toward = 0.0;
            for (Whole i = 0; i < m_; ++i) {
                const double x = value_of(i);
                value_[i] = x;
                const double most = basic_[i] < n_ ? 1.0 : INFINITY;
                if (-x > worst) worst = -x, leaving = i, toward = 1.0;
                if (x - most > worst) worst = x - most, leaving = i, toward = -1.0;
            }
            if (leaving < 0) return true;
            const double* row = table_.data() + leaving * n_;
            Whole entering = -1;
            double least = INFINITY, largest = 0.0;
            for (Whole e = 0; e < n_; ++e) {
                const double a = toward * row[e];
                if (at_upper_[e] ? a > -1e-9 : a < 1e-9) continue;
                const double ratio = std::max(at_upper_[e] ? -reduced_[e] : reduced_[e], 0.0) / std::abs(a);
                if (ratio < least - 1e-12 || (ratio <= least + 1e-12 && std::abs(a) > largest)) {
                    least = std::min(ratio, least);
                    largest = std::abs(a);
                    entering = e;
                }
            }
            if (entering < 0) {
                ray.assign(m_, 0.0);
                missed = worst;
                for (Whole e = 0; e < n_; ++e) {
                    if (away_[e] >= n_) ray[away_[e] - n_] = std::max(-toward * row[e], 0.0);
                }
                if (basic_[leaving] >= n_) ray[basic_[leaving] - n_] = 1.0;
                return false;
            }
            pivot(leaving, entering, toward < 0.0);
        }
        return true;
    }

    // Prices of rows.
    void prices(std::vector<double>& out) const {
        out.assign(m_, 0.0);
        for (Whole e = 0; e < n_; ++e) {
            if (away_[e] >= n_) out[away_[e] - n_] = std::max(reduced_[e], 0.0);
        }
    }

    void point(std::vector<double>& out) const {
        out.assign(n_, 0.0);
        for (Whole e = 0; e < n_; ++e) {
            if (away_[e] < n_) out[away_[e]] = at_upper_[e] ? 1.0 : 0.0;
        }
        for (Whole i = 0; i < m_; ++i) {
            if (basic_[i] < n_) out[basic_[i]] = std::min(std::max(value_of(i), 0.0), 1.0);
        }
    }

    std::vector<double> ray;
    double missed = 0.0;

private:
    double value_of(Whole i) const {
        const double* row = table_.data() + i * n_;
        double x = shift_[i];
        for (Whole e = 0; e < n_; ++e) {
            if (at_upper_[e]) x += row[e];
        }
        return x;
    }

    void pivot(Whole leaving, Whole entering, bool to_upper) {
        double* row = table_.data() + leaving * n_;
        const double inverse = 1.0 / row[entering];
        // x_entering = (x_leaving - shift - the others) / pivot
        for (Whole e = 0; e < n_; ++e) row[e] *= -inverse;
        row[entering] = inverse;
        shift_[leaving] *= -inverse;
        for (Whole i = 0; i < m_; ++i) {
            if (i == leaving) continue;
            double* other = table_.data() + i * n_;
            const double times = other[entering];
            if (times == 0.0) continue;
            other[entering] = 0.0;
            for (Whole e = 0; e < n_; ++e) other[e] += times * row[e];
            shift_[i] += times * shift_[leaving];
        }
        const double times = reduced_[entering];
        reduced_[entering] = 0.0;
        if (times != 0.0) {
            for (Whole e = 0; e < n_; ++e) reduced_[e] += times * row[e];
        }
        const Whole in = away_[entering], out = basic_[leaving];
        basic_[leaving] = in;
        place_[in] = leaving;
        away_[entering] = out;
        place_[out] = -1 - entering;
        at_upper_[entering] = to_upper;
    }

    Whole n_ = 0, m_ = 0;
    std::vector<double> table_, shift_, reduced_, value_;
    std::vector<Whole> basic_, away_, place_;
    std::vector<char> at_upper_;
};

}  // namespace ifonly::networks

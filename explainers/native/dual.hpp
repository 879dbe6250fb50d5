// Sums of units bounded by sums of columns, backwards through a network's layers.
#pragma once

#include "separable.hpp"

namespace ifonly::networks {

inline constexpr double EPSILON = 1.2e-16;  // of one operation in float64, and a little

// A unit's sum that was cut in two.
struct Cut {
    Whole unit;
    bool is_upper;  // the sum is at most ``at``; or at least
    double at;
};

// Between which sums of units lie, and which lines stand for their curves.
struct Relaxation {
    std::vector<Span> sum;
    Numbers below;  // which line below each curve, and above
    Numbers above;
    std::vector<Touch> touch;
};

// Weights of columns and units, carried backwards.
class Backward {
public:
    explicit Backward(const Units& units)
        : u_(units), weight(units.known()), size_(units.known()), line(units.size()),
          nu(units.size()) {}

    void clear() {
        std::fill(weight.begin(), weight.end(), 0.0);
        constant = 0.0;
        if (with_error_) {
            std::fill(size_.begin(), size_.end(), 0.0);
            size = 0.0;
        }
    }

    // Errors are bounded only where they are asked for: that doubles the work.
    void with_error(bool wanted) { with_error_ = wanted; }

    void add_constant(double value) {
        constant += value;
        if (with_error_) size += std::abs(value);
    }

    // ``times`` the sum of a unit.
    void add_sum(Whole layer, Whole i, double times) {
        add_constant(times * u_.bias[i]);
        const double* w = u_.weight.data + u_.start[i];
        const Whole from = u_.from[layer], n = u_.till[layer] - from;
        double* into = weight.data() + from;
        for (Whole k = 0; k < n; ++k) into[k] += times * w[k];
        if (with_error_) {
            double* sizes = size_.data() + from;
            const double most = std::abs(times);
            for (Whole k = 0; k < n; ++k) sizes[k] += most * std::abs(w[k]);
        }
    }

    void add_known(Whole k, double times) {
        weight[k] += times;
        if (with_error_) size_[k] += std::abs(times);
    }

    // Through all layers before ``layers``, those of ``cuts`` on the way.
    void carry(Whole layers, const Relaxation& r, const Numbers& cut_weight) {
        for (Whole layer = layers; layer-- > 0;) {
            const Whole curve = u_.curve[layer];
            for (Whole i = u_.first[layer]; i < u_.first[layer + 1]; ++i) {
                const double own = weight[u_.columns + i];
                nu[i] = own;
                double times = cut_weight.empty() ? 0.0 : cut_weight[i];
                const Span z = r.sum[i];
                line[i] = own >= 0.0
                    ? line_below(curve, z, r.below[i], r.touch[i], u_.blur[i])
                    : line_above(curve, z, r.above[i], r.touch[i], u_.blur[i]);
                if (own != 0.0) {
                    times += own * line[i].slope;
                    add_constant(own * line[i].shift);
                    if (with_error_) {
                        size += size_[u_.columns + i] * std::abs(line[i].shift);
                        double most = size_[u_.columns + i] * std::abs(line[i].slope);
                        most = std::max(most - std::abs(times), 0.0);
                        if (most > 0.0) add_size(layer, i, most);
                    }
                }
                if (times != 0.0) add_sum(layer, i, times);
            }
        }
    }

    // How far rounding may have put ``constant + weight @ columns``, for columns no larger than
    // ``reach``.
    double error(const Numbers& reach) const {
        double total = size;
        for (Whole c = 0; c < u_.columns; ++c) total += size_[c] * reach[c];
        const double steps = static_cast<double>((u_.known() + 20) * (u_.n_layers() + 2));
        return EPSILON * steps * total;
    }

    const Units& u_;
    Numbers weight;
    double constant = 0.0;
    double size = 0.0;

private:
    void add_size(Whole layer, Whole i, double most) {
        const double* w = u_.weight.data + u_.start[i];
        size += most * std::abs(u_.bias[i]);
        for (Whole k = u_.from[layer]; k < u_.till[layer]; ++k) {
            size_[k] += most * std::abs(w[k - u_.from[layer]]);
        }
    }

    Numbers size_;
    bool with_error_ = false;

public:
    std::vector<Line> line;
    Numbers nu;
};

// Sums of the units at some columns by the lines that stand for their curves.
inline void forward(const Units& u, const std::vector<Line>& line, Numbers& known, Numbers& sum) {
    for (Whole layer = 0; layer < u.n_layers(); ++layer) {
        const Whole from = u.from[layer], n = u.till[layer] - from;
        for (Whole i = u.first[layer]; i < u.first[layer + 1]; ++i) {
            const double* w = u.weight.data + u.start[i];
            double z = u.bias[i];
            for (Whole k = 0; k < n; ++k) z += w[k] * known[from + k];
            sum[i] = z;
            known[u.columns + i] = line[i].at(z);
        }
    }
}

// The same by the curves themselves; whether no sum is too near to a jump.
inline bool forward_exactly(const Units& u, Numbers& known, Numbers& sum) {
    bool is_clear = true;
    for (Whole layer = 0; layer < u.n_layers(); ++layer) {
        const Whole from = u.from[layer], n = u.till[layer] - from, curve = u.curve[layer];
        for (Whole i = u.first[layer]; i < u.first[layer + 1]; ++i) {
            const double* w = u.weight.data + u.start[i];
            double z = u.bias[i];
            for (Whole k = 0; k < n; ++k) z += w[k] * known[from + k];
            sum[i] = z;
            if (curve == STEP && std::abs(z) <= u.blur[i]) is_clear = false;
            known[u.columns + i] = curve_at(curve, z);
        }
    }
    return is_clear;
}

}  // namespace ifonly::networks

// Sums of units bounded by sums of columns and of features' ends, backwards through a network's layers.
#pragma once

#include "envelopes.hpp"

namespace ifonly::networks {

// A unit's sum that was cut in two.
struct Cut {
    Whole unit;
    bool is_upper;  // the sum is at most ``at``; or at least
    double at;
};

// Between which sums of units lie, and what stands for their curves.
struct Relaxation {
    std::vector<Span> sum;
    Numbers below;  // which line below each curve, and above
    Numbers above;
    std::vector<Touch> touch;
    std::vector<Line> under;  // these lines
    std::vector<Line> over;
    Envelopes envelopes;
};

// Weights of columns and units, carried backwards.
class Backward {
public:
    explicit Backward(const Units& units)
        : u_(units), weight(units.known()), nu(units.size()), size_(units.known()) {}

    void clear() {
        std::fill(weight.begin(), weight.end(), 0.0);
        std::fill(bend.begin(), bend.end(), 0.0);
        constant = bend_size = 0.0;
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

    // Through all layers before ``layers``.
    void carry(Whole layers, const Relaxation& r) {
        for (Whole layer = layers; layer-- > 0;) {
            for (Whole i = u_.first[layer]; i < u_.first[layer + 1]; ++i) {
                const double own = weight[u_.columns + i];
                nu[i] = own;
                if (own == 0.0) continue;
                if (own < 0.0 && r.envelopes.is_used[i]) {
                    bend_below(i, own, r.envelopes);
                    continue;
                }
                const Line line = own > 0.0 ? r.under[i] : r.over[i];
                const double times = own * line.slope;
                add_constant(own * line.shift);
                if (with_error_) {
                    size += size_[u_.columns + i] * std::abs(line.shift);
                    double most = size_[u_.columns + i] * std::abs(line.slope);
                    most = std::max(most - std::abs(times), 0.0);
                    if (most > 0.0) add_size(layer, i, most);
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
        return EPSILON * steps * (total + bend_size);
    }

    // How far rounding may have put what envelopes add, beyond what is said of lines.
    double bend_error() const {
        const double steps = static_cast<double>((u_.known() + 20) * (u_.n_layers() + 2));
        return EPSILON * steps * bend_size;
    }

    const Units& u_;
    Numbers weight;
    Numbers bend;  // of each end of the box
    double constant = 0.0;
    double size = 0.0;
    double bend_size = 0.0;
    Numbers nu;

private:
    // The envelope above unit ``i``, ``own < 0`` times.
    void bend_below(Whole i, double own, const Envelopes& envelopes) {
        add_constant(own * envelopes.base[i]);
        const double* part = envelopes.part(i);
        for (std::size_t e = 0; e < bend.size(); ++e) bend[e] += own * part[e];
        const double most = with_error_ ? size_[u_.columns + i] : -own;
        bend_size += std::max(most, -own) * envelopes.size[i];
    }

    void add_size(Whole layer, Whole i, double most) {
        const double* w = u_.weight.data + u_.start[i];
        size += most * std::abs(u_.bias[i]);
        for (Whole k = u_.from[layer]; k < u_.till[layer]; ++k) {
            size_[k] += most * std::abs(w[k - u_.from[layer]]);
        }
    }

    Numbers size_;
    bool with_error_ = false;
};

// Sums of the units at some columns; whether no sum is too near to a jump.
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

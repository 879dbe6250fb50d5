// Functions of a node's parents, at a place and over a box: sums of basis functions, formulas, trees.
//
// The definition is the Python: basis.py, expression.py, regressor.py. Nothing here allocates.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "intervals.hpp"
#include "laws.hpp"

namespace ifonly::causal {

// min and max of numpy: NaN where either is.
inline double least(double a, double b) {
    return std::isnan(a) || std::isnan(b) ? NOT_A_NUMBER : std::min(a, b);
}
inline double most(double a, double b) {
    return std::isnan(a) || std::isnan(b) ? NOT_A_NUMBER : std::max(a, b);
}

inline bool is_same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

inline double sigmoid(double x) { return 0.5 * (1.0 + std::tanh(0.5 * x)); }

inline double rising(std::int32_t op, double x) {
    switch (op) {
        case EXP: return std::exp(x);
        case LOG: return std::log(x);
        case SQRT: return std::sqrt(x);
        case TANH: return std::tanh(x);
        default: return sigmoid(x);
    }
}

inline bool compares(std::int32_t op, double x) {
    switch (op) {
        case LESS: return x < 0.0;
        case LESS_EQUAL: return x <= 0.0;
        case GREATER: return x > 0.0;
        default: return x >= 0.0;
    }
}

inline bool branches(std::int32_t mode, double x, double threshold) {
    switch (mode) {
        case LT: return x < threshold;
        case LE: return x <= threshold;
        case GT: return x > threshold;
        default: return x >= threshold;
    }
}

// As float32 rounds, where a graph computes in it.
inline double rounded(double x, bool single) {
    if (!single) return x;
    // Volatile: GCC 12 joins two such roundings into one vector and drops them both (-O2, -O3).
    volatile float narrow = static_cast<float>(x);
    return narrow;
}

// What functions write while they are evaluated.
struct Scratch {
    Reals x, z, features;
    std::vector<Interval> box, coordinates, stack;
    Reals values;
    Ints nodes;

    explicit Scratch(const Laws& laws)
        : x(laws.most_parents), z(laws.most_coordinates), features(laws.most_features),
          box(laws.most_parents), coordinates(laws.most_coordinates), stack(laws.most_stack),
          values(laws.most_stack), nodes(laws.most_stack + 1) {}
};

// --- functions of a node's parents ---------------------------------------------------------------

inline void basis_features(const Tables& t, int f, const double* x, double* z, double* out) {
    const int c0 = t.coordinate_start[f];
    for (int c = c0; c < t.coordinate_start[f + 1]; ++c) {
        const double value = x[t.coordinate_parent[c]], level = t.coordinate_level[c];
        z[c - c0] = std::isnan(level) ? (value - t.coordinate_centre[c]) / t.coordinate_spread[c]
                                      : static_cast<double>(value == level);
    }
    for (int b = t.monomial_start[f]; b < t.monomial_start[f + 1]; ++b) {
        double product = 1.0;
        for (int i = t.factor_start[b]; i < t.factor_start[b + 1]; ++i)
            product *= intervals::power(z[t.factor_coordinate[i]], t.factor_power[i]);
        *out++ = product;
    }
    for (int b = t.bump_start[f]; b < t.bump_start[f + 1]; ++b) {
        double distance = 0.0;
        for (int i = t.term_start[b]; i < t.term_start[b + 1]; ++i) {
            const double apart = z[t.term_coordinate[i]] - t.term_centre[i];
            distance += t.term_precision[i] * (apart * apart);
        }
        *out++ = std::exp(-0.5 * distance);
    }
}

inline Interval basis_bounds(const Tables& t, int f, const double* weights, const Interval* x, Interval* z) {
    const int c0 = t.coordinate_start[f];
    for (int c = c0; c < t.coordinate_start[f + 1]; ++c) {
        const Interval side = x[t.coordinate_parent[c]];
        const double level = t.coordinate_level[c], spread = t.coordinate_spread[c];
        if (std::isnan(level)) {
            const double a = (side.lower - t.coordinate_centre[c]) / spread;
            const double b = (side.upper - t.coordinate_centre[c]) / spread;
            z[c - c0] = intervals::known(a, b);
        } else {
            // Surely 1 where the box is that category alone, maybe where it holds it.
            z[c - c0] = {static_cast<double>(side.lower == level && side.upper == level),
                         static_cast<double>(side.lower <= level && level <= side.upper)};
        }
    }
    const double scale = t.scale[f];
    Interval sum{0.0, 0.0};
    const auto add = [&](Interval feature) {
        const Interval part = intervals::weigh(feature, scale * *weights++);
        sum.lower += part.lower;
        sum.upper += part.upper;
    };
    for (int b = t.monomial_start[f]; b < t.monomial_start[f + 1]; ++b) {
        Interval product{1.0, 1.0};
        for (int i = t.factor_start[b]; i < t.factor_start[b + 1]; ++i)
            product = intervals::multiply(
                product, intervals::whole_power(z[t.factor_coordinate[i]], t.factor_power[i]));
        add(product);
    }
    for (int b = t.bump_start[f]; b < t.bump_start[f + 1]; ++b) {
        // The nearest and the farthest point of a box are found coordinate by coordinate.
        double near = 0.0, far = 0.0;
        for (int i = t.term_start[b]; i < t.term_start[b + 1]; ++i) {
            const Interval side = z[t.term_coordinate[i]];
            const double centre = t.term_centre[i];
            const Interval apart = intervals::magnitude({side.lower - centre, side.upper - centre});
            near += t.term_precision[i] * (apart.lower * apart.lower);
            far += t.term_precision[i] * (apart.upper * apart.upper);
        }
        const double high = std::exp(-0.5 * near);
        add({far == near ? high : std::exp(-0.5 * far), high});
    }
    return intervals::known(t.shift[f] + sum.lower, t.shift[f] + sum.upper);
}

inline double affine_level(const double* weights, int p, const double* x) {
    double sum = weights[0];
    for (int i = 0; i < p; ++i) sum += weights[1 + i] * x[i];
    return sum;
}

inline Interval affine_bounds(const double* weights, int p, const Interval* x) {
    Interval sum{weights[0], weights[0]};
    for (int i = 0; i < p; ++i) {
        const Interval part = intervals::weigh(x[i], weights[1 + i]);
        sum.lower += part.lower;
        sum.upper += part.upper;
    }
    return intervals::known(sum.lower, sum.upper);
}

inline double formula_level(const Tables& t, int f, const double* x, double* stack) {
    double* top = stack - 1;
    for (int s = t.step_start[f]; s < t.step_start[f + 1]; ++s) {
        const auto op = t.step_op[s];
        const double number = t.step_number[s];
        switch (op) {
            case CONSTANT: *++top = number; break;
            case PARENT: *++top = x[static_cast<int>(number)]; break;
            case ADD: --top; top[0] += top[1]; break;
            case MULTIPLY: --top; top[0] *= top[1]; break;
            case DIVIDE: --top; top[0] /= top[1]; break;
            case NEGATE: *top = -*top; break;
            case POWER: *top = intervals::power(*top, static_cast<int>(number)); break;
            case ABS: *top = std::fabs(*top); break;
            case MIN: --top; top[0] = least(top[0], top[1]); break;
            case MAX: --top; top[0] = most(top[0], top[1]); break;
            case EXP: case LOG: case SQRT: case TANH: case SIGMOID: *top = rising(op, *top); break;
            default: top -= 2; top[0] = compares(op, top[0]) ? top[1] : top[2];
        }
    }
    return *top;
}

inline Interval formula_bounds(const Tables& t, int f, const Interval* x, Interval* stack) {
    Interval* top = stack - 1;
    for (int s = t.step_start[f]; s < t.step_start[f + 1]; ++s) {
        const auto op = t.step_op[s];
        const double number = t.step_number[s];
        switch (op) {
            case CONSTANT: *++top = {number, number}; break;
            case PARENT: *++top = x[static_cast<int>(number)]; break;
            case ADD: --top; top[0] = intervals::add(top[0], top[1]); break;
            case MULTIPLY: --top; top[0] = intervals::multiply(top[0], top[1]); break;
            case DIVIDE: --top; top[0] = intervals::multiply(top[0], intervals::invert(top[1])); break;
            case NEGATE: *top = intervals::negate(*top); break;
            case POWER: *top = intervals::whole_power(*top, static_cast<int>(number)); break;
            case ABS: *top = intervals::magnitude(*top); break;
            case MIN:
                --top;
                top[0] = {least(top[0].lower, top[1].lower), least(top[0].upper, top[1].upper)};
                break;
            case MAX:
                --top;
                top[0] = {most(top[0].lower, top[1].lower), most(top[0].upper, top[1].upper)};
                break;
            case EXP: case LOG: case SQRT: case TANH: case SIGMOID:
                *top = intervals::known(rising(op, top->lower), rising(op, top->upper));
                break;
            default: {
                top -= 2;
                const bool at_lower = compares(op, top[0].lower), at_upper = compares(op, top[0].upper);
                // Where the test is surely so, only one of the sides counts.
                if (at_lower && at_upper) top[0] = top[1];
                else if (!at_lower && !at_upper) top[0] = top[2];
                else top[0] = {std::min(top[1].lower, top[2].lower), std::max(top[1].upper, top[2].upper)};
            }
        }
    }
    return intervals::known(top->lower, top->upper);
}

// Parents stand as the graph reads them: rounded once, before all trees.
inline double leaf_of(const Tables& t, std::int32_t node, const double* x) {
    while (t.node_parent[node] >= 0) {
        const double value = x[t.node_parent[node]];
        const bool holds = branches(t.node_mode[node], value, t.node_threshold[node]) ||
                           (t.node_missing[node] && std::isnan(value));
        node = holds ? t.node_true[node] : t.node_false[node];
    }
    return t.node_value[node];
}

// Leaves added up as ONNX Runtime does, in its type: tree by tree, then divided, then the base.
template <class Sum>
double trees_sum(const Tables& t, int f, const double* x) {
    const double divisor = t.tree_divisor[f];
    Sum sum = 0;
    for (int tree = t.tree_start[f]; tree < t.tree_start[f + 1]; ++tree)
        sum += static_cast<Sum>(leaf_of(t, t.tree_root[tree], x) * divisor);
    if (divisor != 1.0) sum /= static_cast<Sum>(divisor);
    sum += static_cast<Sum>(t.tree_base[f]);
    return sum;
}

inline double trees_level(const Tables& t, int f, const double* x) {
    const double sum = t.sums_single[f] ? trees_sum<float>(t, f, x) : trees_sum<double>(t, f, x);
    return rounded(sum, t.yields_single[f]);
}

// What one of the ensembles yields, of which the graph yields the average.
inline double ensemble_level(const Tables& t, int f, int ensemble, const double* x) {
    const int n = t.n_ensembles[f], length = (t.tree_start[f + 1] - t.tree_start[f]) / n;
    const int first = t.tree_start[f] + ensemble * length;
    double sum = 0.0;
    for (int tree = first; tree < first + length; ++tree) sum += leaf_of(t, t.tree_root[tree], x);
    return rounded(n * sum + t.tree_base[f], t.yields_single[f]);
}

// Least and greatest leaf of a tree that a box reaches.
inline Interval leaves_of(const Tables& t, std::int32_t root, const Interval* x, std::int32_t* waiting) {
    Interval found{INF, -INF};
    int n = 0;
    waiting[n++] = root;
    while (n) {
        const auto node = waiting[--n];
        const auto parent = t.node_parent[node];
        if (parent < 0) {
            found.lower = std::min(found.lower, t.node_value[node]);
            found.upper = std::max(found.upper, t.node_value[node]);
            continue;
        }
        const double low = x[parent].lower, high = x[parent].upper;
        const double threshold = t.node_threshold[node];
        const bool is_missing = t.node_missing[node];
        const bool at_low = branches(t.node_mode[node], low, threshold) || (is_missing && std::isnan(low));
        const bool at_high = branches(t.node_mode[node], high, threshold) || (is_missing && std::isnan(high));
        // Ordered tests are monotone, so what holds at both ends holds between.
        if (at_low || at_high) waiting[n++] = t.node_true[node];
        if (!(at_low && at_high)) waiting[n++] = t.node_false[node];
    }
    return found;
}

inline Interval trees_bounds(const Tables& t, int f, int m, const Interval* x, std::int32_t* waiting) {
    int first = t.tree_start[f], last = t.tree_start[f + 1];
    double factor = 1.0;
    if (m != BELIEVED && t.n_ensembles[f]) {
        const int length = (last - first) / t.n_ensembles[f];
        first += t.choice[t.choice_start[f] + m] * length;
        last = first + length;
        factor = t.n_ensembles[f];
    }
    Interval sum{0.0, 0.0};
    for (int tree = first; tree < last; ++tree) {
        const Interval leaves = leaves_of(t, t.tree_root[tree], x, waiting);
        sum.lower += leaves.lower;
        sum.upper += leaves.upper;
    }
    // Leaves are added in another order, or in float32: their sums differ by less than the slack.
    const double slack = t.tree_slack[f], base = t.tree_base[f];
    const bool single = t.yields_single[f];
    return {rounded(factor * sum.lower - slack + base, single), rounded(factor * sum.upper + slack + base, single)};
}

inline const double* as_compared(const Tables& t, int f, const double* x, double* out) {
    for (int i = 0; i < t.n_parents[f]; ++i) out[i] = rounded(x[i], t.compares_single[f]);
    return out;
}

inline const Interval* as_compared(const Tables& t, int f, const Interval* x, Interval* out) {
    const bool single = t.compares_single[f];
    for (int i = 0; i < t.n_parents[f]; ++i) out[i] = {rounded(x[i].lower, single), rounded(x[i].upper, single)};
    return out;
}

// A function's value at parents `x`: the believed one's, or of plausible mechanism `m`.
inline double level(const Laws& laws, int f, int m, const double* x, Scratch& s) {
    const Tables& t = laws.t;
    switch (t.kind[f]) {
        case AFFINE: return affine_level(laws.weights(f, m), t.n_parents[f], x);
        case FORMULA: return formula_level(t, f, x, s.values.data());
        case TREES:
            x = as_compared(t, f, x, s.z.data());
            return m == BELIEVED || !t.n_ensembles[f]
                       ? trees_level(t, f, x)
                       : ensemble_level(t, f, t.choice[t.choice_start[f] + m], x);
        default: break;
    }
    basis_features(t, f, x, s.z.data(), s.features.data());
    const double* weights = laws.weights(f, m);
    double sum = 0.0;
    for (int b = 0; b < laws.n_weights(f); ++b) sum += s.features[b] * weights[b];
    return t.shift[f] + t.scale[f] * sum;
}

// The same of all plausible mechanisms at one place: features are worked out once.
inline void levels(const Laws& laws, int f, const double* x, Scratch& s, double* out) {
    const Tables& t = laws.t;
    const int k = laws.n_members();
    if (t.kind[f] == TREES && t.n_ensembles[f]) {
        x = as_compared(t, f, x, s.z.data());
        for (int e = 0; e < t.n_ensembles[f]; ++e) s.features[e] = ensemble_level(t, f, e, x);
        for (int m = 0; m < k; ++m) out[m] = s.features[t.choice[t.choice_start[f] + m]];
        return;
    }
    if (!laws.has_members(f)) {
        std::fill(out, out + k, level(laws, f, BELIEVED, x, s));
        return;
    }
    if (t.kind[f] == AFFINE) {
        for (int m = 0; m < k; ++m) out[m] = affine_level(laws.weights(f, m), t.n_parents[f], x);
        return;
    }
    basis_features(t, f, x, s.z.data(), s.features.data());
    const int n = laws.n_weights(f);
    for (int m = 0; m < k; ++m) {
        const double* weights = laws.weights(f, m);
        double sum = 0.0;
        for (int b = 0; b < n; ++b) sum += s.features[b] * weights[b];
        out[m] = t.shift[f] + t.scale[f] * sum;
    }
}

// Least and greatest value over a box of parents; never NaN.
inline Interval bounds(const Laws& laws, int f, int m, const Interval* x, Scratch& s) {
    const Tables& t = laws.t;
    switch (t.kind[f]) {
        case AFFINE: return affine_bounds(laws.weights(f, m), t.n_parents[f], x);
        case FORMULA: return formula_bounds(t, f, x, s.stack.data());
        case TREES: return trees_bounds(t, f, m, as_compared(t, f, x, s.coordinates.data()), s.nodes.data());
        default: return basis_bounds(t, f, laws.weights(f, m), x, s.coordinates.data());
    }
}

}  // namespace ifonly::causal

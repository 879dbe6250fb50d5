// What follows from an action by a causal model: the compiled twin of explainers/causal.
//
// Rows, plausible mechanisms and boxes of one machine are followed node by node, on arrays made by
// explainers/causal/flattening.py. The definition is the Python: model.py, members.py,
// consequences.py, intervals.py. Nothing here knows Python, and nothing allocates once a Machine and
// its Paths are made.
//
// Laws are immutable and may be shared by threads. A Machine (one factual) holds scratch and is one
// thread's. NaN and infinity carry meaning: never compile this with -ffast-math.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace ifonly::causal {

inline constexpr double INF = std::numeric_limits<double>::infinity();
inline constexpr double NOT_A_NUMBER = std::numeric_limits<double>::quiet_NaN();
// Part of their size by which bounds are widened; ROUNDING of consequences.py.
inline constexpr double ROUNDING = 1e-9;
// Part of a level by which two ways to compute it may differ.
inline constexpr double ULPS = 1e-14;
// The believed mechanism, where a plausible one is counted from 0.
inline constexpr int BELIEVED = -1;

enum Kind : std::int32_t { BASIS, AFFINE, FORMULA, TREES };

// As `Op` of expression.py.
enum Op : std::int32_t {
    CONSTANT, PARENT, ADD, MULTIPLY, DIVIDE, NEGATE, POWER, EXP, LOG, SQRT, TANH, SIGMOID, ABS,
    MIN, MAX, LESS, LESS_EQUAL, GREATER, GREATER_EQUAL, N_OPS
};

// As `BranchMode` of models/graph/ensemble.py.
enum Branch : std::int32_t { LT, LE, GT, GE };

struct Malformed : std::invalid_argument {
    Malformed(const std::string& field, const std::string& problem)
        : std::invalid_argument("laws." + field + " " + problem) {}
};

using Ints = std::vector<std::int32_t>;
using Reals = std::vector<double>;

// The arrays of `FlatLaws`, field by field; see there what each one holds.
struct Tables {
    std::int32_t n_columns = 0, n_members = 0;
    // Nodes.
    Ints order, parent_start, parent, whole, location, log_scale;
    // Functions.
    Ints kind, n_parents, weight_start, member_start;
    Reals weight, member_weight, shift, scale;
    // Sums of basis functions.
    Ints coordinate_start, coordinate_parent;
    Reals coordinate_level, coordinate_centre, coordinate_spread;
    Ints monomial_start, factor_start, factor_coordinate, factor_power;
    Ints bump_start, term_start, term_coordinate;
    Reals term_centre, term_precision;
    // Formulas.
    Ints step_start, step_op;
    Reals step_number;
    // Trees.
    Ints tree_start, tree_root, node_start, node_parent, node_mode, node_true, node_false;
    Ints node_missing, compares_single, sums_single, yields_single, n_ensembles, choice_start, choice;
    Reals node_threshold, node_value, tree_base, tree_divisor, tree_slack;

    // Calls `visit(name, array)` for each array: one list for whoever fills them.
    template <class Visit>
    void each(Visit visit) {
#define CAUSAL_FIELD(name) visit(#name, name)
        CAUSAL_FIELD(order); CAUSAL_FIELD(parent_start); CAUSAL_FIELD(parent);
        CAUSAL_FIELD(whole); CAUSAL_FIELD(location); CAUSAL_FIELD(log_scale);
        CAUSAL_FIELD(kind); CAUSAL_FIELD(n_parents); CAUSAL_FIELD(weight_start);
        CAUSAL_FIELD(member_start); CAUSAL_FIELD(weight); CAUSAL_FIELD(member_weight);
        CAUSAL_FIELD(shift); CAUSAL_FIELD(scale);
        CAUSAL_FIELD(coordinate_start); CAUSAL_FIELD(coordinate_parent);
        CAUSAL_FIELD(coordinate_level); CAUSAL_FIELD(coordinate_centre);
        CAUSAL_FIELD(coordinate_spread); CAUSAL_FIELD(monomial_start);
        CAUSAL_FIELD(factor_start); CAUSAL_FIELD(factor_coordinate); CAUSAL_FIELD(factor_power);
        CAUSAL_FIELD(bump_start); CAUSAL_FIELD(term_start); CAUSAL_FIELD(term_coordinate);
        CAUSAL_FIELD(term_centre); CAUSAL_FIELD(term_precision);
        CAUSAL_FIELD(step_start); CAUSAL_FIELD(step_op); CAUSAL_FIELD(step_number);
        CAUSAL_FIELD(tree_start); CAUSAL_FIELD(tree_root); CAUSAL_FIELD(node_start);
        CAUSAL_FIELD(node_parent); CAUSAL_FIELD(node_mode); CAUSAL_FIELD(node_true);
        CAUSAL_FIELD(node_false); CAUSAL_FIELD(node_missing); CAUSAL_FIELD(compares_single);
        CAUSAL_FIELD(sums_single); CAUSAL_FIELD(yields_single); CAUSAL_FIELD(n_ensembles);
        CAUSAL_FIELD(choice_start); CAUSAL_FIELD(choice); CAUSAL_FIELD(node_threshold);
        CAUSAL_FIELD(node_value); CAUSAL_FIELD(tree_base); CAUSAL_FIELD(tree_divisor);
        CAUSAL_FIELD(tree_slack);
#undef CAUSAL_FIELD
    }
};

struct Interval {
    double lower, upper;
};

// Interval arithmetic as intervals.py has it.
namespace intervals {

inline constexpr Interval EVERYTHING{-INF, INF};

// Unknown is everything: a bound may be too wide, never too narrow.
inline Interval known(double lower, double upper) {
    return {std::isnan(lower) ? -INF : lower, std::isnan(upper) ? INF : upper};
}

inline Interval add(Interval a, Interval b) { return known(a.lower + b.lower, a.upper + b.upper); }

inline Interval negate(Interval a) { return {-a.upper, -a.lower}; }

// 0 times an infinite bound is 0, as the limit of the bounds that it stands for.
inline double product(double a, double b) {
    const double found = a * b;
    return std::isnan(found) ? 0.0 : found;
}

inline Interval multiply(Interval a, Interval b) {
    const double corners[4] = {product(a.lower, b.lower), product(a.lower, b.upper),
                               product(a.upper, b.lower), product(a.upper, b.upper)};
    return {std::min(std::min(corners[0], corners[1]), std::min(corners[2], corners[3])),
            std::max(std::max(corners[0], corners[1]), std::max(corners[2], corners[3]))};
}

inline bool is_through_zero(Interval a) { return a.lower <= 0.0 && a.upper >= 0.0; }

inline Interval invert(Interval a) {
    // Through 0, the reciprocal goes to both infinities.
    return is_through_zero(a) ? EVERYTHING : Interval{1.0 / a.upper, 1.0 / a.lower};
}

inline double power(double x, int exponent) {
    if (exponent == 1) return x;
    if (exponent == 2) return x * x;
    return std::pow(x, static_cast<double>(exponent));
}

inline Interval whole_power(Interval a, int exponent) {
    if (exponent < 0) return invert(whole_power(a, -exponent));
    const double low = power(a.lower, exponent), high = power(a.upper, exponent);
    if (exponent % 2 || exponent == 0) return {low, high};
    // A square is never negative; multiplied as two intervals, it would seem so.
    return {is_through_zero(a) ? 0.0 : std::min(low, high), std::max(low, high)};
}

inline Interval magnitude(Interval a) {
    const double low = std::fabs(a.lower), high = std::fabs(a.upper);
    return {is_through_zero(a) ? 0.0 : std::min(low, high), std::max(low, high)};
}

// `weight` times an interval; without weight nothing, however wide.
inline Interval weigh(Interval a, double weight) {
    if (weight == 0.0) return {0.0, 0.0};
    return weight > 0.0 ? Interval{weight * a.lower, weight * a.upper}
                        : Interval{weight * a.upper, weight * a.lower};
}

}  // namespace intervals

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

// The arrays of a causal model, copied and checked once.
class Laws {
  public:
    Tables t;
    // What scratch must hold.
    int most_parents = 1, most_coordinates = 1, most_features = 1, most_stack = 1;

    // Raises Malformed, naming the field.
    explicit Laws(Tables tables) : t(std::move(tables)) {
        check_nodes();
        check_functions();
        for (int f = 0; f < n_functions(); ++f) check_function(f);
    }

    int n_columns() const { return t.n_columns; }
    int n_members() const { return t.n_members; }
    int n_functions() const { return static_cast<int>(t.kind.size()); }
    std::span<const std::int32_t> parents(int j) const {
        return {t.parent.data() + t.parent_start[j], t.parent.data() + t.parent_start[j + 1]};
    }
    bool has_members(int f) const { return t.member_start[f] >= 0; }
    int n_weights(int f) const { return t.weight_start[f + 1] - t.weight_start[f]; }

    // Weights of the believed function or of a plausible one.
    const double* weights(int f, int m) const {
        if (m == BELIEVED || !has_members(f)) return t.weight.data() + t.weight_start[f];
        return t.member_weight.data() + t.member_start[f] + static_cast<std::size_t>(m) * n_weights(f);
    }

  private:
    static void check(bool is_so, const char* field, const char* problem) {
        if (!is_so) throw Malformed(field, problem);
    }
    static void check_length(std::size_t size, std::size_t wanted, const char* field) {
        if (size != wanted)
            throw Malformed(field, "has " + std::to_string(size) + " values, not " + std::to_string(wanted));
    }
    static void check_range(std::span<const std::int32_t> values, std::int64_t from, std::int64_t below,
                            const char* field) {
        for (const auto v : values)
            if (v < from || v >= below)
                throw Malformed(field, "holds " + std::to_string(v) + ", outside [" +
                                           std::to_string(from) + ", " + std::to_string(below) + ")");
    }
    static void check_starts(const Ints& starts, std::size_t n, std::size_t size, const char* field) {
        check_length(starts.size(), n + 1, field);
        check(starts.front() == 0, field, "does not begin with 0");
        check(std::is_sorted(starts.begin(), starts.end()), field, "falls");
        check(static_cast<std::size_t>(starts.back()) == size, field, "does not end with the number of values");
    }
    static std::span<const std::int32_t> part(const Ints& pool, const Ints& starts, int f) {
        return {pool.data() + starts[f], pool.data() + starts[f + 1]};
    }

    void check_nodes() {
        check(t.n_columns >= 0 && t.n_columns < (1 << 20), "n_columns", "is no number of columns");
        check(t.n_members >= 0 && t.n_members < (1 << 20), "n_members", "is no number of members");
        const auto d = static_cast<std::size_t>(t.n_columns);
        check_starts(t.parent_start, d, t.parent.size(), "parent_start");
        check_range(t.parent, 0, t.n_columns, "parent");
        check_length(t.order.size(), d, "order");
        check_range(t.order, 0, t.n_columns, "order");
        check_length(t.whole.size(), d, "whole");
        std::vector<bool> is_seen(d, false);
        for (const auto j : t.order) {
            check(!is_seen[j], "order", "holds a column twice");
            for (const auto i : parents(j)) check(is_seen[i], "order", "has an effect before its cause");
            is_seen[j] = true;
            most_parents = std::max(most_parents, static_cast<int>(parents(j).size()));
        }
        check_length(t.location.size(), d, "location");
        check_range(t.location, -1, n_functions(), "location");
        check_length(t.log_scale.size(), d, "log_scale");
        check_range(t.log_scale, -1, n_functions(), "log_scale");
        check_length(t.n_parents.size(), t.kind.size(), "n_parents");
        for (int j = 0; j < t.n_columns; ++j) {
            check(t.location[j] >= 0 || t.log_scale[j] < 0, "log_scale", "stands without a location");
            const auto p = static_cast<std::int32_t>(parents(j).size());
            for (const auto f : {t.location[j], t.log_scale[j]})
                check(f < 0 || t.n_parents[f] == p, "n_parents", "is not the number of a node's parents");
        }
    }

    void check_functions() {
        const auto n = t.kind.size();
        check_range(t.kind, BASIS, TREES + 1, "kind");
        check_starts(t.weight_start, n, t.weight.size(), "weight_start");
        check_length(t.member_start.size(), n, "member_start");
        check_length(t.shift.size(), n, "shift");
        check_length(t.scale.size(), n, "scale");
        check_starts(t.coordinate_start, n, t.coordinate_parent.size(), "coordinate_start");
        for (const auto& [values, field] : {std::pair{&t.coordinate_level, "coordinate_level"},
                                            std::pair{&t.coordinate_centre, "coordinate_centre"},
                                            std::pair{&t.coordinate_spread, "coordinate_spread"}})
            check_length(values->size(), t.coordinate_parent.size(), field);
        check(!t.factor_start.empty(), "factor_start", "is empty");
        check_starts(t.monomial_start, n, t.factor_start.size() - 1, "monomial_start");
        check_starts(t.factor_start, t.factor_start.size() - 1, t.factor_coordinate.size(), "factor_start");
        check_length(t.factor_power.size(), t.factor_coordinate.size(), "factor_power");
        check_range(t.factor_power, 0, 1 << 20, "factor_power");
        check(!t.term_start.empty(), "term_start", "is empty");
        check_starts(t.bump_start, n, t.term_start.size() - 1, "bump_start");
        check_starts(t.term_start, t.term_start.size() - 1, t.term_coordinate.size(), "term_start");
        check_length(t.term_centre.size(), t.term_coordinate.size(), "term_centre");
        check_length(t.term_precision.size(), t.term_coordinate.size(), "term_precision");
        for (const double p : t.term_precision) check(p > 0.0, "term_precision", "is not above 0");
        check_starts(t.step_start, n, t.step_op.size(), "step_start");
        check_range(t.step_op, 0, N_OPS, "step_op");
        check_length(t.step_number.size(), t.step_op.size(), "step_number");
        check_starts(t.tree_start, n, t.tree_root.size(), "tree_start");
        check_starts(t.node_start, n, t.node_parent.size(), "node_start");
        const auto nodes = t.node_parent.size();
        check_length(t.node_mode.size(), nodes, "node_mode");
        check_range(t.node_mode, LT, GE + 1, "node_mode");
        check_length(t.node_true.size(), nodes, "node_true");
        check_length(t.node_false.size(), nodes, "node_false");
        check_length(t.node_missing.size(), nodes, "node_missing");
        check_length(t.node_threshold.size(), nodes, "node_threshold");
        check_length(t.node_value.size(), nodes, "node_value");
        check_length(t.compares_single.size(), n, "compares_single");
        check_length(t.sums_single.size(), n, "sums_single");
        check_length(t.yields_single.size(), n, "yields_single");
        check_length(t.n_ensembles.size(), n, "n_ensembles");
        check_length(t.choice_start.size(), n, "choice_start");
        check_length(t.tree_base.size(), n, "tree_base");
        check_length(t.tree_divisor.size(), n, "tree_divisor");
        check_length(t.tree_slack.size(), n, "tree_slack");
    }

    void check_function(int f) {
        const auto p = t.n_parents[f];
        check(p >= 0, "n_parents", "is negative");
        if (has_members(f)) {
            const auto end = t.member_start[f] + static_cast<std::int64_t>(t.n_members) * n_weights(f);
            check(end <= static_cast<std::int64_t>(t.member_weight.size()), "member_start",
                  "leads beyond member_weight");
        }
        switch (t.kind[f]) {
            case BASIS: check_basis(f, p); break;
            case AFFINE: check(n_weights(f) == p + 1, "weight_start", "has not an intercept and a slope a parent"); break;
            case FORMULA: check_formula(f, p); break;
            default: check_trees(f, p);
        }
        if (t.kind[f] == FORMULA || t.kind[f] == TREES)
            check(!has_members(f), "member_start", "is given for a function without weights");
    }

    void check_basis(int f, std::int32_t p) {
        const auto c = t.coordinate_start[f + 1] - t.coordinate_start[f];
        const auto n1 = t.monomial_start[f + 1] - t.monomial_start[f];
        const auto n2 = t.bump_start[f + 1] - t.bump_start[f];
        check_range(part(t.coordinate_parent, t.coordinate_start, f), 0, p, "coordinate_parent");
        const auto range_of = [&](const Ints& pool, const Ints& inner, const Ints& outer, const char* field) {
            const auto from = inner[outer[f]], to = inner[outer[f + 1]];
            check_range({pool.data() + from, pool.data() + to}, 0, c, field);
        };
        range_of(t.factor_coordinate, t.factor_start, t.monomial_start, "factor_coordinate");
        range_of(t.term_coordinate, t.term_start, t.bump_start, "term_coordinate");
        check(n_weights(f) == n1 + n2, "weight_start", "has not one weight a basis function");
        most_coordinates = std::max(most_coordinates, c);
        most_features = std::max(most_features, n1 + n2);
    }

    void check_formula(int f, std::int32_t p) {
        int depth = 0;
        for (int s = t.step_start[f]; s < t.step_start[f + 1]; ++s) {
            const int op = t.step_op[s];
            const double number = t.step_number[s];
            if (op == PARENT) check(number >= 0.0 && number < p, "step_number", "is no parent");
            if (op == POWER) check(std::fabs(number) <= 1024.0 && number == std::floor(number), "step_number", "is no power");
            const int taken = op <= PARENT ? 0 : op >= LESS ? 3 : op <= DIVIDE || op == MIN || op == MAX ? 2 : 1;
            check(depth >= taken, "step_op", "takes more values than there are");
            depth += 1 - taken;
            most_stack = std::max(most_stack, depth);
        }
        check(depth == 1, "step_op", "does not leave one value");
    }

    void check_trees(int f, std::int32_t p) {
        const int from = t.node_start[f], to = t.node_start[f + 1];
        const int n = t.tree_start[f + 1] - t.tree_start[f], e = t.n_ensembles[f];
        check(n > 0, "tree_start", "leaves a function without trees");
        check_range(part(t.node_parent, t.node_start, f), -1, p, "node_parent");
        check_range(part(t.tree_root, t.tree_start, f), from, to, "tree_root");
        check_range(part(t.node_true, t.node_start, f), from, to, "node_true");
        check_range(part(t.node_false, t.node_start, f), from, to, "node_false");
        check(e >= 0 && (e == 0 || n % e == 0), "n_ensembles", "does not divide the trees");
        if (e) {
            const auto start = t.choice_start[f];
            check(start >= 0 && start + static_cast<std::int64_t>(t.n_members) <=
                                    static_cast<std::int64_t>(t.choice.size()), "choice_start", "leads beyond choice");
            check_range({t.choice.data() + start, static_cast<std::size_t>(t.n_members)}, 0, e, "choice");
        }
        most_features = std::max(most_features, e);
        most_coordinates = std::max(most_coordinates, p);
        std::vector<bool> is_seen(static_cast<std::size_t>(to - from), false);
        std::vector<std::pair<std::int32_t, int>> waiting;
        for (const auto root : part(t.tree_root, t.tree_start, f)) {
            waiting.assign(1, {root, 1});
            while (!waiting.empty()) {
                const auto [node, depth] = waiting.back();
                waiting.pop_back();
                // Once each, so that no walk goes in circles.
                check(!is_seen[node - from], "node_true", "leads to a node twice");
                is_seen[node - from] = true;
                check(std::isfinite(t.node_value[node]), "node_value", "is not finite");
                most_stack = std::max(most_stack, depth + 1);
                if (t.node_parent[node] < 0) continue;
                waiting.push_back({t.node_true[node], depth + 1});
                waiting.push_back({t.node_false[node], depth + 1});
            }
        }
    }
};

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

// --- one machine ---------------------------------------------------------------------------------

// A factual and its own noise: abducted once, then every action is one pass over what moves.
class Machine {
  public:
    const Laws* laws;  // must outlive this
    Reals factual;
    bool is_unread = false;  // some reading is missing
    // By column, of the believed mechanism at the factual.
    Reals level, scale, noise;
    std::vector<std::uint8_t> is_lost;  // no finite noise makes this reading
    Scratch scratch;
    std::vector<std::uint8_t> moves, is_split;
    Reals shifts;                 // of members, (2 k)

    Machine(const Laws& of, std::span<const double> row)
        : laws(&of), factual(row.begin(), row.end()), scratch(of) {
        const int d = of.n_columns();
        if (static_cast<int>(row.size()) != d)
            throw std::invalid_argument("the factual has not one value a column");
        level.assign(d, NOT_A_NUMBER);
        scale.assign(d, 1.0);
        noise.assign(d, NOT_A_NUMBER);
        is_lost.assign(d, 0);
        moves.assign(d, 0);
        is_split.assign(d, 0);
        is_ready.assign(d, 0);
        shifts.assign(2 * static_cast<std::size_t>(of.n_members()) + 1, 0.0);
        member_levels.resize(d);
        for (int j = 0; j < d; ++j) {
            is_unread = is_unread || std::isnan(factual[j]);
            if (of.t.location[j] >= 0) abduct(j);
        }
    }

    // Levels of every member at the factual: (k), then (k) of the log scale if it has one.
    const double* members(int j) {
        if (!is_ready[j]) {
            const int k = laws->n_members();
            const bool has_scale = laws->t.log_scale[j] >= 0;
            member_levels[j].resize(static_cast<std::size_t>(k) * (has_scale ? 2 : 1));
            gather(j, factual.data());
            causal::levels(*laws, laws->t.location[j], scratch.x.data(), scratch, member_levels[j].data());
            if (has_scale)
                causal::levels(*laws, laws->t.log_scale[j], scratch.x.data(), scratch, member_levels[j].data() + k);
            is_ready[j] = 1;
        }
        return member_levels[j].data();
    }

    // Parents of `j` in `row`, into scratch; whether any of them is not as it was read.
    bool gather(int j, const double* row) {
        bool moved = false;
        double* x = scratch.x.data();
        for (const auto i : laws->parents(j)) {
            *x++ = row[i];
            moved = moved || !is_same(row[i], factual[i]);
        }
        return moved;
    }

  private:
    std::vector<std::uint8_t> is_ready;
    std::vector<Reals> member_levels;

    void abduct(int j) {
        gather(j, factual.data());
        const auto& x = scratch.x;
        level[j] = causal::level(*laws, laws->t.location[j], BELIEVED, x.data(), scratch);
        if (laws->t.log_scale[j] >= 0)
            scale[j] = std::exp(causal::level(*laws, laws->t.log_scale[j], BELIEVED, x.data(), scratch));
        noise[j] = (factual[j] - level[j]) / scale[j];
        // From numbers, no finite noise: the law cannot have made this reading.
        bool are_numbers = std::isfinite(factual[j]);
        for (std::size_t i = 0; i < laws->parents(j).size(); ++i) are_numbers = are_numbers && std::isfinite(x[i]);
        is_lost[j] = are_numbers && !std::isfinite(noise[j]);
    }
};

// What moves when some columns are set: worked out once a mode.
struct Paths {
    Ints set, affected;  // affected: causes first
    // Nothing is known of what follows: a mechanism is missing, or a noise that is needed is lost (the
    // believed mechanism's: plausible ones then say what they say).
    bool is_missing = false, are_rows_unknown = false, are_boxes_unknown = false;
    // By affected column: whether it moves in a line with what is set, and how, (affected, set).
    std::vector<std::uint8_t> is_line;
    Reals effects;

    Paths(const Machine& machine, std::span<const std::int32_t> columns) : set(columns.begin(), columns.end()) {
        const Laws& laws = *machine.laws;
        const Tables& t = laws.t;
        std::vector<std::uint8_t> moves(t.n_columns, 0);
        for (const auto j : set) {
            if (j < 0 || j >= t.n_columns) throw std::invalid_argument("what is set is no column");
            if (moves[j]) throw std::invalid_argument("a column is set twice");
            moves[j] = 1;
        }
        std::vector<std::uint8_t> is_set = moves;
        for (const auto j : t.order) {
            if (is_set[j]) continue;
            for (const auto i : laws.parents(j)) moves[j] = moves[j] || moves[i];
            if (moves[j]) affected.push_back(j);
        }
        for (const auto j : affected) {
            is_missing = is_missing || t.location[j] < 0;
            are_rows_unknown = are_rows_unknown || is_missing || (t.log_scale[j] >= 0 && machine.is_lost[j]);
            are_boxes_unknown = are_boxes_unknown || is_missing || machine.is_lost[j];
        }
        chain(laws);
    }

    // How each affected column moves with what is set by plausible mechanism `m`, (affected, set);
    // worked out for all of them when it is first asked for.
    const double* member_effects(const Laws& laws, int m) const {
        const std::size_t size = affected.size() * set.size();
        if (every.empty() && size) {
            every.assign(laws.n_members() * size, 0.0);
            for (int each = 0; each < laws.n_members(); ++each) follow(laws, each, every.data() + each * size);
        }
        return every.data() + m * size;
    }

  private:
    mutable Reals every;
    Ints place, lever;  // by column: where it stands in `affected`, in `set`; -1: nowhere

    void chain(const Laws& laws) {
        const Tables& t = laws.t;
        const std::size_t n = affected.size(), s = set.size();
        is_line.assign(n, 0);
        effects.assign(n * s, 0.0);
        place.assign(t.n_columns, -1);
        lever.assign(t.n_columns, -1);
        for (std::size_t a = 0; a < n; ++a) place[affected[a]] = static_cast<std::int32_t>(a);
        for (std::size_t i = 0; i < s; ++i) lever[set[i]] = static_cast<std::int32_t>(i);
        for (std::size_t a = 0; a < n; ++a) {
            const int j = affected[a], f = t.location[j];
            bool is = f >= 0 && t.kind[f] == AFFINE && t.log_scale[j] < 0;
            for (const auto i : laws.parents(j)) is = is && (place[i] < 0 || is_line[place[i]]);
            is_line[a] = is;
        }
        follow(laws, BELIEVED, effects.data());
    }

    // The chain rule: how each column moves with its causes, and these with what is set.
    void follow(const Laws& laws, int m, double* all) const {
        const std::size_t s = set.size();
        for (std::size_t a = 0; a < affected.size(); ++a) {
            if (!is_line[a]) continue;
            const int j = affected[a];
            const double* slopes = laws.weights(laws.t.location[j], m) + 1;
            double* own = all + a * s;
            for (const auto i : laws.parents(j)) {
                const double slope = *slopes++;
                if (lever[i] >= 0) own[lever[i]] += slope;
                for (std::size_t q = 0; place[i] >= 0 && q < s; ++q) own[q] += slope * all[place[i] * s + q];
            }
        }
    }
};

// --- what follows --------------------------------------------------------------------------------

// Whether an effect cannot be told, because a cause of it moves that was not read.
inline bool is_untold(const Laws& laws, Machine& machine, int j) {
    bool lost = false, moves = false;
    for (const auto i : laws.parents(j)) {
        moves = moves || machine.moves[i];
        lost = lost || (machine.moves[i] && std::isnan(machine.factual[i]));
    }
    machine.moves[j] = moves;
    return lost;
}

inline void mark_moves(Machine& machine, const Paths& paths, const double* row) {
    if (!machine.is_unread) return;
    std::fill(machine.moves.begin(), machine.moves.end(), 0);
    for (const auto j : paths.set) machine.moves[j] = !is_same(row[j], machine.factual[j]);
}

// By how much the location moves with the parents in scratch, from `before` at the factual.
inline double rise(const Laws& laws, Machine& machine, int j, int m, double before) {
    const int f = laws.t.location[j];
    const double* x = machine.scratch.x.data();
    if (laws.t.kind[f] != AFFINE) return level(laws, f, m, x, machine.scratch) - before;
    const double* slopes = laws.weights(f, m) + 1;
    double sum = 0.0;
    for (const auto i : laws.parents(j)) sum += *slopes++ * (*x++ - machine.factual[i]);
    return sum;
}

// The counterfactual of one action: `row` holds what is set, and the factual elsewhere; effects are
// written, not rounded to whole numbers. NaN: cannot be told. Infinite: nothing is known.
inline void follow_row(const Laws& laws, Machine& machine, const Paths& paths, double* row) {
    if (paths.are_rows_unknown) {
        for (const auto j : paths.affected) row[j] = INF;
        return;
    }
    mark_moves(machine, paths, row);
    for (const auto j : paths.affected) {
        const double value = machine.factual[j];
        row[j] = value;
        if (machine.gather(j, row)) {
            double shift = rise(laws, machine, j, BELIEVED, machine.level[j]);
            const int g = laws.t.log_scale[j];
            if (g >= 0) {
                const double now = std::exp(level(laws, g, BELIEVED, machine.scratch.x.data(), machine.scratch));
                shift += (now - machine.scale[j]) * machine.noise[j];
            }
            row[j] = value + shift;
        }
        if (machine.is_unread && is_untold(laws, machine, j)) row[j] = NOT_A_NUMBER;
    }
}

// A node of one plausible mechanism, once its parents are in scratch and have moved.
inline double moved_member(const Laws& laws, Machine& machine, int j, int m) {
    const double* at = machine.members(j);
    const double value = machine.factual[j], before = at[m];
    double shift = rise(laws, machine, j, m, before);
    const int g = laws.t.log_scale[j];
    if (g >= 0) {
        const double now = level(laws, g, m, machine.scratch.x.data(), machine.scratch);
        // expm1: a scale that hardly moves must not lose its digits to 1 - 1.
        shift += std::expm1(now - at[laws.n_members() + m]) * (value - before);
    }
    return value + shift;
}

// The same by plausible mechanism `m`, with the noise that it abducts.
inline void follow_member(const Laws& laws, Machine& machine, const Paths& paths, int m, double* row) {
    if (paths.is_missing) {
        for (const auto j : paths.affected) row[j] = INF;
        return;
    }
    mark_moves(machine, paths, row);
    for (const auto j : paths.affected) {
        machine.members(j);  // before parents are gathered: it uses the same scratch
        row[j] = machine.gather(j, row) ? moved_member(laws, machine, j, m) : machine.factual[j];
        if (machine.is_unread && is_untold(laws, machine, j)) row[j] = NOT_A_NUMBER;
    }
}

// The same by all of them: `rows`, (k, d), each holds what is set, and the factual elsewhere.
inline void follow_members(const Laws& laws, Machine& machine, const Paths& paths, double* rows) {
    const int k = laws.n_members(), d = laws.n_columns();
    if (!k) return;
    if (paths.is_missing) {
        for (int m = 0; m < k; ++m)
            for (const auto j : paths.affected) rows[static_cast<std::size_t>(m) * d + j] = INF;
        return;
    }
    mark_moves(machine, paths, rows);
    std::fill(machine.is_split.begin(), machine.is_split.end(), 0);
    for (const auto j : paths.affected) {
        const double value = machine.factual[j];
        const int f = laws.t.location[j], g = laws.t.log_scale[j];
        const double* at = machine.members(j);
        bool is_split = false;
        for (const auto i : laws.parents(j)) is_split = is_split || machine.is_split[i];
        if (is_split) {
            for (int m = 0; m < k; ++m) {
                double* row = rows + static_cast<std::size_t>(m) * d;
                row[j] = machine.gather(j, row) ? moved_member(laws, machine, j, m) : value;
            }
            machine.is_split[j] = 1;
        } else if (!machine.gather(j, rows)) {
            for (int m = 0; m < k; ++m) rows[static_cast<std::size_t>(m) * d + j] = value;
        } else {
            // All members stand at the same place: what a place costs is paid once.
            double *shifts = machine.shifts.data(), *rises = shifts + k;
            if (laws.t.kind[f] == AFFINE) {
                for (int m = 0; m < k; ++m) shifts[m] = rise(laws, machine, j, m, at[m]);
            } else {
                levels(laws, f, machine.scratch.x.data(), machine.scratch, shifts);
                for (int m = 0; m < k; ++m) shifts[m] -= at[m];
            }
            if (g >= 0) {
                levels(laws, g, machine.scratch.x.data(), machine.scratch, rises);
                for (int m = 0; m < k; ++m) shifts[m] += std::expm1(rises[m] - at[k + m]) * (value - at[m]);
            }
            for (int m = 0; m < k; ++m) rows[static_cast<std::size_t>(m) * d + j] = value + shifts[m];
            machine.is_split[j] = 1;
        }
        if (machine.is_unread && is_untold(laws, machine, j))
            for (int m = 0; m < k; ++m) rows[static_cast<std::size_t>(m) * d + j] = NOT_A_NUMBER;
    }
}

// Whole numbers are read whole: rounded half to even. In place; follow nothing from it.
inline void read(const Laws& laws, double* row) {
    for (int j = 0; j < laws.n_columns(); ++j)
        if (laws.t.whole[j]) row[j] = std::nearbyint(row[j]);
}

// Noise times a scale between two ends; without noise the scale does not matter.
inline Interval scaled(Interval scale, double noise) {
    const double a = intervals::product(scale.lower, noise), b = intervals::product(scale.upper, noise);
    return {std::min(a, b), std::max(a, b)};
}

// Ends of every counterfactual of a box, by the believed mechanisms or by plausible one `m`: `lo`
// and `hi` hold the ends of what is set, and the factual elsewhere; ends of effects are written,
// widened by what rounding may differ, whole numbers read. Never NaN: unknown is infinite.
inline void follow_member_box(const Laws& laws, Machine& machine, const Paths& paths, int m, double* lo, double* hi) {
    const Tables& t = laws.t;
    if (m == BELIEVED ? paths.are_boxes_unknown : paths.is_missing) {
        for (const auto j : paths.affected) lo[j] = -INF, hi[j] = INF;
        return;
    }
    const std::size_t n = paths.affected.size(), s = paths.set.size();
    const double* effects = m == BELIEVED ? paths.effects.data() : paths.member_effects(laws, m);
    Interval* box = machine.scratch.box.data();
    for (std::size_t a = 0; a < n; ++a) {
        const int j = paths.affected[a];
        const double value = machine.factual[j];
        Interval found{value, value};
        if (paths.is_line[a]) {
            // Exact, also where two ways lead from a cause to an effect.
            for (std::size_t i = 0; i < s; ++i) {
                const int lever = paths.set[i];
                const Interval part = intervals::weigh(
                    {lo[lever] - machine.factual[lever], hi[lever] - machine.factual[lever]}, effects[a * s + i]);
                found.lower += part.lower;
                found.upper += part.upper;
            }
            found = intervals::known(found.lower, found.upper);
        } else {
            const double* at = m == BELIEVED ? nullptr : machine.members(j);
            const int f = t.location[j], g = t.log_scale[j];
            Interval* x = box;
            bool moves = false;
            for (const auto i : laws.parents(j)) {
                *x = {lo[i], hi[i]};
                moves = moves || !is_same(lo[i], machine.factual[i]) || !is_same(hi[i], machine.factual[i]);
                // Trees take a missing reading their own way; to all else it may be anything.
                if (std::isnan(lo[i]) && t.kind[f] != TREES) *x = intervals::EVERYTHING;
                ++x;
            }
            if (!moves) {
                lo[j] = hi[j] = value;
                continue;
            }
            const Interval location = bounds(laws, f, m, box, machine.scratch);
            const double before = m == BELIEVED ? machine.level[j] : at[m];
            double noise = value - before;
            Interval own{noise, noise};
            if (g >= 0) {
                for (std::size_t i = 0; i < laws.parents(j).size(); ++i)
                    if (std::isnan(box[i].lower)) box[i] = intervals::EVERYTHING;
                const Interval log_scale = bounds(laws, g, m, box, machine.scratch);
                noise = m == BELIEVED ? machine.noise[j] : noise / std::exp(at[laws.n_members() + m]);
                own = scaled({std::exp(log_scale.lower), std::exp(log_scale.upper)}, noise);
            }
            if (!std::isfinite(noise)) own = intervals::EVERYTHING;
            const double lower = location.lower + own.lower, upper = location.upper + own.upper;
            // Where level and noise cancel, what is left of them is rounding: it goes on to effects.
            const double digits = ULPS * std::max(std::fabs(before), std::max(std::fabs(lower), std::fabs(upper)));
            found = intervals::known(lower - digits, upper + digits);
        }
        lo[j] = found.lower;
        hi[j] = found.upper;
    }
    for (const auto j : paths.affected) {
        // Rows are computed in another order, and must lie within; so do levels that cancel.
        const double before = m == BELIEVED ? machine.level[j] : machine.members(j)[m];
        const double size = std::max(std::max(1.0, std::fabs(before)), std::max(std::fabs(lo[j]), std::fabs(hi[j])));
        const double room = ROUNDING * size;
        Interval found = intervals::known(lo[j] - room, hi[j] + room);
        if (t.whole[j]) found = {std::nearbyint(found.lower), std::nearbyint(found.upper)};
        lo[j] = found.lower;
        hi[j] = found.upper;
    }
}

inline void follow_box(const Laws& laws, Machine& machine, const Paths& paths, double* lo, double* hi) {
    follow_member_box(laws, machine, paths, BELIEVED, lo, hi);
}

}  // namespace ifonly::causal

// The arrays of a causal model (FlatLaws of explainers/causal/flattening.py), owned and checked once.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace ifonly::causal {

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

}  // namespace ifonly::causal

// Every path from a root of an ensemble to a leaf, as an interval of cells on every column.
#pragma once

#include <algorithm>
#include <limits>
#include <vector>

#include "checks.hpp"

namespace ifonly {

// How a node's test compares; explainers and models number them in this order.
enum Mode : Whole { LESS, LESS_OR_EQUAL, GREATER, GREATER_OR_EQUAL, EQUAL, NOT_EQUAL, MODES };

// Nodes of an ensemble.
struct Nodes {
    Wholes roots;
    Wholes column;  // -1 at a leaf
    Wholes mode;
    Wholes true_child;
    Wholes false_child;
    Flags missing_true;  // whether a missing value passes the test
    Cells index;         // of the node's threshold among its column's cuts
    Cells after;         // of the number that follows it
    Cells last;          // (n_columns,) last cell of each column

    Whole size() const { return column.size(); }
};

struct Paths {
    std::vector<Whole> node;
    std::vector<Whole> tree;
    std::vector<Cell> lower;  // (n_paths, n_columns)
    std::vector<Cell> upper;
    std::vector<Byte> missing;  // whether a missing value goes this way
};

inline void check(const Nodes& x) {
    const Whole n = x.size();
    check_length(x.mode, n, "mode");
    check_length(x.true_child, n, "true_child");
    check_length(x.false_child, n, "false_child");
    check_length(x.missing_true, n, "missing_true");
    check_length(x.index, n, "index");
    check_length(x.after, n, "after");
    check_range(x.roots, 0, n - 1, "roots");
    check_range(x.last, 0, std::numeric_limits<Cell>::max() - 1, "last");
    for (Whole i = 0; i < n; ++i) {
        if (x.column[i] < 0) continue;
        if (x.column[i] >= x.last.size()) out_of_place("column");
        const Cell last = x.last[x.column[i]];
        if (x.index[i] < 0 || x.index[i] > last) out_of_place("index");
        if (x.after[i] < 0 || x.after[i] > last) out_of_place("after");
        if (x.mode[i] < 0 || x.mode[i] >= MODES) out_of_place("mode");
        if (x.true_child[i] < 0 || x.true_child[i] >= n) out_of_place("true_child");
        if (x.false_child[i] < 0 || x.false_child[i] >= n) out_of_place("false_child");
    }
}

// Cells ``first..last`` of a column.
struct Interval {
    Cell first = 0;
    Cell last = 0;
};

// Where a node's test is true; `!=` is true elsewhere.
inline Interval true_between(const Nodes& x, Whole node) {
    const Cell last = x.last[x.column[node]];
    switch (x.mode[node]) {
        case LESS: return {0, x.index[node]};
        case LESS_OR_EQUAL: return {0, x.after[node]};
        case GREATER: return {x.after[node] + 1, last};
        case GREATER_OR_EQUAL: return {x.index[node] + 1, last};
        default: return {x.index[node] + 1, x.after[node]};  // between its two cuts
    }
}

// Walks an ensemble, depth first.
class Unfolding {
public:
    Unfolding(const Nodes& nodes, Whole most) : x_(nodes), n_columns_(nodes.last.size()), most_(most) {}

    // Every path; of more than ``most`` only one more than that.
    Paths run() {
        for (Whole tree = 0; tree < x_.roots.size(); ++tree) {
            push(x_.roots[tree], 0);
            for (Whole k = 0; k < n_columns_; ++k) column(k) = {{0, x_.last[k]}, true};
            while (!stack_.empty()) {
                if (static_cast<Whole>(found_.node.size()) > most_) return std::move(found_);
                open(tree);
            }
        }
        return std::move(found_);
    }

private:
    // What of a column gets to a node.
    struct Column {
        Interval cells;
        bool missing = false;
    };
    struct Waiting {
        Whole node = 0;
        Whole depth = 0;
    };

    void push(Whole node, Whole depth) {
        // A path through more nodes than there are goes in a circle.
        require(depth < x_.size(), "true_child, false_child: a node is reached from itself");
        stack_.push_back({node, depth});
        columns_.resize(stack_.size() * n_columns_);
    }
    // Column ``k`` at the node that was pushed last.
    Column& column(Whole k) { return columns_[columns_.size() - n_columns_ + k]; }

    void open(Whole tree) {
        const Waiting top = stack_.back();
        base_.assign(columns_.end() - n_columns_, columns_.end());
        stack_.pop_back();
        columns_.resize(stack_.size() * n_columns_);
        const Whole c = x_.column[top.node];
        if (c < 0) {
            note(top.node, tree);
            return;
        }
        const auto [first, last] = true_between(x_, top.node);
        const Column base = base_[c];
        // NaN != x is true, so that a missing value passes such a test by itself.
        const bool is_unlike = x_.mode[top.node] == NOT_EQUAL;
        const bool missing_passes = x_.missing_true[top.node] || is_unlike;
        for (const bool side : {true, false}) {
            const Whole child = side ? x_.true_child[top.node] : x_.false_child[top.node];
            const bool missing = base.missing && missing_passes == side;
            const auto reach = [&](Cell low, Cell high, bool takes_missing) {
                // No number gets here, but a missing value may.
                if (low > high && !takes_missing) return;
                push(child, top.depth + 1);
                std::copy(base_.begin(), base_.end(), columns_.end() - n_columns_);
                column(c) = {{low, high}, takes_missing};
            };
            const auto [from, to] = base.cells;
            if (side != is_unlike) {
                reach(std::max(from, first), std::min(to, last), missing);
            } else {
                // Two intervals, on both sides of the other's; a missing value goes one way only, or it
                // would reach two leaves.
                reach(from, std::min(to, first - 1), missing);
                reach(std::max(from, last + 1), to, false);
            }
        }
    }

    void note(Whole node, Whole tree) {
        found_.node.push_back(node);
        found_.tree.push_back(tree);
        for (const Column& each : base_) {
            found_.lower.push_back(each.cells.first);
            found_.upper.push_back(each.cells.last);
            found_.missing.push_back(each.missing);
        }
    }

    const Nodes& x_;
    const Whole n_columns_;
    const Whole most_;
    std::vector<Waiting> stack_;
    std::vector<Column> columns_;
    std::vector<Column> base_;
    Paths found_;
};

}  // namespace ifonly

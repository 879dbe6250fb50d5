// Many boxes at once: what is left of each, its cheapest corner, and where to cut it.
//
// For searches that must ask Python between two cuts, because what follows from a box of settings is a
// matter of the causal model. A box holds settings and what may follow from them alike; only settings
// are cut. explainers/search/trees/batches.py says what each field holds.
#pragma once

#include "checks.hpp"
#include "kernel.hpp"

namespace ifonly {

struct Cuts {
    Wholes column;
    Wholes first;

    static constexpr const char* name = "Cuts";
    static constexpr auto fields() {
        return std::tuple{field("column", &Cuts::column), field("first", &Cuts::first)};
    }

    // What is to be cut instead of ``j``.
    Wholes instead_of(Whole j) const {
        return {column.data + first[j], first[j + 1] - first[j]};
    }
    // All that can be cut.
    Wholes all() const { return {column.data, first[0]}; }
};

struct Bounded {
    WholeRows lo;
    WholeRows hi;
    Reals cost;
    WholeRows corner;
    Wholes column;
    Wholes edge;
    Reals over;

    static constexpr const char* name = "Bounded";
    static constexpr auto fields() {
        return std::tuple{
            field("lo", &Bounded::lo),         field("hi", &Bounded::hi),
            field("cost", &Bounded::cost),     field("corner", &Bounded::corner),
            field("column", &Bounded::column), field("edge", &Bounded::edge),
            field("over", &Bounded::over),
        };
    }
};

inline void check(const Cuts& cuts) {
    const Whole n = cuts.first.size() - 1;
    require(n > 0, "first: there are no features");
    check_range(cuts.column, 0, n - 1, "column");
    Whole last = 0;
    for (const Whole each : cuts.first) {
        if (each < last || each > cuts.column.size()) out_of_place("first");
        last = each;
    }
}

inline void check(const Bounded& boxes) {
    const Whole m = boxes.cost.size(), n = boxes.lo.width;
    check_shape(boxes.lo, m, n, "lo");
    check_shape(boxes.hi, m, n, "hi");
    check_shape(boxes.corner, m, n, "corner");
    check_length(boxes.column, m, "column");
    check_length(boxes.edge, m, "edge");
    check_length(boxes.over, m, "over");
}

inline void check_boxes(const Question& q, WholeRows lo, WholeRows hi) {
    check_shape(hi, lo.size(), lo.width, "hi");
    for (Whole i = 0; i < lo.size(); ++i) check_box(q, lo[i], hi[i]);
}

// Whether the trees can come down to their limits in the box at ``lo[0]``, ``hi[0]``.
inline bool reaches(const Tables& t, const Question& q, const Arena& a) {
    // From the whole each time: boxes of a batch come from anywhere and share no parent.
    const Words mask = a.mask[0];
    for (Whole k = 0; k < a.ints[WORDS]; ++k) mask[a.word[k]] = t.full[a.word[k]];
    for (Whole j = 0; j < q.n_features(); ++j) {
        a.cell_lo[0][j] = 0;
        a.cell_hi[0][j] = static_cast<Cell>(t.count(j) - 1);
    }
    narrow_masks(t, q, a, 0);
    return lower_bound(t, q, a, 0);
}

// How far the least sums of the box at hand are above their limits, the worst of them.
inline double least_over(const Tables& t, const Question& q, const Arena& a) {
    double worst = -INFINITE;
    for (Whole g = 0; g < q.n_goals(); ++g) {
        double total = a.base[g];
        for (Whole i = a.group[g]; i < a.group[g + 1]; ++i) total += t.value[a.least[a.tree[i]]];
        worst = std::max(worst, total - q.limit[g]);
    }
    return worst;
}

// The one of ``columns`` of whose axis the box holds the greatest part; -1 if it holds one position of
// each.
inline Whole widest(const Question& q, Wholes columns, Wholes lo, Wholes hi) {
    Whole found = -1;
    double most = 0.0;
    for (const Whole j : columns) {
        const double part = static_cast<double>(hi[j] - lo[j]) / static_cast<double>(q.size[j]);
        if (part > most) {
            found = j;
            most = part;
        }
    }
    return found;
}

// Where to cut the box at ``lo[0]``, ``hi[0]``, whose corner has been scored.
inline Cut cut_of(
    const Tables& t, const Question& q, const Arena& a, const Cuts& cuts, Wholes lo, Wholes hi
) {
    Cut cut = best_cut(t, q, a);
    const Whole j = cut.column;
    const auto middle = [&](Whole k) { return Cut{k, k < 0 ? -1 : (lo[k] + hi[k] + 1) >> 1}; };
    // What follows cannot be cut itself; what it follows from can.
    if (j >= 0 && (!q.counts[j] || cut.edge <= lo[j] || cut.edge > hi[j])) {
        cut = middle(widest(q, cuts.instead_of(j), lo, hi));
    }
    // No tree gains: cut the widest, as bounds of what follows tighten with the box.
    if (cut.column < 0) cut = middle(widest(q, cuts.all(), lo, hi));
    return cut;
}

// Shrink each of ``boxes``, and say of each what is known of it. A search of the whole space has begun
// in the arena.
inline void bound(
    const Tables& t, const Question& q, const Arena& a, double best, const Cuts& cuts,
    const Bounded& boxes
) {
    for (Whole i = 0; i < boxes.cost.size(); ++i) {
        const Wholes lo = boxes.lo[i], hi = boxes.hi[i];
        boxes.cost[i] = shrink(q, best, ALL, lo, hi, a.at);
        if (boxes.cost[i] == INFINITE) continue;
        a.lo[0].copy(lo);
        a.hi[0].copy(hi);
        boxes.corner[i].copy(a.at);
        if (!reaches(t, q, a)) {
            boxes.cost[i] = INFINITE;
            continue;
        }
        boxes.over[i] = least_over(t, q, a);
        for (Whole j = 0; j < q.n_features(); ++j) {
            // What follows costs nothing, so any position would do for a corner: the middle is a fair
            // guess.
            if (!q.counts[j]) a.at[j] = (lo[j] + hi[j]) >> 1;
        }
        corner_score(t, q, a, 0);
        const Cut cut = cut_of(t, q, a, cuts, lo, hi);
        boxes.column[i] = cut.column;
        boxes.edge[i] = cut.edge;
    }
}

// Cost of the cheapest corner of each box.
inline void least_costs(const Question& q, WholeRows lo, WholeRows hi, Reals cost) {
    for (Whole i = 0; i < cost.size(); ++i) cost[i] = least_cost(q, lo[i], hi[i]);
}

}  // namespace ifonly

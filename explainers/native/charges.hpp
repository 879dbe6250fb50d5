// A box as it is priced: its cells, and what every tree can be charged in it.
//
// Only cells that hold a position of the box count. A threshold that no value of a grid lies beyond (all
// but one of those between the two values of a flag) parts nothing, and a row between them would be
// cheaper than any that there is.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "leaf_groups.hpp"

namespace ifonly {

// Part of what is missing that the first step towards better charges is meant to gain: in a box without
// charges; in one that has some, at most, and so many times the last step of the box around.
inline constexpr double FIRST_STEP = 0.1;
inline constexpr double NEXT_STEP = 0.05;
inline constexpr double LONGER_THAN_AROUND = 4.0;

// A box and what is charged in it.
struct PricedBox {
    Owned<Whole> lo;  // (n_features,) positions
    Owned<Whole> hi;
    Owned<Whole> cells;   // (n_features + 1,) first cell of each feature in `cell` and `cost`
    Owned<Whole> cell;    // (n_cells,) cell of the tables
    Owned<double> cost;   // least cost over the cell's positions; infinite where a tree has no leaf
    Parts parts;
    // The same for all boxes of the tables, and what of it is in this one.
    std::shared_ptr<const Nesting> nesting;
    Groups groups;
    Owned<Whole> goal;     // (n_trees,)
    Owned<double> limit;   // (n_goals,)
    Owned<double> charge;  // (n_pieces,) the best that are known
    Owned<double> price;   // (n_goals,)
    Owned<double> scale;   // (n_goals,) what a price is measured in
    Owned<double> weight;  // (n_leaves,) how often the leaf was its tree's choice, of late
    Owned<double> ahead;   // (n_pieces,) where charges are made better, and prices
    Owned<double> dearer;  // (n_goals,)
    double step = 0.0;     // part of what is missing that the next step is meant to gain
    Whole misses = 0;      // steps since that gained nothing
    // (n_words,) leaves that a row cheap enough to be of use may reach.
    Owned<Word> left;
    bool possible = false;  // whether every tree has a leaf in the box, and every feature a cell

    Whole n_features() const { return lo.size(); }
    Whole n_cells(Whole j) const { return cells[j + 1] - cells[j]; }
};

// First and last position of a cell of feature ``j`` in a box.
inline Span positions(const Tables& t, const Question& q, Wholes lo, Wholes hi, Whole j, Whole cell) {
    return {
        std::max(lo[j], first_in(t, q, j, cell)), std::min(hi[j], first_in(t, q, j, cell + 1) - 1)
    };
}

// The cells that hold a position of a box, and their least costs. Into ``from`` goes, for each cell of the
// tables, the first such cell that is not before it, counted from the feature's first.
inline void note_cells(const Tables& t, const Question& q, PricedBox& b, Wholes from) {
    const Whole n = b.lo.size();
    std::vector<Whole> first{0}, cell;
    std::vector<double> cost;
    for (Whole j = 0; j < n; ++j) {
        const Whole o = t.cells[j] + j, begins = static_cast<Whole>(cell.size());
        const Whole low = cell_at(t, q, j, b.lo[j]), high = cell_at(t, q, j, b.hi[j]);
        for (Whole c = 0; c <= t.count(j); ++c) {
            from[o + c] = static_cast<Whole>(cell.size()) - begins;
            if (c < low || c > high) continue;
            const auto [head, tail] = positions(t, q, b.lo, b.hi, j, c);
            if (head > tail) continue;
            cell.push_back(c);
            cost.push_back(cost_at(q, j, cheapest(q, j, head, tail)));
        }
        first.push_back(static_cast<Whole>(cell.size()));
    }
    b.cells = Owned<Whole>(std::move(first));
    b.cell = Owned<Whole>(std::move(cell));
    b.cost = Owned<double>(std::move(cost));
}

// The trees of a box in the making.
class Layout {
public:
    Layout(const Tables& t, const Arena& a, PricedBox& b, Wholes from)
        : t_(t), a_(a), b_(b), from_(from), of_feature_(b.n_features()),
          number_(b.cell.size() + 1, -1) {}

    // Whether every tree has a leaf in the box.
    bool run() {
        for (Whole k = 0; k < t_.n_trees(); ++k) {
            if (!add_leaves(k)) return false;
            add_parts();
            add_bounds();
        }
        Parts& x = b_.parts;
        x.leaf = Owned<Whole>(std::move(leaf_));
        x.first = Owned<Whole>(std::move(first_));
        x.parts = Owned<Whole>(std::move(parts_));
        x.feature = Owned<Whole>(std::move(feature_));
        x.pieces = Owned<Whole>(std::move(pieces_));
        x.cell = Owned<Whole>(std::move(cell_));
        x.bounds = Owned<Whole>(std::move(bounds_));
        x.bound = {Owned<Whole>(std::move(part_)), Owned<Whole>(std::move(low_)),
                   Owned<Whole>(std::move(high_))};
        return true;
    }

private:
    struct Interval {
        Whole leaf, first, after;  // cells, counted from the feature's first
    };
    struct Bound {
        Whole leaf, part, low, high;
    };

    // The leaves of tree ``k`` that hold a cell of every feature, and where they are bounded.
    bool add_leaves(Whole k) {
        const Whole n = b_.n_features(), begins = static_cast<Whole>(leaf_.size());
        std::vector<Interval> own(n);
        each_in_reach(a_, t_.words[k], t_.words[k + 1], [&](Whole leaf) {
            const Whole at = static_cast<Whole>(leaf_.size());
            const Cells lo = t_.leaf_lo[leaf], hi = t_.leaf_hi[leaf];
            for (Whole j = 0; j < n; ++j) {
                const Whole o = t_.cells[j] + j;
                own[j] = {at, from_[o + lo[j]], from_[o + hi[j] + 1]};
                if (own[j].first >= own[j].after) return;
            }
            for (Whole j = 0; j < n; ++j) {
                if (own[j].first > 0 || own[j].after < b_.n_cells(j)) of_feature_[j].push_back(own[j]);
            }
            leaf_.push_back(leaf);
        });
        first_.push_back(static_cast<Whole>(leaf_.size()));
        return begins < first_.back();
    }

    void add_parts() {
        for (Whole j = 0; j < b_.n_features(); ++j) {
            std::vector<Interval>& own = of_feature_[j];
            // The tree does not see this feature here: a charge would be the same in all its leaves.
            if (own.empty()) continue;
            const Whole after = b_.n_cells(j), start = pieces_.back();
            edges_.assign({0});
            for (const Interval& x : own) {
                if (x.first > 0) edges_.push_back(x.first);
                if (x.after < after) edges_.push_back(x.after);
            }
            std::sort(edges_.begin(), edges_.end());
            edges_.erase(std::unique(edges_.begin(), edges_.end()), edges_.end());
            const Whole count = static_cast<Whole>(edges_.size());
            for (Whole i = 0; i < count; ++i) number_[edges_[i]] = i;
            number_[after] = count;
            // How many more leaves meet a piece than the one before.
            meets_.assign(count + 1, 0);
            const Whole everywhere = static_cast<Whole>(leaf_.size()) - first_[first_.size() - 2]
                - static_cast<Whole>(own.size());
            meets_[0] = everywhere;
            const Whole part = static_cast<Whole>(feature_.size());
            for (const Interval& x : own) {
                const Whole low = number_[x.first], high = number_[x.after] - 1;
                ++meets_[low];
                --meets_[high + 1];
                found_.push_back({x.leaf, part, start + low, start + high});
            }
            close_unmet(j, count);
            feature_.push_back(j);
            cell_.insert(cell_.end(), edges_.begin(), edges_.end());
            pieces_.push_back(static_cast<Whole>(cell_.size()));
            own.clear();
        }
        parts_.push_back(static_cast<Whole>(feature_.size()));
    }

    // No row is in a piece that the tree has no leaf in: the feature may not choose it either.
    void close_unmet(Whole j, Whole count) {
        Whole met = 0;
        for (Whole i = 0; i < count; ++i) {
            met += meets_[i];
            if (met > 0) continue;
            const Whole after = i + 1 < count ? edges_[i + 1] : b_.n_cells(j);
            for (Whole c = edges_[i]; c < after; ++c) b_.cost[b_.cells[j] + c] = INFINITE;
        }
    }

    // The bounds of the last tree, leaf by leaf.
    void add_bounds() {
        const Whole begins = first_[first_.size() - 2], many = first_.back() - begins;
        count_.assign(many + 1, 0);
        for (const Bound& x : found_) ++count_[x.leaf - begins + 1];
        const Whole start = static_cast<Whole>(part_.size());
        for (Whole i = 0; i < many; ++i) {
            count_[i + 1] += count_[i];
            bounds_.push_back(start + count_[i + 1]);
        }
        part_.resize(start + found_.size());
        low_.resize(part_.size());
        high_.resize(part_.size());
        for (const Bound& x : found_) {
            const Whole at = start + count_[x.leaf - begins]++;
            part_[at] = x.part;
            low_[at] = x.low;
            high_[at] = x.high;
        }
        found_.clear();
    }

    const Tables& t_;
    const Arena& a_;
    PricedBox& b_;
    Wholes from_;
    std::vector<std::vector<Interval>> of_feature_;
    std::vector<Whole> number_, edges_, meets_, count_;
    std::vector<Bound> found_;
    std::vector<Whole> leaf_, first_{0}, parts_{0}, feature_, pieces_{0}, cell_, bounds_{0};
    std::vector<Whole> part_, low_, high_;
};

// Charges from those of a box around: of each piece, the least. Any charges give a bound; the least of
// those covered is what a leaf pays there already.
inline void inherit(const PricedBox& b, const PricedBox& around) {
    const Parts &x = b.parts, &other = around.parts;
    for (Whole k = 0; k < x.n_trees(); ++k) {
        Whole o = other.parts[k];
        const Whole end_part = other.parts[k + 1];
        for (Whole p = x.parts[k]; p < x.parts[k + 1]; ++p) {
            const Whole j = x.feature[p];
            while (o < end_part && other.feature[o] < j) ++o;
            if (o == end_part) break;
            if (other.feature[o] != j) continue;
            // Cells are those of the same tables.
            const Wholes own = {b.cell.data + b.cells[j], b.n_cells(j)};
            const Wholes old = {around.cell.data + around.cells[j], around.n_cells(j)};
            Whole at = other.pieces[o];
            const Whole end = other.pieces[o + 1];
            for (Whole i = x.pieces[p]; i < x.pieces[p + 1]; ++i) {
                const Whole begins = own[x.cell[i]];
                const Whole last = own[(i + 1 < x.pieces[p + 1] ? x.cell[i + 1] : own.size()) - 1];
                while (at + 1 < end && old[other.cell[at + 1]] <= begins) ++at;
                double least = around.charge[at];
                for (Whole more = at + 1; more < end && old[other.cell[more]] <= last; ++more) {
                    least = std::min(least, around.charge[more]);
                }
                b.charge[i] = least;
            }
        }
    }
}

// The bottom box of a search, to be priced; with the charges and prices of a box around it, if any.
inline PricedBox box_to_price(
    const Tables& t, const Question& q, const Arena& a, const PricedBox* around
) {
    PricedBox b;
    if (around != nullptr) {
        // What is not within reach of a box, or struck off in it, is of no use inside of it.
        for (Whole w = 0; w < a.reach.size(); ++w) a.reach[w] &= around->left[w];
        b.nesting = around->nesting;
    } else {
        b.nesting = std::make_shared<const Nesting>(Grouping(t, a).found());
    }
    b.left = copied<Word>(a.reach);
    b.lo = copied(a.lo[0]);
    b.hi = copied(a.hi[0]);
    const Owned<Whole> from(t.cells[b.n_features()] + b.n_features());
    note_cells(t, q, b, from);
    b.goal = Owned<Whole>(t.n_trees());
    b.limit = Owned<double>(t.n_goals());
    for (Whole g = 0; g < t.n_goals(); ++g) {
        for (Whole k = t.groups[g]; k < t.groups[g + 1]; ++k) b.goal[k] = g;
        b.limit[g] = q.limit[g] + q.band[g] - t.constant[g];
    }
    b.price = Owned<double>(t.n_goals());
    b.scale = Owned<double>(t.n_goals());
    b.possible = Layout(t, a, b, from).run();
    if (!b.possible) return b;
    b.groups = GroupsOfBox(t, b.parts, *b.nesting).run();
    for (Whole j = 0; j < b.n_features(); ++j) {
        bool any = false;
        for (Whole c = b.cells[j]; c < b.cells[j + 1]; ++c) any = any || b.cost[c] < INFINITE;
        b.possible = b.possible && any;
    }
    b.charge = Owned<double>(b.parts.cell.size());
    b.weight = Owned<double>(b.parts.leaf.size());
    b.step = FIRST_STEP;
    if (around != nullptr) {
        inherit(b, *around);
        b.price.copy(around->price);
        b.scale.copy(around->scale);
        b.step = std::min(NEXT_STEP, LONGER_THAN_AROUND * around->step);
    }
    return b;
}

}  // namespace ifonly

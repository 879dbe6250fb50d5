// A tree's leaves in nested groups: what none of a group's leaves can go below is known without looking at
// each of them.
//
// The groups are found once for tables, by cuts that part no leaf (those of the tree, and of meetings the
// cuts of both). In a box they keep the leaves that are left.
#pragma once

#include <algorithm>
#include <vector>

#include "kernel.hpp"
#include "owned.hpp"
#include "parts.hpp"

namespace ifonly {

// Nodes tree by tree, each before those inside of it; a node is a leaf, or two nodes that follow.
struct Nesting {
    std::vector<Whole> first{0};  // (n_trees + 1,) first node of each tree
    std::vector<Whole> leaf;      // (n_nodes,) its bit; -1 if it is two nodes
    std::vector<Whole> after;     // (n_nodes,) the first node beyond it
};

// Groups of the leaves within reach of tables.
class Grouping {
public:
    Grouping(const Tables& t, const Arena& a) : t_(t) {
        for (Whole k = 0; k < t.n_trees(); ++k) {
            own_.clear();
            each_in_reach(a, t.words[k], t.words[k + 1], [&](Whole leaf) { own_.push_back(leaf); });
            if (!own_.empty()) add(0, static_cast<Whole>(own_.size()));
            found_.first.push_back(static_cast<Whole>(found_.leaf.size()));
        }
    }

    Nesting found() { return std::move(found_); }

private:
    struct Interval {
        Cell low, high;
    };

    void add(Whole begin, Whole end) {
        const std::size_t node = found_.leaf.size();
        const bool is_leaf = end - begin == 1;
        found_.leaf.push_back(is_leaf ? own_[begin] : -1);
        found_.after.push_back(0);
        if (!is_leaf) {
            const Whole middle = part(begin, end);
            add(begin, middle);
            add(middle, end);
        }
        found_.after[node] = static_cast<Whole>(found_.leaf.size());
    }

    // Put the leaves in two runs, as even as a cut allows; where the second begins.
    Whole part(Whole begin, Whole end) {
        const Whole many = end - begin;
        Whole most = 0, column = -1;
        Cell edge = 0;
        // A quarter will do: to look for more costs more than it saves.
        for (Whole j = 0; j < t_.n_features() && 4 * most < many; ++j) {
            side_.clear();
            bool parts = false;
            for (Whole i = begin; i < end; ++i) {
                side_.push_back({t_.leaf_lo[own_[i]][j], t_.leaf_hi[own_[i]][j]});
                parts = parts || side_.back().low > side_.front().high
                    || side_.back().high < side_.front().low;
            }
            if (!parts) continue;
            std::sort(side_.begin(), side_.end(), [](Interval x, Interval y) { return x.low < y.low; });
            Cell reached = side_[0].high;
            for (Whole i = 1; i < many; ++i) {
                if (const Whole smaller = std::min(i, many - i); reached < side_[i].low && smaller > most) {
                    most = smaller;
                    column = j;
                    edge = side_[i].low;
                }
                reached = std::max(reached, side_[i].high);
            }
        }
        // Leaves that no cut parts can be grouped in any way.
        if (column < 0) return begin + many / 2;
        const auto from = own_.begin() + begin;
        return std::partition(from, own_.begin() + end,
                              [&](Whole leaf) { return t_.leaf_lo[leaf][column] < edge; }) - own_.begin();
    }

    const Tables& t_;
    Nesting found_;
    std::vector<Whole> own_;
    std::vector<Interval> side_;
};

// The groups of a box, as in `Nesting`, with the pieces that each of them covers: where it covers as many as
// the group around it, nothing is noted.
struct Groups {
    Owned<Whole> first;    // (n_trees + 1,)
    Owned<Whole> leaf;     // (n_nodes,) place in `Parts::leaf`; -1 of a group
    Owned<Whole> after;    // (n_nodes,)
    Owned<double> least;   // (n_nodes,) least value of its leaves
    Owned<Whole> narrows;  // (n_nodes + 1,) first of each in the next three
    Owned<Whole> low;      // first piece covered
    Owned<Whole> high;     // last piece
    Owned<Whole> outer;    // what covers them around it: a part, or behind all parts another of these

    Whole size() const { return leaf.size(); }
};

class GroupsOfBox {
public:
    GroupsOfBox(const Tables& t, const Parts& x, const Nesting& all)
        : t_(t), x_(x), all_(all), place_(64 * t.n_words(), -1), count_(all.leaf.size()) {
        for (Whole i = 0; i < x.leaf.size(); ++i) place_[x.leaf[i]] = i;
    }

    Groups run() {
        for (Whole k = 0; k < x_.n_trees(); ++k) {
            add_nodes(k);
            cover(k);
            narrow(k);
            first_.push_back(static_cast<Whole>(leaf_.size()));
        }
        Groups g;
        g.first = Owned<Whole>(std::move(first_));
        g.leaf = Owned<Whole>(std::move(leaf_));
        g.after = Owned<Whole>(std::move(after_));
        g.least = Owned<double>(std::move(least_));
        g.narrows = Owned<Whole>(std::move(narrows_));
        g.low = Owned<Whole>(std::move(low_));
        g.high = Owned<Whole>(std::move(high_));
        g.outer = Owned<Whole>(std::move(outer_));
        return g;
    }

private:
    // Nodes of which a leaf is left; a group of which one side is left is that side.
    void add_nodes(Whole k) {
        const Whole begin = all_.first[k], end = all_.first[k + 1];
        for (Whole n = end - 1; n >= begin; --n) {
            count_[n] = all_.leaf[n] >= 0 ? place_[all_.leaf[n]] >= 0
                                          : count_[n + 1] + count_[all_.after[n + 1]];
        }
        for (Whole n = begin; n < end;) {
            if (count_[n] == 0) {
                n = all_.after[n];
                continue;
            }
            const bool is_leaf = all_.leaf[n] >= 0;
            if (is_leaf || (count_[n + 1] > 0 && count_[all_.after[n + 1]] > 0)) {
                leaf_.push_back(is_leaf ? place_[all_.leaf[n]] : -1);
                // A node of so many leaves is that many nodes, and one less.
                after_.push_back(static_cast<Whole>(after_.size()) + 2 * count_[n] - 1);
            }
            ++n;
        }
        least_.resize(leaf_.size());
    }

    // The pieces of each part that a node covers.
    void cover(Whole k) {
        const Whole begin = first_.back(), end = static_cast<Whole>(leaf_.size());
        const Whole from = x_.parts[k], parts = x_.parts[k + 1] - from;
        covered_.resize((end - begin) * parts);
        for (Whole n = end - 1; n >= begin; --n) {
            Span* own = covered_.data() + (n - begin) * parts;
            if (const Whole i = leaf_[n]; i >= 0) {
                least_[n] = t_.value[x_.leaf[i]];
                for (Whole p = 0; p < parts; ++p) {
                    own[p] = {x_.pieces[from + p], x_.pieces[from + p + 1] - 1};
                }
                for (Whole at = x_.bounds[i]; at < x_.bounds[i + 1]; ++at) {
                    own[x_.bound.part[at] - from] = {x_.bound.low[at], x_.bound.high[at]};
                }
                continue;
            }
            const Whole other = after_[n + 1];
            const Span* one = own + parts;
            const Span* two = covered_.data() + (other - begin) * parts;
            least_[n] = std::min(least_[n + 1], least_[other]);
            for (Whole p = 0; p < parts; ++p) {
                own[p] = {std::min(one[p].first, two[p].first), std::max(one[p].last, two[p].last)};
            }
        }
    }

    // Where each node covers less than the one around it.
    void narrow(Whole k) {
        const Whole begin = first_.back(), end = static_cast<Whole>(leaf_.size());
        const Whole from = x_.parts[k], parts = x_.parts[k + 1] - from;
        around_.resize(end - begin);
        within_.resize((end - begin) * parts);
        for (Whole n = begin; n < end; ++n) {
            if (leaf_[n] < 0) around_[n + 1 - begin] = around_[after_[n + 1] - begin] = n - begin;
            const Span* own = covered_.data() + (n - begin) * parts;
            Whole* within = within_.data() + (n - begin) * parts;
            const Whole around = n == begin ? 0 : around_[n - begin];
            for (Whole p = 0; p < parts; ++p) {
                const Span outer = n == begin ? Span{x_.pieces[from + p], x_.pieces[from + p + 1] - 1}
                                              : covered_[around * parts + p];
                within[p] = n == begin ? from + p : within_[around * parts + p];
                if (own[p].first == outer.first && own[p].last == outer.last) continue;
                low_.push_back(own[p].first);
                high_.push_back(own[p].last);
                outer_.push_back(within[p]);
                within[p] = x_.n_parts() + static_cast<Whole>(low_.size()) - 1;
            }
            narrows_.push_back(static_cast<Whole>(low_.size()));
        }
    }

    const Tables& t_;
    const Parts& x_;
    const Nesting& all_;
    std::vector<Whole> place_, count_;
    std::vector<Whole> first_{0}, leaf_, after_, narrows_{0}, low_, high_, outer_, around_, within_;
    std::vector<double> least_;
    std::vector<Span> covered_;
};

}  // namespace ifonly

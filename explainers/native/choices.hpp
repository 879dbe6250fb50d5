// What trees and features choose at some charges and prices.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "charges.hpp"

namespace ifonly {

inline double least_of(Reals some, Whole first, Whole last) {
    double least = some[first];
    for (Whole i = first + 1; i <= last; ++i) least = std::min(least, some[i]);
    return least;
}

// What trees and features choose at some charges and prices.
class Choices {
public:
    Choices(const Tables& t, const PricedBox& b)
        : t_(t), b_(b), rest(b.cell.size()), pay(b.parts.leaf.size()), leaf(b.parts.n_trees()),
          cell(b.n_features()), value(t.n_goals()), at_(b.parts.n_parts() + b.groups.low.size()) {}

    // The bound, but for rounding.
    double at(Reals charge, Reals price) { return choose<false>(charge, price); }

    // The same, with what every leaf pays.
    double price_all(Reals charge, Reals price) { return choose<true>(charge, price); }

    // How often each piece is its tree's choice, less how often it is its feature's.
    void disagreement(Reals charge, Reals found) const {
        const Parts& x = b_.parts;
        found.fill(0.0);
        for (Whole k = 0; k < x.n_trees(); ++k) {
            Whole at = x.bounds[leaf[k]];
            const Whole end = x.bounds[leaf[k] + 1];
            for (Whole p = x.parts[k]; p < x.parts[k + 1]; ++p) {
                Whole low = x.pieces[p], high = x.pieces[p + 1] - 1;
                Whole own = at_[p];
                const Whole other = piece_at(p, cell[x.feature[p]]);
                if (at < end && x.bound.part[at] == p) {
                    low = x.bound.low[at];
                    high = x.bound.high[at];
                    own = cheapest_piece(charge, low, high);
                    ++at;
                }
                // Both are content with the same.
                if (low <= other && other <= high && charge[other] <= charge[own]) continue;
                found[own] += 1.0;
                found[other] -= 1.0;
            }
        }
    }

    // Sizes of all that was added up: rounding is a part of them.
    double size(Reals charge, Reals price) const {
        const Parts& x = b_.parts;
        double total = 0.0;
        for (Whole k = 0; k < x.n_trees(); ++k) {
            double most = 0.0;
            for (Whole i = x.first[k]; i < x.first[k + 1]; ++i) {
                most = std::max(most, std::abs(price[b_.goal[k]] * t_.value[x.leaf[i]]));
            }
            total += most;
        }
        for (Whole p = 0; p < x.n_parts(); ++p) {
            double most = 0.0;
            for (Whole i = x.pieces[p]; i < x.pieces[p + 1]; ++i) {
                most = std::max(most, std::abs(charge[i]));
            }
            total += most;
        }
        for (Whole j = 0; j < b_.n_features(); ++j) {
            double most = 0.0;
            for (Whole c = b_.cells[j]; c < b_.cells[j + 1]; ++c) {
                if (b_.cost[c] < INFINITE) most = std::max(most, b_.cost[c]);
            }
            total += most;
        }
        for (Whole g = 0; g < price.size(); ++g) total += std::abs(price[g] * b_.limit[g]);
        return total;
    }

    Whole choice_of(Whole k) const { return leaf[k]; }
    double value_of(Whole g) const { return value[g]; }

private:
    template <bool all>
    double choose(Reals charge, Reals price) {
        double total = choose_cells(charge);
        for (Whole g = 0; g < price.size(); ++g) {
            total -= price[g] * b_.limit[g];
            value[g] = 0.0;
        }
        for (Whole k = 0; k < b_.parts.n_trees(); ++k) {
            total += choose_leaf<all>(k, charge, price[b_.goal[k]]);
            value[b_.goal[k]] += t_.value[b_.parts.leaf[leaf[k]]];
        }
        return total;
    }

    // Sum over features of the least that is left of a cell's cost.
    double choose_cells(Reals charge) {
        const Parts& x = b_.parts;
        rest.fill(0.0);
        // Differences between neighbours first: most charges are those of many cells.
        for (Whole p = 0; p < x.n_parts(); ++p) {
            const Whole o = b_.cells[x.feature[p]];
            double before = 0.0;
            for (Whole i = x.pieces[p]; i < x.pieces[p + 1]; ++i) {
                rest[o + x.cell[i]] += charge[i] - before;
                before = charge[i];
            }
        }
        double total = 0.0;
        for (Whole j = 0; j < b_.n_features(); ++j) {
            double charged = 0.0, least = INFINITE;
            for (Whole c = b_.cells[j]; c < b_.cells[j + 1]; ++c) {
                charged += rest[c];
                rest[c] = b_.cost[c] - charged;
                if (rest[c] < least) {
                    least = rest[c];
                    cell[j] = c - b_.cells[j];
                }
            }
            total += least;
        }
        return total;
    }

    // The least that a leaf of tree ``k`` pays. A group of leaves is not looked into where the cheapest
    // pieces that it covers and its least value come to more than a leaf that is known.
    template <bool all>
    double choose_leaf(Whole k, Reals charge, double price) {
        const Parts& x = b_.parts;
        const Groups& g = b_.groups;
        double sum = 0.0, least = INFINITE;
        for (Whole p = x.parts[k]; p < x.parts[k + 1]; ++p) {
            at_[p] = cheapest_piece(charge, x.pieces[p], x.pieces[p + 1] - 1);
            sum += charge[at_[p]];
        }
        waiting_.clear();
        Group own = entered(g.first[k], sum, charge, price);
        while (true) {
            if (const Whole i = g.leaf[own.node]; i >= 0) {
                if constexpr (all) pay[i] = own.bound;
                if (own.bound < least) {
                    least = own.bound;
                    leaf[k] = i;
                }
            } else {
                Group one = entered(own.node + 1, own.sum, charge, price);
                Group two = entered(g.after[own.node + 1], own.sum, charge, price);
                if (two.bound < one.bound) std::swap(one, two);
                if (all || two.bound < least) waiting_.push_back(two);
                if (all || one.bound < least) {
                    own = one;
                    continue;
                }
            }
            while (!all && !waiting_.empty() && waiting_.back().bound >= least) waiting_.pop_back();
            if (waiting_.empty()) return least;
            own = waiting_.back();
            waiting_.pop_back();
        }
    }

    // A node with the sum of the cheapest pieces that it covers, and the least that any leaf of it pays.
    struct Group {
        Whole node;
        double sum, bound;
    };

    Group entered(Whole node, double sum, Reals charge, double price) {
        const Groups& g = b_.groups;
        const Whole parts = b_.parts.n_parts();
        for (Whole e = g.narrows[node]; e < g.narrows[node + 1]; ++e) {
            const Whole before = at_[g.outer[e]], low = g.low[e], high = g.high[e];
            Whole found = before;
            if (before < low || before > high) {
                found = cheapest_piece(charge, low, high);
                sum += charge[found] - charge[before];
            }
            at_[parts + e] = found;
        }
        return {node, sum, sum + price * g.least[node]};
    }

    static Whole cheapest_piece(Reals charge, Whole low, Whole high) {
        Whole found = low;
        for (Whole i = low + 1; i <= high; ++i) {
            if (charge[i] < charge[found]) found = i;
        }
        return found;
    }

    // The piece of part ``p`` that a cell is in.
    Whole piece_at(Whole p, Whole c) const {
        const Parts& x = b_.parts;
        const Whole* first = x.cell.data + x.pieces[p];
        const Whole* end = x.cell.data + x.pieces[p + 1];
        return x.pieces[p] + (std::upper_bound(first, end, c) - first) - 1;
    }

    const Tables& t_;
    const PricedBox& b_;

public:
    Owned<double> rest;  // (n_cells,) what is left of each cell's cost
    Owned<double> pay;   // (n_leaves,) what each leaf pays

private:
    Owned<Whole> leaf;    // (n_trees,) place of the leaf that each tree chooses
    Owned<Whole> cell;    // (n_features,) cell that each feature chooses
    Owned<double> value;  // (n_goals,) sum of the values of the leaves that are chosen
    Owned<Whole> at_;     // the cheapest piece of each part, and of what each group covers
    std::vector<Group> waiting_;
};

}  // namespace ifonly

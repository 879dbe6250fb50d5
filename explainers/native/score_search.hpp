// Is any row of a box in the target, whatever it costs?
//
// Two things differ from the search for the cheapest row. A box is cut where the scores of both halves
// rise: a cut beside the cheapest corner would leave the rest of the box as it was. And a box may be
// bounded by charges that were found once for a box around it (lagrangian.hpp, without costs): each leaf
// counts what it pays there, each feature the least that is left of its cells.
#pragma once

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "kernel.hpp"
#include "lagrangian.hpp"
#include "range_minimum.hpp"

namespace ifonly {

// What a half that gains nothing counts in the product of both gains.
inline constexpr double LITTLE = 1e-6;
// What is missing counts as this at least: of less, rounding is a part.
inline constexpr double LEAST_MISSING = 1e-9;

// What leaves and cells count towards a score that must come down to 0.
class ScoreBounds {
public:
    // Without charges: the trees' values, each goal by itself.
    ScoreBounds(const Tables& t, const Question& q)
        : pay(t.value.begin(), t.value.end()), least(t.n_trees()), missing(q.n_goals()) {}

    // By the charges of a priced box, all goals at its prices.
    ScoreBounds(const Tables& t, const Question& q, const PricedBox& b)
        : pay(t.value.size(), INFINITE), least(t.n_trees()), missing(q.n_goals()), is_charged(true),
          from_(t.cells[t.n_features()] + t.n_features()) {
        Choices now(t, b);
        now.at(b.charge, b.price);
        for (Whole i = 0; i < b.parts.leaf.size(); ++i) pay[b.parts.leaf[i]] = now.pay[i];
        for (Whole g = 0; g < b.price.size(); ++g) constant_ -= b.price[g] * b.limit[g];
        constant_ -= MARGIN * now.size(b.charge, b.price);
        cells_ = copied<Whole>(b.cells);
        rest_.emplace(cells_, now.rest);
        for (Whole j = 0; j < t.n_features(); ++j) {
            Whole next = 0;
            for (Whole c = 0; c <= t.count(j); ++c) {
                while (next < b.n_cells(j) && b.cell[b.cells[j] + next] < c) ++next;
                from_[t.cells[j] + j + c] = next;
            }
        }
    }

    // Whether no row of the box at ``sp`` is in the target, once its trees have been looked at.
    bool closes(const Tables& t, const Question& q, const Arena& a, Whole sp) {
        for (Whole g = 0; g < q.n_goals(); ++g) {
            double total = a.base[g];
            for (Whole i = a.group[g]; i < a.group[g + 1]; ++i) {
                least[a.tree[i]] = a.least[a.tree[i]];
                total += t.value[a.least[a.tree[i]]];
            }
            missing[g] = std::max(LEAST_MISSING, q.limit[g] + q.band[g] - total);
        }
        if (!is_charged) return false;
        double total = constant_;
        for (Whole j = 0; j < a.n_features(); ++j) total += left(t, j, a.cell_lo[sp][j], a.cell_hi[sp][j]);
        // Trees with one leaf left as the search began have no words at hand.
        for (Whole k = 0, next = 0; k < t.n_trees(); ++k) {
            const bool undecided = next < a.group[q.n_goals()] && a.tree[next] == k;
            const Words mask = undecided ? a.mask[sp] : a.reach;
            if (undecided) ++next;
            double lowest = INFINITE;
            for (Whole w = t.words[k]; w < t.words[k + 1]; ++w) {
                for (Word rest = mask[w] & a.reach[w]; rest != 0; rest = without_lowest(rest)) {
                    const Whole leaf = w * 64 + lowest_bit(rest);
                    if (pay[leaf] < lowest) {
                        lowest = pay[leaf];
                        least[k] = leaf;
                    }
                }
            }
            total += lowest;
        }
        for (double& each : missing) each = std::max(LEAST_MISSING, -total);
        return total > 0.0;
    }

    // The least that is left of cells ``low..high`` of the tables; infinity where none holds a value.
    double left(const Tables& t, Whole j, Whole low, Whole high) const {
        const Whole o = t.cells[j] + j, first = from_[o + low], after = from_[o + high + 1];
        return first < after ? (*rest_)(j, first, after - 1) : INFINITE;
    }

    std::vector<double> pay;     // (64 * n_words,) what each leaf counts
    std::vector<Whole> least;    // (n_trees,) the leaf that counts least in the box at hand
    std::vector<double> missing;  // (n_goals,) what closes the box
    bool is_charged = false;

private:
    double constant_ = 0.0;
    Owned<Whole> cells_;
    std::optional<RangeMinimum> rest_;
    Owned<Whole> from_;
};

// What each cut of a box adds to the scores of its halves: in parts of what is missing, added up over the
// trees cell by cell.
class Gains {
public:
    explicit Gains(const Tables& t) : of_(t.cells[t.n_features()] + t.n_features()) {}

    // The cut that raises both halves; the feature and the first cell of the upper part, -1 if none does.
    Cut best(const Tables& t, const Question& q, const Arena& a, const ScoreBounds& s, Whole sp) {
        empty(t, a, sp);
        for (Whole g = 0; g < q.n_goals(); ++g) {
            for (Whole i = a.group[g]; i < a.group[g + 1]; ++i) add(t, a, s, sp, a.tree[i], s.missing[g]);
        }
        Cut found;
        double most = 0.0;
        for (Whole j = 0; j < a.n_features(); ++j) {
            const Whole low = a.cell_lo[sp][j], high = a.cell_hi[sp][j];
            if (low == high) continue;
            const Both* gains = at(t, j);
            Both sum;
            const double least = s.is_charged ? s.left(t, j, low, high) : 0.0;
            for (Whole c = low + 1; c <= high; ++c) {
                sum.below += gains[c].below;
                sum.above += gains[c].above;
                double one = sum.below, other = sum.above;
                if (s.is_charged) {
                    one += (s.left(t, j, low, c - 1) - least) / s.missing[0];
                    other += (s.left(t, j, c, high) - least) / s.missing[0];
                }
                if (one + other <= 0.0) continue;
                // More than what closes a half is worth no more.
                const double worth = std::clamp(one, LITTLE, 1.0) * std::clamp(other, LITTLE, 1.0);
                if (worth > most) {
                    most = worth;
                    found = {j, c};
                }
            }
        }
        return found;
    }

private:
    struct Both {
        double below = 0.0;  // differences between neighbours: of the part below the cell
        double above = 0.0;  // and of the part from it on
    };

    Both* at(const Tables& t, Whole j) { return of_.data() + t.cells[j] + j; }

    void empty(const Tables& t, const Arena& a, Whole sp) {
        for (Whole j = 0; j < a.n_features(); ++j) {
            std::fill(at(t, j) + a.cell_lo[sp][j], at(t, j) + a.cell_hi[sp][j] + 2, Both{});
        }
    }

    // The leaves of a tree that the box reaches, from the least on.
    void sort(const Tables& t, const Arena& a, const ScoreBounds& s, Whole sp, Whole tree) {
        sorted_.clear();
        for (Whole w = t.words[tree]; w < t.words[tree + 1]; ++w) {
            for (Word left = a.mask[sp][w]; left != 0; left = without_lowest(left)) {
                const Whole leaf = w * 64 + lowest_bit(left);
                sorted_.push_back({s.pay[leaf], leaf});
            }
        }
        if (s.is_charged) std::sort(sorted_.begin(), sorted_.end());
    }

    void add(
        const Tables& t, const Arena& a, const ScoreBounds& s, Whole sp, Whole tree, double missing
    ) {
        const Whole n = a.n_features();
        sort(t, a, s, sp, tree);
        const auto [least, first] = sorted_.front();
        open_.clear();
        // Cells that the leaves so far reach: a half without any of these lacks all of them.
        for (Whole j = 0; j < n; ++j) {
            const Whole low = a.cell_lo[sp][j], high = a.cell_hi[sp][j];
            const Reached own{j, std::max<Whole>(t.leaf_lo[first][j], low), std::min<Whole>(t.leaf_hi[first][j], high)};
            if (own.from > low || own.to < high) open_.push_back(own);
        }
        for (std::size_t i = 1; i < sorted_.size() && !open_.empty(); ++i) {
            const auto [value, leaf] = sorted_[i];
            const double gain = (value - least) / missing;
            if (gain >= 1.0) break;
            for (std::size_t k = 0; k < open_.size();) {
                Reached& own = open_[k];
                const Whole low = a.cell_lo[sp][own.column], high = a.cell_hi[sp][own.column];
                const Whole from = std::max<Whole>(t.leaf_lo[leaf][own.column], low);
                const Whole to = std::min<Whole>(t.leaf_hi[leaf][own.column], high);
                Both* gains = at(t, own.column);
                if (from < own.from) {
                    gains[from + 1].below += gain;
                    gains[own.from + 1].below -= gain;
                    own.from = from;
                }
                if (to > own.to) {
                    gains[own.to + 1].above += gain;
                    gains[to + 1].above -= gain;
                    own.to = to;
                }
                if (own.from == low && own.to == high) {
                    own = open_.back();
                    open_.pop_back();
                } else {
                    ++k;
                }
            }
        }
        // Halves that no leaf is left in, or only such as close them.
        for (const Reached& own : open_) {
            const Whole low = a.cell_lo[sp][own.column], high = a.cell_hi[sp][own.column];
            Both* gains = at(t, own.column);
            gains[low + 1].below += own.from > low;
            gains[own.from + 1].below -= own.from > low;
            gains[own.to + 1].above += own.to < high;
            gains[high + 1].above -= own.to < high;
        }
    }

    struct Reached {
        Whole column, from, to;
    };

    std::vector<Both> of_;  // (n_cells + n_features,)
    std::vector<std::pair<double, Whole>> sorted_;
    std::vector<Reached> open_;
};

// As `search`, of any row in the target.
inline Status search_any(
    const Tables& t, const Question& q, const Arena& a, ScoreBounds& s, Gains& gains, Whole max_nodes
) {
    const auto shrunk = [&](Whole sp, double best) { return shrunk_cost(q, a, sp, best); };
    const auto fails = [&](Whole sp) { return s.closes(t, q, a, sp) || fail_at(t, q, a, sp); };
    const auto cut = [&](Whole sp) {
        Cut found = gains.best(t, q, a, s, sp);
        if (found.column >= 0) found.edge = first_in(t, q, found.column, found.edge);
        return found;
    };
    const auto judged = [&](Whole sp, double cost, Cut& where) {
        return judge(t, q, a, sp, cost, where, cut);
    };
    return open_boxes(t, q, a, max_nodes, shrunk, fails, judged);
}

}  // namespace ifonly

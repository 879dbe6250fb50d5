// Is any row in the target, whatever it costs?
//
// A box is cut where the scores of both halves rise: a cut beside the cheapest corner, as the search for the
// cheapest row makes, leaves the rest of the box as it was. How much higher the least leaves of the trees are
// beyond every cell is added up for all features at once, so that the box loses all ends that are too high.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernel.hpp"

namespace ifonly {

// What a half that gains nothing counts in the product of both gains.
inline constexpr double LITTLE = 1e-6;
// Part of what is missing that closes a half for certain.
inline constexpr double CLOSES = 1.0 + 1e-6;
// Part of the sizes of all that is added up: more than their sum is rounded by.
inline constexpr double ROUNDING = 1e-12;
// What is missing counts as this at least.
inline constexpr double LEAST_MISSING = 1e-9;

// What each cut of a box adds to the scores of its halves, in parts of what closes them; kept between boxes
// for its memory alone.
class Gains {
public:
    explicit Gains(const Tables& t) : of_(t.cells[t.n_features()] + t.n_features()) {}

    // The cut that raises both halves most, after trees have been looked at; NOTHING if no row of the box is in
    // the target. Where ends of the box are too high it is cut to what is left, and SMALLER.
    Cut best(const Tables& t, const Question& q, const Arena& a, Whole sp) {
        empty(t, a, sp);
        for (Whole g = 0; g < q.n_goals(); ++g) {
            const double missing = is_short(t, q, a, g);
            for (Whole i = a.group[g]; i < a.group[g + 1]; ++i) add(t, a, sp, a.tree[i], missing);
        }
        Cut found;
        Whole smaller = 0;
        double most = 0.0;
        for (Whole j = 0; j < a.n_features(); ++j) {
            const Whole low = a.cell_lo[sp][j], high = a.cell_hi[sp][j];
            if (low == high) continue;
            const Both* gains = at(t, j);
            Both sum;
            // Cells before the first and from the last on are closed.
            Whole first = low, after = high + 1;
            Cut own;
            double own_worth = 0.0;
            for (Whole c = low + 1; c <= high; ++c) {
                sum.below += gains[c].below;
                sum.above += gains[c].above;
                if (sum.below > CLOSES) {
                    first = c;
                    own_worth = 0.0;
                    continue;
                }
                if (sum.above > CLOSES) {
                    after = c;
                    break;
                }
                if (sum.below + sum.above <= 0.0) continue;
                const double worth = std::max(sum.below, LITTLE) * std::max(sum.above, LITTLE);
                if (worth > own_worth) {
                    own_worth = worth;
                    own = {j, c};
                }
            }
            if (first >= after) return {NOTHING, 0};
            if (first > low || after <= high) {
                smaller |= bit(j);
                if (first > low) a.lo[sp][j] = first_in(t, q, j, first);
                if (after <= high) a.hi[sp][j] = first_in(t, q, j, after) - 1;
                if (a.lo[sp][j] > a.hi[sp][j]) return {NOTHING, 0};
            }
            if (own_worth > most) {
                most = own_worth;
                found = {j, first_in(t, q, j, own.edge)};
            }
        }
        a.moved[sp] = smaller;
        return smaller == 0 ? found : Cut{SMALLER, 0};
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

    // What the sum of a goal is short of to be too high, as a part of which gains are counted. All goals
    // together: what each is short of is one part of as many as there are.
    static double is_short(const Tables& t, const Question& q, const Arena& a, Whole g) {
        double total = a.base[g], size = std::abs(a.base[g]) + std::abs(q.limit[g]);
        for (Whole i = a.group[g]; i < a.group[g + 1]; ++i) {
            const double value = t.value[a.least[a.tree[i]]];
            total += value;
            size += std::abs(value);
        }
        const double found = q.limit[g] + q.band[g] - total + ROUNDING * size;
        return static_cast<double>(q.n_goals()) * std::max(found, LEAST_MISSING);
    }

    void add(const Tables& t, const Arena& a, Whole sp, Whole tree, double missing) {
        const Whole n = a.n_features(), least = a.least[tree];
        open_.clear();
        // A half without any of the cells that leaves reach lacks all of these leaves.
        for (Whole j = 0; j < n; ++j) {
            const Whole low = a.cell_lo[sp][j], high = a.cell_hi[sp][j];
            const Whole from = std::max<Whole>(t.leaf_lo[least][j], low);
            const Reached own{j, from, std::min<Whole>(t.leaf_hi[least][j], high)};
            if (own.from > low || own.to < high) open_.push_back(own);
        }
        for (Whole w = least / 64; w < t.words[tree + 1] && !open_.empty(); ++w) {
            // Leaves are sorted by value across a tree's words.
            for (Word left = a.mask[sp][w]; left != 0 && !open_.empty(); left = without_lowest(left)) {
                const Whole leaf = w * 64 + lowest_bit(left);
                const double gain = (t.value[leaf] - t.value[least]) / missing;
                // Whatever is left lacks all leaves that do not close it.
                if (gain >= 1.0) {
                    w = t.words[tree + 1];
                    break;
                }
                reach(t, a, sp, leaf, gain);
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

    // Halves that lack all leaves before this one, and not this one, are higher by ``gain``.
    void reach(const Tables& t, const Arena& a, Whole sp, Whole leaf, double gain) {
        for (std::size_t k = 0; k < open_.size();) {
            Reached& own = open_[k];
            const Whole j = own.column, low = a.cell_lo[sp][j], high = a.cell_hi[sp][j];
            const Whole from = std::max<Whole>(t.leaf_lo[leaf][j], low);
            const Whole to = std::min<Whole>(t.leaf_hi[leaf][j], high);
            Both* gains = at(t, j);
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

    // Cells of a feature that the leaves so far reach.
    struct Reached {
        Whole column, from, to;
    };

    std::vector<Both> of_;  // (n_cells + n_features,)
    std::vector<Reached> open_;  // of the tree at hand, until both ends of the box are reached
};

// As `search`, of any row in the target.
inline Status search_any(
    const Tables& t, const Question& q, const Arena& a, Gains& gains, Whole max_nodes
) {
    const auto shrunk = [&](Whole sp, double best) { return shrunk_cost(q, a, sp, best); };
    const auto fails = [&](Whole sp) { return fail_at(t, q, a, sp); };
    const auto cut = [&](Whole sp) { return gains.best(t, q, a, sp); };
    const auto judged = [&](Whole sp, double cost, Cut& where) {
        return judge(t, q, a, sp, cost, where, cut);
    };
    return open_boxes(t, q, a, max_nodes, shrunk, fails, judged);
}

}  // namespace ifonly

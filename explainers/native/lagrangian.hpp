// What a row of a box must cost, seen from costs and trees together.
//
// Every tree is charged a part of each feature's cost, whatever is left stays with the feature, and
// what the limits leave over is paid for at a price. The trees then choose their leaves one by one:
//
//     cost >= sum over trees of  min over leaves (price * value + charges of the leaf's cells)
//           + sum over features of  min over cells (cost - charges)  -  price * limit
//
// for *any* charges and prices (Lagrangian decomposition). Charges are made better feature by feature:
// what each tree would pay at least for each cell is gathered, and the sum is shared out anew
// (min-marginal averaging; Werner, "A linear programming approach to max-sum problem", PAMI 2007,
// section 6; Kolmogorov, PAMI 2006, for the order). It comes close to the linear program over leaves,
// at a thousandth of its time. A box inside another begins with the other's charges.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "cells.hpp"
#include "kernel.hpp"
#include "merging.hpp"
#include "owned.hpp"
#include "range_minimum.hpp"

namespace ifonly {

// Between two looks at the deadline, and at what they gained.
inline constexpr Whole SWEEPS = 4;
// Part of the sum of all sizes: more than rounding can make of the sums of a bound.
inline constexpr double MARGIN = 1e-10;
// Weight that an earlier sweep's choices of the trees keep from sweep to sweep.
inline constexpr double FADING = 0.7;
// Part of the prices, where trees agree.
inline constexpr double LEAST_PERTURBATION = 0.01;

// The trees as they are charged: a *part* is a tree and a feature whose cells its leaves tell apart,
// its *pieces* are the intervals of cells that they do not.
struct Parts {
    Owned<Whole> leaf;    // (n_leaves,) bits of the leaves within reach, tree by tree
    Owned<Whole> first;   // (n_trees + 1,) first of each tree in `leaf`
    Owned<Whole> parts;   // (n_features + 1,) first part of each feature
    Owned<Whole> tree;    // (n_parts,)
    Owned<Whole> pieces;  // (n_parts + 1,) first piece of each part
    Owned<Whole> cell;    // (n_pieces,) first cell of each piece
    Owned<Whole> spans;   // (n_parts,) where the part's leaves begin in the next two
    Owned<Whole> low;     // first piece of the leaf's interval, counted from the part's first
    Owned<Whole> high;

    Whole n_trees() const { return first.size() - 1; }
    // Cell behind the last of piece ``i`` of part ``p``; ``last`` is the feature's last.
    Whole after(Whole p, Whole i, Whole last) const {
        return i + 1 < pieces[p + 1] ? cell[i + 1] : last + 1;
    }
};

// A box and what is charged in it.
struct PricedBox {
    Owned<Whole> lo;  // (n_features,) positions
    Owned<Whole> hi;
    Owned<double> cost;  // (n_cells,) least cost of every cell over the positions of the box
    Owned<Whole> low;    // (n_features,) cells of the box
    Owned<Whole> high;
    Parts parts;
    Owned<Whole> goal;     // (n_trees,)
    Owned<double> limit;   // (n_goals,)
    Owned<double> charge;  // (n_pieces,)
    Owned<double> price;   // (n_goals,)
    // (n_cells,) trees that would rather be at that cell or later, and before it.
    Owned<double> above;
    Owned<double> below;

    Whole n_features() const { return low.size(); }
    // Whether every tree has a leaf in the box.
    bool reached() const {
        const Wholes first = parts.first;
        return std::adjacent_find(first.begin(), first.end()) == first.end();
    }
};

// What every leaf pays, what is left of every cell's cost (infinite where a tree has no leaf within
// reach), and the sum of all sizes that enter the bound.
struct Account {
    Owned<double> pay;
    Owned<double> rest;
    double size = 0.0;
};

// A bound, and where to halve the box: a feature and the first cell of the upper part; -1 if nowhere.
struct Ascent {
    double bound = 0.0;
    Cut cut;
};

// First and last position of a cell of feature ``j`` in a box.
struct Span {
    Whole first = 0;
    Whole last = 0;
};

inline Span positions(const Tables& t, const Question& q, Wholes lo, Wholes hi, Whole j, Whole cell) {
    return {
        std::max(lo[j], first_in(t, q, j, cell)), std::min(hi[j], first_in(t, q, j, cell + 1) - 1)
    };
}

// Least cost of every cell over the positions of a box, and each feature's first and last cell there;
// of a cell without positions, the cost of the one beside it.
inline void note_costs(const Tables& t, const Question& q, PricedBox& b) {
    const Whole n = b.lo.size();
    b.cost = Owned<double>(t.cells[n], INFINITE);
    b.low = Owned<Whole>(n);
    b.high = Owned<Whole>(n);
    for (Whole j = 0; j < n; ++j) {
        const Whole o = t.cells[j];
        b.low[j] = cell_at(t, q, j, b.lo[j]);
        b.high[j] = cell_at(t, q, j, b.hi[j]);
        for (Whole c = b.low[j]; c <= b.high[j]; ++c) {
            const auto [first, last] = positions(t, q, b.lo, b.hi, j, c);
            if (first <= last) {
                b.cost[o + c] = cost_at(q, j, cheapest(q, j, first, last));
            } else if (c > b.low[j]) {
                // No row is there, so any cost is safe; infinity would spoil the sum of sizes.
                b.cost[o + c] = b.cost[o + c - 1];
            }
        }
    }
}

// The leaves within reach, tree by tree.
inline void note_leaves(const Tables& t, const Arena& a, Parts& x) {
    std::vector<Whole> leaves, first{0};
    for (Whole k = 0; k < t.n_trees(); ++k) {
        each_in_reach(a, t.words[k], t.words[k + 1], [&](Whole leaf) { leaves.push_back(leaf); });
        first.push_back(static_cast<Whole>(leaves.size()));
    }
    x.leaf = Owned<Whole>(std::move(leaves));
    x.first = Owned<Whole>(std::move(first));
}

// The trees over the leaves within reach and the cells ``low..high``.
inline Parts lay_out(const Tables& t, const Arena& a, Wholes low, Wholes high) {
    Parts x;
    note_leaves(t, a, x);
    const Whole n = low.size();
    std::vector<Whole> parts(n + 1), tree, pieces{0}, cell, spans, low_piece, high_piece;
    // Marked with the number of the part, so that nothing has to be cleared between two trees.
    const Owned<Whole> begins(t.cells[n] + 1, -1), number(t.cells[n] + 1);
    for (Whole j = 0; j < n; ++j) {
        parts[j] = static_cast<Whole>(tree.size());
        const Whole from = low[j], to = high[j];
        for (Whole k = 0; k < x.n_trees(); ++k) {
            const Whole part = static_cast<Whole>(tree.size());
            bool apart = false;
            for (Whole i = x.first[k]; i < x.first[k + 1]; ++i) {
                const Whole here = t.leaf_lo[x.leaf[i]][j], after = t.leaf_hi[x.leaf[i]][j] + 1;
                if (here > to || after <= from) out_of_place("reach");
                if (from < here) {
                    begins[here] = part;
                    apart = true;
                }
                if (after <= to) {
                    begins[after] = part;
                    apart = true;
                }
            }
            // The tree does not see this feature here: a charge would be the same in all its leaves.
            if (!apart) continue;
            tree.push_back(k);
            spans.push_back(static_cast<Whole>(low_piece.size()));
            begins[from] = part;
            Whole own = -1;
            for (Whole c = from; c <= to; ++c) {
                if (begins[c] == part) {
                    cell.push_back(c);
                    ++own;
                }
                number[c] = own;
            }
            for (Whole i = x.first[k]; i < x.first[k + 1]; ++i) {
                low_piece.push_back(number[std::max<Whole>(from, t.leaf_lo[x.leaf[i]][j])]);
                high_piece.push_back(number[std::min<Whole>(to, t.leaf_hi[x.leaf[i]][j])]);
            }
            pieces.push_back(static_cast<Whole>(cell.size()));
        }
        for (Whole c = from; c <= to; ++c) begins[c] = -1;
    }
    parts[n] = static_cast<Whole>(tree.size());
    x.parts = Owned<Whole>(std::move(parts));
    x.tree = Owned<Whole>(std::move(tree));
    x.pieces = Owned<Whole>(std::move(pieces));
    x.cell = Owned<Whole>(std::move(cell));
    x.spans = Owned<Whole>(std::move(spans));
    x.low = Owned<Whole>(std::move(low_piece));
    x.high = Owned<Whole>(std::move(high_piece));
    return x;
}

// Charges from those of a box around: of each piece, the least.
inline void inherit(const PricedBox& b, const PricedBox& around) {
    const Parts &x = b.parts, &other = around.parts;
    for (Whole j = 0; j < b.n_features(); ++j) {
        Whole k = other.parts[j];
        const Whole end_part = other.parts[j + 1];
        for (Whole p = x.parts[j]; p < x.parts[j + 1]; ++p) {
            // Both list a feature's parts by tree, so one pass finds the pairs.
            while (k < end_part && other.tree[k] < x.tree[p]) ++k;
            if (k == end_part || other.tree[k] != x.tree[p]) continue;
            Whole at = other.pieces[k];
            const Whole end = other.pieces[k + 1];
            for (Whole i = x.pieces[p]; i < x.pieces[p + 1]; ++i) {
                const Whole after = x.after(p, i, b.high[j]);
                while (at + 1 < end && other.cell[at + 1] <= x.cell[i]) ++at;
                // Any charges give a bound. The least of those covered is what a leaf pays there
                // already.
                double least = around.charge[at];
                for (Whole k2 = at + 1; k2 < end && other.cell[k2] < after; ++k2) {
                    least = std::min(least, around.charge[k2]);
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
    b.lo = copied(a.lo[0]);
    b.hi = copied(a.hi[0]);
    note_costs(t, q, b);
    b.parts = lay_out(t, a, b.low, b.high);
    b.goal = Owned<Whole>(t.n_trees());
    b.limit = Owned<double>(t.n_goals());
    for (Whole g = 0; g < t.n_goals(); ++g) {
        for (Whole k = t.groups[g]; k < t.groups[g + 1]; ++k) b.goal[k] = g;
        b.limit[g] = q.limit[g] + q.band[g] - t.constant[g];
    }
    b.charge = Owned<double>(b.parts.cell.size());
    b.price = Owned<double>(t.n_goals());
    b.above = Owned<double>(b.cost.size());
    b.below = Owned<double>(b.cost.size());
    if (around != nullptr) {
        inherit(b, *around);
        b.price.copy(around->price);
    }
    return b;
}

inline double least_of(Reals some, Whole first, Whole last) {
    double least = some[first];
    for (Whole i = first + 1; i <= last; ++i) least = std::min(least, some[i]);
    return least;
}

inline Account account(const Tables& t, const PricedBox& b) {
    const Parts& x = b.parts;
    Account found{Owned<double>(x.leaf.size()), copied<double>(b.cost), 0.0};
    const Reals pay = found.pay, rest = found.rest, charge = b.charge;
    for (Whole k = 0; k < x.n_trees(); ++k) {
        // What rounding can be is bounded by the sizes that enter the sums.
        double most = 0.0;
        for (Whole i = x.first[k]; i < x.first[k + 1]; ++i) {
            pay[i] = b.price[b.goal[k]] * t.value[x.leaf[i]];
            most = std::max(most, std::abs(pay[i]));
        }
        found.size += most;
    }
    std::vector<Byte> met;
    for (Whole j = 0; j < b.n_features(); ++j) {
        const Whole o = t.cells[j];
        for (Whole p = x.parts[j]; p < x.parts[j + 1]; ++p) {
            const Whole start = x.pieces[p], end = x.pieces[p + 1];
            met.assign(end - start, false);
            Whole at = x.spans[p];
            const Whole tree = x.tree[p];
            for (Whole i = x.first[tree]; i < x.first[tree + 1]; ++i, ++at) {
                pay[i] += least_of(charge, start + x.low[at], start + x.high[at]);
                for (Whole k = x.low[at]; k <= x.high[at]; ++k) met[k] = true;
            }
            double most = 0.0;
            for (Whole i = start; i < end; ++i) {
                most = std::max(most, std::abs(charge[i]));
                // No row is in a piece that the tree has no leaf in: nothing else may choose it
                // either.
                const double amount = met[i - start] ? -charge[i] : INFINITE;
                for (Whole c = x.cell[i]; c < x.after(p, i, b.high[j]); ++c) rest[o + c] += amount;
            }
            found.size += most;
        }
    }
    return found;
}

// Take what is charged for part ``p`` of feature ``j`` back, and note in ``asked`` what its tree would
// pay at least for each piece.
inline void gather(
    const Tables& t, const PricedBox& b, Whole j, Whole p, Reals pay, Reals rest, Reals asked
) {
    const Parts& x = b.parts;
    const Reals charge = b.charge;
    const Whole o = t.cells[j], start = x.pieces[p], end = x.pieces[p + 1] - start - 1;
    Whole at = x.spans[p];
    for (Whole i = start; i <= start + end; ++i) asked[i] = INFINITE;
    // A leaf that spans all pieces asks the same of each: noted once, not piece by piece.
    const double whole = least_of(charge, start, start + end);
    double anywhere = INFINITE;
    const Whole tree = x.tree[p];
    for (Whole i = x.first[tree]; i < x.first[tree + 1]; ++i, ++at) {
        const Whole low = x.low[at], high = x.high[at];
        if (low == 0 && high == end) {
            pay[i] -= whole;
            anywhere = std::min(anywhere, pay[i]);
        } else {
            pay[i] -= least_of(charge, start + low, start + high);
            for (Whole k = start + low; k <= start + high; ++k) asked[k] = std::min(asked[k], pay[i]);
        }
    }
    for (Whole i = start; i <= start + end; ++i) {
        asked[i] = std::min(asked[i], anywhere);
        // The old charge is given back, and what the tree would pay is thrown in: shared out below.
        const double amount = charge[i] + asked[i];
        for (Whole c = x.cell[i]; c < x.after(p, i, b.high[j]); ++c) rest[o + c] += amount;
    }
}

// Charge part ``p`` of feature ``j`` its share of what is left, as one of ``left`` to come.
inline void charge_part(
    const Tables& t, const PricedBox& b, Whole j, Whole p, Whole left, Reals pay, Reals rest,
    Reals asked, double dear
) {
    const Parts& x = b.parts;
    const Reals charge = b.charge;
    const Whole o = t.cells[j], start = x.pieces[p], end = x.pieces[p + 1] - start - 1;
    for (Whole i = start; i <= start + end; ++i) {
        const Whole after = o + x.after(p, i, b.high[j]);
        double least = INFINITE;
        for (Whole c = o + x.cell[i]; c < after; ++c) least = std::min(least, rest[c]);
        // No row is there. `dear` closes such a leaf as infinity would, and can be taken away again.
        if (least == INFINITE) {
            charge[i] = dear;
            continue;
        }
        // In equal parts among the trees still to come; the last takes what is left.
        const double share = least / static_cast<double>(left);
        charge[i] = share - asked[i];
        for (Whole c = o + x.cell[i]; c < after; ++c) rest[c] -= share;
    }
    const double whole = least_of(charge, start, start + end);
    Whole at = x.spans[p];
    const Whole tree = x.tree[p];
    for (Whole i = x.first[tree]; i < x.first[tree + 1]; ++i, ++at) {
        const Whole low = x.low[at], high = x.high[at];
        pay[i] += low == 0 && high == end ? whole : least_of(charge, start + low, start + high);
    }
}

// Gather what each tree would pay at least for each piece of feature ``j``, and share the sums out
// anew. Pieces out of reach are charged ``dear``.
inline void share_out(
    const Tables& t, const PricedBox& b, Whole j, bool back, Reals pay, Reals rest, Reals asked,
    double dear
) {
    const Whole first = b.parts.parts[j], end = b.parts.parts[j + 1];
    for (Whole p = first; p < end; ++p) gather(t, b, j, p, pay, rest, asked);
    // Forth and back in turn: charges travel both ways through the trees (Kolmogorov 2006).
    for (Whole turn = 0; turn < end - first; ++turn) {
        const Whole p = back ? end - 1 - turn : first + turn;
        charge_part(t, b, j, p, end - first - turn, pay, rest, asked, dear);
    }
}

// The leaf that tree ``k`` chooses, as its place in `leaf`, if values cost ``more``; what it pays.
struct Choice {
    Whole at = 0;
    double pays = INFINITE;
};

inline Choice choice(const Tables& t, const Parts& x, Whole k, double more, Reals pay) {
    Choice best{x.first[k]};
    for (Whole i = x.first[k]; i < x.first[k + 1]; ++i) {
        // `pay` holds the price times the value already; only the difference is added.
        const double own = pay[i] + more * t.value[x.leaf[i]];
        if (own < best.pays) best = {i, own};
    }
    return best;
}

// What the trees of a goal pay, and their value.
struct Chosen {
    double total = 0.0;
    double value = 0.0;
};

// Those of goal ``g`` if its price were higher by ``more``.
inline Chosen chosen(const Tables& t, const PricedBox& b, Whole g, double more, Reals pay) {
    Chosen found;
    for (Whole k = t.groups[g]; k < t.groups[g + 1]; ++k) {
        const Choice best = choice(t, b.parts, k, more, pay);
        found.total += best.pays;
        found.value += t.value[b.parts.leaf[best.at]];
    }
    return found;
}

// Sum over features of the least that is left.
inline double sum_left(const Tables& t, const PricedBox& b, Reals rest) {
    double total = 0.0;
    for (Whole j = 0; j < b.n_features(); ++j) {
        total += least_of(rest, t.cells[j] + b.low[j], t.cells[j] + b.high[j]);
    }
    return total;
}

// The best price of each goal between half and double of what it is; what the trees then pay beyond
// the limits.
inline double reprice(const Tables& t, const PricedBox& b, Reals pay) {
    const Parts& x = b.parts;
    double result = 0.0;
    for (Whole g = 0; g < b.limit.size(); ++g) {
        const double price = b.price[g], limit = b.limit[g];
        const Chosen here = chosen(t, b, g, 0.0, pay);
        // The bound is concave in a price, and its slope is the chosen value less the limit: its sign
        // says on which side the best price is.
        double now = here.total - price * limit;
        double low = -0.5 * price, high = price;
        (here.value > limit ? low : high) = 0.0;
        // Six halvings: prices are refined again after each sweep, so no more is needed here.
        for (Whole turn = 0; turn < 6; ++turn) {
            const double middle = 0.5 * (low + high);
            (chosen(t, b, g, middle, pay).value > limit ? low : high) = middle;
        }
        const double more = 0.5 * (low + high);
        const double then = chosen(t, b, g, more, pay).total - (price + more) * limit;
        // The search ends beside a kink and not on it, so the old price may be the better one.
        if (then > now) {
            now = then;
            b.price[g] += more;
            for (Whole i = x.first[t.groups[g]]; i < x.first[t.groups[g + 1]]; ++i) {
                pay[i] += more * t.value[x.leaf[i]];
            }
        }
        result += now;
    }
    return result;
}

// Count, for every cell, the trees whose cheapest leaf begins there or later, and those whose leaf ends
// before it; at prices higher by the part ``more``.
inline void tell(
    const Tables& t, const PricedBox& b, double more, Reals pay, Reals above, Reals below
) {
    // Earlier sweeps still count a little: near the best charges, choices jump between leaves.
    for (Whole c = 0; c < above.size(); ++c) {
        above[c] *= FADING;
        below[c] *= FADING;
    }
    for (Whole k = 0; k < b.parts.n_trees(); ++k) {
        const Choice best = choice(t, b.parts, k, more * b.price[b.goal[k]], pay);
        const Whole leaf = b.parts.leaf[best.at];
        const Cells leaf_lo = t.leaf_lo[leaf], leaf_hi = t.leaf_hi[leaf];
        for (Whole j = 0; j < b.n_features(); ++j) {
            const Whole o = t.cells[j], low = b.low[j], high = b.high[j];
            const Whole begins = std::min<Whole>(leaf_lo[j], high);
            for (Whole c = low + 1; c <= begins; ++c) above[o + c] += 1.0;
            for (Whole c = std::max<Whole>(leaf_hi[j], low) + 1; c <= high; ++c) below[o + c] += 1.0;
        }
    }
}

// The cell about which the trees disagree most; none if they agree.
inline Cut disputed(const Tables& t, const PricedBox& b, Reals above, Reals below) {
    double most = 0.0;
    Cut cut;
    for (Whole j = 0; j < b.n_features(); ++j) {
        for (Whole c = b.low[j] + 1; c <= b.high[j]; ++c) {
            // A cut helps by the smaller side: in both halves some trees lose their cheapest leaf.
            const double votes = std::min(above[t.cells[j] + c], below[t.cells[j] + c]);
            if (votes > most) {
                most = votes;
                cut = {j, c};
            }
        }
    }
    return cut;
}

// Where to halve so that the dearest cells are parted from cheaper ones, though the trees agree.
//
// The difference is at least ``least``; none if there is no such place.
inline Cut disagreed(const Tables& t, const PricedBox& b, Reals rest, double least) {
    Cut cut;
    for (Whole j = 0; j < b.n_features(); ++j) {
        const Whole o = t.cells[j];
        Whole first = b.low[j], last = b.high[j];
        for (Whole c = b.low[j] + 1; c <= b.high[j]; ++c) {
            // Without disputes, all leaves of all trees hold the cells `first..last`.
            if (b.above[o + c] > 0.0) first = c;
            if (b.below[o + c] > 0.0) last = std::min(last, c - 1);
        }
        double inside = INFINITE, outside = INFINITE;
        Whole at = first;
        for (Whole c = b.low[j]; c <= b.high[j]; ++c) {
            if (first <= c && c <= last) {
                inside = std::min(inside, rest[o + c]);
            } else if (rest[o + c] < outside) {
                outside = rest[o + c];
                at = c;
            }
        }
        // Cut between the agreed cells and the cheapest elsewhere, so that both must give way.
        if (inside - outside > least) {
            least = inside - outside;
            cut = {j, at < first ? first : last + 1};
        }
    }
    return cut;
}

// Where to halve: between cells that the trees disagree about; that the features would rather have; or
// that the trees would choose at other prices.
inline Cut halving(const Tables& t, const PricedBox& b, Reals pay, Reals rest, double least) {
    Cut cut = disputed(t, b, b.above, b.below);
    if (cut.column < 0) cut = disagreed(t, b, rest, least);
    if (cut.column >= 0) return cut;
    const Owned<double> ups(b.above.size()), downs(b.above.size());
    // Small changes first: the first price at which trees disagree shows the nearest other choice.
    for (double more = LEAST_PERTURBATION; cut.column < 0 && more <= 1.0; more *= 4.0) {
        tell(t, b, more, pay, ups, downs);
        tell(t, b, -more, pay, ups, downs);
        cut = disputed(t, b, ups, downs);
    }
    return cut;
}

// The bound that charges and prices give, rounding taken off.
inline double bound_of(const Tables& t, const PricedBox& b, const Account& now, double& size) {
    double bound = sum_left(t, b, now.rest);
    size = now.size;
    for (Whole j = 0; j < b.n_features(); ++j) {
        double most = 0.0;
        for (Whole c = t.cells[j] + b.low[j]; c <= t.cells[j] + b.high[j]; ++c) {
            most = std::max(most, b.cost[c]);
        }
        size += most;
    }
    for (Whole g = 0; g < b.limit.size(); ++g) {
        size += std::abs(b.price[g] * b.limit[g]);
        bound += chosen(t, b, g, 0.0, now.pay).total - b.price[g] * b.limit[g];
    }
    return bound - MARGIN * size;
}

// What choices other than the cheapest would add to a bound.
struct Reduced {
    double bound = -INFINITE;
    Owned<double> leaf;  // (n,) of each leaf within reach, beyond its tree's cheapest
    Owned<double> cell;  // (n_cells,) of each cell of the box, beyond its feature's cheapest
};

inline Reduced reduced(const Tables& t, const PricedBox& b) {
    const Account now = account(t, b);
    double size = 0.0;
    // Once more for what is added to it: differences of the same sums.
    const double bound = bound_of(t, b, now, size);
    Reduced found{bound, copied<double>(now.pay), copied<double>(now.rest)};
    found.bound -= MARGIN * size;
    const Parts& x = b.parts;
    for (Whole k = 0; k < x.n_trees(); ++k) {
        const double least = least_of(now.pay, x.first[k], x.first[k + 1] - 1);
        for (Whole i = x.first[k]; i < x.first[k + 1]; ++i) found.leaf[i] -= least;
    }
    for (Whole j = 0; j < b.n_features(); ++j) {
        const Whole first = t.cells[j] + b.low[j], last = t.cells[j] + b.high[j];
        const double least = least_of(now.rest, first, last);
        for (Whole c = first; c <= last; ++c) found.cell[c] -= least;
    }
    return found;
}

// Strike the leaves off that no row of the box in the target that costs less than ``enough`` can reach,
// and note of the others what such a row costs at least.
inline void strike_off(const Tables& t, const Arena& a, const PricedBox& b, double enough) {
    const Reduced found = reduced(t, b);
    const RangeMinimum least(t.cells, found.cell);
    const Parts& x = b.parts;
    for (Whole i = 0; i < x.leaf.size(); ++i) {
        const Whole leaf = x.leaf[i];
        double total = found.bound + found.leaf[i];
        for (Whole j = 0; total < enough && j < b.n_features(); ++j) {
            const Whole low = std::max<Whole>(b.low[j], t.leaf_lo[leaf][j]);
            const Whole high = std::min<Whole>(b.high[j], t.leaf_hi[leaf][j]);
            if (low > b.low[j] || high < b.high[j]) total += least(j, low, high);
        }
        const Word mark = single_bit(leaf & 63);
        if ((a.reach[leaf >> 6] & mark) == 0) continue;
        a.leaf_cost[leaf] = std::max(a.leaf_cost[leaf], total);
        if (total >= enough) a.reach[leaf >> 6] ^= mark;
    }
    note_undecided(t, a);
}

// Better charges and prices; the bound, rounding taken off, and below ``enough`` where to halve.
inline Ascent ascend(const Tables& t, const PricedBox& b, double enough) {
    const Whole n = b.n_features();
    {
        const Account now = account(t, b);
        const Owned<double> asked(b.charge.size()), kept = copied<double>(b.charge),
                            kept_price = copied<double>(b.price);
        double best = -INFINITE;
        // A sweep may lose where a price moved, so the best charges are kept.
        for (Whole s = 0; s < SWEEPS; ++s) {
            const bool back = s % 2 == 1;
            for (Whole turn = 0; turn < n; ++turn) {
                share_out(t, b, back ? n - 1 - turn : turn, back, now.pay, now.rest, asked, enough);
            }
            const double bound = reprice(t, b, now.pay) + sum_left(t, b, now.rest);
            tell(t, b, 0.0, now.pay, b.above, b.below);
            if (bound > best) {
                best = bound;
                kept.copy(b.charge);
                kept_price.copy(b.price);
                // The box is closed: more would prove nothing.
                if (best >= enough) break;
            }
        }
        b.charge.copy(kept);
        b.price.copy(kept_price);
    }
    // Anew from the charges: what is claimed does not rest on what sweeps have added up.
    const Account now = account(t, b);
    double size = 0.0;
    // Rounding must never close a box: it is taken off the bound.
    const double bound = bound_of(t, b, now, size);
    if (bound >= enough) return {bound, {}};
    return {bound, halving(t, b, now.pay, now.rest, 1e-6 * enough)};
}

// The position of each feature that is cheapest among the cells that the fewest trees object to.
inline std::vector<Whole> wish(const Tables& t, const Question& q, const PricedBox& b) {
    std::vector<Whole> wished(b.lo.begin(), b.lo.end());
    for (Whole j = 0; j < b.n_features(); ++j) {
        const Whole o = t.cells[j];
        double fewest = INFINITE, least = INFINITE;
        for (Whole c = b.low[j]; c <= b.high[j]; ++c) {
            const auto [first, last] = positions(t, q, b.lo, b.hi, j, c);
            if (first > last) continue;
            // Trees whose leaf ends before this cell, and those whose leaf begins after it.
            double against = b.below[o + c];
            if (c < b.high[j]) against += b.above[o + c + 1];
            const Whole p = cheapest(q, j, first, last);
            const double cost = cost_at(q, j, p);
            if (against < fewest || (against == fewest && cost < least)) {
                fewest = against;
                least = cost;
                wished[j] = p;
            }
        }
    }
    return wished;
}

}  // namespace ifonly

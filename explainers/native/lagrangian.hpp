// What a row of a box must cost, seen from costs and trees together.
//
// Every tree is charged a part of each feature's cost, whatever is left stays with the feature, and
// what the limits leave over is paid for at a price. The trees then choose their leaves one by one:
//
//     cost >= sum over trees of  min over leaves (price * value + charges of the leaf's cells)
//           + sum over features of  min over cells (cost - charges)  -  price * limit
//
// for *any* charges and prices (Lagrangian decomposition). The best charges give the linear program over
// leaves and cells. They are approached by the volume algorithm (Barahona and Anbil, "The volume
// algorithm: producing primal solutions with a subgradient method", Mathematical Programming 87, 2000):
// where a tree and a feature choose different cells, that of the tree becomes dearer and that of the
// feature cheaper, along the average of what they chose of late. That average is also what says where
// trees disagree. A box inside another begins with the other's charges.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "choices.hpp"
#include "range_minimum.hpp"

namespace ifonly {

// Part of the sum of all sizes: more than rounding can make of the sums of a bound.
inline constexpr double MARGIN = 1e-10;
// What the newest choices count in the average of all, at most and at least.
inline constexpr double MOST_OF_NEWEST = 0.2;
inline constexpr double LEAST_OF_NEWEST = 0.02;
// Steps aim at a bound that is a little higher than what closes the box.
inline constexpr double AIM = 1.02;
// Part of what is missing that the longest step is meant to gain.
inline constexpr double LONGEST_STEP = 2.0;
// After a step that gained as much as it was meant to, and after so many that gained nothing.
inline constexpr double LONGER = 1.1;
inline constexpr double SHORTER = 0.6;
inline constexpr Whole MISSES = 3;
// Choices that are rarer do not count where a box is halved.
inline constexpr double RARE = 1e-3;

// A bound, and where to halve the box: a feature and the first cell of the upper part; -1 if nowhere.
struct Ascent {
    double bound = 0.0;
    Cut cut;
};

// How far trees object to a cell, over the choices of late.
struct Votes {
    Owned<double> above;  // (n_cells,) trees that would rather be at that cell or later
    Owned<double> below;  // and before it
};

inline Votes votes(const PricedBox& b) {
    const Parts& x = b.parts;
    Votes found{Owned<double>(b.cell.size()), Owned<double>(b.cell.size())};
    for (Whole i = 0; i < x.leaf.size(); ++i) {
        if (b.weight[i] <= RARE) continue;
        for (Whole at = x.bounds[i]; at < x.bounds[i + 1]; ++at) {
            const Whole p = x.bound.part[at], o = b.cells[x.feature[p]];
            found.above[o + x.cell[x.bound.low[at]]] += b.weight[i];
            const Whole after = x.bound.high[at] + 1;
            if (after < x.pieces[p + 1]) found.below[o + x.cell[after]] += b.weight[i];
        }
    }
    for (Whole j = 0; j < b.n_features(); ++j) {
        const Whole first = b.cells[j], end = b.cells[j + 1];
        for (Whole c = first + 1; c < end; ++c) found.below[c] += found.below[c - 1];
        for (Whole c = end - 2; c >= first; --c) found.above[c] += found.above[c + 1];
    }
    return found;
}

// The cell about which the trees disagree most, or the middle of the feature with the most cells.
inline Cut halving(const PricedBox& b) {
    const Votes found = votes(b);
    double most = 0.0;
    Cut cut;
    for (Whole j = 0; j < b.n_features(); ++j) {
        for (Whole c = b.cells[j] + 1; c < b.cells[j + 1]; ++c) {
            // A cut helps by the smaller side: in both halves some trees lose their cheapest leaf.
            const double both = std::min(found.above[c], found.below[c]);
            if (both > most) {
                most = both;
                cut = {j, b.cell[c]};
            }
        }
    }
    if (cut.column >= 0) return cut;
    Whole cells = 1;
    for (Whole j = 0; j < b.n_features(); ++j) {
        if (b.n_cells(j) > cells) {
            cells = b.n_cells(j);
            cut = {j, b.cell[b.cells[j] + cells / 2]};
        }
    }
    return cut;
}

// What is learnt of choices: the average of late ones.
inline void remember(const PricedBox& b, const Choices& now, double newest) {
    for (double& each : b.weight) each *= 1.0 - newest;
    for (Whole k = 0; k < b.parts.n_trees(); ++k) b.weight[now.choice_of(k)] += newest;
}

// The share of the newest choices that makes the average shortest, as Barahona and Anbil take it: where all
// agree, nothing is left to gain.
inline double share_of_newest(Reals apart, Reals ahead, Reals beyond, Reals dearer) {
    double fall = 0.0, square = 0.0;
    const auto add = [&](Reals now, Reals average) {
        for (Whole i = 0; i < now.size(); ++i) {
            const double change = average[i] - now[i];
            fall += average[i] * change;
            square += change * change;
        }
    };
    add(apart, ahead);
    add(beyond, dearer);
    if (!(square > 0.0)) return MOST_OF_NEWEST;
    return std::min(MOST_OF_NEWEST, std::max(LEAST_OF_NEWEST, fall / square));
}

// Better charges and prices by ``steps`` at most; the bound, rounding taken off, and below ``enough`` where
// to halve.
inline Ascent ascend(const Tables& t, PricedBox& b, double enough, Whole steps) {
    const Whole goals = b.price.size();
    Choices now(t, b);
    double best = now.at(b.charge, b.price);
    const Owned<double> charge(b.charge.size()), price(goals), apart(b.charge.size()), beyond(goals);
    const auto look = [&](Reals charges) {
        now.disagreement(charges, apart);
        // A price is moved by how far the chosen values are beyond the limit.
        for (Whole g = 0; g < goals; ++g) beyond[g] = (now.value_of(g) - b.limit[g]) * b.scale[g];
    };
    if (b.ahead.size() == 0) {
        look(b.charge);
        b.ahead = copied<double>(apart);
        b.dearer = copied<double>(beyond);
        remember(b, now, 1.0);
    }
    for (Whole turn = 0; turn < steps && best < enough; ++turn) {
        double square = 0.0;
        for (const double each : b.ahead) square += each * each;
        for (const double each : b.dearer) square += each * each;
        // Trees and features agree: these are the best charges.
        if (!(square > 1e-12)) break;
        const double length = b.step * (AIM * enough - best) / square;
        for (Whole i = 0; i < charge.size(); ++i) charge[i] = b.charge[i] + length * b.ahead[i];
        for (Whole g = 0; g < goals; ++g) {
            price[g] = std::max(0.0, b.price[g] + length * b.dearer[g] * b.scale[g]);
        }
        const double bound = now.at(charge, price);
        look(charge);
        const double newest = share_of_newest(apart, b.ahead, beyond, b.dearer);
        double agrees = 0.0;
        for (Whole i = 0; i < charge.size(); ++i) {
            agrees += apart[i] * b.ahead[i];
            b.ahead[i] += newest * (apart[i] - b.ahead[i]);
        }
        for (Whole g = 0; g < goals; ++g) {
            agrees += beyond[g] * b.dearer[g];
            b.dearer[g] += newest * (beyond[g] - b.dearer[g]);
        }
        remember(b, now, newest);
        if (bound > best) {
            best = bound;
            b.charge.copy(charge);
            b.price.copy(price);
            b.misses = 0;
            // It could have gone farther.
            if (agrees >= 0.0) b.step = std::min(LONGEST_STEP, LONGER * b.step);
        } else if (++b.misses >= MISSES) {
            b.step *= SHORTER;
            b.misses = 0;
        }
    }
    // Rounding must never close a box: it is taken off the bound.
    const double bound = best - MARGIN * now.size(b.charge, b.price);
    if (bound >= enough) return {bound, {}};
    return {bound, halving(b)};
}

// Cut the ends off a box of which the cells leave too much of their cost for a row that costs less than
// ``enough``: ``extra`` is what a cell leaves beyond its feature's cheapest.
inline void narrow(
    const Tables& t, const Question& q, const PricedBox& b, Reals extra, double bound, double enough
) {
    for (Whole j = 0; j < b.n_features(); ++j) {
        Whole first = b.cells[j], last = b.cells[j + 1] - 1;
        while (first < last && bound + extra[first] >= enough) ++first;
        while (first < last && bound + extra[last] >= enough) --last;
        const Whole low = positions(t, q, b.lo, b.hi, j, b.cell[first]).first;
        const Whole high = positions(t, q, b.lo, b.hi, j, b.cell[last]).last;
        b.lo[j] = low;
        b.hi[j] = high;
    }
}

// Strike the leaves off that no row of the box in the target that costs less than ``enough`` can reach,
// and note of the others what such a row costs at least.
inline void strike_off(const Tables& t, const Question& q, const Arena& a, PricedBox& b, double enough) {
    const Parts& x = b.parts;
    Choices now(t, b);
    // Rounding once for the bound and once for what is added to it: differences of the same sums.
    const double bound = now.price_all(b.charge, b.price) - 2.0 * MARGIN * now.size(b.charge, b.price);
    for (Whole j = 0; j < b.n_features(); ++j) {
        const double least = least_of(now.rest, b.cells[j], b.cells[j + 1] - 1);
        for (Whole c = b.cells[j]; c < b.cells[j + 1]; ++c) now.rest[c] -= least;
    }
    const RangeMinimum extra(b.cells, now.rest);
    std::vector<Word> priced(a.reach.size());
    for (Whole k = 0; k < x.n_trees(); ++k) {
        const double least = least_of(now.pay, x.first[k], x.first[k + 1] - 1);
        for (Whole i = x.first[k]; i < x.first[k + 1]; ++i) {
            const Whole leaf = x.leaf[i];
            double total = bound + (now.pay[i] - least);
            for (Whole at = x.bounds[i]; total < enough && at < x.bounds[i + 1]; ++at) {
                const Whole p = x.bound.part[at], j = x.feature[p], after = x.bound.high[at] + 1;
                const Whole end = after < x.pieces[p + 1] ? x.cell[after] : b.n_cells(j);
                total += extra(j, x.cell[x.bound.low[at]], end - 1);
            }
            const Word mark = single_bit(leaf & 63);
            priced[leaf >> 6] |= mark;
            if ((a.reach[leaf >> 6] & mark) == 0) continue;
            a.leaf_cost[leaf] = std::max(a.leaf_cost[leaf], total);
            if (total >= enough) a.reach[leaf >> 6] ^= mark;
        }
    }
    // No row of the box reaches a leaf that was not priced.
    for (Whole w = 0; w < a.reach.size(); ++w) a.reach[w] &= priced[w];
    a.ints[STRUCK] = 1;
    b.left = copied<Word>(a.reach);
    narrow(t, q, b, now.rest, bound, enough);
}

// The position of each feature that is cheapest among the cells that the fewest trees object to.
inline std::vector<Whole> wish(const Tables& t, const Question& q, const PricedBox& b) {
    const Votes found = votes(b);
    std::vector<Whole> wished(b.lo.begin(), b.lo.end());
    for (Whole j = 0; j < b.n_features(); ++j) {
        double fewest = INFINITE, least = INFINITE;
        for (Whole c = b.cells[j]; c < b.cells[j + 1]; ++c) {
            if (b.cost[c] == INFINITE) continue;
            const auto [first, last] = positions(t, q, b.lo, b.hi, j, b.cell[c]);
            // Trees whose leaf ends before this cell, and those whose leaf begins after it.
            double against = found.below[c];
            if (c + 1 < b.cells[j + 1]) against += found.above[c + 1];
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

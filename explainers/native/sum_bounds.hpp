// What the sums of the trees may be over boxes of cells: least and greatest leaf of each tree, added up.
#pragma once

#include <limits>
#include <vector>

#include "cells.hpp"
#include "checks.hpp"
#include "entries.hpp"
#include "tables.hpp"

namespace ifonly {

// Of each box, cells ``lo..hi`` of every feature, and each goal: no row of it sums to less than
// ``least``, none to more than ``greatest``. A tree that reaches no leaf leaves no row: infinity.
inline void sum_bounds(
    const Tables& t, CellRows lo, CellRows hi, RealRows least, RealRows greatest
) {
    std::vector<Word> kept(static_cast<std::size_t>(t.n_words()));
    for (Whole b = 0; b < lo.size(); ++b) {
        for (Whole w = 0; w < t.n_words(); ++w) kept[w] = t.full[w];
        for (Whole j = 0; j < t.n_features(); ++j) {
            const Whole first = t.cells[j], low = lo[b][j], high = hi[b][j];
            // A whole side of a feature leaves all leaves in: nothing to AND.
            if (low > 0) {
                const Words row = t.at_least[first + low];
                for (Whole w = 0; w < row.size(); ++w) kept[w] &= row[w];
            }
            if (high < t.count(j) - 1) {
                const Words row = t.at_most[first + high];
                for (Whole w = 0; w < row.size(); ++w) kept[w] &= row[w];
            }
        }
        for (Whole g = 0; g < t.n_goals(); ++g) {
            double down = t.constant[g], up = t.constant[g];
            for (Whole tree = t.groups[g]; tree < t.groups[g + 1]; ++tree) {
                Whole lowest = -1, highest = -1;
                for (Whole w = t.words[tree]; w < t.words[tree + 1]; ++w) {
                    if (kept[w] == 0) continue;
                    // Leaves are sorted by value across a tree's words.
                    if (lowest < 0) lowest = w * 64 + lowest_bit(kept[w]);
                    highest = w * 64 + highest_bit(kept[w]);
                }
                if (lowest < 0) {
                    down = std::numeric_limits<double>::infinity();
                    up = -down;
                    break;
                }
                down += t.value[lowest];
                up += t.value[highest];
            }
            least[b][g] = down;
            greatest[b][g] = up;
        }
    }
}

inline void bound_sums(
    const HeldTables& t, GivenRows<const Cell> lo, GivenRows<const Cell> hi, GivenRows<double> least,
    GivenRows<double> greatest
) {
    nb::gil_scoped_release unlocked;
    const CellRows low = rows<Cell>(lo), high = rows<Cell>(hi);
    const Tables& tables = t.fields;
    const auto fits = [](auto array, Whole height, Whole width, const char* name) {
        if (array.size() != height || array.width != width) out_of_place(name);
    };
    const RealRows down{least.data(), static_cast<Whole>(least.shape(0)), static_cast<Whole>(least.shape(1))};
    const RealRows up{
        greatest.data(), static_cast<Whole>(greatest.shape(0)), static_cast<Whole>(greatest.shape(1))
    };
    fits(low, low.size(), tables.n_features(), "lo");
    fits(high, low.size(), tables.n_features(), "hi");
    fits(down, low.size(), tables.n_goals(), "least");
    fits(up, low.size(), tables.n_goals(), "greatest");
    for (Whole b = 0; b < low.size(); ++b) {
        for (Whole j = 0; j < tables.n_features(); ++j) {
            if (low[b][j] < 0 || low[b][j] > high[b][j] || high[b][j] >= tables.count(j)) out_of_place("lo");
        }
    }
    sum_bounds(tables, low, high, down, up);
}

}  // namespace ifonly

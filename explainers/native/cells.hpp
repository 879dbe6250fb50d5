// Positions of axes: their values, costs and cells; and the bits of a word.
#pragma once

#include <bit>
#include <cmath>
#include <limits>

#include "question.hpp"

namespace ifonly {

inline constexpr double INFINITE = std::numeric_limits<double>::infinity();

// Index of the lowest, of the highest set bit of a word that is not 0.
inline Whole lowest_bit(Word word) { return std::countr_zero(word); }
inline Whole highest_bit(Word word) { return 63 - std::countl_zero(word); }
inline Whole bit_count(Word word) { return std::popcount(word); }
inline Word single_bit(Whole at) { return Word{1} << at; }
inline Word without_lowest(Word word) { return word & (word - 1); }

// The stretch of a long axis that a position is in, counted from the first of all axes.
inline Whole stretch_at(const Question& q, Whole j, Whole position) {
    Whole low = q.lengthy.first[j];
    Whole high = low + q.off[j + 1] - q.off[j] - 1;
    while (low < high) {
        const Whole middle = (low + high + 1) >> 1;
        if (q.lengthy.start[middle] <= position) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

inline double long_value(const Question& q, Whole j, Whole position) {
    const Long& x = q.lengthy;
    const Whole k = stretch_at(q, j, position);
    const Whole steps = position - x.start[k];
    // The first of a stretch is listed, because it may be on no grid.
    if (steps == 0) return q.value[q.off[j] + k - x.first[j]];
    // In the order of `Grid.at`, so that it is the same double.
    return static_cast<double>((x.multiple[k] + steps) * x.numerator[j]) / x.scale[j];
}

// The same number as that of the definition, which is computed in the same order.
inline double long_cost(const Question& q, Whole j, Whole position) {
    const Long& x = q.lengthy;
    const Whole k = stretch_at(q, j, position);
    // From a missing factual every number costs the same, so the listed cost is that of all.
    if (position == x.start[k] || std::isnan(x.factual[j])) {
        return q.cost[q.off[j] + k - x.first[j]];
    }
    const double value = long_value(q, j, position);
    if (value == x.factual[j]) return 0.0;
    const double distance = std::abs(value - x.factual[j]) / x.spread[j];
    return x.weight[j] * distance + x.fixed[j] + x.penalty[j];
}

// What is said of a position of axis ``j`` in the arrays of a question: of a long axis, of the
// stretch that it is in.
inline Whole entry_at(const Question& q, Whole j, Whole position) {
    const Whole listed = q.listed[j];
    if (listed >= 0) [[likely]] return listed + position;
    return q.off[j] + stretch_at(q, j, position) - q.lengthy.first[j];
}

// First position of an entry of axis ``j``; of the one beyond its last, how many there are.
inline Whole first_of(const Question& q, Whole j, Whole entry) {
    if (entry == q.off[j + 1]) return q.size[j];
    if (q.listed[j] >= 0) return entry - q.off[j];
    return q.lengthy.start[q.lengthy.first[j] - q.off[j] + entry];
}

inline double value_at(const Question& q, Whole j, Whole position) {
    const Whole listed = q.listed[j];
    if (listed >= 0) [[likely]] return q.value[listed + position];
    return long_value(q, j, position);
}

inline double cost_at(const Question& q, Whole j, Whole position) {
    const Whole listed = q.listed[j];
    if (listed >= 0) [[likely]] return q.cost[listed + position];
    return long_cost(q, j, position);
}

// Cell of the tables at hand that a position of axis ``j`` falls into.
template <class CellMap>
Whole cell_at(const CellMap& t, const Question& q, Whole j, Whole position) {
    return t.coarse[t.fine[j] + q.cell[entry_at(q, j, position)]];
}

// First position of axis ``j`` in ``cell`` of the tables at hand, or beyond.
template <class CellMap>
Whole first_in(const CellMap& t, const Question& q, Whole j, Whole cell) {
    return q.first[t.fine[j] + j + t.begin[t.cells[j] + j + cell]];
}

// Position of the least cost among ``low..high`` of axis ``j``.
inline Whole cheapest(const Question& q, Whole j, Whole low, Whole high) {
    // A declared matrix: the cheapest of each interval was looked up beforehand.
    if (q.table[j] >= 0) return q.cheapest[q.table[j] + low * q.size[j] + high];
    const Whole middle = q.middle[j];
    if (low >= middle) return low;
    if (high < middle) return high;
    // The interval straddles the factual value; where that is allowed it is at `middle`.
    return cost_at(q, j, middle) <= cost_at(q, j, middle - 1) ? middle : middle - 1;
}

// Cost of the row at positions ``at``, added up in schema order, as the definition of cost does:
// another order could differ in the last digit.
inline double cost_of(const Question& q, Wholes at) {
    double total = 0.0;
    for (Whole j = 0; j < at.size(); ++j) total += cost_at(q, j, at[j]);
    return total;
}

// Cost of the cheapest corner of a box.
inline double least_cost(const Question& q, Wholes lo, Wholes hi) {
    double total = 0.0;
    for (Whole j = 0; j < lo.size(); ++j) total += cost_at(q, j, cheapest(q, j, lo[j], hi[j]));
    return total;
}

}  // namespace ifonly

// What the sums of the trees may be over boxes of cells: least and greatest leaf of each tree, added up.
#pragma once

#include <algorithm>
#include <limits>
#include <vector>

#include "cells.hpp"
#include "checks.hpp"
#include "entries.hpp"
#include "tables.hpp"

namespace ifonly {

// Boxes that are looked at together: those beside each other are mostly near each other, as readings of
// one row are, and then most trees have one leaf for all of them.
inline constexpr Whole BOXES_TOGETHER = 256;

// What is known of all trees over boxes ``first..last-1``: the sum of the leaves of those that have but
// one, and the others.
class SumsTogether {
public:
    SumsTogether(const Tables& tables, CellRows lo, CellRows hi, Whole first, Whole last)
        : t(tables),
          low_(lo[first].begin(), lo[first].end()),
          high_(hi[first].begin(), hi[first].end()),
          is_one_(last - first == 1),
          mask_(t.full.begin(), t.full.end()) {
        for (Whole b = first + 1; b < last; ++b) {
            for (Whole j = 0; j < t.n_features(); ++j) {
                const auto k = static_cast<std::size_t>(j);
                low_[k] = std::min(low_[k], lo[b][j]);
                high_[k] = std::max(high_[k], hi[b][j]);
            }
        }
        find_rows(low_.data(), high_.data());
        narrow(mask_);
        open_.push_back(0);
        for (Whole g = 0; g < t.n_goals(); ++g) {
            double sum = t.constant[g];
            for (Whole tree = t.groups[g]; tree < t.groups[g + 1]; ++tree) {
                const Whole only = only_leaf(tree);
                if (only >= 0) {
                    sum += t.value[only];
                } else {
                    trees_.push_back(tree);
                }
            }
            settled_.push_back(sum);
            open_.push_back(trees_.size());
        }
        is_dense_ = 2 * static_cast<Whole>(trees_.size()) > t.n_trees();
    }

    // Least and greatest sum of goal after goal over one of these boxes.
    void bound(const Cell* lo, const Cell* hi, double* least, double* greatest) {
        find_rows(lo, hi);
        // Of most trees at once, word beside word, or of the few that are left one by one.
        if (is_dense_) {
            kept_ = mask_;
            narrow(kept_);
            add_up(least, greatest, [this](Whole w) { return kept_[static_cast<std::size_t>(w)]; });
        } else {
            add_up(least, greatest, [this](Whole w) {
                Word word = mask_[static_cast<std::size_t>(w)];
                for (const Word* row : rows_) word &= row[w];
                return word;
            });
        }
    }

private:
    template <class WordAt>
    void add_up(double* least, double* greatest, const WordAt& at) const {
        for (std::size_t g = 0; g + 1 < open_.size(); ++g) {
            double down = settled_[g], up = settled_[g];
            for (std::size_t i = open_[g]; i < open_[g + 1]; ++i) {
                const Whole tree = trees_[i];
                Whole lowest = -1, highest = -1;
                for (Whole w = t.words[tree]; w < t.words[tree + 1]; ++w) {
                    const Word word = at(w);
                    if (word == 0) continue;
                    // Leaves are sorted by value across a tree's words.
                    if (lowest < 0) lowest = w * 64 + lowest_bit(word);
                    highest = w * 64 + highest_bit(word);
                }
                if (lowest < 0) {
                    down = std::numeric_limits<double>::infinity();
                    up = -down;
                    break;
                }
                down += t.value[lowest];
                up += t.value[highest];
            }
            least[g] = down;
            greatest[g] = up;
        }
    }

    void narrow(std::vector<Word>& mask) const {
        for (const Word* row : rows_) {
            for (Whole w = 0; w < t.n_words(); ++w) mask[static_cast<std::size_t>(w)] &= row[w];
        }
    }

    // The rows of the tables whose AND is the leaves that cells ``lo..hi`` reach.
    void find_rows(const Cell* lo, const Cell* hi) {
        rows_.clear();
        for (Whole j = 0; j < t.n_features(); ++j) {
            const Whole first = t.cells[j];
            // A whole side of a feature leaves all leaves in: nothing to AND.
            if (lo[j] > 0) rows_.push_back(t.at_least[first + lo[j]].data);
            if (hi[j] < t.count(j) - 1) rows_.push_back(t.at_most[first + hi[j]].data);
        }
    }

    // The one leaf that every box reaches of a tree; -1 where that is not so.
    Whole only_leaf(Whole tree) const {
        Whole only = -1;
        for (Whole w = t.words[tree]; w < t.words[tree + 1]; ++w) {
            const Word word = mask_[static_cast<std::size_t>(w)];
            if (word == 0) continue;
            if (only >= 0 || without_lowest(word) != 0) return -1;
            only = w * 64 + lowest_bit(word);
        }
        // Tables may hold a part of the leaves: then some of the boxes reach none.
        for (Whole j = 0; !is_one_ && only >= 0 && j < t.n_features(); ++j) {
            const auto k = static_cast<std::size_t>(j);
            if (t.leaf_lo[only][j] > low_[k] || t.leaf_hi[only][j] < high_[k]) return -1;
        }
        return only;
    }

    const Tables& t;
    std::vector<Cell> low_, high_;  // cells that all boxes are in
    bool is_one_;
    bool is_dense_ = true;
    std::vector<Word> mask_, kept_;
    std::vector<const Word*> rows_;
    std::vector<double> settled_;
    std::vector<Whole> trees_;
    std::vector<std::size_t> open_;  // goal by goal, the first of its trees
};

// Of each box, cells ``lo..hi`` of every feature, and each goal: no row of it sums to less than
// ``least``, none to more than ``greatest``. A tree that reaches no leaf leaves no row: infinity.
inline void sum_bounds(
    const Tables& t, CellRows lo, CellRows hi, RealRows least, RealRows greatest
) {
    for (Whole first = 0; first < lo.size(); first += BOXES_TOGETHER) {
        const Whole last = std::min(first + BOXES_TOGETHER, lo.size());
        SumsTogether sums(t, lo, hi, first, last);
        for (Whole b = first; b < last; ++b) {
            sums.bound(lo[b].begin(), hi[b].begin(), least[b].begin(), greatest[b].begin());
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

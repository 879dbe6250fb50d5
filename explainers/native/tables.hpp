// Bit tables over the leaves; explainers/search/trees/tables.py says what each field holds.
#pragma once

#include "arrays.hpp"
#include "fields.hpp"

namespace ifonly {

struct Tables {
    Wholes cells;
    WordRows at_most;
    WordRows at_least;
    CellRows leaf_lo;
    CellRows leaf_hi;
    Reals value;
    Words full;
    Wholes words;
    Wholes groups;
    Reals constant;
    Wholes fine;
    Cells coarse;
    Wholes begin;

    static constexpr const char* name = "Tables";
    static constexpr auto fields() {
        return std::tuple{
            field("cells", &Tables::cells),       field("at_most", &Tables::at_most),
            field("at_least", &Tables::at_least), field("leaf_lo", &Tables::leaf_lo),
            field("leaf_hi", &Tables::leaf_hi),   field("value", &Tables::value),
            field("full", &Tables::full),         field("words", &Tables::words),
            field("groups", &Tables::groups),     field("constant", &Tables::constant),
            field("fine", &Tables::fine),         field("coarse", &Tables::coarse),
            field("begin", &Tables::begin),
        };
    }

    Whole n_features() const { return cells.size() - 1; }
    Whole n_words() const { return full.size(); }
    Whole n_trees() const { return words.size() - 1; }
    Whole n_goals() const { return groups.size() - 1; }
    // Cells of feature ``j``.
    Whole count(Whole j) const { return cells[j + 1] - cells[j]; }
};

}  // namespace ifonly

// Everything that one search writes to; explainers/search/trees/arena.py says what each field holds.
#pragma once

#include "arrays.hpp"
#include "fields.hpp"

namespace ifonly {

// Slots of `ints` and `floats`.
enum IntSlot : Whole { SP, NODES, REFUSED, HAS_BEST, WORDS, FRAGILE, DIRECTIONS, UNMERGED, STRUCK, INT_SLOTS };
enum FloatSlot : Whole { BEST, FLOOR, WAITING, CORNER, GUESS, FLOAT_SLOTS };

struct Arena {
    WholeRows lo;
    WholeRows hi;
    CellRows cell_lo;
    CellRows cell_hi;
    Wholes moved;
    WordRows mask;
    Words reach;
    Words corner_mask;
    WordRows line_mask;
    RealRows totals;
    Reals leaf_cost;
    Wholes word;
    Wholes tree;
    Wholes group;
    Reals base;
    Wholes least;
    Wholes leaf;
    Reals over;
    RealRows gain;
    WholeRows edge;
    Wholes at;
    Wholes cell;
    Wholes trial;
    Wholes refused;
    WholeRows fragile_lo;
    WholeRows fragile_hi;
    WholeRows directions;
    Wholes corner;
    Wholes best;
    Wholes ints;
    Reals floats;

    static constexpr const char* name = "Arena";
    static constexpr auto fields() {
        return std::tuple{
            field("lo", &Arena::lo),
            field("hi", &Arena::hi),
            field("cell_lo", &Arena::cell_lo),
            field("cell_hi", &Arena::cell_hi),
            field("moved", &Arena::moved),
            field("mask", &Arena::mask),
            field("reach", &Arena::reach),
            field("corner_mask", &Arena::corner_mask),
            field("line_mask", &Arena::line_mask),
            field("totals", &Arena::totals),
            field("leaf_cost", &Arena::leaf_cost),
            field("word", &Arena::word),
            field("tree", &Arena::tree),
            field("group", &Arena::group),
            field("base", &Arena::base),
            field("least", &Arena::least),
            field("leaf", &Arena::leaf),
            field("over", &Arena::over),
            field("gain", &Arena::gain),
            field("edge", &Arena::edge),
            field("at", &Arena::at),
            field("cell", &Arena::cell),
            field("trial", &Arena::trial),
            field("refused", &Arena::refused),
            field("fragile_lo", &Arena::fragile_lo),
            field("fragile_hi", &Arena::fragile_hi),
            field("directions", &Arena::directions),
            field("corner", &Arena::corner),
            field("best", &Arena::best),
            field("ints", &Arena::ints),
            field("floats", &Arena::floats),
        };
    }

    Whole n_features() const { return at.size(); }
    Whole stack() const { return lo.size(); }
};

}  // namespace ifonly

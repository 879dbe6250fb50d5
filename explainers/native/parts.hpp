// What every tree can be charged in a box: its leaves, and the pieces of axes that they tell apart.
#pragma once

#include "owned.hpp"

namespace ifonly {

// First and last of a run.
struct Span {
    Whole first = 0;
    Whole last = 0;
};

// A leaf's interval of the pieces of one part; leaves that a part does not bound have none.
struct Bounds {
    Owned<Whole> part;  // (n_bounds,)
    Owned<Whole> low;   // first piece, counted over all parts
    Owned<Whole> high;  // last piece
};

// The trees as they are charged: a *part* is a tree and a feature whose cells its leaves tell apart,
// its *pieces* are the intervals of cells that they do not.
struct Parts {
    Owned<Whole> leaf;     // (n_leaves,) bits of the leaves within reach, tree by tree
    Owned<Whole> first;    // (n_trees + 1,) first of each tree in `leaf`
    Owned<Whole> parts;    // (n_trees + 1,) first part of each tree, its features in ascending order
    Owned<Whole> feature;  // (n_parts,)
    Owned<Whole> pieces;   // (n_parts + 1,) first piece of each part
    Owned<Whole> cell;     // (n_pieces,) first cell of each piece, counted from the feature's first
    Owned<Whole> bounds;   // (n_leaves + 1,) first of each leaf in `bound`
    Bounds bound;

    Whole n_trees() const { return first.size() - 1; }
    Whole n_parts() const { return feature.size(); }
};

}  // namespace ifonly

// What Python calls to read the leaves of an ensemble.
#pragma once

#include <nanobind/stl/tuple.h>

#include "entries.hpp"
#include "leaves.hpp"

namespace ifonly {

using GivenPaths = std::tuple<
    GivenBack<Whole>, GivenBack<Whole>, GivenBack<Cell>, GivenBack<Cell>, GivenBack<bool>>;

inline GivenPaths paths_of(
    Given<const Whole> roots, Given<const Whole> column, Given<const Whole> mode,
    Given<const Whole> true_child, Given<const Whole> false_child, Given<const bool> missing_true,
    Given<const Cell> index, Given<const Cell> after, Given<const Cell> last, Whole most
) {
    Paths found;
    {
        nb::gil_scoped_release unlocked;
        const Nodes nodes{
            view<Whole>(roots), view<Whole>(column), view<Whole>(mode), view<Whole>(true_child),
            view<Whole>(false_child), view<bool>(missing_true), view<Cell>(index), view<Cell>(after),
            view<Cell>(last)
        };
        check(nodes);
        found = Unfolding(nodes, most).run();
    }
    return GivenPaths(
        given_back<Whole>(std::move(found.node)), given_back<Whole>(std::move(found.tree)),
        given_back<Cell>(std::move(found.lower)), given_back<Cell>(std::move(found.upper)),
        given_back<bool>(std::move(found.missing))
    );
}

inline void bind_leaves(nb::module_& m) {
    m.def("paths", &paths_of, "roots"_a.noconvert(), "column"_a.noconvert(), "mode"_a.noconvert(),
          "true_child"_a.noconvert(), "false_child"_a.noconvert(), "missing_true"_a.noconvert(),
          "index"_a.noconvert(), "after"_a.noconvert(), "last"_a.noconvert(), "most"_a);
}

}  // namespace ifonly

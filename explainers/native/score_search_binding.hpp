// What Python calls of the search for any row.
#pragma once

#include "entries.hpp"
#include "score_search.hpp"

namespace ifonly {

inline Whole search_any_on(
    const HeldTables& t, const HeldQuestion& q, const HeldArena& a, Whole max_nodes
) {
    nb::gil_scoped_release unlocked;
    a.check_begun(t, q);
    check_stack(q.fields, a.fields);
    check_whole(t, a);
    Gains gains(t.fields);
    return search_any(t.fields, q.fields, a.fields, gains, max_nodes);
}

inline void bind_score_search(nb::module_& m) {
    m.def("search_any", &search_any_on, "tables"_a, "question"_a, "arena"_a, "max_nodes"_a);
}

}  // namespace ifonly

// What Python calls of the tables: building them, and merging their trees.
#pragma once

#include "entries.hpp"
#include "merging.hpp"

namespace ifonly {

// Trees of a search's tables.
class HeldForest {
public:
    HeldForest(const HeldTables& t, const HeldQuestion& q, const HeldArena& a) : tables_(t.serial) {
        nb::gil_scoped_release unlocked;
        a.check_open(t, q);
        check_fits(t.fields, a.fields);
        check_reach(t.fields, a.fields);
        forest = load(t.fields, a.fields);
    }

    bool merge_some(const HeldQuestion& q, const HeldArena& a, double best) {
        nb::gil_scoped_release unlocked;
        a.check_begun(tables_, q);
        check_bottom(q.fields, a.fields);
        return ifonly::merge_some(q.fields, a.fields, forest, best);
    }

    void write(const HeldTables& t) const {
        nb::gil_scoped_release unlocked;
        ifonly::write(forest, t.fields);
    }

    Forest forest;

private:
    Word tables_;
};

inline void fill(const HeldTables& t, Given<const Whole> slots) {
    nb::gil_scoped_release unlocked;
    check_slots(t.fields, view<Whole>(slots));
    fill_tables(t.fields, view<Whole>(slots));
}

inline void bind_merging(nb::module_& m) {
    m.def("fill", &fill, "tables"_a, "slots"_a.noconvert());
    const auto array = [](auto member) {
        return [member](const HeldForest& f) { return given_back(View(f.forest.*member)); };
    };
    constexpr auto own = nb::rv_policy::move;  // arrays are copies
    nb::class_<HeldForest>(m, "Forest")
        .def(nb::init<const HeldTables&, const HeldQuestion&, const HeldArena&>(), "tables"_a,
             "question"_a, "arena"_a)
        .def("merge_some", &HeldForest::merge_some, "question"_a, "arena"_a, "best"_a)
        .def("write", &HeldForest::write, "tables"_a)
        .def_prop_ro("closed", [](const HeldForest& f) { return f.forest.closed; })
        .def_prop_ro("cells", array(&Forest::cells), own)
        .def_prop_ro("coarse", array(&Forest::coarse), own)
        .def_prop_ro("begin", array(&Forest::begin), own)
        .def_prop_ro("count", array(&Forest::count), own)
        .def_prop_ro("tree", array(&Forest::tree), own)
        .def_prop_ro("goal", array(&Forest::goal), own)
        .def_prop_ro("constant", array(&Forest::constant), own);
}

}  // namespace ifonly

// What Python calls of the search in networks.
#pragma once

#include <nanobind/nanobind.h>

#include "cell_descent.hpp"
#include "entries.hpp"
#include "network_search.hpp"

namespace ifonly::networks {

using HeldUnits = Held<Units>;
using HeldPieces = Held<Pieces>;
using HeldLimits = Held<Limits>;

// A search that keeps what it was made of.
class HeldSearch {
public:
    HeldSearch(const HeldUnits& u, const HeldPieces& p, const HeldLimits& g, const HeldQuestion& q,
               Whole steps, Whole first_steps, Whole rounds, Whole listed, Whole most_open)
        : search_((check_together(u.fields, p.fields, g.fields, q.fields), u.fields), p.fields, g.fields,
                  q.fields, Effort{steps, first_steps, rounds, listed, most_open}) {
        require(steps > 0 && first_steps > 0 && rounds > 0 && listed > 0 && most_open > 0, "no effort");
        // An axis without positions is no box.
        for (Whole j = 0; j < q.fields.n_features(); ++j) require(q.fields.size[j] > 0, "size");
        check_box(q.fields, q.fields.least, q.fields.most);
    }

    void start(double best) {
        nb::gil_scoped_release unlocked;
        search_.start(best);
    }
    bool run(Whole most, double best) {
        nb::gil_scoped_release unlocked;
        return search_.run(most, best);
    }
    double bound() const { return search_.bound(); }
    Whole nodes() const { return search_.nodes; }
    bool is_lost() const { return search_.is_lost; }
    GivenBack<Whole> take_rows() { return given_back<Whole>(std::exchange(search_.rows, {})); }
    GivenBack<Whole> take_far() { return given_back<Whole>(std::exchange(search_.far, {})); }
    GivenBack<Whole> take_hopes() { return given_back<Whole>(std::exchange(search_.hopes, {})); }

private:
    Search search_;
};

// Rows on the way down from one that meets the goals, laid end to end.
inline GivenBack<Whole> descend_cells(
    const HeldUnits& u, const HeldPieces& p, const HeldLimits& g, const HeldQuestion& q,
    Given<const Whole> at, Whole programs
) {
    check_together(u.fields, p.fields, g.fields, q.fields);
    check_box(q.fields, q.fields.least, q.fields.most);
    check_row(q.fields, view<Whole>(at));
    Places found;
    {
        nb::gil_scoped_release unlocked;
        found = CellDescent(u.fields, p.fields, g.fields, q.fields).from(view<Whole>(at), programs);
    }
    return given_back<Whole>(std::move(found));
}

inline void bind_networks(nb::module_& m) {
    nb::class_<HeldUnits>(m, "UnitArrays").def(nb::init<nb::handle>(), "given"_a);
    nb::class_<HeldPieces>(m, "PieceArrays").def(nb::init<nb::handle>(), "given"_a);
    nb::class_<HeldLimits>(m, "LimitArrays").def(nb::init<nb::handle>(), "given"_a);
    constexpr auto own = nb::rv_policy::move;
    m.def("descend_cells", &descend_cells, own, "units"_a, "pieces"_a, "limits"_a, "question"_a,
          "at"_a.noconvert(), "programs"_a);
    nb::class_<HeldSearch>(m, "NetworkSearch")
        .def(nb::init<const HeldUnits&, const HeldPieces&, const HeldLimits&, const HeldQuestion&, Whole,
                      Whole, Whole, Whole, Whole>(),
             "units"_a, "pieces"_a, "limits"_a, "question"_a, "steps"_a, "first_steps"_a, "rounds"_a,
             "listed"_a, "most_open"_a, nb::keep_alive<1, 2>(), nb::keep_alive<1, 3>(),
             nb::keep_alive<1, 4>(), nb::keep_alive<1, 5>())
        .def("start", &HeldSearch::start, "best"_a)
        .def("run", &HeldSearch::run, "most"_a, "best"_a)
        .def("take_rows", &HeldSearch::take_rows, own)
        .def("take_far", &HeldSearch::take_far, own)
        .def("take_hopes", &HeldSearch::take_hopes, own)
        .def_prop_ro("bound", &HeldSearch::bound)
        .def_prop_ro("nodes", &HeldSearch::nodes)
        .def_prop_ro("is_lost", &HeldSearch::is_lost);
}

}  // namespace ifonly::networks

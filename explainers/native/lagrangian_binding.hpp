// What Python calls of prices.
#pragma once

#include <nanobind/stl/pair.h>
#include <nanobind/stl/tuple.h>

#include "entries.hpp"
#include "lagrangian.hpp"
#include "score_search.hpp"
#include "merging_binding.hpp"

namespace ifonly {

// A box of a search's tables.
class HeldBox {
public:
    HeldBox(
        const HeldTables& t, const HeldQuestion& q, const HeldArena& a, const HeldBox* around,
        bool is_costless
    ) : tables_(t.serial), question_(q.serial) {
        nb::gil_scoped_release unlocked;
        a.check_open(t, q);
        check_fits(t.fields, a.fields);
        check_reach(t.fields, a.fields);
        check_bottom(q.fields, a.fields);
        require(around == nullptr || around->tables_ == t.serial, "around: of other tables");
        const PricedBox* outer = around == nullptr ? nullptr : &around->box;
        require(outer == nullptr || outer->is_costless == is_costless, "around: of another kind");
        box = box_to_price(t.fields, q.fields, a.fields, outer, is_costless);
    }

    std::tuple<double, Whole, Whole> ascend(const HeldTables& t, double enough, Whole steps) {
        nb::gil_scoped_release unlocked;
        require(t.serial == tables_, "the box is one of other tables");
        require(box.possible, "a tree has no leaf in the box");
        const auto [bound, cut] = ifonly::ascend(t.fields, box, enough, steps);
        return {bound, cut.column, cut.edge};
    }

    void strike_off(
        const HeldTables& t, const HeldQuestion& q, const HeldArena& a, double enough
    ) const {
        nb::gil_scoped_release unlocked;
        a.check_open(t, q);
        check_fits(t.fields, a.fields);
        check_reach(t.fields, a.fields);
        check_inside(t, q, a);
        ifonly::strike_off(t.fields, a.fields, box, enough);
    }

    GivenBack<Whole> wish(const HeldTables& t, const HeldQuestion& q) const {
        require(t.serial == tables_ && q.serial == question_, "the box is one of another search");
        return given_back<Whole>(ifonly::wish(t.fields, q.fields, box));
    }

    void set_price(Given<const double> price) {
        check_length(view<double>(price), box.price.size(), "price");
        box.price.copy(view<double>(price));
        for (Whole g = 0; g < box.price.size(); ++g) {
            // The first is what the price of this goal is measured in from then on.
            if (box.scale[g] == 0.0) box.scale[g] = box.price[g];
        }
    }

    // A box inside of this one may be bounded by its charges.
    void check_inside(const HeldTables& t, const HeldQuestion& q, const HeldArena& a) const {
        require(t.serial == tables_ && q.serial == question_, "the box is one of another search");
        require(box.possible, "a tree has no leaf in the box");
        const Wholes lo = a.fields.lo[0], hi = a.fields.hi[0];
        for (Whole j = 0; j < box.n_features(); ++j) {
            require(box.lo[j] <= lo[j] && hi[j] <= box.hi[j], "lo, hi: not inside of the priced box");
        }
    }

    PricedBox box;

private:
    Word tables_;
    Word question_;
};

// A search for any row, bounded by the charges of a box around what is searched, if any.
class HeldAnySearch {
public:
    HeldAnySearch(const HeldTables& t, const HeldQuestion& q, const HeldArena& a, const HeldBox* around)
        : tables_(t.serial), question_(q.serial), gains_(t.fields), bounds_(t.fields, q.fields) {
        nb::gil_scoped_release unlocked;
        a.check_open(t, q);
        if (around == nullptr) return;
        require(around->box.is_costless, "around: it counts costs");
        around->check_inside(t, q, a);
        bounds_ = ScoreBounds(t.fields, q.fields, around->box);
    }

    Whole search(const HeldTables& t, const HeldQuestion& q, HeldArena& a, Whole max_nodes) {
        nb::gil_scoped_release unlocked;
        require(t.serial == tables_ && q.serial == question_, "the search is another one");
        a.check_begun(t, q);
        check_stack(q.fields, a.fields);
        check_whole(t, a);
        return search_any(t.fields, q.fields, a.fields, bounds_, gains_, max_nodes);
    }

private:
    Word tables_;
    Word question_;
    Gains gains_;
    ScoreBounds bounds_;
};

inline void bind_lagrangian(nb::module_& m) {
    const auto array = [](auto part) {
        return [part](const HeldBox& b) { return given_back(part(b.box)); };
    };
    constexpr auto own = nb::rv_policy::move;  // arrays are copies
    nb::class_<HeldBox>(m, "PricedBox")
        .def(nb::init<const HeldTables&, const HeldQuestion&, const HeldArena&, const HeldBox*, bool>(),
             "tables"_a, "question"_a, "arena"_a, "around"_a.none(), "is_costless"_a = false)
        .def("ascend", &HeldBox::ascend, "tables"_a, "enough"_a, "steps"_a)
        .def("strike_off", &HeldBox::strike_off, "tables"_a, "question"_a, "arena"_a, "enough"_a)
        .def("wish", &HeldBox::wish, "tables"_a, "question"_a)
        .def_prop_rw("price", array([](const PricedBox& b) -> Reals { return b.price; }),
                     &HeldBox::set_price, own)
        .def_prop_ro("lo", array([](const PricedBox& b) -> Wholes { return b.lo; }), own)
        .def_prop_ro("hi", array([](const PricedBox& b) -> Wholes { return b.hi; }), own)
        .def_prop_ro("charge", array([](const PricedBox& b) -> Reals { return b.charge; }), own)
        .def_prop_ro("limit", array([](const PricedBox& b) -> Reals { return b.limit; }), own)
        .def_prop_ro("leaf", array([](const PricedBox& b) -> Wholes { return b.parts.leaf; }), own)
        .def_prop_ro("first", array([](const PricedBox& b) -> Wholes { return b.parts.first; }), own)
        .def_prop_ro("reached", [](const HeldBox& b) { return b.box.possible; });
    nb::class_<HeldAnySearch>(m, "AnySearch")
        .def(nb::init<const HeldTables&, const HeldQuestion&, const HeldArena&, const HeldBox*>(),
             "tables"_a, "question"_a, "arena"_a, "around"_a.none())
        .def("search", &HeldAnySearch::search, "tables"_a, "question"_a, "arena"_a, "max_nodes"_a);
}

}  // namespace ifonly

// What Python calls of prices.
#pragma once

#include <nanobind/stl/pair.h>
#include <nanobind/stl/tuple.h>

#include "entries.hpp"
#include "lagrangian.hpp"
#include "merging_binding.hpp"

namespace ifonly {

// A box of a search's tables.
class HeldBox {
public:
    HeldBox(
        const HeldTables& t, const HeldQuestion& q, const HeldArena& a, const HeldBox* around
    ) : tables_(t.serial), question_(q.serial) {
        nb::gil_scoped_release unlocked;
        a.check_open(t, q);
        check_fits(t.fields, a.fields);
        check_reach(t.fields, a.fields);
        check_bottom(q.fields, a.fields);
        require(around == nullptr || around->tables_ == t.serial, "around: of other tables");
        box = box_to_price(t.fields, q.fields, a.fields, around == nullptr ? nullptr : &around->box);
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
    ) {
        nb::gil_scoped_release unlocked;
        a.check_open(t, q);
        require(t.serial == tables_ && q.serial == question_, "the box is one of another search");
        check_fits(t.fields, a.fields);
        check_reach(t.fields, a.fields);
        require(box.possible, "a tree has no leaf in the box");
        const Wholes lo = a.fields.lo[0], hi = a.fields.hi[0];
        for (Whole j = 0; j < box.n_features(); ++j) {
            require(box.lo[j] <= lo[j] && hi[j] <= box.hi[j], "lo, hi: not inside of the priced box");
        }
        ifonly::strike_off(t.fields, q.fields, a.fields, box, enough);
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

    PricedBox box;

private:
    Word tables_;
    Word question_;
};

inline void bind_lagrangian(nb::module_& m) {
    const auto array = [](auto part) {
        return [part](const HeldBox& b) { return given_back(part(b.box)); };
    };
    constexpr auto own = nb::rv_policy::move;  // arrays are copies
    nb::class_<HeldBox>(m, "PricedBox")
        .def(nb::init<const HeldTables&, const HeldQuestion&, const HeldArena&, const HeldBox*>(),
             "tables"_a, "question"_a, "arena"_a, "around"_a.none())
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
}

}  // namespace ifonly

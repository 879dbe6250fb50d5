// `effect_search.hpp` for Python.
#pragma once

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <optional>
#include <utility>

#include "causal_binding.hpp"
#include "effect_search.hpp"
#include "entries.hpp"

namespace ifonly {

// What follows on one machine in one mode, and what it is made of.
class HeldFollowing {
public:
    HeldFollowing(
        nb::object effects, nb::object laws, std::vector<nb::object> held, std::size_t n_own, bool is_all, nb::object asked,
        Given<const double> factual
    )
        : effects_(std::move(effects)),
          laws_(std::move(laws)),
          held_(std::move(held)),
          question_(std::move(asked)) {
        const auto& e = nb::cast<const Held<Effects>&>(effects_).fields;
        const auto& model = nb::cast<const causal::Laws&>(laws_);
        const Question& q = question().fields;
        const Reals row = view<double>(factual);
        require(row.size() == q.n_features(), "factual: one of another model");
        require(model.n_columns() == row.size(), "laws: those of another model");
        require(model.n_members() > 0, "laws: there are no plausible mechanisms");
        std::vector<const causal::Laws*> under;
        for (const auto& each : held_) {
            const auto& own = nb::cast<const causal::Laws&>(each);
            require(own.n_columns() == model.n_columns() && own.n_members() == model.n_members(),
                    "held: laws of another model");
            under.push_back(&own);
        }
        check_fits(q, e);
        following = std::make_unique<Following>(e, model, under, n_own, is_all, q, row);
        require(following->is_agreed(), "followers: others follow by these laws");
    }

    std::unique_ptr<Following> following;
    const HeldQuestion& question() const { return nb::cast<const HeldQuestion&>(question_); }

private:
    nb::object effects_, laws_;
    std::vector<nb::object> held_;
    nb::object question_;
};

inline void start_on_effects(
    const HeldTables& t, HeldArena& a, HeldFollowing& f, double best, Given<const Whole> lo,
    Given<const Whole> hi
) {
    const HeldQuestion& q = f.question();
    nb::gil_scoped_release unlocked;
    check_together(t, q, a);
    check_box(q.fields, view<Whole>(lo), view<Whole>(hi));
    start_effects(t.fields, a.fields, *f.following, best, view<Whole>(lo), view<Whole>(hi));
    a.begin(t, q);
}

inline Whole search_on_effects(const HeldTables& t, const HeldArena& a, HeldFollowing& f, Whole max_nodes) {
    const HeldQuestion& q = f.question();
    nb::gil_scoped_release unlocked;
    a.check_begun(t, q);
    check_stack(q.fields, a.fields);
    check_whole(t, a);
    return search_effects(t.fields, a.fields, *f.following, max_nodes);
}

// The deployed model put the row that waits outside of the target.
inline void note_row_outside(const HeldTables& t, const HeldArena& a, HeldFollowing& f) {
    const HeldQuestion& q = f.question();
    nb::gil_scoped_release unlocked;
    a.check_begun(t, q);
    check_row(q.fields, a.fields.at);
    f.following->leaves.note(t.fields, a.fields.at);
}

inline void values_along(
    const HeldTables& t, HeldArena& a, HeldFollowing& f, Given<const Whole> at, Whole column,
    Given<const Whole> positions, Given<Byte> out
) {
    const HeldQuestion& q = f.question();
    const Wholes some = view<Whole>(positions);
    nb::gil_scoped_release unlocked;
    check_together(t, q, a);
    check_row(q.fields, view<Whole>(at));
    check_column(q.fields, column);
    check_range(some, 0, q.fields.size[column] - 1, "positions");
    check_length(written(out), some.size(), "out");
    if (q.fields.is_robust()) check_survival(t, q, a);
    judge_along(t.fields, a.fields, *f.following, view<Whole>(at), column, some, written(out));
}

// The surest action that was not sure enough: the lower bound of its margin, and its positions.
inline std::optional<std::pair<double, std::vector<Whole>>> surest_of(const HeldFollowing& f) {
    const Following& x = *f.following;
    if (x.surest_at.empty()) return std::nullopt;
    return std::pair{x.surest, x.surest_at};
}

inline void bind_effects(nb::module_& m) {
    nb::class_<Held<Effects>>(m, Effects::name).def(nb::init<nb::handle>(), "given"_a);
    nb::class_<HeldFollowing>(m, "Following", "What follows on one machine in one mode; one thread's.")
        .def(nb::init<nb::object, nb::object, std::vector<nb::object>, std::size_t, bool, nb::object, Given<const double>>(), "effects"_a,
             "laws"_a, "held"_a, "n_own"_a, "is_all"_a, "question"_a, "factual"_a.noconvert())
        .def_prop_ro("is_bounded", [](const HeldFollowing& f) { return f.following->is_bounded(); })
        .def_prop_ro("surest", &surest_of)
        .def_prop_ro("others_decide", [](const HeldFollowing& f) { return f.following->others_decide; });
    const auto tables = "tables"_a, arena = "arena"_a, following = "following"_a;
    const auto at = "at"_a.noconvert(), lo = "lo"_a.noconvert(), hi = "hi"_a.noconvert();
    const auto positions = "positions"_a.noconvert(), out = "out"_a.noconvert();
    m.def("start_effects", &start_on_effects, tables, arena, following, "best"_a, lo, hi);
    m.def("search_effects", &search_on_effects, tables, arena, following, "max_nodes"_a);
    m.def("note_outside", &note_row_outside, tables, arena, following);
    m.def("judge_along", &values_along, tables, arena, following, at, "column"_a, positions, out);
    for (const auto& [name, value] : {
             std::pair<const char*, Whole>{"NO_LINK", NO_LINK}, {"IDENTITY", IDENTITY},
             {"LOGISTIC", LOGISTIC}, {"MARGIN_SLOTS", MARGIN_SLOTS},
         }) {
        m.attr(name) = value;
    }
}

}  // namespace ifonly

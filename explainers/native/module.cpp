// What Python calls of the compiled search: ifonly.explainers.native.kernel.
//
// Every entry checks that what it is given fits together, and runs without Python's lock.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include "batches.hpp"
#include "causal_binding.hpp"
#include "effects_binding.hpp"
#include "entries.hpp"
#include "kernel.hpp"
#include "lagrangian_binding.hpp"
#include "leaves_binding.hpp"
#include "merging_binding.hpp"
#include "networks_binding.hpp"
#include "score_search_binding.hpp"
#include "surviving_incumbent.hpp"
#include "sum_bounds.hpp"
#include "survival.hpp"

namespace ifonly {
namespace {

void start_search(
    const HeldTables& t, const HeldQuestion& q, HeldArena& a, double best, Given<const Whole> lo,
    Given<const Whole> hi
) {
    nb::gil_scoped_release unlocked;
    check_together(t, q, a);
    check_box(q.fields, view<Whole>(lo), view<Whole>(hi));
    start(t.fields, q.fields, a.fields, best, view<Whole>(lo), view<Whole>(hi));
    a.begin(t, q);
}

Whole search_on(const HeldTables& t, const HeldQuestion& q, const HeldArena& a, Whole max_nodes) {
    nb::gil_scoped_release unlocked;
    a.check_begun(t, q);
    check_stack(q.fields, a.fields);
    check_whole(t, a);
    return search(t.fields, q.fields, a.fields, max_nodes);
}

Whole begin_search(const HeldTables& t, const HeldQuestion& q, HeldArena& a, Whole max_nodes) {
    nb::gil_scoped_release unlocked;
    check_together(t, q, a);
    const Question& asked = q.fields;
    check_box(asked, asked.least, asked.most);
    check_known(a.fields);
    check_whole(t, a);
    const double cost = find_incumbent(t.fields, asked, a.fields);
    // A row in the target may still fail the sensors: what it costs must not cut anything off.
    const double best =
        asked.is_robust() ? find_surviving(t.fields, asked, a.fields, cost) : cost;
    start(t.fields, asked, a.fields, best, asked.least, asked.most);
    a.begin(t, q);
    a.fields.floats[GUESS] = cost;
    // After `start`, which clears the flags.
    if (best < INFINITE) a.fields.ints[HAS_BEST] = 1;
    check_stack(asked, a.fields);
    return search(t.fields, asked, a.fields, max_nodes);
}

double least_open(const HeldQuestion& q, const HeldArena& a) {
    nb::gil_scoped_release unlocked;
    a.check_begun(q);
    check_stack(q.fields, a.fields);
    return open_bound(q.fields, a.fields);
}

void reach_row(const HeldTables& t, const HeldQuestion& q, const HeldArena& a, Given<const Whole> at) {
    nb::gil_scoped_release unlocked;
    a.check_open(t, q);
    check_row(q.fields, view<Whole>(at));
    double& best = a.fields.floats[BEST];
    best = reach_from(t.fields, q.fields, a.fields, view<Whole>(at), best);
}

void bound_boxes(
    const HeldTables& t, const HeldQuestion& q, const HeldArena& a, double best, const Held<Cuts>& cuts,
    const Held<Bounded>& boxes
) {
    nb::gil_scoped_release unlocked;
    a.check_open(t, q);
    check_stack(q.fields, a.fields);
    check_length(cuts.fields.first, q.fields.n_features() + 1, "first");
    check_boxes(q.fields, boxes.fields.lo, boxes.fields.hi);
    bound(t.fields, q.fields, a.fields, best, cuts.fields, boxes.fields);
}

void corner_costs(
    const HeldQuestion& q, GivenRows<const Whole> lo, GivenRows<const Whole> hi, Given<double> cost
) {
    nb::gil_scoped_release unlocked;
    const WholeRows low = rows<Whole>(lo), high = rows<Whole>(hi);
    check_boxes(q.fields, low, high);
    check_length(low, static_cast<Whole>(cost.size()), "lo");
    least_costs(q.fields, low, high, written(cost));
}

Whole row_survives(
    const HeldTables& t, const HeldQuestion& q, HeldArena& a, Given<const Whole> at
) {
    nb::gil_scoped_release unlocked;
    check_survival(t, q, a);
    require(q.fields.is_robust(), "near: nothing says what a row must survive");
    check_row(q.fields, view<Whole>(at));
    return survives(t.fields, q.fields, a.fields, view<Whole>(at));
}

void row_failed(HeldArena& a, Given<const Whole> lo, Given<const Whole> hi) {
    const Arena& arena = a.fields;
    check_known(arena);
    require(arena.fragile_lo.size() > 1, "fragile_lo: there is no room");
    check_length(view<Whole>(lo), arena.n_features(), "lo");
    check_length(view<Whole>(hi), arena.n_features(), "hi");
    note_failed(arena, view<Whole>(lo), view<Whole>(hi));
}

void values_around(
    const HeldTables& t, const HeldQuestion& q, HeldArena& a, Given<const Whole> at, Whole column,
    Given<Byte> out
) {
    nb::gil_scoped_release unlocked;
    const Question& asked = q.fields;
    check_together(t, q, a);
    check_row(asked, view<Whole>(at));
    check_column(asked, column);
    check_length(written(out), asked.size[column], "out");
    hold_around(t.fields, asked, a.fields, view<Whole>(at), column, written(out));
    // Survival is dear, so it is asked only of values that hold without it.
    if (!asked.is_robust()) return;
    check_survival(t, q, a);
    keep_surviving(t.fields, asked, a.fields, view<Whole>(at), column, written(out));
}

void values_at(
    const HeldTables& t, const HeldQuestion& q, HeldArena& a, Given<const Whole> at, Whole column,
    Given<const Whole> positions, Given<Byte> out
) {
    nb::gil_scoped_release unlocked;
    const Question& asked = q.fields;
    const Wholes some = view<Whole>(positions);
    check_together(t, q, a);
    check_row(asked, view<Whole>(at));
    check_column(asked, column);
    check_range(some, 0, asked.size[column] - 1, "positions");
    check_length(written(out), some.size(), "out");
    hold_at(t.fields, asked, a.fields, view<Whole>(at), column, some, written(out));
    if (!asked.is_robust()) return;
    check_survival(t, q, a);
    keep_those_surviving(
        t.fields, asked, a.fields, view<Whole>(at), column, some, written(out)
    );
}

double row_over_limit(
    const HeldTables& t, const HeldQuestion& q, const HeldArena& a, Given<const Whole> at
) {
    nb::gil_scoped_release unlocked;
    check_together(t, q, a);
    check_row(q.fields, view<Whole>(at));
    return over_limit(t.fields, q.fields, a.fields, view<Whole>(at));
}

// A struct, by an object that has its fields.
template <class Struct>
void declare(nb::module_& m) {
    nb::class_<Struct>(m, Struct::Fields::name).def(nb::init<nb::handle>(), "given"_a);
}

using Kinds = nb::typed<nb::dict, nb::str, nb::str>;

// What every struct's fields are, for a test that Python's are the same.
template <class... Structs>
nb::typed<nb::dict, nb::str, Kinds> all_structs() {
    nb::dict found;
    ((found[Structs::name] = field_kinds<Structs>()), ...);
    return nb::borrow<nb::typed<nb::dict, nb::str, Kinds>>(found);
}

#define IFONLY_NAMED(name) std::pair<const char*, Whole>{#name, name}
constexpr std::pair<const char*, Whole> constants[] = {
    // Slots of an arena's `ints` and `floats`.
    IFONLY_NAMED(SP), IFONLY_NAMED(NODES), IFONLY_NAMED(REFUSED), IFONLY_NAMED(HAS_BEST),
    IFONLY_NAMED(WORDS), IFONLY_NAMED(FRAGILE), IFONLY_NAMED(DIRECTIONS), IFONLY_NAMED(UNMERGED), IFONLY_NAMED(STRUCK), IFONLY_NAMED(INT_SLOTS),
    IFONLY_NAMED(BEST), IFONLY_NAMED(FLOOR), IFONLY_NAMED(WAITING), IFONLY_NAMED(CORNER),
    IFONLY_NAMED(GUESS), IFONLY_NAMED(FLOAT_SLOTS),
    // What a search ends with, whether rows survive, and the verdicts on them.
    IFONLY_NAMED(DONE), IFONLY_NAMED(MORE), IFONLY_NAMED(VERDICT), IFONLY_NAMED(FULL),
    IFONLY_NAMED(SURVIVES), IFONLY_NAMED(FAILS), IFONLY_NAMED(UNDECIDED),
    IFONLY_NAMED(HOLDS), IFONLY_NAMED(IN_DOUBT),
    // Of rules.
    IFONLY_NAMED(ALWAYS), IFONLY_NAMED(NEVER), IFONLY_NAMED(SOMETIMES),
    IFONLY_NAMED(COMPARISON), IFONLY_NAMED(CHANGES), IFONLY_NAMED(MEMBER), IFONLY_NAMED(CONSTANT),
    IFONLY_NAMED(LE), IFONLY_NAMED(LT), IFONLY_NAMED(GE), IFONLY_NAMED(GT), IFONLY_NAMED(EQ),
    IFONLY_NAMED(NE),
    IFONLY_NAMED(FEATURE_BITS),
};
#undef IFONLY_NAMED

}  // namespace

NB_MODULE(kernel, m) {
    // Structs that Python caches live until the process ends.
    nb::set_leak_warnings(false);
    declare<HeldTables>(m);
    declare<Held<Long>>(m);
    declare<Held<FlatRules>>(m);
    declare<HeldQuestion>(m);
    declare<HeldArena>(m);
    declare<Held<Cuts>>(m);
    declare<Held<Bounded>>(m);

    const auto tables = "tables"_a, question = "question"_a, arena = "arena"_a;
    const auto best = "best"_a, max_nodes = "max_nodes"_a;
    const auto column = "column"_a;
    // Never a copy of another type: what is written to it would be lost.
    const auto at = "at"_a.noconvert(), lo = "lo"_a.noconvert(), hi = "hi"_a.noconvert();
    const auto cost = "cost"_a.noconvert(), out = "out"_a.noconvert();
    const auto positions = "positions"_a.noconvert();
    m.def("begin", &begin_search, tables, question, arena, max_nodes);
    m.def("start", &start_search, tables, question, arena, best, lo, hi);
    m.def("search", &search_on, tables, question, arena, max_nodes);
    m.def("bound_boxes", &bound_boxes, tables, question, arena, best, "cuts"_a, "boxes"_a);
    m.def("least_costs", &corner_costs, question, lo, hi, cost);
    m.def("reach_from", &reach_row, tables, question, arena, at);
    m.def("open_bound", &least_open, question, arena);
    m.def("survives", &row_survives, tables, question, arena, at);
    m.def("note_failed", &row_failed, arena, lo, hi);
    m.def("hold_around", &values_around, tables, question, arena, at, column, out);
    m.def("hold_at", &values_at, tables, question, arena, at, column, positions, out);
    m.def("over_limit", &row_over_limit, tables, question, arena, at);
    m.def("sum_bounds", &bound_sums, tables, lo, hi, "least"_a.noconvert(), "greatest"_a.noconvert());
    bind_leaves(m);
    bind_merging(m);
    bind_lagrangian(m);
    bind_score_search(m);
    causal::bind_causal(m);
    bind_effects(m);
    networks::bind_networks(m);

    m.attr("SOURCES") = IFONLY_SOURCES;
    m.attr("TOLERANCE") = TOLERANCE;
    m.def("structs", &all_structs<Tables, Long, FlatRules, Question, Arena, Cuts, Bounded, Effects, networks::Units,
                                   networks::Pieces, networks::Limits>);
    for (const auto& [name, value] : constants) m.attr(name) = value;
}

}  // namespace ifonly

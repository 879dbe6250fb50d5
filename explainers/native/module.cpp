// What Python calls of the compiled search: explainers.native.kernel.
//
// Every entry checks that what it is given fits together, and runs without Python's lock.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include "causal_binding.hpp"
#include "handover.hpp"
#include "kernel.hpp"
#include "primal_heuristic.hpp"

namespace ifonly {
namespace {

using namespace nb::literals;

template <class T>
using Given = nb::ndarray<T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T>
using GivenRows = nb::ndarray<T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

// What is only read: views are of what may be written, and nobody does.
template <class T>
View<T> view(const Given<const T>& array) {
    return {const_cast<T*>(array.data()), static_cast<Whole>(array.size())};
}

using HeldTables = Held<Tables>;
using HeldQuestion = Held<Question>;

// An arena remembers in which search it is.
class HeldArena : public Held<Arena> {
public:
    using Held<Arena>::Held;

    void begin(const HeldTables& t, const HeldQuestion& q) {
        tables_ = t.serial;
        question_ = q.serial;
    }
    void check_begun(const HeldTables& t, const HeldQuestion& q) const {
        require(tables_ == t.serial && question_ == q.serial, "no such search has begun in the arena");
    }
    void check_begun(const HeldQuestion& q) const {
        require(question_ == q.serial, "no such search has begun in the arena");
    }

private:
    Word tables_ = 0;
    Word question_ = 0;
};

void check_together(const HeldTables& t, const HeldQuestion& q, const HeldArena& a) {
    check_fits(t.fields, q.fields);
    check_first(t.fields, q.fields);
    check_fits(t.fields, a.fields);
}

void start_search(
    const HeldTables& t, const HeldQuestion& q, HeldArena& a, double best, Given<const Whole> lo,
    Given<const Whole> hi
) {
    nb::gil_scoped_release unlocked;
    check_together(t, q, a);
    check_box(q.fields, view<Whole>(lo), view<Whole>(hi));
    a.begin(t, q);
    start(t.fields, q.fields, a.fields, best, view<Whole>(lo), view<Whole>(hi));
}

Whole search_on(const HeldTables& t, const HeldQuestion& q, const HeldArena& a, Whole max_nodes) {
    nb::gil_scoped_release unlocked;
    a.check_begun(t, q);
    check_fits(t.fields, a.fields);
    return search(t.fields, q.fields, a.fields, max_nodes);
}

Whole begin_search(const HeldTables& t, const HeldQuestion& q, HeldArena& a, Whole max_nodes) {
    nb::gil_scoped_release unlocked;
    check_together(t, q, a);
    a.begin(t, q);
    const Question& asked = q.fields;
    const double cost = find_incumbent(t.fields, asked, a.fields);
    // A row in the target may still fail the sensors, so its cost must not cut anything off.
    const double best = asked.is_robust() ? INFINITE : cost;
    check_box(asked, asked.least, asked.most);
    start(t.fields, asked, a.fields, best, asked.least, asked.most);
    a.fields.floats[GUESS] = cost;
    // After `start`, which clears the flags.
    if (best < INFINITE) a.fields.ints[HAS_BEST] = 1;
    return search(t.fields, asked, a.fields, max_nodes);
}

double least_open(const HeldQuestion& q, const HeldArena& a) {
    nb::gil_scoped_release unlocked;
    a.check_begun(q);
    return open_bound(q.fields, a.fields);
}

}  // namespace

NB_MODULE(kernel, m) {
    // Structs that Python caches live until the process ends.
    nb::set_leak_warnings(false);
    nb::class_<HeldTables>(m, "Tables").def(nb::init<nb::handle>(), "given"_a);
    nb::class_<Held<Long>>(m, "Long").def(nb::init<nb::handle>(), "given"_a);
    nb::class_<Held<FlatRules>>(m, "FlatRules").def(nb::init<nb::handle>(), "given"_a);
    nb::class_<HeldQuestion>(m, "Question").def(nb::init<nb::handle>(), "given"_a);
    nb::class_<HeldArena>(m, "Arena").def(nb::init<nb::handle>(), "given"_a);
    m.def("start", &start_search, "tables"_a, "question"_a, "arena"_a, "best"_a, "lo"_a.noconvert(),
          "hi"_a.noconvert());
    m.def("search", &search_on, "tables"_a, "question"_a, "arena"_a, "max_nodes"_a);
    m.def("begin", &begin_search, "tables"_a, "question"_a, "arena"_a, "max_nodes"_a);
    causal::bind_causal(m);
    m.def("open_bound", &least_open, "question"_a, "arena"_a);
}

}  // namespace ifonly

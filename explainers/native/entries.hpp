// What entries take: structs that Python holds, and arrays; and what they give back.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <vector>

#include "handover.hpp"

namespace ifonly {

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

template <class T>
Rows<T> rows(const GivenRows<const T>& array) {
    const auto length = [&](std::size_t side) { return static_cast<Whole>(array.shape(side)); };
    return {const_cast<T*>(array.data()), length(0), length(1)};
}

template <class T>
View<T> written(const Given<T>& array) {
    return {array.data(), static_cast<Whole>(array.size())};
}

// An array of Python's own.
template <class T>
using GivenBack = nb::ndarray<nb::numpy, T, nb::ndim<1>>;

template <class T, class Kept = T>
GivenBack<T> given_back(std::vector<Kept> from) {
    static_assert(sizeof(T) == sizeof(Kept));
    auto* kept = new std::vector<Kept>(std::move(from));
    const nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<Kept>*>(p); });
    return GivenBack<T>(kept->data(), {kept->size()}, owner);
}
template <class T>
GivenBack<T> given_back(View<T> some) {
    return given_back<T>(std::vector<T>(some.begin(), some.end()));
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
        open_ = fields.ints[SP] > 0;
    }
    // Its boxes are written over.
    void end() { tables_ = question_ = 0; }
    void check_begun(const HeldTables& t, const HeldQuestion& q) const { check_begun(t.serial, q); }
    void check_begun(Word tables, const HeldQuestion& q) const {
        require(tables_ == tables && question_ == q.serial, "no such search has begun in the arena");
    }
    void check_begun(const HeldQuestion& q) const {
        require(question_ == q.serial, "no such search has begun in the arena");
    }
    // What `start` notes of a box is there.
    void check_open(const HeldTables& t, const HeldQuestion& q) const {
        check_begun(t, q);
        require(open_, "the search in the arena ended as it began");
    }

private:
    Word tables_ = 0;
    Word question_ = 0;
    bool open_ = false;
};

// What is looked up in tables by a question fits them.
inline void check_together(const HeldTables& t, const HeldQuestion& q, const HeldArena& a) {
    check_fits(t.fields, a.fields);
    check_fits(t.fields, q.fields);
    check_cells(t.fields, q.fields);
    check_readings(t.fields, q.fields);
}

// What is said of an arena's tables is so: searches ask those of the whole model about readings.
inline void check_whole(const HeldTables& t, const HeldArena& a) {
    require(a.fields.ints[UNMERGED] == 0 || !is_merged(t.fields), "UNMERGED: the tables are merged ones");
}

// The same, where rows are asked whether they survive; the arena holds their readings then.
inline void check_survival(const HeldTables& t, const HeldQuestion& q, HeldArena& a) {
    a.end();
    check_fits(t.fields, a.fields);
    check_fits(t.fields, q.fields);
    check_readings(t.fields, q.fields);
    check_directions(a.fields);
    require(!is_merged(t.fields), "rows survive by the tables of the whole model, not by merged ones");
}

inline void check_column(const Question& q, Whole column) {
    require(0 <= column && column < q.n_features(), "column: no such feature");
}

}  // namespace ifonly

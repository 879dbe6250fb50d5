// What entries take: structs that Python holds, and arrays; and what they give back.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <atomic>
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

// A one-dimensional array of Python's own, of what is handed over to it.
template <class T, class Kept = T>
nb::object given_back(std::vector<Kept> from) {
    static_assert(sizeof(T) == sizeof(Kept));
    auto* kept = new std::vector<Kept>(std::move(from));
    const nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<Kept>*>(p); });
    return nb::cast(nb::ndarray<nb::numpy, T, nb::ndim<1>>(kept->data(), {kept->size()}, owner));
}
template <class T>
nb::object given_back(View<T> some) {
    return given_back<T>(std::vector<T>(some.begin(), some.end()));
}

// Tables remember whether their leaves were checked: once they are filled.
class HeldTables : public Held<Tables> {
public:
    using Held<Tables>::Held;

    void check_filled() const {
        if (filled_.load(std::memory_order_relaxed)) return;
        check_leaves(fields);
        filled_.store(true, std::memory_order_relaxed);
    }

private:
    mutable std::atomic<bool> filled_{false};
};

using HeldQuestion = Held<Question>;

// An arena remembers in which search it is.
class HeldArena : public Held<Arena> {
public:
    using Held<Arena>::Held;

    void begin(const HeldTables& t, const HeldQuestion& q) {
        tables_ = t.serial;
        question_ = q.serial;
    }
    void check_begun(const HeldTables& t, const HeldQuestion& q) const { check_begun(t.serial, q); }
    void check_begun(Word tables, const HeldQuestion& q) const {
        require(tables_ == tables && question_ == q.serial, "no such search has begun in the arena");
    }
    void check_begun(const HeldQuestion& q) const {
        require(question_ == q.serial, "no such search has begun in the arena");
    }

private:
    Word tables_ = 0;
    Word question_ = 0;
};

inline void check_together(const HeldTables& t, const HeldQuestion& q, const HeldArena& a) {
    t.check_filled();
    check_fits(t.fields, q.fields);
    check_first(t.fields, q.fields);
    check_fits(t.fields, a.fields);
}

}  // namespace ifonly

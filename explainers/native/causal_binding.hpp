// `causal.hpp` for Python: what follows from many actions on one machine.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "causal.hpp"

namespace ifonly::causal {

namespace nb = nanobind;

using Matrix = nb::ndarray<const double, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Vector = nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Result = nb::ndarray<nb::numpy, double>;

inline Tables tables_of(nb::handle flat) {
    Tables t;
    const auto count = [flat](const char* name, std::int32_t& to) {
        if (!nb::try_cast(nb::getattr(flat, name), to)) throw Malformed(name, "is no such number");
    };
    count("n_columns", t.n_columns);
    count("n_members", t.n_members);
    t.each([&](const char* name, auto& array) {
        using T = typename std::decay_t<decltype(array)>::value_type;
        nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu> given;
        // Not converted: a type that is not ours was made by somebody else.
        if (!nb::try_cast(nb::getattr(flat, name), given, false))
            throw Malformed(name, "is no contiguous array of its type");
        array.assign(given.data(), given.data() + given.size());
    });
    return t;
}

inline Result array_of(Reals&& values, std::initializer_list<std::size_t> shape) {
    auto* kept = new Reals(std::move(values));
    nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<Reals*>(p); });
    return {kept->data(), shape, owner};
}

// Each action's row, (n, d): the factual with what is set.
inline Reals rows_before(const Machine& machine, const Paths& paths, const Matrix& values) {
    const std::size_t n = values.shape(0), s = paths.set.size(), d = machine.factual.size();
    if (values.shape(1) != s) throw std::invalid_argument("values have not one column for each that is set");
    Reals rows(n * d);
    for (std::size_t r = 0; r < n; ++r) {
        std::copy(machine.factual.begin(), machine.factual.end(), rows.begin() + r * d);
        for (std::size_t i = 0; i < s; ++i) rows[r * d + paths.set[i]] = values.data()[r * s + i];
    }
    return rows;
}

inline void check_member(const Laws& laws, int m) {
    if (m < BELIEVED || m >= laws.n_members()) throw std::invalid_argument("there is no such member");
}

// A machine a call, so that threads may share the laws.
inline Result rows_of(const Laws& laws, Vector factual, const std::vector<int>& columns, Matrix values, int m) {
    check_member(laws, m);
    Reals rows;
    {
        nb::gil_scoped_release free;
        Machine machine(laws, {factual.data(), factual.size()});
        const Paths paths(machine, columns);
        rows = rows_before(machine, paths, values);
        for (std::size_t at = 0; at < rows.size(); at += factual.size())
            if (m == BELIEVED) follow_row(laws, machine, paths, rows.data() + at);
            else follow_member(laws, machine, paths, m, rows.data() + at);
    }
    return array_of(std::move(rows), {values.shape(0), factual.size()});
}

inline Result members_of(const Laws& laws, Vector factual, const std::vector<int>& columns, Matrix values) {
    const std::size_t k = laws.n_members(), n = values.shape(0), d = factual.size();
    Reals rows;
    {
        nb::gil_scoped_release free;
        Machine machine(laws, {factual.data(), d});
        const Paths paths(machine, columns);
        const Reals before = rows_before(machine, paths, values);
        rows.resize(n * k * d);
        for (std::size_t r = 0; r < n; ++r) {
            double* own = rows.data() + r * k * d;
            for (std::size_t m = 0; m < k; ++m) std::copy_n(before.data() + r * d, d, own + m * d);
            follow_members(laws, machine, paths, own);
        }
    }
    return array_of(std::move(rows), {n, k, d});
}

inline std::pair<Result, Result> bounds_of(const Laws& laws, Vector factual, const std::vector<int>& columns,
                                           Matrix lower, Matrix upper, int m) {
    check_member(laws, m);
    Reals lo, hi;
    if (lower.shape(0) != upper.shape(0)) throw std::invalid_argument("there are not as many lower as upper ends");
    {
        nb::gil_scoped_release free;
        Machine machine(laws, {factual.data(), factual.size()});
        const Paths paths(machine, columns);
        lo = rows_before(machine, paths, lower);
        hi = rows_before(machine, paths, upper);
        for (std::size_t at = 0; at < lo.size(); at += factual.size())
            follow_member_box(laws, machine, paths, m, lo.data() + at, hi.data() + at);
    }
    const auto shape = {lower.shape(0), factual.size()};
    return {array_of(std::move(lo), shape), array_of(std::move(hi), shape)};
}

inline Result read_of(const Laws& laws, Matrix rows) {
    const std::size_t d = laws.n_columns();
    if (rows.shape(1) != d) throw std::invalid_argument("rows have not one value a column");
    Reals found(rows.data(), rows.data() + rows.size());
    for (std::size_t at = 0; at < found.size(); at += d) read(laws, found.data() + at);
    return array_of(std::move(found), {rows.shape(0), d});
}

inline void bind_causal(nb::module_& m) {
    using namespace nb::literals;
    nb::class_<Laws>(m, "Laws", "A causal model's arrays (FlatLaws), copied and checked. Threads may share it.")
        .def("__init__", [](Laws* self, nb::handle flat) { new (self) Laws(tables_of(flat)); }, "flat"_a)
        .def("rows", &rows_of, "factual"_a, "columns"_a, "values"_a, "member"_a = BELIEVED,
             "Counterfactual rows, (n, d), of actions, (n, k), not rounded to whole numbers.")
        .def("members", &members_of, "factual"_a, "columns"_a, "values"_a,
             "The same by every plausible mechanism: (n, members, d).")
        .def("bounds", &bounds_of, "factual"_a, "columns"_a, "lower"_a, "upper"_a, "member"_a = BELIEVED,
             "Least and greatest rows of each box of actions, whole numbers read.")
        .def("read", &read_of, "rows"_a, "Rows with whole numbers rounded half to even.");
}

}  // namespace ifonly::causal

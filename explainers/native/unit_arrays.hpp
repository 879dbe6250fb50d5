// A network of units, and one question about it, as flat arrays; explainers/search/networks/arrays.py
// says what each field holds.
#pragma once

#include "checks.hpp"
#include "curves.hpp"

namespace ifonly::networks {

struct Units {
    Whole columns = 0;
    Wholes first;
    Wholes curve;
    Wholes from;
    Wholes till;
    Wholes start;
    Reals weight;
    Reals slips;
    Reals slip;
    Reals bias;
    Reals off;
    Reals ulp;
    Reals blur;
    Reals low;
    Reals high;

    static constexpr const char* name = "UnitArrays";
    static constexpr auto fields() {
        return std::tuple{
            field("columns", &Units::columns), field("first", &Units::first),
            field("curve", &Units::curve),     field("from_", &Units::from),
            field("till", &Units::till),       field("start", &Units::start),
            field("weight", &Units::weight),   field("slips", &Units::slips),
            field("slip", &Units::slip),       field("bias", &Units::bias),
            field("off", &Units::off),         field("ulp", &Units::ulp),
            field("blur", &Units::blur),       field("low", &Units::low),
            field("high", &Units::high),
        };
    }

    Whole size() const { return bias.size(); }
    Whole n_layers() const { return curve.size(); }
    // Columns and units.
    Whole known() const { return columns + size(); }
};

struct Pieces {
    Wholes of;
    Wholes first;
    Wholes last;
    Reals cost;
    Reals rise;
    Wholes terms;
    Wholes column;
    Reals input;
    Reals input_rise;
    Reals constant;

    static constexpr const char* name = "PieceArrays";
    static constexpr auto fields() {
        return std::tuple{
            field("of", &Pieces::of),         field("first", &Pieces::first),
            field("last", &Pieces::last),     field("cost", &Pieces::cost),
            field("rise", &Pieces::rise),     field("terms", &Pieces::terms),
            field("column", &Pieces::column), field("input", &Pieces::input),
            field("input_rise", &Pieces::input_rise), field("constant", &Pieces::constant),
        };
    }

    Whole n_features() const { return of.size() - 1; }
};

struct Limits {
    RealRows weights;
    Reals limit;
    Reals doubt;
    Reals begin;
    RealRows slips;
    Reals slip;

    static constexpr const char* name = "LimitArrays";
    static constexpr auto fields() {
        return std::tuple{
            field("weights", &Limits::weights), field("limit", &Limits::limit),
            field("doubt", &Limits::doubt), field("begin", &Limits::begin),
            field("slips", &Limits::slips), field("slip", &Limits::slip),
        };
    }

    Whole size() const { return limit.size(); }
};

inline void check(const Units& u) {
    require(u.columns >= 0, "columns: fewer than none");
    const Whole layers = u.n_layers(), n = u.size();
    check_length(u.first, layers + 1, "first");
    check_all_offsets(u.first, n, "first");
    check_range(u.curve, 0, CURVES - 1, "curve");
    check_length(u.from, layers, "from");
    check_length(u.till, layers, "till");
    check_length(u.start, n, "start");
    check_length(u.slips, u.weight.size(), "slips");
    check_length(u.slip, n, "slip");
    check_length(u.off, u.known(), "off");
    check_length(u.ulp, n, "ulp");
    check_length(u.blur, n, "blur");
    check_length(u.low, n, "low");
    check_length(u.high, n, "high");
    for (Whole layer = 0; layer < layers; ++layer) {
        // A layer reads columns and the units of layers before it.
        const Whole most = u.columns + u.first[layer];
        if (u.from[layer] < 0 || u.from[layer] > u.till[layer] || u.till[layer] > most) {
            out_of_place("from, till");
        }
        const Whole width = u.till[layer] - u.from[layer];
        for (Whole i = u.first[layer]; i < u.first[layer + 1]; ++i) {
            if (u.start[i] < 0 || u.start[i] > u.weight.size() - width) out_of_place("start");
        }
    }
}

inline void check(const Pieces& p) {
    require(p.of.size() > 1, "of: there are no features");
    const Whole n = p.first.size();
    check_all_offsets(p.of, n, "of");
    check_length(p.last, n, "last");
    check_length(p.cost, n, "cost");
    check_length(p.rise, n, "rise");
    check_length(p.terms, n + 1, "terms");
    check_all_offsets(p.terms, p.column.size(), "terms");
    check_length(p.input, p.column.size(), "input");
    check_length(p.input_rise, p.column.size(), "input_rise");
    check_range(p.column, 0, p.constant.size() - 1, "column");
    for (Whole j = 0; j < p.n_features(); ++j) {
        Whole next = 0;
        // Pieces of a feature follow each other without gaps.
        for (Whole k = p.of[j]; k < p.of[j + 1]; ++k) {
            if (p.first[k] != next || p.last[k] < next) out_of_place("first, last");
            next = p.last[k] + 1;
        }
        require(next > 0, "of: a feature without pieces");
    }
}

inline void check(const Limits& g) {
    require(g.size() > 0, "limit: there are no goals");
    check_length(g.weights, g.size(), "weights");
    check_length(g.doubt, g.size(), "doubt");
    check_length(g.begin, g.size(), "begin");
    check_length(g.slips, g.size(), "slips");
    check_length(g.slip, g.size(), "slip");
}

// All of them speak of the same network and question.
inline void check_together(const Units& u, const Pieces& p, const Limits& g, const Question& q) {
    check_length(p.constant, u.columns, "constant");
    check_shape(g.weights, g.size(), u.known(), "weights");
    check_shape(g.slips, g.size(), u.known(), "slips");
    check_length(q.size, p.n_features(), "size");
    for (Whole j = 0; j < p.n_features(); ++j) {
        if (p.last[p.of[j + 1] - 1] + 1 != q.size[j]) out_of_place("pieces");
    }
}

}  // namespace ifonly::networks

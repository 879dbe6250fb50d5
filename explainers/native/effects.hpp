// What one mode of a problem says of effects, and where numbers stand on the axes of what follows.
#pragma once

#include <cmath>

#include "checks.hpp"

namespace ifonly {

// What scores are of the one raw output.
enum Link : Whole { NO_LINK, IDENTITY, LOGISTIC, LINKS };

// Slots of `margin`. The raw output is SLOPE times the sum over trees, plus INTERCEPT; the score is in
// the target by TOWARD * (score - LIMIT), less how far it may be rounded: FLAT + STEEP * s * (1 - s).
// A raw output is known up to RAW_BAND.
enum MarginSlot : Whole { SLOPE, INTERCEPT, TOWARD, LIMIT, FLAT, STEEP, RAW_BAND, MARGIN_SLOTS };

// What one mode of a problem says of effects; explainers/search/trees/effects.py says what each field
// holds.
struct Effects {
    Wholes set;
    Wholes followers;
    Wholes openers;
    Reals lower;
    Reals upper;
    Reals off;
    Reals reads_from;
    Reals reads_to;
    Wholes via_first;
    Wholes via;
    Whole link = NO_LINK;
    Reals margin;
    Reals demands;

    static constexpr const char* name = "Effects";
    static constexpr auto fields() {
        return std::tuple{
            field("set", &Effects::set),
            field("followers", &Effects::followers),
            field("openers", &Effects::openers),
            field("lower", &Effects::lower),
            field("upper", &Effects::upper),
            field("off", &Effects::off),
            field("reads_from", &Effects::reads_from),
            field("reads_to", &Effects::reads_to),
            field("via_first", &Effects::via_first),
            field("via", &Effects::via),
            field("link", &Effects::link),
            field("margin", &Effects::margin),
            field("demands", &Effects::demands),
        };
    }
};

inline void check(const Effects& e) {
    require(e.set.size() > 0, "set: nothing is set");
    check_length(e.lower, e.followers.size(), "lower");
    check_length(e.upper, e.followers.size(), "upper");
    check_length(e.off, e.followers.size(), "off");
    check_length(e.reads_from, e.followers.size(), "reads_from");
    check_length(e.reads_to, e.followers.size(), "reads_to");
    check_length(e.via_first, e.followers.size() + 1, "via_first");
    check_all_offsets(e.via_first, e.via.size(), "via_first");
    require(0 <= e.link && e.link < LINKS, "link is none of those that there are");
    check_length(e.margin, MARGIN_SLOTS, "margin");
    check_length(e.demands, 2, "demands");
}

// Columns of effects are those of features, and what follows lies on a long axis.
inline void check_fits(const Question& q, const Effects& e) {
    const Whole last = q.n_features() - 1;
    check_range(e.set, 0, last, "set");
    check_range(e.followers, 0, last, "followers");
    check_range(e.openers, 0, last, "openers");
    check_range(e.via, 0, last, "via");
    for (const Whole j : e.followers) {
        if (q.listed[j] >= 0 || q.counts[j] != 0) out_of_place("followers");
        if (q.least[j] < 0 || q.least[j] > q.most[j] || q.most[j] >= q.size[j]) out_of_place("most");
        // What is divided by; an axis of one number has steps all the same.
        if (!(q.lengthy.scale[j] > 0.0) || q.lengthy.numerator[j] <= 0) out_of_place("long");
    }
    for (const Whole j : e.set) {
        if (q.counts[j] == 0) out_of_place("set");
    }
    if (e.link != NO_LINK) require(q.n_goals() == 1, "link: there is more than one goal");
}

// The entry of a long axis that begins at or below a number; its first for what is below all.
inline Whole entry_below(const Question& q, Whole j, double number) {
    Whole low = q.off[j], high = q.off[j + 1] - 1;
    while (low < high) {
        const Whole middle = (low + high + 1) >> 1;
        if (q.value[middle] <= number) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

// Position of a number on a long axis: its own where a stretch begins with it, or else one that lies
// at most a step or two beside it, downward (`off` -1) or upward (2). As Question.around.
inline Whole beside(const Question& q, Whole j, double number, Whole off) {
    const Long& x = q.lengthy;
    const Whole entry = entry_below(q, j, number), k = x.first[j] + entry - q.off[j];
    const Whole start = x.start[k];
    if (q.value[entry] == number) return start;
    const Whole next = entry + 1 < q.off[j + 1] ? x.start[k + 1] : q.most[j] + 1;
    const Whole least = off > 0 ? start + 1 : start;
    const Whole most = std::min(off < 0 ? next - 1 : next, q.most[j]);
    // What it is divided by is rounded, so the step may be off by one.
    const double rate = x.scale[j] / static_cast<double>(x.numerator[j]);
    const double steps = std::floor(number * rate) - static_cast<double>(x.multiple[k]);
    // Never past the stretch: beyond its ends the grid's arithmetic does not hold.
    const double place = static_cast<double>(start + off) + steps;
    if (!(place > static_cast<double>(least))) return std::min(least, most);
    if (place >= static_cast<double>(most)) return most;
    return static_cast<Whole>(place);
}

}  // namespace ifonly

// Branch and bound where other features follow from what is set.
//
// The search of kernel.hpp, depth first on the same tables. Of a box of settings the causal model
// bounds what follows (causal.hpp); these bounds are positions of the boxes on the stack like any
// other, so they narrow with their box and the masks with them. Only what is set is cut.
//
// What follows from a row is known up to rounding: a number is an interval of ROUNDING on both sides.
// Where that interval, the deployed model's rounding or a rule leaves any doubt, the row waits for the
// caller's word (VERDICT). What is in the target must moreover be trusted: enough of the plausible
// mechanisms lead there too, far enough from its edge (explainers/causal/certainty.py).
#pragma once

#include <algorithm>
#include <vector>

#include "causal.hpp"
#include "checks.hpp"
#include "kernel.hpp"
#include "primal_heuristic.hpp"

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

// Rows that the deployed model put outside of the target and whose leaves are remembered.
inline constexpr std::size_t MOST_OUTSIDE = 64;
// Cells whose margins are remembered beside one set of levers.
inline constexpr std::size_t MOST_SEEN = 64;

enum class Trust { holds, fails, in_doubt };

// Least and greatest.
struct Ends {
    double low = 0.0;
    double high = 0.0;
};

// The effects of one mode on one machine: scratch of one search, in one thread.
class Following {
public:
    Following(const Effects& effects, const causal::Laws& laws, const Question& question, Reals factual)
        : e(effects),
          q(question),
          laws_(&laws),
          machine_(laws, std::span<const double>(factual.begin(), factual.end())),
          paths_(machine_, columns(effects.set)),
          low_(factual.begin(), factual.end()),
          high_(low_),
          spans_(static_cast<std::size_t>(e.followers.size())) {
        for (const Whole j : e.followers) follows_ |= bit(j);
        // Sums in float32 jump where float64 hardly moves.
        for (const auto j : paths_.affected) {
            const auto f = laws.t.location[j];
            jumps_ = jumps_ || (f >= 0 && laws.t.kind[f] == causal::TREES);
        }
        const auto k = static_cast<std::size_t>(laws.n_members());
        const auto n = static_cast<std::size_t>(e.followers.size());
        rows_.resize(k * low_.size());
        margins_.resize(k);
        ends_.resize(k);
        cells_.resize(2 * n);
        up_.resize(n);
        down_.resize(n);
        lever_cells_.resize(low_.size());
        for (const Whole j : e.followers) {
            const double step = static_cast<double>(q.lengthy.numerator[j]) / q.lengthy.scale[j];
            axis_.push_back({value_at(q, j, 0), value_at(q, j, q.most[j]), step});
        }
    }

    const Effects& e;
    const Question& q;

    // The surest action that was in the target and not sure enough, by its lower bound.
    double surest = -INFINITE;
    std::vector<Whole> surest_at;

    // Whether what follows by the laws is what is said to follow.
    bool is_agreed() const {
        const auto& by_laws = paths_.affected;
        const auto is_affected = [&](Whole j) { return std::find(by_laws.begin(), by_laws.end(), j) != by_laws.end(); };
        return static_cast<std::size_t>(e.followers.size()) == by_laws.size() &&
               std::all_of(e.followers.begin(), e.followers.end(), is_affected);
    }

    // Whether anything is known of what follows.
    bool is_bounded() const { return !paths_.are_boxes_unknown && !paths_.are_rows_unknown; }

    // Bound what follows from the box by the causal model; false if nothing possible does. ``moved``:
    // the features whose bounds moved.
    bool narrow(Wholes lo, Wholes hi, Whole& moved) {
        if (!bound(lo, hi)) return true;
        for (Whole k = 0; k < e.followers.size(); ++k) {
            const Whole j = e.followers[k];
            const double low = std::max(low_[j], e.lower[k]), high = std::min(high_[j], e.upper[k]);
            if (!(low <= high)) return false;
            // Outward: a box may be kept too long, never closed too early.
            const Whole first = beside(q, j, low, -1), last = beside(q, j, high, 2);
            if (first > lo[j]) {
                lo[j] = first;
                moved |= bit(j);
            }
            if (last < hi[j]) {
                hi[j] = last;
                moved |= bit(j);
            }
            if (lo[j] > hi[j]) return false;
        }
        return true;
    }

    // Whether some row of the box sets a feature from which something follows.
    bool may_open(Wholes lo, Wholes hi) const {
        for (const Whole j : e.openers) {
            if (lo[j] != hi[j] || lo[j] != q.home[j]) return true;
        }
        return false;
    }

    bool opens(Wholes at) const { return may_open(at, at); }

    // Put what follows from a row into ``at``, within the box.
    struct Place {
        Whole impossible = -1;  // which follower cannot be where it would follow to; -1: none
        bool in_doubt = false;
    };
    template <class CellMap>
    Place place(const CellMap& t, Wholes at, Wholes lo, Wholes hi) {
        Place found;
        if (!bound(at, at)) {
            found.in_doubt = true;
            // Somewhere in the box: nothing is claimed of it.
            for (Whole k = 0; k < e.followers.size(); ++k) {
                const Whole j = e.followers[k];
                spans_[static_cast<std::size_t>(k)] = {lo[j], hi[j]};
                at[j] = lo[j];
            }
            return found;
        }
        for (Whole k = 0; k < e.followers.size(); ++k) {
            const Whole j = e.followers[k];
            if (low_[j] > e.upper[k] || high_[j] < e.lower[k]) {
                found.impossible = k;
                at[j] = std::clamp(at[j], lo[j], hi[j]);
                continue;
            }
            if (low_[j] < e.lower[k] || high_[j] > e.upper[k]) found.in_doubt = true;
            Span& span = spans_[static_cast<std::size_t>(k)];
            span.first = beside(q, j, std::max(low_[j], e.lower[k]), -1);
            span.last = beside(q, j, std::min(high_[j], e.upper[k]), 2);
            at[j] = std::clamp((span.first + span.last) >> 1, lo[j], hi[j]);
            if (cell_at(t, q, j, span.first) != cell_at(t, q, j, span.last)) found.in_doubt = true;
        }
        return found;
    }

    // A rule that the row that was placed breaks for certain, -1 for none; ``in_doubt`` if a rule
    // reads what follows and is not certain of it.
    Whole broken(Wholes at, bool& in_doubt) {
        const Whole found = broken_rule(q, ALL, at);
        if (found >= 0 && !reads_effects(found)) return found;
        tiny_lo_.assign(at.begin(), at.end());
        tiny_hi_ = tiny_lo_;
        for (Whole k = 0; k < e.followers.size(); ++k) {
            tiny_lo_[e.followers[k]] = spans_[static_cast<std::size_t>(k)].first;
            tiny_hi_[e.followers[k]] = spans_[static_cast<std::size_t>(k)].last;
        }
        const Wholes lo{tiny_lo_.data(), at.size()}, hi{tiny_hi_.data(), at.size()};
        for (Whole r = 0; r < q.rules.size(); ++r) {
            if (!reads_effects(r)) continue;
            const Truth known = kept(r, lo, hi);
            if (known == NEVER) return r;
            if (known == SOMETIMES) in_doubt = true;
        }
        return -1;
    }

    // Whether enough plausible mechanisms lead the row at ``at`` into the target, far enough from its
    // edge. ``at`` was placed.
    Trust trust(const Tables& t, Wholes at) {
        if (e.link == NO_LINK || !is_bounded() || !bound(at, at)) return Trust::in_doubt;
        if (!settle_levers(t, at, at)) forget();
        lead_members();
        for (std::size_t m = 0; m < margins_.size(); ++m) {
            if (!lead(static_cast<Whole>(m))) return Trust::in_doubt;
            find_cells(t, cells_.data());
            const Ends found = margin_in(t, cells_);
            if (found.low != found.high) return Trust::in_doubt;
            margins_[m] = found.low;
        }
        const double lower = lower_bound_of(margins_), near = tolerance(), floor = e.demands[1];
        if (lower > slack() && share(near) >= floor) return Trust::holds;
        if (lower < -slack() || share(-near) < floor) {
            note_surest(lower, at);
            return Trust::fails;
        }
        return Trust::in_doubt;
    }

    // Whether some row of the box may be trusted. ``lo`` and ``hi`` as they are on the stack.
    bool may_hold(const Tables& t, Wholes lo, Wholes hi) {
        if (e.link == NO_LINK || !is_bounded() || !bound(lo, hi)) return true;
        bound_members(t, lo, hi);
        return greatest_bound() >= -slack() && share_of_ends() >= e.demands[1];
    }

    // What the tables say of all rows between two lines of positions.
    Score score(const Tables& t, Wholes lo, Wholes hi) {
        leaves_.assign(static_cast<std::size_t>(t.n_trees()), -1);
        row_mask_.assign(t.full.begin(), t.full.end());
        Word* mask = row_mask_.data();
        for (Whole j = 0; j < q.n_features(); ++j) {
            const Words up = t.at_most[t.cells[j] + cell_at(t, q, j, hi[j])];
            const Words down = t.at_least[t.cells[j] + cell_at(t, q, j, lo[j])];
            for (Whole w = 0; w < t.n_words(); ++w) mask[w] &= up[w] & down[w];
        }
        Score found = Score::inside;
        for (Whole g = 0; g < q.n_goals(); ++g) {
            Ends over{t.constant[g] - q.limit[g], t.constant[g] - q.limit[g]};
            for (Whole tree = t.groups[g]; tree < t.groups[g + 1]; ++tree) {
                const Leaves leaves = leaves_of(t, tree, [mask](Whole w) { return mask[w]; });
                leaves_[static_cast<std::size_t>(tree)] = leaves.least;
                over.low += value_of(t, leaves.least);
                over.high += value_of(t, leaves.most);
            }
            if (over.low > q.band[g]) return Score::outside;
            if (over.high >= -q.band[g]) found = Score::in_doubt;
        }
        return found;
    }

    // The deployed model has put the row at ``at``, which was placed without doubt, outside of the
    // target: so it does every row that reaches the same leaves.
    void note_outside(const Tables& t, Wholes at) {
        score(t, at, at);
        if (outside_.size() == MOST_OUTSIDE) outside_.clear();
        outside_.push_back(leaves_);
    }

    // Whether that is known of the row at ``at``.
    bool is_outside(const Tables& t, Wholes at) {
        if (outside_.empty()) return false;
        score(t, at, at);
        return std::find(outside_.begin(), outside_.end(), leaves_) != outside_.end();
    }

    // Whether every action between two lines of positions that differ in ``column`` will do for
    // certain, if the first will.
    bool must_hold(const Tables& t, Wholes lo, Wholes hi, Whole column) {
        const Whole home = q.home[column];
        // With its factual value it would not be set: another action than the others.
        if (lo[column] <= home && home <= hi[column]) return false;
        if (q.is_robust() || e.link == NO_LINK || !is_bounded()) return false;
        if (!may_open(lo, lo) || !bound(lo, hi)) return false;
        tiny_lo_.assign(lo.begin(), lo.end());
        tiny_hi_.assign(hi.begin(), hi.end());
        const Wholes first{tiny_lo_.data(), lo.size()}, last{tiny_hi_.data(), lo.size()};
        for (Whole k = 0; k < e.followers.size(); ++k) {
            const Whole j = e.followers[k];
            if (low_[j] < e.lower[k] || high_[j] > e.upper[k]) return false;
            first[j] = beside(q, j, low_[j], -1);
            last[j] = beside(q, j, high_[j], 2);
        }
        for (Whole r = 0; r < q.rules.size(); ++r) {
            const bool reads = (q.rules.touched[r] & (follows_ | bit(column))) != 0;
            if (reads && kept(r, first, last) != ALWAYS) return false;
        }
        return score(t, first, last) == Score::inside && must_be_trusted(t, lo, hi);
    }

    // Which of what is set to cut, where the trees would cut what follows; -1 if none of it can be.
    Whole instead(Whole follower, Wholes lo, Wholes hi) const {
        for (Whole k = 0; k < e.followers.size(); ++k) {
            if (e.followers[k] != follower) continue;
            const Whole first = e.via_first[k];
            const Whole found = widest({e.via.data + first, e.via_first[k + 1] - first}, lo, hi);
            if (found >= 0) return found;
        }
        return widest(e.set, lo, hi);
    }

    // Where along ``column``, with all else set as in ``at``, a follower passes ``number``: the first
    // position beyond; -1 if it does not pass it between the ends.
    Whole crossing(Whole column, Whole follower, double number, Wholes at, Wholes lo, Wholes hi) {
        const auto is_above = [&](Whole position) {
            for (const Whole j : e.set) low_[j] = value_at(q, j, j == column ? position : at[j]);
            causal::follow_row(*laws_, machine_, paths_, low_.data());
            return low_[follower] >= number;
        };
        Whole low = lo[column], high = hi[column];
        const bool side = is_above(low);
        if (is_above(high) == side) return -1;
        while (high - low > 1) {
            const Whole middle = (low + high) >> 1;
            if (is_above(middle) == side) {
                low = middle;
            } else {
                high = middle;
            }
        }
        return high;
    }

    // The one of what is set of whose axis the box holds the greatest part; -1 if it holds one
    // position of each.
    Whole widest(Wholes lo, Wholes hi) const { return widest(e.set, lo, hi); }

    // The one of what is set along which costs differ most from the row's.
    Whole dearest(Wholes at, Wholes lo, Wholes hi) const {
        Whole found = -1;
        double most = -INFINITE;
        for (const Whole j : e.set) {
            if (lo[j] == hi[j]) continue;
            const double ends = std::max(cost_at(q, j, lo[j]), cost_at(q, j, hi[j]));
            const double extent = ends - cost_at(q, j, at[j]);
            if (extent > most) {
                most = extent;
                found = j;
            }
        }
        return found;
    }

private:
    struct Span {
        Whole first = 0;
        Whole last = 0;
    };

    static std::vector<std::int32_t> columns(Wholes set) {
        std::vector<std::int32_t> found;
        for (const Whole j : set) found.push_back(static_cast<std::int32_t>(j));
        return found;
    }

    // The causal model's bounds of what follows from a box; false if there are none to be had, as
    // some of it may be missing.
    bool bound(Wholes lo, Wholes hi) {
        for (const Whole j : e.set) {
            low_[j] = value_at(q, j, lo[j]);
            high_[j] = value_at(q, j, hi[j]);
            if (std::isnan(low_[j]) || std::isnan(high_[j])) return false;
        }
        causal::follow_box(*laws_, machine_, paths_, low_.data(), high_.data());
        return true;
    }

    // Ends of each plausible mechanism's margin over a box, which was bounded.
    void bound_members(const Tables& t, Wholes lo, Wholes hi) {
        settle_levers(t, lo, hi);
        forget();
        set_lo_ = low_;
        set_hi_ = high_;
        for (std::size_t m = 0; m < ends_.size(); ++m) {
            low_ = set_lo_;
            high_ = set_hi_;
            causal::follow_member_box(*laws_, machine_, paths_, static_cast<int>(m), low_.data(), high_.data());
            find_cells(t, cells_.data());
            ends_[m] = margin_in(t, cells_);
        }
    }

    bool must_be_trusted(const Tables& t, Wholes lo, Wholes hi) {
        bound_members(t, lo, hi);
        const double k = static_cast<double>(ends_.size());
        double mean = 0.0, centre = 0.0, squares = 0.0, met = 0.0;
        for (const Ends& each : ends_) {
            mean += each.low;
            centre += 0.5 * (each.low + each.high);
            met += each.low >= tolerance();
        }
        mean /= k;
        centre /= k;
        // About any centre margins spread no less than about their own mean.
        for (const Ends& each : ends_) {
            const double farthest = std::max(std::abs(each.low - centre), std::abs(each.high - centre));
            squares += farthest * farthest;
        }
        const double sd = k > 1 ? std::sqrt(squares / (k - 1.0)) : 0.0;
        return mean - e.demands[0] * sd > slack() && met / k >= e.demands[1];
    }

    // Least and greatest leaf of a tree, -1 for none.
    struct Leaves {
        Whole least = -1;
        Whole most = -1;
    };
    template <class WordAt>
    static Leaves leaves_of(const Tables& t, Whole tree, const WordAt& at) {
        Leaves found;
        for (Whole w = t.words[tree]; w < t.words[tree + 1]; ++w) {
            const Word word = at(w);
            if (word == 0) continue;
            // Leaves are sorted by value across a tree's words.
            if (found.least < 0) found.least = w * 64 + lowest_bit(word);
            found.most = w * 64 + highest_bit(word);
        }
        return found;
    }

    bool reads_effects(Whole r) const { return (q.rules.touched[r] & follows_) != 0; }

    // What is known of a condition between two lines of positions.
    Truth known(Whole c, Wholes lo, Wholes hi) const {
        const Truth found = truth(q, c, lo, hi);
        if (found != SOMETIMES) return found;
        // Of one row all is known; the bounds of a box leave room for rounding.
        const auto is_one = [&](Whole j) { return lo[j] == hi[j]; };
        if (q.rules.kind[c] != COMPARISON) return is_one(q.rules.column[c]) ? true_of(c, lo) : SOMETIMES;
        for (Whole k = q.rules.terms[c]; k < q.rules.terms[c + 1]; ++k) {
            if (!is_one(q.rules.term_column[k])) return SOMETIMES;
        }
        return true_of(c, lo);
    }
    Truth true_of(Whole c, Wholes at) const { return true_at(q, c, at) ? ALWAYS : NEVER; }

    // Whether a rule is kept between two lines of positions.
    Truth kept(Whole r, Wholes lo, Wholes hi) const {
        Truth applies = ALWAYS, holds = ALWAYS;
        for (Whole c = q.rules.rule[r]; c < q.rules.split[r]; ++c) {
            const Truth found = known(c, lo, hi);
            // One condition that fails makes the rule say nothing.
            if (found == NEVER) return ALWAYS;
            if (found == SOMETIMES) applies = SOMETIMES;
        }
        for (Whole c = q.rules.split[r]; c < q.rules.rule[r + 1]; ++c) {
            const Truth found = known(c, lo, hi);
            if (found == NEVER) return applies == ALWAYS ? NEVER : SOMETIMES;
            if (found == SOMETIMES) holds = SOMETIMES;
        }
        return holds;
    }

    Whole widest(Wholes columns, Wholes lo, Wholes hi) const {
        Whole found = -1;
        double most = 0.0;
        for (const Whole j : columns) {
            const double part = static_cast<double>(hi[j] - lo[j]) / static_cast<double>(q.size[j]);
            if (part > most) {
                most = part;
                found = j;
            }
        }
        return found;
    }

    // Leaves that rows between two lines of settings reach, whatever follows; the sum over the trees
    // that these decide, and the other trees. Whether they are those of before.
    bool settle_levers(const Tables& t, Wholes lo, Wholes hi) {
        bool same = settled_for_ == t.full.data;
        settled_for_ = t.full.data;
        for (Whole j = 0; j < q.n_features(); ++j) {
            if (q.counts[j] == 0) continue;
            const Ends cells{static_cast<double>(cell_at(t, q, j, lo[j])), static_cast<double>(cell_at(t, q, j, hi[j]))};
            Ends& before = lever_cells_[static_cast<std::size_t>(j)];
            same = same && cells.low == before.low && cells.high == before.high;
            before = cells;
        }
        if (same) return true;
        mask_.assign(t.full.begin(), t.full.end());
        for (Whole j = 0; j < q.n_features(); ++j) {
            if (q.counts[j] == 0) continue;
            const Words up = t.at_most[t.cells[j] + cell_at(t, q, j, hi[j])];
            const Words down = t.at_least[t.cells[j] + cell_at(t, q, j, lo[j])];
            for (Whole w = 0; w < t.n_words(); ++w) mask_[static_cast<std::size_t>(w)] &= up[w] & down[w];
        }
        settled_ = t.constant[0];
        undecided_.clear();
        for (Whole tree = t.groups[0]; tree < t.groups[1]; ++tree) {
            Whole leaves = 0, only = -1;
            for (Whole w = t.words[tree]; w < t.words[tree + 1]; ++w) {
                leaves += bit_count(mask_[w]);
                if (mask_[w] != 0) only = w * 64 + lowest_bit(mask_[w]);
            }
            if (leaves == 1) {
                settled_ += t.value[only];
            } else {
                undecided_.push_back(tree);
            }
        }
        return false;
    }

    // The rows that all plausible mechanisms lead to from what is set in `low_`.
    void lead_members() {
        const std::size_t d = low_.size();
        for (std::size_t at = 0; at < rows_.size(); at += d) std::copy(low_.begin(), low_.end(), rows_.begin() + at);
        causal::follow_members(*laws_, machine_, paths_, rows_.data());
    }

    // Put what follows by plausible mechanism ``m`` between `low_` and `high_`; false if it leaves the
    // axes: beyond them cells are not told apart, and what is no number is in none.
    bool lead(Whole m) {
        if (jumps_) {
            causal::follow_member_box(*laws_, machine_, paths_, static_cast<int>(m), low_.data(), high_.data());
        } else {
            const double* row = rows_.data() + static_cast<std::size_t>(m) * low_.size();
            for (const Whole j : e.followers) {
                // Where its level and its noise cancel, it is rounded as its level is.
                const double level = machine_.members(static_cast<int>(j))[m];
                const double now = level + row[j] - machine_.factual[static_cast<std::size_t>(j)];
                const double size = std::max({1.0, std::abs(row[j]), std::abs(level), std::abs(now)});
                const double room = causal::ROUNDING * size;
                const bool whole = laws_->t.whole[j] != 0;
                low_[j] = whole ? std::nearbyint(row[j] - room) : row[j] - room;
                high_[j] = whole ? std::nearbyint(row[j] + room) : row[j] + room;
            }
        }
        for (Whole k = 0; k < e.followers.size(); ++k) {
            const Whole j = e.followers[k];
            if (!(low_[j] >= axis_[k].low && high_[j] <= axis_[k].high)) return false;
        }
        return true;
    }

    // Cells of what lies between `low_` and `high_`, follower by follower.
    void find_cells(const Tables& t, Whole* cells) const {
        for (Whole k = 0; k < e.followers.size(); ++k) {
            const Whole j = e.followers[k];
            Whole low = 0, high = t.count(j) - 1;
            // Beyond the axis: all cells that there are.
            if (low_[j] >= axis_[k].low) low = cell_of(t, j, entry_below(q, j, low_[j]));
            if (high_[j] <= axis_[k].high) {
                Whole entry = entry_below(q, j, high_[j]);
                // A cell begins between the number on the grid and the one before it.
                const bool begins = q.value[entry] != high_[j] && entry + 1 < q.off[j + 1] &&
                                    high_[j] > q.value[entry + 1] - 2.0 * axis_[k].step;
                high = cell_of(t, j, begins ? entry + 1 : entry);
            }
            cells[2 * k] = low;
            cells[2 * k + 1] = high;
        }
    }

    Whole cell_of(const Tables& t, Whole j, Whole entry) const {
        return t.coarse[t.fine[j] + q.cell[entry]];
    }

    // Least and greatest sum over the trees of rows whose levers were settled, with what follows
    // between these cells.
    Ends sum_between(const Tables& t, const Whole* cells) const {
        Ends sum{settled_, settled_};
        if (undecided_.empty()) return sum;
        const std::size_t n = static_cast<std::size_t>(e.followers.size());
        for (std::size_t k = 0; k < n; ++k) {
            const Whole first = t.cells[e.followers[static_cast<Whole>(k)]];
            down_[k] = t.at_least[first + cells[2 * k]].data;
            up_[k] = t.at_most[first + cells[2 * k + 1]].data;
        }
        for (const Whole tree : undecided_) {
            const Leaves leaves = leaves_of(t, tree, [&](Whole w) {
                Word word = mask_[static_cast<std::size_t>(w)];
                for (std::size_t k = 0; k < n; ++k) word &= up_[k][w] & down_[k][w];
                return word;
            });
            sum.low += value_of(t, leaves.least);
            sum.high += value_of(t, leaves.most);
        }
        return sum;
    }

    // Least and greatest margin of rows whose levers were settled, with what follows between these
    // cells. Most plausible mechanisms lead to the cells of some other.
    Ends margin_in(const Tables& t, const std::vector<Whole>& cells) {
        const std::size_t width = cells.size();
        for (std::size_t i = 0; i < seen_margins_.size(); ++i) {
            if (std::equal(cells.begin(), cells.end(), seen_cells_.begin() + static_cast<std::ptrdiff_t>(i * width))) {
                return seen_margins_[i];
            }
        }
        if (seen_margins_.size() == MOST_SEEN) forget();
        const Ends sum = sum_between(t, cells.data());
        seen_cells_.insert(seen_cells_.end(), cells.begin(), cells.end());
        // The margin falls with the sum.
        return seen_margins_.emplace_back(Ends{margin(sum.high), margin(sum.low)});
    }

    // What is known of cells is no longer so: other levers are settled.
    void forget() {
        seen_cells_.clear();
        seen_margins_.clear();
    }

    // How far inside the target a row with this sum is scored.
    double margin(double sum) const {
        const Reals& x = e.margin;
        const double raw = x[SLOPE] * sum + x[INTERCEPT];
        const double score = e.link == LOGISTIC ? 1.0 / (1.0 + std::exp(-raw)) : raw;
        const double off = x[FLAT] + x[STEEP] * std::max(score * (1.0 - score), 0.0);
        return x[TOWARD] * (score - x[LIMIT]) - off;
    }

    // By how much the deployed model's margin may be another: its sums and scores are float32.
    double tolerance() const {
        const double steepest = e.link == LOGISTIC ? 0.25 : 1.0;
        const double size = e.link == LOGISTIC ? 1.0 : std::max(1.0, std::abs(e.margin[LIMIT]));
        return 1e-6 * size + steepest * e.margin[RAW_BAND];
    }

    // The same of the bound made of margins: their mean errs by as much as one, their spread, too.
    double slack() const { return (2.0 + 2.0 * e.demands[0]) * tolerance(); }

    double lower_bound_of(const std::vector<double>& margins) const {
        const double k = static_cast<double>(margins.size());
        double mean = 0.0, squares = 0.0;
        for (const double each : margins) mean += each;
        mean /= k;
        for (const double each : margins) squares += (each - mean) * (each - mean);
        return mean - e.demands[0] * (k > 1 ? std::sqrt(squares / (k - 1.0)) : 0.0);
    }

    // No row's lower bound is above this, if each margin is between its ends: the bound is concave in
    // the margins, so a tangent lies above it.
    double greatest_bound() {
        const double k = static_cast<double>(ends_.size()), gamma = e.demands[0];
        for (std::size_t m = 0; m < ends_.size(); ++m) margins_[m] = ends_[m].high;
        double mean = 0.0, squares = 0.0;
        for (const double each : margins_) mean += each;
        mean /= k;
        for (const double each : margins_) squares += (each - mean) * (each - mean);
        const double sd = k > 1 ? std::sqrt(squares / (k - 1.0)) : 0.0;
        // Where all margins are the same there is no tangent; the mean is above the bound, too.
        if (!(sd > 0.0)) return mean;
        double found = mean - gamma * sd;
        for (std::size_t m = 0; m < ends_.size(); ++m) {
            const double slope = 1.0 / k - gamma * (margins_[m] - mean) / ((k - 1.0) * sd);
            // A margin that is too good spreads them: at its least the bound may be higher.
            if (slope < 0.0) found += slope * (ends_[m].low - ends_[m].high);
        }
        // With infinite ends nothing is known.
        return std::isnan(found) ? INFINITE : std::min(found, mean);
    }

    // Share of plausible mechanisms by which the margin is at least ``least``.
    double share(double least) const {
        double met = 0.0;
        for (const double each : margins_) met += each >= least;
        return met / static_cast<double>(margins_.size());
    }

    double share_of_ends() const {
        double met = 0.0;
        for (const Ends& each : ends_) met += each.high >= -tolerance();
        return met / static_cast<double>(ends_.size());
    }

    void note_surest(double lower, Wholes at) {
        if (!surest_at.empty() && lower <= surest) return;
        surest = lower;
        surest_at.assign(at.begin(), at.end());
    }

    const causal::Laws* laws_;
    causal::Machine machine_;
    causal::Paths paths_;
    bool jumps_ = false;
    Whole follows_ = 0;  // features that follow, as bits
    // Ends of a box in the features' units; between them, what follows.
    std::vector<double> low_, high_, set_lo_, set_hi_;
    std::vector<Span> spans_;
    std::vector<Whole> tiny_lo_, tiny_hi_;
    std::vector<Word> mask_, row_mask_;
    std::vector<Whole> leaves_;  // of the row last scored, tree by tree
    std::vector<std::vector<Whole>> outside_;
    double settled_ = 0.0;
    std::vector<Whole> undecided_;
    const Word* settled_for_ = nullptr;  // the tables, by their address
    std::vector<Ends> lever_cells_;
    mutable std::vector<const Word*> up_, down_;
    // The axis of each follower: its ends and its step.
    struct Axis {
        double low, high, step;
    };
    std::vector<Axis> axis_;
    std::vector<double> rows_, margins_;
    std::vector<Whole> cells_;
    // Cells of what follows, and what is known of the margin in them, beside the levers that are
    // settled.
    std::vector<Whole> seen_cells_;
    std::vector<Ends> seen_margins_;
    std::vector<Ends> ends_;
};

// The middle of what the box holds of an axis.
inline Cut halving(Whole column, Wholes lo, Wholes hi) {
    if (column < 0) return {};
    return {column, (lo[column] + hi[column] + 1) >> 1};
}

inline constexpr Whole SLICES = 16;

// A cut of what is set: the cut itself, or where it is of what follows, of what that follows from.
inline Cut of_what_is_set(Following& f, Cut cut, Wholes at, Wholes lo, Wholes hi) {
    if (cut.column >= 0 && f.q.counts[cut.column] == 0) {
        const Whole column = f.instead(cut.column, lo, hi);
        if (column < 0) return {};
        // Where it passes the edge, if that is well inside: a slice at an end tells too little.
        const Whole margin = (hi[column] - lo[column]) / SLICES;
        const Whole edge =
            f.crossing(column, cut.column, value_at(f.q, cut.column, cut.edge), at, lo, hi);
        const bool inside = lo[column] + margin < edge && edge <= hi[column] - margin;
        return inside ? Cut{column, edge} : halving(column, lo, hi);
    }
    const bool inside = cut.column >= 0 && lo[cut.column] < cut.edge && cut.edge <= hi[cut.column];
    // No tree gains: cut the widest, as bounds of what follows tighten with the box.
    return inside ? cut : halving(f.widest(lo, hi), lo, hi);
}

// Whether what follows is in a few cells at most. Where such an edge runs through a box of settings, a
// box is as many small ones as a fine grid has values along it: whatever else tells its rows apart is
// to be cut first. Two thresholds that float32 hardly tells apart have a cell of their own between.
inline constexpr Whole MOST_STRADDLED = 4;
inline bool straddles(const Arena& a, Whole sp, Whole follower) {
    return a.cell_hi[sp][follower] - a.cell_lo[sp][follower] < MOST_STRADDLED;
}

// Whether a row of the box may be in the target, with what follows in one cell after the other: no row
// reaches leaves on both sides of an edge, and no box is so small that it has no edge in it.
inline bool may_reach(const Tables& t, const Question& q, const Arena& a, Whole sp, Whole follower) {
    const Words mask = a.mask[sp];
    const auto reaches = [&](Words up, Words down) {
        for (Whole g = 0; g < q.n_goals(); ++g) {
            double total = a.base[g];
            for (Whole i = a.group[g]; i < a.group[g + 1]; ++i) {
                const Whole tree = a.tree[i];
                Whole least = -1;
                for (Whole w = t.words[tree]; w < t.words[tree + 1] && least < 0; ++w) {
                    const Word word = mask[w] & up[w] & down[w];
                    if (word != 0) least = w * 64 + lowest_bit(word);
                }
                // No row of the box has what follows in this cell.
                if (least < 0) return false;
                total += t.value[least];
            }
            if (total > q.limit[g] + q.band[g]) return false;
        }
        return true;
    };
    for (Whole cell = a.cell_lo[sp][follower]; cell <= a.cell_hi[sp][follower]; ++cell) {
        const Whole at = t.cells[follower] + cell;
        if (reaches(t.at_most[at], t.at_least[at])) return true;
    }
    return false;
}

// The cut of what is set that promises most, once `best_cut` has noted what each gains.
inline Cut best_lever_cut(const Tables& t, const Question& q, const Arena& a) {
    double most = 0.0;
    Cut cut;
    for (Whole j = 0; j < q.n_features(); ++j) {
        if (q.counts[j] == 0) continue;
        for (Whole side = 0; side < 2; ++side) {
            if (a.gain[j][side] <= most) continue;
            most = a.gain[j][side];
            // Above the leaf's last cell, or from its first.
            cut = {j, a.edge[j][side] + (side == 0 ? 1 : 0)};
        }
    }
    if (cut.column >= 0) cut.edge = first_in(t, q, cut.column, cut.edge);
    return cut;
}

// As `judge`, of a box whose corner is in `a.at`.
inline Outcome judge_effects(
    const Tables& t, const Arena& a, Following& f, Whole sp, double cost, Cut& cut
) {
    const Question& q = f.q;
    const Wholes lo = a.lo[sp], hi = a.hi[sp], at = a.at;
    const auto place = f.place(t, at, lo, hi);
    if (place.impossible >= 0) {
        cut = halving(f.instead(f.e.followers[place.impossible], lo, hi), lo, hi);
        return Outcome::cut;
    }
    const Score score = corner_score(t, q, a, sp);
    if (score == Score::outside && !place.in_doubt) {
        cut = best_cut(t, q, a);
        if (cut.column >= 0 && q.counts[cut.column] == 0 && straddles(a, sp, cut.column)) {
            if (!may_reach(t, q, a, sp, cut.column)) return Outcome::closed;
            const Cut other = best_lever_cut(t, q, a);
            if (other.column >= 0) cut = other;
        }
        cut = of_what_is_set(f, cut, at, lo, hi);
        return Outcome::cut;
    }
    // Nothing follows from this row: it was searched with all of its kind.
    if (!f.opens(at)) {
        for (const Whole j : f.e.openers) {
            if (lo[j] < hi[j]) {
                cut = {j, at[j] > lo[j] ? at[j] : at[j] + 1};
                break;
            }
        }
        return Outcome::cut;
    }
    // Rows that reach the corner's leaves have its score: all of them are outside.
    if (score == Score::in_doubt && !place.in_doubt && f.is_outside(t, at)) {
        cut = other_leaves_cut(t, q, a, sp);
        if (cut.column < 0) return Outcome::closed;
        cut = of_what_is_set(f, cut, at, lo, hi);
        return Outcome::cut;
    }
    // The caller has said no to this very row, or it was not sure enough: cut on.
    if (is_refused(a)) {
        if (!f.may_hold(t, lo, hi)) return Outcome::closed;
        cut = halving(f.dearest(at, lo, hi), lo, hi);
        return Outcome::cut;
    }
    bool in_doubt = place.in_doubt || score != Score::inside || q.is_robust();
    if (const Whole broken = f.broken(at, in_doubt); broken >= 0) {
        cut = of_what_is_set(f, rule_cut(q, a, sp, broken), at, lo, hi);
        return Outcome::cut;
    }
    const Trust trust = in_doubt ? Trust::in_doubt : f.trust(t, at);
    if (trust == Trust::in_doubt) return Outcome::waits;
    if (trust == Trust::fails) {
        a.refused.copy(at);
        a.ints[REFUSED] = 1;
        if (!f.may_hold(t, lo, hi)) return Outcome::closed;
        cut = halving(f.dearest(at, lo, hi), lo, hi);
        return Outcome::cut;
    }
    // The corner is the cheapest row of the box, so nothing else in it is worth a look.
    a.floats[BEST] = cost;
    a.ints[HAS_BEST] = 1;
    a.best.copy(at);
    return Outcome::closed;
}

// Rounds of cutting a box by what follows, and by rules that read it.
inline constexpr int ROUNDS = 4;

// As `shrink`, with what follows.
inline double shrink_effects(
    Following& f, double best, Whole moved, Wholes lo, Wholes hi, Wholes at
) {
    const Question& q = f.q;
    double cost = INFINITE;
    for (int round = 0; round < ROUNDS; ++round) {
        cost = shrink(q, best, moved, lo, hi, at);
        moved = 0;
        if (cost == INFINITE || !f.narrow(lo, hi, moved) || !f.may_open(lo, hi)) return INFINITE;
        bool is_read = false;
        for (Whole r = 0; r < q.rules.size(); ++r) is_read = is_read || (q.rules.touched[r] & moved) != 0;
        if (!is_read) break;
    }
    return cost;
}

// As `search`, where other features follow from what is set.
inline Status search_effects(
    const Tables& t, const Arena& a, Following& f, Whole max_nodes
) {
    const Question& q = f.q;
    for (Whole node = 0; node < max_nodes; ++node) {
        if (a.ints[SP] == 0) return DONE;
        const Whole sp = --a.ints[SP];
        ++a.ints[NODES];
        const double best = a.floats[BEST];
        // A better row narrows what every box on the stack may reach: noted once, not box by box.
        if (best < a.floats[FLOOR]) {
            a.floats[FLOOR] = best;
            lessen_reach(a, best);
            note_undecided(t, a);
        }
        const double cost = shrink_effects(f, best, a.moved[sp], a.lo[sp], a.hi[sp], a.at);
        if (cost == INFINITE) continue;
        narrow_masks(t, q, a, sp);
        if (!lower_bound(t, q, a, sp)) continue;
        Cut cut;
        const Outcome outcome = judge_effects(t, a, f, sp, cost, cut);
        if (outcome == Outcome::waits) {
            a.ints[SP] = sp + 1;
            a.floats[WAITING] = cost;
            return VERDICT;
        }
        // What cannot be cut is one row.
        if (outcome == Outcome::closed || cut.column < 0) continue;
        if (sp + 2 > a.stack()) {
            a.ints[SP] = sp + 1;
            return FULL;
        }
        push_halves(a, sp, cut);
    }
    return a.ints[SP] == 0 ? DONE : MORE;
}

// Whether the action at positions ``at`` would do; ``at`` gets what follows.
inline Verdict judge_action(const Tables& t, Following& f, Wholes at) {
    const Question& q = f.q;
    // Rules apart: those that read what follows need more than one position.
    if (!allowed(q, 0, at)) return FAILED;
    const auto place = f.place(t, at, q.least, q.most);
    if (place.impossible >= 0) return FAILED;
    bool in_doubt = place.in_doubt || q.is_robust();
    if (f.broken(at, in_doubt) >= 0) return FAILED;
    if (in_doubt) return IN_DOUBT;
    const Score score = f.score(t, at, at);
    if (score != Score::inside) return score == Score::outside ? FAILED : IN_DOUBT;
    // Where nothing follows no mechanism is in doubt.
    if (!f.opens(at)) return HOLDS;
    const Trust trust = f.trust(t, at);
    return trust == Trust::holds ? HOLDS : trust == Trust::fails ? FAILED : IN_DOUBT;
}

// Values that are judged at once, at first and at most; as much work as some four one by one.
inline constexpr Whole FIRST_JUDGED = 8, MOST_JUDGED = 128;

// What is known of the actions with some values of ``column`` in the place of that in ``at``, up to the
// first that will not do; FAILED beyond.
inline void judge_along(
    const Tables& t, const Arena& a, Following& f, Wholes at, Whole column, Wholes positions, Bytes out
) {
    out.fill(FAILED);
    std::vector<Whole> lo(at.begin(), at.end()), hi(lo);
    Whole at_once = FIRST_JUDGED, one_by_one = 1;
    for (Whole i = 0; i < positions.size();) {
        const Whole last = i + at_once - 1;
        const bool run = one_by_one <= 0 && last < positions.size() &&
                         std::abs(positions[last] - positions[i]) == at_once - 1;
        if (run) {
            lo[static_cast<std::size_t>(column)] = std::min(positions[i], positions[last]);
            hi[static_cast<std::size_t>(column)] = std::max(positions[i], positions[last]);
            if (f.must_hold(t, {lo.data(), at.size()}, {hi.data(), at.size()}, column)) {
                for (; i <= last; ++i) out[i] = HOLDS;
                at_once = std::min(2 * at_once, MOST_JUDGED);
                continue;
            }
            one_by_one = at_once;
            at_once = FIRST_JUDGED;
        }
        a.trial.copy(at);
        a.trial[column] = positions[i];
        out[i] = judge_action(t, f, a.trial);
        if (out[i] == FAILED) return;
        ++i;
        --one_by_one;
    }
}

// Put one box on the stack, as `start`.
inline void start_effects(
    const Tables& t, const Arena& a, Following& f, double best, Wholes lo, Wholes hi
) {
    const Question& q = f.q;
    a.lo[0].copy(lo);
    a.hi[0].copy(hi);
    // What follows first, so that what is noted of the whole is as tight as can be.
    Whole moved = 0;
    const bool is_open = f.narrow(a.lo[0], a.hi[0], moved);
    start(t, q, a, best, a.lo[0], a.hi[0]);
    if (!is_open) a.ints[SP] = 0;
}

}  // namespace ifonly

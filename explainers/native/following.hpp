// What follows from boxes and rows of settings on one machine, and how sure it is.
//
// What follows from a row is known up to rounding: a number is an interval of ROUNDING on both sides.
// Where that interval, the deployed model's rounding or a rule leaves any doubt, it says so. What is in
// the target must moreover be trusted: enough of the plausible mechanisms lead there too, far enough
// from its edge (explainers/causal/certainty.py).
#pragma once

#include <algorithm>
#include <deque>
#include <span>
#include <vector>

#include "causal.hpp"
#include "certainty.hpp"
#include "kernel.hpp"
#include "reached_leaves.hpp"

namespace ifonly {

// Cells whose margins are remembered beside one set of levers.
inline constexpr std::size_t MOST_SEEN = 64;

enum class Trust { holds, fails, in_doubt };

// The effects of one mode on one machine: scratch of one search, in one thread.
class Following {
public:
    // ``held``: the laws under each of which what is in the target must be trusted: as hidden common
    // causes make them, by each strength, and those of other graphs; none: as they are. Of these, only
    // the plausible ones count. ``n_own``: how many of them, the first, are of the graph that is
    // believed. ``is_all``: nothing else is demanded.
    Following(const Effects& effects, const causal::Laws& laws, std::span<const causal::Laws* const> held,
              std::size_t n_own, bool is_all, const Question& question, Reals factual)
        : e(effects),
          q(question),
          leaves(question),
          n_own_(n_own),
          is_all_(is_all),
          factual_(factual.begin(), factual.end()),
          believed_(laws, factual, columns(effects.set)),
          low_(factual.begin(), factual.end()),
          high_(low_),
          spans_(static_cast<std::size_t>(e.followers.size())),
          margins_(effects, static_cast<std::size_t>(laws.n_members())),
          trees_(effects, question) {
        for (const causal::Laws* each : held) {
            if (each == &laws) {
                held_.push_back(&believed_);
            } else {
                held_.push_back(&others_.emplace_back(*each, factual, columns(effects.set)));
            }
        }
        if (held_.empty()) held_.push_back(&believed_);
        for (const Whole j : e.followers) follows_ |= bit(j);
        const auto k = static_cast<std::size_t>(laws.n_members());
        const auto n = static_cast<std::size_t>(e.followers.size());
        rows_.resize(k * low_.size());
        cells_.resize(2 * n);
        for (const Whole j : e.followers) {
            const double step = static_cast<double>(q.lengthy.numerator[j]) / q.lengthy.scale[j];
            axis_.push_back({value_at(q, j, 0), value_at(q, j, q.most[j]), step});
        }
    }

    const Effects& e;
    const Question& q;
    RowLeaves leaves;

    // The surest action that was in the target and not sure enough, by its lower bound.
    double surest = -INFINITE;
    std::vector<Whole> surest_at;

    // Whether a row or a box was refused for another graph than that which is believed.
    bool others_decide = false;

    // Whether what is said to follow is what does by some of the laws.
    bool is_agreed() const {
        Whole by_laws = 0;
        for (const auto j : believed_.paths.affected) by_laws |= bit(j);
        for (const Versions* v : held_) {
            for (const auto j : v->paths.affected) by_laws |= bit(j);
        }
        // Of graphs that are not among these more may follow.
        return is_all_ ? by_laws == follows_ : (by_laws & ~follows_) == 0;
    }

    // Whether anything is known of what follows.
    bool is_bounded() const { return !believed_.paths.are_boxes_unknown && !believed_.paths.are_rows_unknown; }

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

    // Whether the row that follows from what is set at ``at`` survives the sensors; UNDECIDED also where
    // rounding leaves a doubt. Places of the stack from ``base`` on are written over.
    Survival survives(const Tables& t, const Arena& a, Wholes at, Whole base) {
        if (!bound(at, at)) return UNDECIDED;
        bool exact = true;
        const auto read = [&](Whole j) {
            const Whole k = place_of(j);
            if (k < 0) {
                const Whole entry = entry_at(q, j, at[j]);
                return std::pair<Whole, Whole>{q.near[entry], q.far[entry]};
            }
            const double low = low_[static_cast<std::size_t>(j)], high = high_[static_cast<std::size_t>(j)];
            // Outward, so that what survives does for certain.
            const Whole near = cell_below(t, k, reading(k, low, -1));
            const Whole far = cell_above(t, k, reading(k, high, 1));
            exact = exact && near == cell_above(t, k, reading(k, high, -1)) &&
                    far == cell_below(t, k, reading(k, low, 1));
            return std::pair<Whole, Whole>{near, far};
        };
        OpenTrees open;
        FailingPart failing;
        const Survival found = survive_between(t, q, a, base, MOST_PARTS, open, failing, read);
        if (found == FAILS && !exact) return UNDECIDED;
        if (found == FAILS) note_direction(a, failing.sp, read);
        return found;
    }

    // Whether every row between two lines of settings survives, with what follows as it was bounded.
    bool must_survive(const Tables& t, const Arena& a, Wholes lo, Wholes hi) {
        const auto read = [&](Whole j) {
            const Whole k = place_of(j);
            if (k < 0) return std::pair<Whole, Whole>{q.near[entry_at(q, j, lo[j])], q.far[entry_at(q, j, hi[j])]};
            return std::pair<Whole, Whole>{
                cell_below(t, k, reading(k, low_[static_cast<std::size_t>(j)], -1)),
                cell_above(t, k, reading(k, high_[static_cast<std::size_t>(j)], 1)),
            };
        };
        OpenTrees open;
        FailingPart failing;
        return survive_between(t, q, a, 0, MOST_PARTS_OF_RUN, open, failing, read) == SURVIVES;
    }

    // Whether no row of a box survives, as far as is known; what follows was placed in it.
    bool all_fail(const Tables& t, const Arena& a, Wholes lo, Wholes hi) const {
        return ifonly::all_fail(t, q, a, [&](Whole j, Whole toward) {
            const Whole k = place_of(j);
            if (k < 0 || toward == 0) return read_cells(t, q, j, lo[j], hi[j], toward);
            return std::pair<Whole, Whole>{
                cell_below(t, k, reading(k, value_at(q, j, lo[j]), toward)),
                cell_above(t, k, reading(k, value_at(q, j, hi[j]), toward)),
            };
        });
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
            const Truth known = kept_between(q, r, lo, hi);
            if (known == NEVER) return r;
            if (known == SOMETIMES) in_doubt = true;
        }
        return -1;
    }

    // Whether enough plausible mechanisms lead the row at ``at`` into the target, far enough from its
    // edge. ``at`` was placed.
    Trust trust(const Tables& t, Wholes at) {
        if (e.link == NO_LINK || !is_bounded() || !bound(at, at)) return Trust::in_doubt;
        if (!trees_.settle(t, at, at)) forget();
        double least = INFINITE;
        bool fails = false, in_doubt = false, own_fails = false;
        // Whatever hidden causes there are, whichever graph is the true one: the worst counts.
        for (std::size_t k = 0; k < held_.size(); ++k) {
            Versions* v = held_[k];
            if (v->paths.are_rows_unknown) return Trust::in_doubt;
            lead_members(*v);
            for (std::size_t m = 0; m < margins_.of_row.size(); ++m) {
                if (!lead(*v, static_cast<Whole>(m))) return Trust::in_doubt;
                find_cells(t, cells_.data());
                const Ends found = margin_in(t, cells_);
                if (found.low != found.high) return Trust::in_doubt;
                margins_.of_row[m] = found.low;
            }
            const double lower = margins_.lower_bound(), near = margins_.tolerance(), floor = e.demands[1];
            least = std::min(least, lower);
            if (lower < -margins_.slack() || margins_.share(-near) < floor) {
                fails = true;
                own_fails = own_fails || k < n_own_;
            } else if (!(lower > margins_.slack() && margins_.share(near) >= floor)) {
                in_doubt = true;
            }
        }
        if (!fails) return in_doubt || !is_all_ ? Trust::in_doubt : Trust::holds;
        note_surest(least, at);
        others_decide = others_decide || !own_fails;
        return Trust::fails;
    }

    // Whether some row of the box may be trusted. ``lo`` and ``hi`` as they are on the stack.
    bool may_hold(const Tables& t, Wholes lo, Wholes hi) {
        if (e.link == NO_LINK || !is_bounded() || !bound(lo, hi)) return true;
        trees_.settle(t, lo, hi);
        forget();
        for (std::size_t k = 0; k < held_.size(); ++k) {
            if (held_[k]->paths.are_boxes_unknown) continue;
            bound_members(*held_[k], t);
            if (!(margins_.greatest_bound() >= -margins_.slack() && margins_.greatest_share() >= e.demands[1])) {
                others_decide = others_decide || k >= n_own_;
                return false;
            }
        }
        return true;
    }

    // Whether every action between two lines of positions that differ in ``column`` will do for
    // certain, if the first will.
    bool must_hold(const Tables& t, const Arena& a, Wholes lo, Wholes hi, Whole column) {
        const Whole home = q.home[column];
        // With its factual value it would not be set: another action than the others.
        if (lo[column] <= home && home <= hi[column]) return false;
        if (e.link == NO_LINK || !is_bounded()) return false;
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
            if (reads && kept_between(q, r, first, last) != ALWAYS) return false;
        }
        if (leaves.score(t, first, last) != Score::inside) return false;
        if (q.is_robust() && !must_survive(t, a, lo, hi)) return false;
        return must_be_trusted(t, lo, hi);
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
            causal::follow_row(*believed_.laws, believed_.machine, believed_.paths, low_.data());
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
    // Laws and their plausible versions, on this machine.
    struct Versions {
        const causal::Laws* laws;
        causal::Machine machine;
        causal::Paths paths;

        bool jumps = false;   // sums in float32 jump where float64 hardly moves
        Whole follows = 0;    // features that follow, as bits

        Versions(const causal::Laws& of, Reals factual, const std::vector<std::int32_t>& set)
            : laws(&of), machine(of, std::span<const double>(factual.begin(), factual.end())), paths(machine, set) {
            for (const auto j : paths.affected) {
                const auto f = of.t.location[j];
                jumps = jumps || (f >= 0 && of.t.kind[f] == causal::TREES);
                follows |= bit(j);
            }
        }
    };

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
        rest(believed_);
        causal::follow_box(*believed_.laws, believed_.machine, believed_.paths, low_.data(), high_.data());
        return true;
    }

    // What follows by some laws, and not by these, reads as it was read.
    void rest(const Versions& v) {
        for (const Whole j : e.followers) {
            if ((v.follows & bit(j)) != 0) continue;
            const double was = factual_[static_cast<std::size_t>(j)];
            low_[j] = high_[j] = v.laws->t.whole[j] != 0 ? std::nearbyint(was) : was;
        }
    }

    // Ends of each plausible mechanism's margin over a box, which was bounded and whose levers were
    // settled.
    void bound_members(Versions& v, const Tables& t) {
        // What follows by other laws is left over from them.
        rest(v);
        set_lo_ = low_;
        set_hi_ = high_;
        for (std::size_t m = 0; m < margins_.over_box.size(); ++m) {
            low_ = set_lo_;
            high_ = set_hi_;
            causal::follow_member_box(*v.laws, v.machine, v.paths, static_cast<int>(m), low_.data(), high_.data());
            find_cells(t, cells_.data());
            margins_.over_box[m] = margin_in(t, cells_);
        }
    }

    bool must_be_trusted(const Tables& t, Wholes lo, Wholes hi) {
        trees_.settle(t, lo, hi);
        forget();
        for (Versions* v : held_) {
            if (v->paths.are_boxes_unknown) return false;
            bound_members(*v, t);
            if (!margins_.must_hold()) return false;
        }
        return is_all_;
    }

    bool reads_effects(Whole r) const { return (q.rules.touched[r] & follows_) != 0; }

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

    // The rows that all plausible mechanisms lead to from what is set in `low_`.
    void lead_members(Versions& v) {
        const std::size_t d = low_.size();
        rest(v);
        for (std::size_t at = 0; at < rows_.size(); at += d) std::copy(low_.begin(), low_.end(), rows_.begin() + at);
        causal::follow_members(*v.laws, v.machine, v.paths, rows_.data());
    }

    // Put what follows by plausible mechanism ``m`` between `low_` and `high_`; false if it leaves the
    // axes: beyond them cells are not told apart, and what is no number is in none.
    bool lead(Versions& v, Whole m) {
        if (v.jumps) {
            causal::follow_member_box(*v.laws, v.machine, v.paths, static_cast<int>(m), low_.data(), high_.data());
        } else {
            const double* row = rows_.data() + static_cast<std::size_t>(m) * low_.size();
            for (const Whole j : e.followers) {
                if ((v.follows & bit(j)) == 0) continue;
                // Where its level and its noise cancel, it is rounded as its level is.
                const double level = v.machine.members(static_cast<int>(j))[m];
                const double now = level + row[j] - v.machine.factual[static_cast<std::size_t>(j)];
                const double size = std::max({1.0, std::abs(row[j]), std::abs(level), std::abs(now)});
                const double room = causal::ROUNDING * size;
                const bool whole = v.laws->t.whole[j] != 0;
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
            cells[2 * k] = cell_below(t, k, low_[j]);
            cells[2 * k + 1] = cell_above(t, k, high_[j]);
        }
    }

    // Cell of a number of the ``k``-th follower, or one below; beyond its axis the first.
    Whole cell_below(const Tables& t, Whole k, double number) const {
        const Whole j = e.followers[k];
        return number >= axis_[k].low ? cell_of(t, j, entry_below(q, j, number)) : 0;
    }

    // The same, or one above; beyond its axis the last.
    Whole cell_above(const Tables& t, Whole k, double number) const {
        const Whole j = e.followers[k];
        if (!(number <= axis_[k].high)) return t.count(j) - 1;
        const Whole entry = entry_below(q, j, number);
        // A cell begins between the number on the grid and the one before it.
        const bool begins = q.value[entry] != number && entry + 1 < q.off[j + 1] &&
                            number > q.value[entry + 1] - 2.0 * axis_[k].step;
        return cell_of(t, j, begins ? entry + 1 : entry);
    }

    // What the sensor of the ``k``-th follower reads, as far off as it may be ``toward`` -1 or 1; in the
    // order of `Layout.readings`, so that it is the same double.
    double reading(Whole k, double number, Whole toward) const {
        if (e.off[k] == 0.0) return number;
        const double end = std::nextafter(number + static_cast<double>(toward) * e.off[k],
                                          static_cast<double>(toward) * INFINITE);
        // A sensor reads nothing beyond the feature's bounds.
        return std::min(std::max(end, std::min(e.reads_from[k], number)), std::max(e.reads_to[k], number));
    }

    // Which of the followers a feature is; -1: none.
    Whole place_of(Whole j) const {
        for (Whole k = 0; k < e.followers.size(); ++k) {
            if (e.followers[k] == j) return k;
        }
        return -1;
    }

    Whole cell_of(const Tables& t, Whole j, Whole entry) const {
        return t.coarse[t.fine[j] + q.cell[entry]];
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
        const Ends sum = trees_.sum(t, cells.data());
        seen_cells_.insert(seen_cells_.end(), cells.begin(), cells.end());
        // The margin falls with the sum.
        return seen_margins_.emplace_back(Ends{margins_.at(sum.high), margins_.at(sum.low)});
    }

    // What is known of cells is no longer so: other levers are settled.
    void forget() {
        seen_cells_.clear();
        seen_margins_.clear();
    }

    void note_surest(double lower, Wholes at) {
        if (!surest_at.empty() && lower <= surest) return;
        surest = lower;
        surest_at.assign(at.begin(), at.end());
    }

    std::size_t n_own_;
    bool is_all_;
    std::vector<double> factual_;
    Versions believed_;
    std::deque<Versions> others_;  // a deque: pointers to what it holds stay
    std::vector<Versions*> held_;
    Whole follows_ = 0;  // features that follow, as bits
    // Ends of a box in the features' units; between them, what follows.
    std::vector<double> low_, high_, set_lo_, set_hi_;
    std::vector<Span> spans_;
    std::vector<Whole> tiny_lo_, tiny_hi_;
    // The axis of each follower: its ends and its step.
    struct Axis {
        double low, high, step;
    };
    std::vector<Axis> axis_;
    std::vector<double> rows_;
    Margins margins_;
    SettledTrees trees_;
    std::vector<Whole> cells_;
    // Cells of what follows, and what is known of the margin in them, beside the levers that are
    // settled.
    std::vector<Whole> seen_cells_;
    std::vector<Ends> seen_margins_;
};

}  // namespace ifonly

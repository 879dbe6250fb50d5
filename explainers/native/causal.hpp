// What follows from an action by a causal model: the compiled twin of explainers/causal.
//
// Rows, plausible mechanisms and boxes of one machine are followed node by node, on arrays made by
// explainers/causal/flattening.py. The definition is the Python: model.py, members.py,
// consequences.py, intervals.py. Nothing here knows Python, and nothing allocates once a Machine and
// its Paths are made.
//
// Laws are immutable and may be shared by threads. A Machine (one factual) holds scratch and is one
// thread's. NaN and infinity carry meaning: never compile this with -ffast-math.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

#include "functions.hpp"
#include "intervals.hpp"
#include "laws.hpp"

namespace ifonly::causal {

// Part of their size by which bounds are widened; ROUNDING of consequences.py.
inline constexpr double ROUNDING = 1e-9;
// Part of a level by which two ways to compute it may differ.
inline constexpr double ULPS = 1e-14;

// --- one machine ---------------------------------------------------------------------------------

// A factual and its own noise: abducted once, then every action is one pass over what moves.
class Machine {
  public:
    const Laws* laws;  // must outlive this
    Reals factual;
    bool is_unread = false;  // some reading is missing
    // By column, of the believed mechanism at the factual.
    Reals level, scale, noise;
    std::vector<std::uint8_t> is_lost;  // no finite noise makes this reading
    Scratch scratch;
    std::vector<std::uint8_t> moves, is_split;
    Reals shifts;                 // of members, (2 k)

    Machine(const Laws& of, std::span<const double> row)
        : laws(&of), factual(row.begin(), row.end()), scratch(of) {
        const int d = of.n_columns();
        if (static_cast<int>(row.size()) != d)
            throw std::invalid_argument("the factual has not one value a column");
        level.assign(d, NOT_A_NUMBER);
        scale.assign(d, 1.0);
        noise.assign(d, NOT_A_NUMBER);
        is_lost.assign(d, 0);
        moves.assign(d, 0);
        is_split.assign(d, 0);
        is_ready.assign(d, 0);
        shifts.assign(2 * static_cast<std::size_t>(of.n_members()) + 1, 0.0);
        member_levels.resize(d);
        for (int j = 0; j < d; ++j) {
            is_unread = is_unread || std::isnan(factual[j]);
            if (of.t.location[j] >= 0) abduct(j);
        }
    }

    // Levels of every member at the factual: (k), then (k) of the log scale if it has one.
    const double* members(int j) {
        if (!is_ready[j]) {
            const int k = laws->n_members();
            const bool has_scale = laws->t.log_scale[j] >= 0;
            member_levels[j].resize(static_cast<std::size_t>(k) * (has_scale ? 2 : 1));
            gather(j, factual.data());
            causal::levels(*laws, laws->t.location[j], scratch.x.data(), scratch, member_levels[j].data());
            if (has_scale)
                causal::levels(*laws, laws->t.log_scale[j], scratch.x.data(), scratch, member_levels[j].data() + k);
            is_ready[j] = 1;
        }
        return member_levels[j].data();
    }

    // Parents of `j` in `row`, into scratch; whether any of them is not as it was read.
    bool gather(int j, const double* row) {
        bool moved = false;
        double* x = scratch.x.data();
        for (const auto i : laws->parents(j)) {
            *x++ = row[i];
            moved = moved || !is_same(row[i], factual[i]);
        }
        return moved;
    }

  private:
    std::vector<std::uint8_t> is_ready;
    std::vector<Reals> member_levels;

    void abduct(int j) {
        gather(j, factual.data());
        const auto& x = scratch.x;
        level[j] = causal::level(*laws, laws->t.location[j], BELIEVED, x.data(), scratch);
        if (laws->t.log_scale[j] >= 0)
            scale[j] = std::exp(causal::level(*laws, laws->t.log_scale[j], BELIEVED, x.data(), scratch));
        noise[j] = (factual[j] - level[j]) / scale[j];
        // From numbers, no finite noise: the law cannot have made this reading.
        bool are_numbers = std::isfinite(factual[j]);
        for (std::size_t i = 0; i < laws->parents(j).size(); ++i) are_numbers = are_numbers && std::isfinite(x[i]);
        is_lost[j] = are_numbers && !std::isfinite(noise[j]);
    }
};

// What moves when some columns are set: worked out once a mode.
struct Paths {
    Ints set, affected;  // affected: causes first
    // Nothing is known of what follows: a mechanism is missing, or a noise that is needed is lost (the
    // believed mechanism's: plausible ones then say what they say).
    bool is_missing = false, are_rows_unknown = false, are_boxes_unknown = false;
    // By affected column: whether it moves in a line with what is set, and how, (affected, set).
    std::vector<std::uint8_t> is_line;
    Reals effects;

    Paths(const Machine& machine, std::span<const std::int32_t> columns) : set(columns.begin(), columns.end()) {
        const Laws& laws = *machine.laws;
        const Tables& t = laws.t;
        std::vector<std::uint8_t> moves(t.n_columns, 0);
        for (const auto j : set) {
            if (j < 0 || j >= t.n_columns) throw std::invalid_argument("what is set is no column");
            if (moves[j]) throw std::invalid_argument("a column is set twice");
            moves[j] = 1;
        }
        std::vector<std::uint8_t> is_set = moves;
        for (const auto j : t.order) {
            if (is_set[j]) continue;
            for (const auto i : laws.parents(j)) moves[j] = moves[j] || moves[i];
            if (moves[j]) affected.push_back(j);
        }
        for (const auto j : affected) {
            is_missing = is_missing || t.location[j] < 0;
            are_rows_unknown = are_rows_unknown || is_missing || (t.log_scale[j] >= 0 && machine.is_lost[j]);
            are_boxes_unknown = are_boxes_unknown || is_missing || machine.is_lost[j];
        }
        chain(laws);
    }

    // How each affected column moves with what is set by plausible mechanism `m`, (affected, set);
    // worked out for all of them when it is first asked for.
    const double* member_effects(const Laws& laws, int m) const {
        const std::size_t size = affected.size() * set.size();
        if (every.empty() && size) {
            every.assign(laws.n_members() * size, 0.0);
            for (int each = 0; each < laws.n_members(); ++each) follow(laws, each, every.data() + each * size);
        }
        return every.data() + m * size;
    }

  private:
    mutable Reals every;
    Ints place, lever;  // by column: where it stands in `affected`, in `set`; -1: nowhere

    void chain(const Laws& laws) {
        const Tables& t = laws.t;
        const std::size_t n = affected.size(), s = set.size();
        is_line.assign(n, 0);
        effects.assign(n * s, 0.0);
        place.assign(t.n_columns, -1);
        lever.assign(t.n_columns, -1);
        for (std::size_t a = 0; a < n; ++a) place[affected[a]] = static_cast<std::int32_t>(a);
        for (std::size_t i = 0; i < s; ++i) lever[set[i]] = static_cast<std::int32_t>(i);
        for (std::size_t a = 0; a < n; ++a) {
            const int j = affected[a], f = t.location[j];
            bool is = f >= 0 && t.kind[f] == AFFINE && t.log_scale[j] < 0;
            for (const auto i : laws.parents(j)) is = is && (place[i] < 0 || is_line[place[i]]);
            is_line[a] = is;
        }
        follow(laws, BELIEVED, effects.data());
    }

    // The chain rule: how each column moves with its causes, and these with what is set.
    void follow(const Laws& laws, int m, double* all) const {
        const std::size_t s = set.size();
        for (std::size_t a = 0; a < affected.size(); ++a) {
            if (!is_line[a]) continue;
            const int j = affected[a];
            const double* slopes = laws.weights(laws.t.location[j], m) + 1;
            double* own = all + a * s;
            for (const auto i : laws.parents(j)) {
                const double slope = *slopes++;
                if (lever[i] >= 0) own[lever[i]] += slope;
                for (std::size_t q = 0; place[i] >= 0 && q < s; ++q) own[q] += slope * all[place[i] * s + q];
            }
        }
    }
};

// --- what follows --------------------------------------------------------------------------------

// Whether an effect cannot be told, because a cause of it moves that was not read.
inline bool is_untold(const Laws& laws, Machine& machine, int j) {
    bool lost = false, moves = false;
    for (const auto i : laws.parents(j)) {
        moves = moves || machine.moves[i];
        lost = lost || (machine.moves[i] && std::isnan(machine.factual[i]));
    }
    machine.moves[j] = moves;
    return lost;
}

inline void mark_moves(Machine& machine, const Paths& paths, const double* row) {
    if (!machine.is_unread) return;
    std::fill(machine.moves.begin(), machine.moves.end(), 0);
    for (const auto j : paths.set) machine.moves[j] = !is_same(row[j], machine.factual[j]);
}

// By how much the location moves with the parents in scratch, from `before` at the factual.
inline double rise(const Laws& laws, Machine& machine, int j, int m, double before) {
    const int f = laws.t.location[j];
    const double* x = machine.scratch.x.data();
    if (laws.t.kind[f] != AFFINE) return level(laws, f, m, x, machine.scratch) - before;
    const double* slopes = laws.weights(f, m) + 1;
    double sum = 0.0;
    for (const auto i : laws.parents(j)) sum += *slopes++ * (*x++ - machine.factual[i]);
    return sum;
}

// The counterfactual of one action: `row` holds what is set, and the factual elsewhere; effects are
// written, not rounded to whole numbers. NaN: cannot be told. Infinite: nothing is known.
inline void follow_row(const Laws& laws, Machine& machine, const Paths& paths, double* row) {
    if (paths.are_rows_unknown) {
        for (const auto j : paths.affected) row[j] = INF;
        return;
    }
    mark_moves(machine, paths, row);
    for (const auto j : paths.affected) {
        const double value = machine.factual[j];
        row[j] = value;
        if (machine.gather(j, row)) {
            double shift = rise(laws, machine, j, BELIEVED, machine.level[j]);
            const int g = laws.t.log_scale[j];
            if (g >= 0) {
                const double now = std::exp(level(laws, g, BELIEVED, machine.scratch.x.data(), machine.scratch));
                shift += (now - machine.scale[j]) * machine.noise[j];
            }
            row[j] = value + shift;
        }
        if (machine.is_unread && is_untold(laws, machine, j)) row[j] = NOT_A_NUMBER;
    }
}

// A node of one plausible mechanism, once its parents are in scratch and have moved.
inline double moved_member(const Laws& laws, Machine& machine, int j, int m) {
    const double* at = machine.members(j);
    const double value = machine.factual[j], before = at[m];
    double shift = rise(laws, machine, j, m, before);
    const int g = laws.t.log_scale[j];
    if (g >= 0) {
        const double now = level(laws, g, m, machine.scratch.x.data(), machine.scratch);
        // expm1: a scale that hardly moves must not lose its digits to 1 - 1.
        shift += std::expm1(now - at[laws.n_members() + m]) * (value - before);
    }
    return value + shift;
}

// The same by plausible mechanism `m`, with the noise that it abducts.
inline void follow_member(const Laws& laws, Machine& machine, const Paths& paths, int m, double* row) {
    if (paths.is_missing) {
        for (const auto j : paths.affected) row[j] = INF;
        return;
    }
    mark_moves(machine, paths, row);
    for (const auto j : paths.affected) {
        machine.members(j);  // before parents are gathered: it uses the same scratch
        row[j] = machine.gather(j, row) ? moved_member(laws, machine, j, m) : machine.factual[j];
        if (machine.is_unread && is_untold(laws, machine, j)) row[j] = NOT_A_NUMBER;
    }
}

// The same by all of them: `rows`, (k, d), each holds what is set, and the factual elsewhere.
inline void follow_members(const Laws& laws, Machine& machine, const Paths& paths, double* rows) {
    const int k = laws.n_members(), d = laws.n_columns();
    if (!k) return;
    if (paths.is_missing) {
        for (int m = 0; m < k; ++m)
            for (const auto j : paths.affected) rows[static_cast<std::size_t>(m) * d + j] = INF;
        return;
    }
    mark_moves(machine, paths, rows);
    std::fill(machine.is_split.begin(), machine.is_split.end(), 0);
    for (const auto j : paths.affected) {
        const double value = machine.factual[j];
        const int f = laws.t.location[j], g = laws.t.log_scale[j];
        const double* at = machine.members(j);
        bool is_split = false;
        for (const auto i : laws.parents(j)) is_split = is_split || machine.is_split[i];
        if (is_split) {
            for (int m = 0; m < k; ++m) {
                double* row = rows + static_cast<std::size_t>(m) * d;
                row[j] = machine.gather(j, row) ? moved_member(laws, machine, j, m) : value;
            }
            machine.is_split[j] = 1;
        } else if (!machine.gather(j, rows)) {
            for (int m = 0; m < k; ++m) rows[static_cast<std::size_t>(m) * d + j] = value;
        } else {
            // All members stand at the same place: what a place costs is paid once.
            double *shifts = machine.shifts.data(), *rises = shifts + k;
            if (laws.t.kind[f] == AFFINE) {
                for (int m = 0; m < k; ++m) shifts[m] = rise(laws, machine, j, m, at[m]);
            } else {
                levels(laws, f, machine.scratch.x.data(), machine.scratch, shifts);
                for (int m = 0; m < k; ++m) shifts[m] -= at[m];
            }
            if (g >= 0) {
                levels(laws, g, machine.scratch.x.data(), machine.scratch, rises);
                for (int m = 0; m < k; ++m) shifts[m] += std::expm1(rises[m] - at[k + m]) * (value - at[m]);
            }
            for (int m = 0; m < k; ++m) rows[static_cast<std::size_t>(m) * d + j] = value + shifts[m];
            machine.is_split[j] = 1;
        }
        if (machine.is_unread && is_untold(laws, machine, j))
            for (int m = 0; m < k; ++m) rows[static_cast<std::size_t>(m) * d + j] = NOT_A_NUMBER;
    }
}

// Whole numbers are read whole: rounded half to even. In place; follow nothing from it.
inline void read(const Laws& laws, double* row) {
    for (int j = 0; j < laws.n_columns(); ++j)
        if (laws.t.whole[j]) row[j] = std::nearbyint(row[j]);
}

// Noise times a scale between two ends; without noise the scale does not matter.
inline Interval scaled(Interval scale, double noise) {
    const double a = intervals::product(scale.lower, noise), b = intervals::product(scale.upper, noise);
    return {std::min(a, b), std::max(a, b)};
}

// Ends of every counterfactual of a box, by the believed mechanisms or by plausible one `m`: `lo`
// and `hi` hold the ends of what is set, and the factual elsewhere; ends of effects are written,
// widened by what rounding may differ, whole numbers read. Never NaN: unknown is infinite.
inline void follow_member_box(const Laws& laws, Machine& machine, const Paths& paths, int m, double* lo, double* hi) {
    const Tables& t = laws.t;
    if (m == BELIEVED ? paths.are_boxes_unknown : paths.is_missing) {
        for (const auto j : paths.affected) lo[j] = -INF, hi[j] = INF;
        return;
    }
    const std::size_t n = paths.affected.size(), s = paths.set.size();
    const double* effects = m == BELIEVED ? paths.effects.data() : paths.member_effects(laws, m);
    Interval* box = machine.scratch.box.data();
    for (std::size_t a = 0; a < n; ++a) {
        const int j = paths.affected[a];
        const double value = machine.factual[j];
        Interval found{value, value};
        if (paths.is_line[a]) {
            // Exact, also where two ways lead from a cause to an effect.
            for (std::size_t i = 0; i < s; ++i) {
                const int lever = paths.set[i];
                const Interval part = intervals::weigh(
                    {lo[lever] - machine.factual[lever], hi[lever] - machine.factual[lever]}, effects[a * s + i]);
                found.lower += part.lower;
                found.upper += part.upper;
            }
            found = intervals::known(found.lower, found.upper);
        } else {
            const double* at = m == BELIEVED ? nullptr : machine.members(j);
            const int f = t.location[j], g = t.log_scale[j];
            Interval* x = box;
            bool moves = false;
            for (const auto i : laws.parents(j)) {
                *x = {lo[i], hi[i]};
                moves = moves || !is_same(lo[i], machine.factual[i]) || !is_same(hi[i], machine.factual[i]);
                // Trees take a missing reading their own way; to all else it may be anything.
                if (std::isnan(lo[i]) && t.kind[f] != TREES) *x = intervals::EVERYTHING;
                ++x;
            }
            if (!moves) {
                lo[j] = hi[j] = value;
                continue;
            }
            const Interval location = bounds(laws, f, m, box, machine.scratch);
            const double before = m == BELIEVED ? machine.level[j] : at[m];
            double noise = value - before;
            Interval own{noise, noise};
            if (g >= 0) {
                for (std::size_t i = 0; i < laws.parents(j).size(); ++i)
                    if (std::isnan(box[i].lower)) box[i] = intervals::EVERYTHING;
                const Interval log_scale = bounds(laws, g, m, box, machine.scratch);
                noise = m == BELIEVED ? machine.noise[j] : noise / std::exp(at[laws.n_members() + m]);
                own = scaled({std::exp(log_scale.lower), std::exp(log_scale.upper)}, noise);
            }
            if (!std::isfinite(noise)) own = intervals::EVERYTHING;
            const double lower = location.lower + own.lower, upper = location.upper + own.upper;
            // Where level and noise cancel, what is left of them is rounding: it goes on to effects.
            const double digits = ULPS * std::max(std::fabs(before), std::max(std::fabs(lower), std::fabs(upper)));
            found = intervals::known(lower - digits, upper + digits);
        }
        lo[j] = found.lower;
        hi[j] = found.upper;
    }
    for (const auto j : paths.affected) {
        // Rows are computed in another order, and must lie within; so do levels that cancel.
        const double before = m == BELIEVED ? machine.level[j] : machine.members(j)[m];
        const double size = std::max(std::max(1.0, std::fabs(before)), std::max(std::fabs(lo[j]), std::fabs(hi[j])));
        const double room = ROUNDING * size;
        Interval found = intervals::known(lo[j] - room, hi[j] + room);
        if (t.whole[j]) found = {std::nearbyint(found.lower), std::nearbyint(found.upper)};
        lo[j] = found.lower;
        hi[j] = found.upper;
    }
}

inline void follow_box(const Laws& laws, Machine& machine, const Paths& paths, double* lo, double* hi) {
    follow_member_box(laws, machine, paths, BELIEVED, lo, hi);
}

}  // namespace ifonly::causal

// Leaves that rows between two lines of positions reach: their sums, and rows that share them.
#pragma once

#include <algorithm>
#include <vector>

#include "certainty.hpp"
#include "kernel.hpp"

namespace ifonly {

// Rows that the deployed model put outside of the target and whose leaves are remembered.
inline constexpr std::size_t MOST_OUTSIDE = 64;

// Least and greatest leaf of a tree, -1 for none.
struct Leaves {
    Whole least = -1;
    Whole most = -1;
};
template <class WordAt>
Leaves leaves_of(const Tables& t, Whole tree, const WordAt& at) {
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

// The leaves of whole rows, and those that the deployed model put outside of the target.
class RowLeaves {
public:
    explicit RowLeaves(const Question& question) : q(question) {}

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
    void note(const Tables& t, Wholes at) {
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

private:
    const Question& q;
    std::vector<Word> row_mask_;
    std::vector<Whole> leaves_;  // of the row last scored, tree by tree
    std::vector<std::vector<Whole>> outside_;
};

// The sum over the trees that the levers decide, and the trees that they leave to what follows.
class SettledTrees {
public:
    SettledTrees(const Effects& effects, const Question& question)
        : e(effects),
          q(question),
          lever_cells_(static_cast<std::size_t>(question.n_features())),
          up_(static_cast<std::size_t>(effects.followers.size())),
          down_(up_.size()) {}

    // Leaves that rows between two lines of settings reach, whatever follows; the sum over the trees
    // that these decide, and the other trees. Whether they are the same as before.
    bool settle(const Tables& t, Wholes lo, Wholes hi) {
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

    // Least and greatest sum over the trees of rows whose levers were settled, with what follows
    // between these cells.
    Ends sum(const Tables& t, const Whole* cells) const {
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

private:
    const Effects& e;
    const Question& q;
    std::vector<Word> mask_;
    double settled_ = 0.0;
    std::vector<Whole> undecided_;
    const Word* settled_for_ = nullptr;  // the tables, by their address
    std::vector<Ends> lever_cells_;
    mutable std::vector<const Word*> up_, down_;
};

}  // namespace ifonly

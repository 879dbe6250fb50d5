// Least numbers over runs of cells.
#pragma once

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

#include "arrays.hpp"

namespace ifonly {

// The least of any run of a feature's cells, looked up: of each cell, the least of the 2^k from it on.
class RangeMinimum {
public:
    RangeMinimum(Wholes cells, Reals some) : cells_(cells) {
        levels_.emplace_back(some.begin(), some.end());
        Whole widest = 0;
        for (Whole j = 0; j + 1 < cells.size(); ++j) widest = std::max(widest, cells[j + 1] - cells[j]);
        for (Whole step = 1; 2 * step <= widest; step *= 2) {
            const std::vector<double>& before = levels_.back();
            std::vector<double> next = before;
            // Beyond a feature's last cell nobody asks.
            for (Whole c = 0; c + step < some.size(); ++c) next[c] = std::min(before[c], before[c + step]);
            levels_.push_back(std::move(next));
        }
    }
    // Of cells ``low..high`` of feature ``j``.
    double operator()(Whole j, Whole low, Whole high) const {
        const auto level = static_cast<Whole>(std::bit_width(static_cast<Word>(high - low + 1))) - 1;
        const std::vector<double>& own = levels_[level];
        const Whole o = cells_[j];
        return std::min(own[o + low], own[o + high + 1 - (Whole{1} << level)]);
    }

private:
    Wholes cells_;
    std::vector<std::vector<double>> levels_;
};

}  // namespace ifonly

// How far inside of the target plausible mechanisms lead, and whether that is sure enough: the margins
// of explainers/causal/certainty.py, with room for the rounding of the deployed model.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "effects.hpp"

namespace ifonly {

// Least and greatest.
struct Ends {
    double low = 0.0;
    double high = 0.0;
};

// Margins of one row, or their ends over a box: one for each plausible mechanism.
class Margins {
public:
    Margins(const Effects& effects, std::size_t n_members) : of_row(n_members), over_box(n_members), e(effects) {}

    std::vector<double> of_row;
    std::vector<Ends> over_box;

    // How far inside the target a row with this sum is scored.
    double at(double sum) const {
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

    // The bound that must be above 0: the mean less so many standard deviations.
    double lower_bound() const {
        const double k = static_cast<double>(of_row.size());
        double mean = 0.0, squares = 0.0;
        for (const double each : of_row) mean += each;
        mean /= k;
        for (const double each : of_row) squares += (each - mean) * (each - mean);
        return mean - e.demands[0] * (k > 1 ? std::sqrt(squares / (k - 1.0)) : 0.0);
    }

    // No row's lower bound is above this, if each margin is between its ends: the bound is concave in
    // the margins, so a tangent lies above it.
    double greatest_bound() {
        const double k = static_cast<double>(over_box.size()), gamma = e.demands[0];
        for (std::size_t m = 0; m < over_box.size(); ++m) of_row[m] = over_box[m].high;
        double mean = 0.0, squares = 0.0;
        for (const double each : of_row) mean += each;
        mean /= k;
        for (const double each : of_row) squares += (each - mean) * (each - mean);
        const double sd = k > 1 ? std::sqrt(squares / (k - 1.0)) : 0.0;
        // Where all margins are the same there is no tangent; the mean is above the bound, too.
        if (!(sd > 0.0)) return mean;
        double found = mean - gamma * sd;
        for (std::size_t m = 0; m < over_box.size(); ++m) {
            const double slope = 1.0 / k - gamma * (of_row[m] - mean) / ((k - 1.0) * sd);
            // A margin that is too good spreads them: at its least the bound may be higher.
            if (slope < 0.0) found += slope * (over_box[m].low - over_box[m].high);
        }
        // With infinite ends nothing is known.
        return std::isnan(found) ? INFINITE : std::min(found, mean);
    }

    // Share of plausible mechanisms by which the margin is at least ``least``.
    double share(double least) const {
        double met = 0.0;
        for (const double each : of_row) met += each >= least;
        return met / static_cast<double>(of_row.size());
    }

    // Share of plausible mechanisms by which some row of the box may be in the target.
    double greatest_share() const {
        double met = 0.0;
        for (const Ends& each : over_box) met += each.high >= -tolerance();
        return met / static_cast<double>(over_box.size());
    }

    // Whether every row of the box is sure enough, if each margin is between its ends.
    bool must_hold() const {
        const double k = static_cast<double>(over_box.size());
        double mean = 0.0, centre = 0.0, squares = 0.0, met = 0.0;
        for (const Ends& each : over_box) {
            mean += each.low;
            centre += 0.5 * (each.low + each.high);
            met += each.low >= tolerance();
        }
        mean /= k;
        centre /= k;
        // About any centre margins spread no less than about their own mean.
        for (const Ends& each : over_box) {
            const double farthest = std::max(std::abs(each.low - centre), std::abs(each.high - centre));
            squares += farthest * farthest;
        }
        const double sd = k > 1 ? std::sqrt(squares / (k - 1.0)) : 0.0;
        return mean - e.demands[0] * sd > slack() && met / k >= e.demands[1];
    }

private:
    const Effects& e;
};

}  // namespace ifonly

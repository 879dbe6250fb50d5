// Branch and bound over boxes of settings and intervals of units' sums.
//
// Goals, and what a cut says of a unit, are bounded by sums of columns: backwards, through lines that are
// nearest to the curves at the point where the program at hand is cheapest (CROWN: Zhang et al. 2018; of
// all such lines the best would be alpha-CROWN's: Xu et al. 2021). Each such row goes into a linear
// program, whose prices bound the cost of every row of the box (as beta-CROWN's: Wang et al. 2021): cost
// plus priced rows is a sum of features, least feature by feature. It also says what each feature can
// still be below the best, and how far each unit's sum can go.
#pragma once

#include <memory>

#include "bounded_simplex.hpp"
#include "boxes.hpp"
#include "dual.hpp"

namespace ifonly::networks {

// A sum of columns that is at most 0 in every row of interest: a goal, or a cut, bounded by lines.
struct Row {
    Numbers weights;
    double constant = 0.0;  // of a goal without its doubt, which is the box's
    double error = 0.0;
    Whole source = 0;  // which goal; or which cut, counted behind all goals
    Numbers bends;     // more, of each end of ``layout``; or none
    std::shared_ptr<const Layout> layout;
};

struct PricedRow {
    std::shared_ptr<const Row> row;
    double price = 0.0;
};

struct Node {
    double bound = 0.0;
    std::vector<std::int32_t> lo, hi;
    std::vector<Span> sum;
    std::vector<Cut> cuts;
    std::vector<PricedRow> rows;
    Numbers doubt;       // of each goal, in the box's rows of interest
    Numbers place;       // on each axis, where the point was that bounds it; none yet
    double worth = 0.0;  // of a goal's unit, where it was worth something
    Whole depth = 0;
    Whole curved = 0;  // times that curves were halved since a feature was
    // How it is to be halved.
    Whole unit = -1;
    double at = 0.0;
    Whole feature = -1;
    Whole edge = 0;  // first position of the upper half
};

struct Costlier {
    bool operator()(const Node* a, const Node* b) const { return a->bound > b->bound; }
};

// What a unit of cost that the point has spent on a feature is worth, to one of the bound that a unit's
// lines give away.
inline constexpr double WAY = 0.5;
// How often curves are halved before a feature is: their sums may be halved as long as floats go, boxes
// of rows may not, so that every search ends.
inline constexpr Whole MOST_CURVED = 3;
// Rows are made of a point that keeps this share of where the last were made.
inline constexpr double BEHIND = 0.7;
// A step that gains less of what is missing to the best is idle; after so many in turn, no more are made.
inline constexpr double IDLE_GAIN = 0.004;
inline constexpr Whole MOST_IDLE = 3;
// Envelopes are made for what goes at least so far to a feature's end: any are valid.
inline constexpr double LEAST_GONE = 0.01;
// Goals up to which each is looked at closely in every box.
inline constexpr Whole FEW_GOALS = 3;

// What the search may do; Python's to say, for tests and measurements.
struct Effort {
    Whole steps = 6;           // that rows are added in, of a box
    Whole first_steps = 60;    // of the first
    Whole rounds = 2;          // of narrowing a box
    Whole rows = 256;          // of a box that are looked at one by one
    Whole most_open = 16'384;  // boxes kept by their bounds; beyond, the newest is halved first
};

class Search {
public:
    Search(const Units& u, const Pieces& p, const Limits& g, const Question& q, Effort effort)
        : u_(u), p_(p), g_(g), q_(q), effort_(effort), n_(p.n_features()), main_(u), side_(u) {
        lo_.resize(n_), hi_.resize(n_), at_.resize(n_);
        known_.resize(u.known()), sum_.resize(u.size());
        reach_.assign(p.constant.begin(), p.constant.end());
        for (double& each : reach_) each = std::abs(each);
        dearest_ = 1.0;
        for (Whole j = 0; j < n_; ++j) add_reach(j);
        bound_errors();
        note_readers();
        low_.resize(u.known()), high_.resize(u.known()), spans_.resize(u.columns);
        relaxation_.below.resize(u.size()), relaxation_.above.resize(u.size());
        relaxation_.touch.resize(u.size()), layer_of_.resize(u.size());
        relaxation_.under.resize(u.size()), relaxation_.over.resize(u.size());
        up_.resize(u.known()), down_.resize(u.known());
        size_.resize(u.known()), off_.resize(u.known());
        slipped_.resize(u.size()), cut_.resize(u.size()), rise_.resize(u.size());
        least_share_.resize(u.known()), most_share_.resize(u.known());
        for (Whole layer = 0; layer < u.n_layers(); ++layer) {
            for (Whole i = u.first[layer]; i < u.first[layer + 1]; ++i) layer_of_[i] = layer;
        }
    }
    ~Search() {
        for (Node* node : open_) delete node;
        for (Node* node : newest_) delete node;
    }
    Search(const Search&) = delete;

    // Open the whole space, where rows of ``best`` and more are of no interest.
    void start(double best) {
        set_best(best);
        auto root = std::make_unique<Node>();
        root->lo.assign(q_.least.begin(), q_.least.end());
        root->hi.assign(q_.most.begin(), q_.most.end());
        for (Whole i = 0; i < u_.size(); ++i) root->sum.push_back({u_.low[i], u_.high[i]});
        root->doubt.assign(g_.doubt.begin(), g_.doubt.end());
        settle(std::move(root), effort_.first_steps);
    }

    // Halve boxes until ``most`` are, or none is open; whether none is. Rows that have been found are
    // waiting to be judged after it.
    bool run(Whole most, double best) {
        set_best(best);
        for (Whole k = 0; k < most; ++k) {
            std::unique_ptr<Node> node = next();
            if (!node) return true;
            halve(*node);
        }
        return open_.empty() && newest_.empty();
    }

    // No row of a box that is open costs less.
    double bound() const {
        double least = open_.empty() ? INFINITE : open_.front()->bound;
        for (const Node* node : newest_) least = std::min(least, node->bound);
        return least;
    }

    Whole nodes = 0;
    Places rows;      // positions of rows that may be answers, laid end to end: they were taken out
    Places hopes;     // of rows that are worth a look
    Places far;       // of the last row beyond a box's point that meets the goals, whatever it costs
    bool is_lost = false;  // a number was none: nothing that is said may be relied upon

private:
    const Units& u_;
    const Pieces& p_;
    const Limits& g_;
    const Question& q_;
    const Effort effort_;
    const Whole n_;
    Backward main_, side_;
    Ends ends_;
    Priced sided_;
    Places lo_, hi_, at_;
    Numbers known_, sum_, reach_;
    Numbers side_part_, whole_, least_;
    double dearest_ = 0.0;
    double best_ = INFINITE;
    double fixed_part_ = 0.0;
    double error_ = 0.0;
    std::vector<Node*> open_, newest_;

    Wholes view(Places& some) const { return {some.data(), static_cast<Whole>(some.size())}; }

    void set_best(double best) { best_ = std::min({best_, best, dearest_}); }

    std::unique_ptr<Node> next() {
        while (true) {
            Node* node = nullptr;
            if (!newest_.empty()) {
                node = newest_.back();
                newest_.pop_back();
            } else if (!open_.empty()) {
                std::pop_heap(open_.begin(), open_.end(), Costlier{});
                node = open_.back();
                open_.pop_back();
            } else {
                return nullptr;
            }
            std::unique_ptr<Node> held(node);
            if (node->bound < best_) return held;
        }
    }

    void push(std::unique_ptr<Node> node) {
        if (static_cast<Whole>(open_.size()) < effort_.most_open) {
            open_.push_back(node.release());
            std::push_heap(open_.begin(), open_.end(), Costlier{});
        } else {
            newest_.push_back(node.release());
        }
    }

    void halve(const Node& node) {
        for (const bool is_upper : {false, true}) {
            auto half = std::make_unique<Node>(node);
            half->unit = half->feature = -1;
            half->depth += 1;
            half->curved = node.unit < 0 ? 0
                           : is_kinked(u_.curve[layer_of_[node.unit]]) ? node.curved : node.curved + 1;
            if (node.unit >= 0) {
                Span& z = half->sum[node.unit];
                (is_upper ? z.low : z.high) = node.at;
                auto& cuts = half->cuts;
                // A cut that is beyond says nothing any more.
                std::erase_if(cuts, [&](const Cut& c) {
                    return c.unit == node.unit && c.is_upper != is_upper;
                });
                cuts.push_back({node.unit, !is_upper, node.at});
            } else if (is_upper) {
                half->lo[node.feature] = static_cast<std::int32_t>(node.edge);
            } else {
                half->hi[node.feature] = static_cast<std::int32_t>(node.edge - 1);
            }
            settle(std::move(half), effort_.steps);
        }
    }

    // Bound a box, and keep it unless it is closed.
    void settle(std::unique_ptr<Node> node, Whole steps) {
        ++nodes;
        if (is_lost || is_closed(*node, steps) || is_lost) return;
        for (Whole j = 0; j < n_; ++j) {
            node->lo[j] = static_cast<std::int32_t>(lo_[j]);
            node->hi[j] = static_cast<std::int32_t>(hi_[j]);
        }
        push(std::move(node));
    }

    bool is_closed(Node& node, Whole steps) {
        std::copy(node.lo.begin(), node.lo.end(), lo_.begin());
        std::copy(node.hi.begin(), node.hi.end(), hi_.begin());
        relaxation_.sum = node.sum;
        node_ = &node;
        doubt_ = node.doubt;
        for (Whole i = 0; i < u_.size(); ++i) relaxation_.touch[i] = Touch{};
        for (Whole round = 0; round < effort_.rounds; ++round) {
            const double corner = shrink(q_, best_, ALL, view(lo_), view(hi_), view(at_));
            if (corner >= best_) return true;
            node.bound = std::max(node.bound, corner);
            ends_.of_box(p_, view(lo_), view(hi_));
            layout_ = std::make_shared<const Layout>(
                Layout{ends_.feature, ends_.first, ends_.piece, ends_.position});
            if (ends_.n_moving() == 0) return single();
            lay_rows(node);
            if (priced(node)) return true;
            if (narrow_units()) return true;
            if (is_lost) return false;
            node.sum = relaxation_.sum;
            narrow_doubt(node);
            if (improve(node, steps)) return true;
            if (is_lost) return false;
            if (!narrow_box()) break;
            steps = std::min(steps, effort_.steps);
        }
        const double corner = shrink(q_, best_, ALL, view(lo_), view(hi_), view(at_));
        if (corner >= best_) return true;
        if (listed()) return true;
        look_at();
        choose(node);
        keep_rows(node);
        node.place.assign(lo_.begin(), lo_.end());
        for (Whole m = 0; m < ends_.n_moving(); ++m) node.place[ends_.feature[m]] = place_[m];
        return false;
    }

    // The only row of a box, decided by whoever asks.
    bool single() {
        keep_possible(view(lo_));
        return true;
    }

    // network_bounds.hpp
    void bound_errors();
    void add_reach(Whole j);
    bool narrow_units();
    bool is_open(Whole curve, Whole i, Span z) const;
    void set_lines(Whole curve, Span z, Relaxation& r, Whole i) const;
    void lay_lines(Whole curve, Whole i);
    void touch_at(const Numbers& z);
    void note_readers();
    void lift(Whole layer, Whole i);
    void meet(Whole layer, Whole i);
    void gone_of_point();
    void sort_gone();
    void gone_from(const Node& node);
    double of_point(const double* part, const std::vector<double>& point) const;
    void column_ends();
    void by_intervals(Whole layer, Whole i, Span& z) const;
    double least_sum(Whole layer, Whole i, double sign, const Relaxation& r, double room);

    // network_doubt.hpp
    template <class Sums>
    void errors(const Sums& sum_of);
    double doubt_of(Whole g, bool is_signed);
    double signed_doubt(Whole g);
    void narrow_doubt(Node& node);
    void row_errors();

    // network_program.hpp
    void lay_rows(const Node& node);
    void lay_row(const Row& row);
    bool priced(Node& node);
    bool improve(Node& node, Whole steps);
    void lay_program();
    void add_to_program(std::size_t k);
    bool closed_by_ray(Node& node, const std::vector<double>& prices);
    void columns_of_point();
    bool separate(const Node& node);
    bool is_missed(Whole g) const;
    void blend(Whole step);
    void begin_source(const Node& node, Whole source, bool with_error);
    bool add_row(const Node& node, Whole source);
    void keep_rows(Node& node) const;
    void add_end(Whole e, double share);
    bool narrow_box();
    Whole inside(Whole from, Whole to, double most) const;
    double whole_at(Whole m, Whole position) const;

    // network_rows.hpp
    bool listed();
    bool list(std::size_t depth, double room, Whole& left);
    void keep_rows_of_last(Whole m, const double* so_far, double room, Whole& low, Whole& high) const;
    static void clip(double a, double b, double most, Whole begin, Whole end, Whole& from, Whole& to);
    void columns_at(Wholes at);
    double missed(bool is_doubted, bool is_clear);
    void keep_possible(Wholes at);
    bool hope(Wholes at);
    void places_of_point();
    void look_at();
    void look_far();
    bool look_beside(double times);
    void place_beside(double times);

    // network_branching.hpp
    void choose(Node& node);
    void choose_way(Node& node, double most);
    void choose_feature(Node& node, double most);

    struct Column {
        double low = INFINITE, high = -INFINITE;
        Whole count = 0;
    };

    struct Choice {
        Whole moving;
        Whole end;
    };

    Ball ball_;
    std::vector<char> is_bounded_above_;
    std::shared_ptr<const Layout> layout_;
    Numbers up_, down_, low_part_;
    std::vector<Gone> gone_;
    const Node* node_ = nullptr;
    double side_fixed_ = 0.0, side_doubt_ = 0.0;
    Numbers low_, high_, side_error_, beyond_, columns_, fixed_, scales_, line_, place_;
    std::vector<double> point_;       // at which rows are made
    std::vector<double> best_point_;  // the program's
    std::vector<double> center_;      // at which the last rows were made
    std::vector<Numbers> parts_;
    std::vector<PricedRow> rows_;
    std::vector<Choice> choices_;
    Numbers doubt_, size_, off_, slipped_, cut_, least_share_, most_share_;
    std::vector<Span> rise_;
    std::vector<char> is_near_;
    Places key_, layer_of_;
    Relaxation relaxation_;
    Simplex simplex_;
    double total_ = 0.0;
    bool was_cleared_ = false;
    std::vector<Column> spans_;
    Places found_, order_;
    std::vector<std::size_t> kept_;
    Numbers so_far_;
};

}  // namespace ifonly::networks

#include "network_bounds.hpp"
#include "network_doubt.hpp"
#include "network_program.hpp"
#include "network_rows.hpp"
#include "network_branching.hpp"

// One problem as flat arrays; explainers/search/trees/question.py says what each field holds.
#pragma once

#include "arrays.hpp"
#include "fields.hpp"

namespace ifonly {

struct Long {
    Wholes first;
    Wholes start;
    Wholes multiple;
    Wholes numerator;
    Reals scale;
    Reals factual;
    Reals spread;
    Reals weight;
    Reals fixed;
    Reals penalty;

    static constexpr const char* name = "Long";
    static constexpr auto fields() {
        return std::tuple{
            field("first", &Long::first),         field("start", &Long::start),
            field("multiple", &Long::multiple),   field("numerator", &Long::numerator),
            field("scale", &Long::scale),         field("factual", &Long::factual),
            field("spread", &Long::spread),       field("weight", &Long::weight),
            field("fixed", &Long::fixed),         field("penalty", &Long::penalty),
        };
    }
};

struct FlatRules {
    Wholes rule;
    Wholes split;
    Wholes kind;
    Wholes flag;
    Wholes column;
    Reals fixed;
    Reals fixed_size;
    Wholes terms;
    Wholes term_column;
    Reals term_weight;
    Bytes member;
    Wholes reads;
    Wholes read;
    Wholes touched;

    static constexpr const char* name = "FlatRules";
    static constexpr auto fields() {
        return std::tuple{
            field("rule", &FlatRules::rule),
            field("split", &FlatRules::split),
            field("kind", &FlatRules::kind),
            field("flag", &FlatRules::flag),
            field("column", &FlatRules::column),
            field("fixed", &FlatRules::fixed),
            field("fixed_size", &FlatRules::fixed_size),
            field("terms", &FlatRules::terms),
            field("term_column", &FlatRules::term_column),
            field("term_weight", &FlatRules::term_weight),
            field("member", &FlatRules::member),
            field("reads", &FlatRules::reads),
            field("read", &FlatRules::read),
            field("touched", &FlatRules::touched),
        };
    }

    Whole size() const { return split.size(); }
};

struct Question {
    Wholes off;
    Wholes listed;
    Wholes size;
    Long lengthy;  // `long` is a word of the language
    Wholes least;
    Wholes most;
    Reals value;
    Reals cost;
    Cells cell;
    Wholes first;
    Wholes middle;
    Wholes home;
    Bytes counts;
    Wholes table;
    Wholes cheapest;
    Cells near;
    Cells far;
    Reals limit;
    Reals band;
    Whole most_changes = 0;
    Wholes levers;
    Wholes lever;
    FlatRules rules;

    static constexpr const char* name = "Question";
    static constexpr auto fields() {
        return std::tuple{
            field("off", &Question::off),
            field("listed", &Question::listed),
            field("size", &Question::size),
            field("long", &Question::lengthy),
            field("least", &Question::least),
            field("most", &Question::most),
            field("value", &Question::value),
            field("cost", &Question::cost),
            field("cell", &Question::cell),
            field("first", &Question::first),
            field("middle", &Question::middle),
            field("home", &Question::home),
            field("counts", &Question::counts),
            field("table", &Question::table),
            field("cheapest", &Question::cheapest),
            field("near", &Question::near),
            field("far", &Question::far),
            field("limit", &Question::limit),
            field("band", &Question::band),
            field("most_changes", &Question::most_changes),
            field("levers", &Question::levers),
            field("lever", &Question::lever),
            field("rules", &Question::rules),
        };
    }

    Whole n_features() const { return size.size(); }
    Whole n_goals() const { return limit.size(); }
    // Whether an answer must survive the sensors.
    bool is_robust() const { return near.size() > 0; }
};

}  // namespace ifonly

// The fields of a struct by name: one list, from which it is read and told about.
#pragma once

#include <tuple>

namespace ifonly {

template <class Struct, class Value>
struct Field {
    const char* name;
    Value Struct::*member;
};

template <class Struct, class Value>
constexpr Field<Struct, Value> field(const char* name, Value Struct::*member) {
    return {name, member};
}

}  // namespace ifonly

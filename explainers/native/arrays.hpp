// Arrays that Python owns, seen from here: an address and lengths, in C order.
//
// With IFONLY_CHECKED every access is held against the length and throws; without it none is, since
// what is handed over was checked when it was (checks.hpp).
#pragma once

#include <cstdint>
#include <stdexcept>

namespace ifonly {

using Whole = std::int64_t;
using Word = std::uint64_t;
using Cell = std::int32_t;
using Byte = std::uint8_t;

#ifdef IFONLY_CHECKED
inline constexpr bool checked = true;
#else
inline constexpr bool checked = false;
#endif

inline void check_index([[maybe_unused]] Whole at, [[maybe_unused]] Whole length) {
    if constexpr (checked) {
        // As unsigned, so that one comparison finds negative numbers too.
        if (static_cast<Word>(at) >= static_cast<Word>(length)) {
            throw std::out_of_range("an index beyond the end of an array");
        }
    }
}

template <class T>
struct View {
    T* data = nullptr;
    Whole length = 0;

    T& operator[](Whole at) const {
        check_index(at, length);
        return data[at];
    }
    Whole size() const { return length; }
    T* begin() const { return data; }
    T* end() const { return data + length; }

    void fill(T value) const {
        for (Whole i = 0; i < length; ++i) data[i] = value;
    }
    // From an array of the same length.
    void copy(View<T> other) const {
        for (Whole i = 0; i < length; ++i) data[i] = other[i];
    }
};

template <class T>
struct Rows {
    T* data = nullptr;
    Whole height = 0;
    Whole width = 0;

    View<T> operator[](Whole row) const {
        check_index(row, height);
        return {data + row * width, width};
    }
    Whole size() const { return height; }
};

// Tables of tables: ``[i][j]`` is a row.
template <class T>
struct Boxes {
    T* data = nullptr;
    Whole depth = 0;
    Whole height = 0;
    Whole width = 0;

    Rows<T> operator[](Whole at) const {
        check_index(at, depth);
        return {data + at * height * width, height, width};
    }
    Whole size() const { return depth; }
};

using Wholes = View<Whole>;
using WholeRows = Rows<Whole>;
using Cells = View<Cell>;
using CellRows = Rows<Cell>;
using CellBoxes = Boxes<Cell>;
using Reals = View<double>;
using RealRows = Rows<double>;
using Words = View<Word>;
using WordRows = Rows<Word>;
using Bytes = View<Byte>;
using Flags = View<bool>;
using FlagRows = Rows<bool>;

// A table or question whose parts contradict each other: ValueError in Python.
struct Malformed : std::invalid_argument {
    using std::invalid_argument::invalid_argument;
};

inline void require(bool holds, const char* what) {
    if (!holds) throw Malformed(what);
}

}  // namespace ifonly

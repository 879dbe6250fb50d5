// Arrays of one's own, to be read as those that Python owns.
#pragma once

#include <utility>
#include <vector>

#include "arrays.hpp"

namespace ifonly {

// Moved and never copied: a copy would view the other's memory.
template <class T>
class Owned : public View<T> {
public:
    Owned() = default;
    explicit Owned(std::vector<T> from) : kept_(std::move(from)) {
        this->data = kept_.data();
        this->length = static_cast<Whole>(kept_.size());
    }
    explicit Owned(Whole length, T value = T{}) : Owned(std::vector<T>(length, value)) {}
    Owned(const Owned&) = delete;
    Owned& operator=(const Owned&) = delete;
    Owned(Owned&&) = default;
    Owned& operator=(Owned&&) = default;

private:
    std::vector<T> kept_;
};

// A copy.
template <class T>
Owned<T> copied(View<T> some) {
    return Owned<T>(std::vector<T>(some.begin(), some.end()));
}

template <class T>
class OwnedRows : public Rows<T> {
public:
    OwnedRows() = default;
    OwnedRows(Whole height, Whole width) : kept_(height * width) {
        this->data = kept_.data;
        this->height = height;
        this->width = width;
    }

private:
    Owned<T> kept_;
};

template <class T>
class OwnedBoxes : public Boxes<T> {
public:
    OwnedBoxes() = default;
    OwnedBoxes(Whole depth, Whole height, Whole width) : kept_(depth * height * width) {
        this->data = kept_.data;
        this->depth = depth;
        this->height = height;
        this->width = width;
    }

private:
    Owned<T> kept_;
};

}  // namespace ifonly

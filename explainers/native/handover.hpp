// Structs of arrays, read from Python objects by the names of their fields.
#pragma once

#include <Python.h>
#include <nanobind/nanobind.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "checks.hpp"

namespace ifonly {

namespace nb = nanobind;

template <class T>
struct Element;
#define IFONLY_ELEMENT(type, formats, named)            \
    template <>                                         \
    struct Element<type> {                              \
        static constexpr const char* codes = formats;   \
        static constexpr const char* dtype = named;     \
    }
// Two codes are one type where `long` is 64 bits wide.
IFONLY_ELEMENT(Whole, "lq", "int64");
IFONLY_ELEMENT(Word, "LQ", "uint64");
IFONLY_ELEMENT(Cell, "i", "int32");
IFONLY_ELEMENT(Byte, "B", "uint8");
IFONLY_ELEMENT(double, "d", "float64");
IFONLY_ELEMENT(bool, "?", "bool");
#undef IFONLY_ELEMENT

// Memory that Python lends; given back with the lock held.
class Buffer {
public:
    Buffer() = default;
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    Buffer(Buffer&& other) noexcept : buffer_(other.buffer_) { other.buffer_.obj = nullptr; }
    Buffer& operator=(Buffer&&) = delete;
    ~Buffer() { PyBuffer_Release(&buffer_); }

    // An array of elements of type T, in C order.
    template <class T>
    static Buffer of(nb::handle array, int dimensions, const std::string& name) {
        Buffer found;
        if (PyObject_GetBuffer(array.ptr(), &found.buffer_, PyBUF_FORMAT | PyBUF_STRIDES) != 0) {
            PyErr_Clear();
            throw nb::type_error((name + " is no array that can be read").c_str());
        }
        const Py_buffer& b = found.buffer_;
        const bool is_code = b.format != nullptr && b.format[0] != 0 && b.format[1] == 0 &&
                             std::string(Element<T>::codes).find(b.format[0]) != std::string::npos;
        if (!is_code || b.itemsize != sizeof(T) || b.ndim != dimensions) {
            throw nb::type_error(
                (name + " is not " + Element<T>::dtype + " in " + std::to_string(dimensions) +
                 " dimensions").c_str()
            );
        }
        const bool aligned = reinterpret_cast<std::uintptr_t>(b.buf) % alignof(T) == 0;
        if (!PyBuffer_IsContiguous(&b, 'C') || !aligned) {
            throw nb::type_error((name + " is not in C order").c_str());
        }
        return found;
    }

    template <class T>
    T* data() const { return static_cast<T*>(buffer_.buf); }
    Whole length(int dimension) const { return buffer_.shape[dimension]; }

private:
    Py_buffer buffer_{};
};

template <class T>
std::string kind(View<T>*) { return std::string(Element<T>::dtype) + " 1"; }
template <class T>
std::string kind(Rows<T>*) { return std::string(Element<T>::dtype) + " 2"; }
template <class T>
std::string kind(Boxes<T>*) { return std::string(Element<T>::dtype) + " 3"; }
inline std::string kind(Whole*) { return "int"; }
template <class Inner>
std::string kind(Inner*) { return Inner::name; }

// What the fields are, by name: an array's type and dimensions, ``int``, or another struct's name.
template <class Struct>
nb::dict field_kinds() {
    nb::dict found;
    const auto note = [&]<class Value>(Field<Struct, Value> each) {
        const std::string text = kind(static_cast<Value*>(nullptr));
        found[each.name] = nb::str(text.c_str(), text.size());
    };
    std::apply([&](auto... each) { (note(each), ...); }, Struct::fields());
    return found;
}

// A struct whose arrays are kept alive, in Python's hands.
template <class Struct>
class Held {
public:
    using Fields = Struct;

    // ``given`` has an attribute for every field.
    //
    // Throws nb::type_error for an array of another type, and Malformed for parts that contradict each
    // other; both name the field.
    explicit Held(nb::handle given) {
        std::apply([&](auto... each) { (read(given, each), ...); }, Struct::fields());
        try {
            check(fields);
        } catch (const Malformed& error) {
            throw Malformed(std::string(Struct::name) + ": " + error.what());
        }
    }

    // Python holds the one that there is.
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;

    Struct fields;
    // One for each handing over, never used again.
    const Word serial = next_serial();

private:
    static Word next_serial() {
        static std::atomic<Word> last{0};
        return ++last;
    }

    template <class Value>
    void read(nb::handle given, Field<Struct, Value> each) {
        const std::string name = std::string(Struct::name) + "." + each.name;
        take(nb::object(given.attr(each.name)), name, fields.*each.member);
    }

    template <class T>
    void take(const nb::object& array, const std::string& name, View<T>& into) {
        const Buffer& b = kept_.emplace_back(Buffer::of<T>(array, 1, name));
        into = {b.data<T>(), b.length(0)};
    }
    template <class T>
    void take(const nb::object& array, const std::string& name, Rows<T>& into) {
        const Buffer& b = kept_.emplace_back(Buffer::of<T>(array, 2, name));
        into = {b.data<T>(), b.length(0), b.length(1)};
    }
    template <class T>
    void take(const nb::object& array, const std::string& name, Boxes<T>& into) {
        const Buffer& b = kept_.emplace_back(Buffer::of<T>(array, 3, name));
        into = {b.data<T>(), b.length(0), b.length(1), b.length(2)};
    }
    void take(const nb::object& number, const std::string& name, Whole& into) {
        if (!nb::try_cast<Whole>(number, into)) {
            throw nb::type_error((name + " is no whole number").c_str());
        }
    }
    // A struct within a struct has been handed over by itself.
    template <class Inner>
    void take(const nb::object& inner, const std::string& name, Inner& into) {
        nb::object native = nb::getattr(inner, "native", nb::none());
        if (!nb::isinstance<Held<Inner>>(native)) {
            throw nb::type_error((name + " is no " + Inner::name).c_str());
        }
        into = nb::cast<const Held<Inner>&>(native).fields;
        inner_.push_back(std::move(native));
    }

    std::vector<Buffer> kept_;
    std::vector<nb::object> inner_;
};

}  // namespace ifonly

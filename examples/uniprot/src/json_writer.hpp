#pragma once
// Writes JSON text from front to back.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <etl/uniprot/format.hpp>

#include <etl/text.hpp>

namespace etl::inline v0::uniprot {

/// Appends JSON (RFC 8259) to a string; the caller closes what it opens. Strings are UTF-8.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out, JsonStyle style = JsonStyle::Compact)
      : out_(out), pretty_(style == JsonStyle::Pretty) {}

  JsonWriter& key(std::string_view name) {
    string(name);
    out_ += pretty_ ? ": " : ":";
    after_value_ = false;
    after_key_ = true;
    return *this;
  }
  void string(std::string_view s) {
    comma();
    out_ += '"';
    append_json_escaped(out_, s);
    out_ += '"';
    after_value_ = true;
  }
  /// Writes a string, or null if it is empty.
  void string_or_null(std::string_view s) { s.empty() ? null() : string(s); }
  void number(std::integral auto value) {
    comma();
    fmt::format_to(std::back_inserter(out_), "{}", value);
    after_value_ = true;
  }
  void boolean(bool value) { literal(value ? "true" : "false"); }
  void null() { literal("null"); }

  template <class Body>
  void object(Body&& body) {
    nested('{', '}', std::forward<Body>(body));
  }
  template <class Body>
  void array(Body&& body) {
    nested('[', ']', std::forward<Body>(body));
  }
  /// Writes an array. `each` writes one value per element.
  template <class Range, class Each>
  void array_of(const Range& range, Each&& each) {
    array([&] {
      for (const auto& element : range) each(element);
    });
  }

 private:
  void comma() {
    if (after_value_) out_ += ',';
    if (pretty_ && depth_ > 0 && !std::exchange(after_key_, false)) new_line();
  }
  void literal(std::string_view text) {
    comma();
    out_ += text;
    after_value_ = true;
  }
  template <class Body>
  void nested(char open, char close, Body&& body) {
    comma();
    out_ += open;
    after_value_ = false;
    ++depth_;
    body();
    --depth_;
    if (pretty_ && after_value_) new_line();  // an empty array or object has no line break
    out_ += close;
    after_value_ = true;
  }
  void new_line() { out_.append(1, '\n').append(2 * depth_, ' '); }

  std::string& out_;
  const bool pretty_;
  bool after_value_ = false;
  bool after_key_ = false;
  std::size_t depth_ = 0;
};

}  // namespace etl::inline v0::uniprot

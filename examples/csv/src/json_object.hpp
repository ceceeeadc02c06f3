#pragma once
// Reads an object of a JSON settings file, member by member, and reports all problems.

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json.hpp>
#include <fmt/format.h>

#include <etl/csv/record.hpp>

namespace etl::inline v0::csv::detail {

using Names = std::span<const std::string_view>;

/// The number of single-letter changes that turn one text into the other.
inline std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t k = 0; k < b.size(); ++k)
      diagonal = std::exchange(row[k + 1], std::min({row[k] + 1, row[k + 1] + 1, diagonal + (a[i] == b[k] ? 0u : 1u)}));
  }
  return row.back();
}

inline std::string suggestion(std::string_view name, Names allowed) {
  const auto nearest = std::ranges::min(allowed, {}, [name](std::string_view other) { return distance(name, other); });
  if (distance(name, nearest) <= 2) return fmt::format("did you mean '{}'?", nearest);
  return fmt::format("there are {}", fmt::join(allowed, ", "));
}

inline std::string_view text_of(const boost::json::string& text) { return {text.data(), text.size()}; }

/// Reads the members of an object. Problems are added to `problems` with their place, such as
/// "files[2].columns[0].type".
class JsonObject {
 public:
  JsonObject(const boost::json::value& value, std::string path, std::vector<std::string>& problems)
      : path_(std::move(path)), problems_(problems), object_(value.if_object()) {
    if (object_ == nullptr) problem("", "must be an object");
  }

  void problem(std::string_view key, std::string_view what) const {
    problems_.push_back(fmt::format("{}: {}", at(key), what));
  }
  [[nodiscard]] std::string at(std::string_view key) const {
    if (key.empty()) return path_.empty() ? "the file" : path_;
    return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
  }

  void keys(Names allowed) const {
    if (object_ == nullptr) return;
    for (const auto& [name, value] : *object_) {
      const std::string_view key{name.data(), name.size()};
      if (std::ranges::find(allowed, key) == allowed.end())
        problem(key, fmt::format("is unknown; {}", suggestion(key, allowed)));
    }
  }
  [[nodiscard]] const boost::json::value* member(std::string_view key) const {
    return object_ == nullptr ? nullptr : object_->if_contains(boost::json::string_view(key.data(), key.size()));
  }
  [[nodiscard]] bool has(std::string_view key) const { return member(key) != nullptr; }
  [[nodiscard]] bool lacks(std::string_view key) const { return object_ != nullptr && !has(key); }

  void read(std::string_view key, bool& out) const {
    if (const auto* const value = member(key)) {
      if (const bool* const held = value->if_bool())
        out = *held;
      else
        problem(key, "must be true or false");
    }
  }
  void read(std::string_view key, std::size_t& out) const {
    if (const auto* const value = member(key)) {
      if (const auto* const held = value->if_int64(); held != nullptr && *held >= 0)
        out = static_cast<std::size_t>(*held);
      else
        problem(key, "must be a whole number, 0 or more");
    }
  }
  void read(std::string_view key, std::string& out) const {
    if (const auto* const value = member(key)) {
      if (const auto* const held = value->if_string(); held != nullptr && !held->empty())
        out = text_of(*held);
      else
        problem(key, "must be a text that is not empty");
    }
  }
  void read(std::string_view key, char& out) const {
    std::optional<char> read_as = out;
    read(key, read_as);
    if (read_as)
      out = *read_as;
    else
      problem(key, "must be a text of one character");
  }
  void read(std::string_view key, std::optional<char>& out) const {
    if (const auto* const value = member(key)) {
      if (const auto* const held = value->if_string(); held != nullptr && held->size() == 1)
        out = held->front();
      else if (value->is_null())
        out.reset();
      else
        problem(key, "must be a text of one character");
    }
  }
  /// Reads a column, given by name or number.
  void read(std::string_view key, Source& out) const {
    if (const auto* const value = member(key)) {
      if (const auto* const held = value->if_string(); held != nullptr && !held->empty())
        out = std::string(text_of(*held));
      else if (const auto* const number = value->if_int64(); number != nullptr && *number > 0)
        out = *number;
      else
        problem(key, "must be the name of a column, or its number from 1");
    }
  }
  /// Reads one of the names; returns its index among them.
  [[nodiscard]] std::optional<std::size_t> choice(std::string_view key, Names names) const {
    const auto* const value = member(key);
    if (value == nullptr) return std::nullopt;
    const auto* const held = value->if_string();
    const auto found = held == nullptr ? names.end() : std::ranges::find(names, text_of(*held));
    if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
    problem(key, fmt::format("must be one of {}", fmt::join(names, ", ")));
    return std::nullopt;
  }
  /// Calls `read_one(value, path)` for each element of an array.
  template <class F>
  void each(std::string_view key, F read_one) const {
    const auto* const value = member(key);
    if (value == nullptr) return;
    const auto* const array = value->if_array();
    if (array == nullptr) return problem(key, "must be an array");
    for (std::size_t i = 0; i < array->size(); ++i) read_one((*array)[i], fmt::format("{}[{}]", at(key), i));
  }

  /// Calls `read_one(name, value, path)` for each member of an object.
  template <class F>
  void members(std::string_view key, F read_one) const {
    const auto* const value = member(key);
    if (value == nullptr) return;
    const auto* const object = value->if_object();
    if (object == nullptr) return problem(key, "must be an object");
    for (const auto& [name, held] : *object) {
      const std::string_view text{name.data(), name.size()};
      read_one(text, held, fmt::format("{}.{}", at(key), shown(text)));
    }
  }

 private:
  std::string path_;
  std::vector<std::string>& problems_;
  const boost::json::object* object_;
};

}  // namespace etl::inline v0::csv::detail

// The JSON form of a mapping.

#include <algorithm>
#include <array>
#include <concepts>
#include <filesystem>
#include <numeric>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json.hpp>
#include <fmt/format.h>

#include <etl/csv/mapping.hpp>
#include <etl/io/source.hpp>

namespace etl::inline v0::csv {
namespace {

namespace json = boost::json;
using Names = std::span<const std::string_view>;

/// Changes of single letters that make one of the other.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t k = 0; k < b.size(); ++k)
      diagonal = std::exchange(row[k + 1], std::min({row[k] + 1, row[k + 1] + 1, diagonal + (a[i] == b[k] ? 0u : 1u)}));
  }
  return row.back();
}

std::string suggestion(std::string_view name, Names allowed) {
  const auto nearest = std::ranges::min(allowed, {}, [name](std::string_view other) { return distance(name, other); });
  if (distance(name, nearest) <= 2) return fmt::format("did you mean '{}'?", nearest);
  return fmt::format("there are {}", fmt::join(allowed, ", "));
}

std::string_view text_of(const json::string& text) { return {text.data(), text.size()}; }

/// An object of the mapping, read member by member; what is wrong goes to `problems`.
class Object {
 public:
  Object(const json::value& value, std::string path, std::vector<std::string>& problems)
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
  [[nodiscard]] const json::value* member(std::string_view key) const {
    return object_ == nullptr ? nullptr : object_->if_contains(json::string_view(key.data(), key.size()));
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
  /// A column, by name or by number.
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
  /// One of the names; its place among them.
  [[nodiscard]] std::optional<std::size_t> choice(std::string_view key, Names names) const {
    const auto* const value = member(key);
    if (value == nullptr) return std::nullopt;
    const auto* const held = value->if_string();
    const auto found = held == nullptr ? names.end() : std::ranges::find(names, text_of(*held));
    if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
    problem(key, fmt::format("must be one of {}", fmt::join(names, ", ")));
    return std::nullopt;
  }
  /// `read_one(value, path)` for each element.
  template <class F>
  void each(std::string_view key, F read_one) const {
    const auto* const value = member(key);
    if (value == nullptr) return;
    const auto* const array = value->if_array();
    if (array == nullptr) return problem(key, "must be an array");
    for (std::size_t i = 0; i < array->size(); ++i) read_one((*array)[i], fmt::format("{}[{}]", at(key), i));
  }

 private:
  std::string path_;
  std::vector<std::string>& problems_;
  const json::object* object_;
};

class MappingReader {
 public:
  Mapping read(const json::value& root) {
    static constexpr std::string_view keys[] = {"files"};
    Mapping mapping;
    const Object object(root, "", problems_);
    object.keys(keys);
    object.each("files", [&](const json::value& value, const std::string& path) {
      mapping.files.push_back(read_file(value, path));
    });
    if (problems_.empty() && mapping.files.empty()) object.problem("files", "must have an element for some files");
    return mapping;
  }
  [[nodiscard]] const std::vector<std::string>& problems() const { return problems_; }

 private:
  FileMapping read_file(const json::value& value, const std::string& path) {
    static constexpr std::string_view keys[] = {
        "pattern",      "delimiter",        "quote",     "escape",    "comment",    "skip_lines", "header_rows",
        "trim",         "keep_blank_lines", "ragged",    "max_field", "check_utf8", "encoding",   "decimal_comma",
        "null_markers", "quoted_nulls",     "timestamp", "columns"};
    static constexpr std::string_view ragged[] = {"reject", "pad", "truncate", "keep"};
    static constexpr std::string_view encodings[] = {"utf-8", "latin-1"};
    FileMapping file;
    Dialect& dialect = file.dialect;
    const Object object(value, path, problems_);
    object.keys(keys);
    const std::size_t before = problems_.size();
    if (object.lacks("pattern"))
      object.problem("pattern", "is missing: the files that this is for, as in \"orders/*.csv\"");
    object.read("pattern", file.pattern);
    object.read("delimiter", dialect.delimiter);
    object.read("quote", dialect.quote);
    object.read("escape", dialect.escape);
    object.read("comment", dialect.comment);
    object.read("skip_lines", dialect.skip_lines);
    object.read("header_rows", dialect.header_rows);
    object.read("trim", dialect.trim);
    object.read("keep_blank_lines", dialect.keep_blank_lines);
    object.read("max_field", dialect.max_field);
    object.read("check_utf8", dialect.check_utf8);
    object.read("decimal_comma", file.decimal_comma);
    object.read("quoted_nulls", file.nulls.quoted);
    if (const auto chosen = object.choice("ragged", ragged)) dialect.ragged = static_cast<Ragged>(*chosen);
    if (const auto chosen = object.choice("encoding", encodings)) dialect.encoding = static_cast<Encoding>(*chosen);
    if (object.has("null_markers")) file.nulls.texts.clear();
    object.each("null_markers", [&](const json::value& text, const std::string& at) {
      if (const auto* const held = text.if_string())
        file.nulls.texts.emplace_back(text_of(*held));
      else
        problems_.push_back(fmt::format("{}: must be a text", at));
    });
    if (problems_.size() == before)
      if (const auto checked = check(dialect); !checked) object.problem("", checked.error().message());
    if (const auto* const timestamp = object.member("timestamp"))
      file.columns.push_back(read_timestamp(*timestamp, object.at("timestamp")));
    object.each("columns", [&](const json::value& column, const std::string& at) {
      file.columns.push_back(read_column(column, at));
    });
    check_columns(file, object);
    return file;
  }

  MappedColumn read_timestamp(const json::value& value, const std::string& path) {
    static constexpr std::string_view keys[] = {"column", "date",     "time", "format", "time_format",
                                                "target", "nullable", "key",  "type"};
    static constexpr std::string_view types[] = {"timestamp", "timestamptz"};
    MappedColumn column{.kind = Kind::TimestampTz, .nullable = false};
    const Object object(value, path, problems_);
    object.keys(keys);
    object.read("column", column.source);
    object.read("date", column.source);
    object.read("time", column.clock);
    if (object.has("column") == object.has("date") || object.has("date") != object.has("time"))
      object.problem("", "must have \"column\", or \"date\" and \"time\"");
    if (const auto chosen = object.choice("type", types))
      column.kind = *chosen == 0 ? Kind::Timestamp : Kind::TimestampTz;
    if (object.has("time_format") && !object.has("time")) object.problem("time_format", "needs a column \"time\"");
    finish(column, object);
    return column;
  }

  MappedColumn read_column(const json::value& value, const std::string& path) {
    static constexpr std::string_view keys[] = {"source", "target", "type", "nullable", "key", "format"};
    std::array<std::string_view, std::size(all_kinds)> names;
    std::ranges::transform(all_kinds, names.begin(), [](Kind kind) { return to_string(kind); });
    MappedColumn column;
    const Object object(value, path, problems_);
    object.keys(keys);
    if (object.lacks("source")) object.problem("source", "is missing: the name of a column, or its number from 1");
    object.read("source", column.source);
    if (const auto chosen = object.choice("type", names)) column.kind = all_kinds[*chosen];
    const bool timed = column.kind == Kind::Date || column.kind == Kind::Timestamp || column.kind == Kind::TimestampTz;
    if (object.has("format") && !timed) object.problem("format", "is for date, timestamp and timestamptz");
    finish(column, object);
    return column;
  }

  /// What timestamps and other columns have in common.
  void finish(MappedColumn& column, const Object& object) {
    object.read("format", column.format);
    object.read("time_format", column.time_format);
    for (const auto& [key, text] :
         {std::pair("format", &column.format), std::pair("time_format", &column.time_format)}) {
      const auto format = TimeFormat::from(*text);
      if (!format) {
        object.problem(key, format.error().message());
      } else if (text == &column.format && !text->empty() && !format->has_date()) {
        object.problem(key, "has no date");
      } else if (text == &column.format && column.clock.valid() && !format->is_iso() && format->has_clock()) {
        object.problem(key, "has a time of day, and \"time\" is a column of its own");
      } else if (text == &column.time_format && !text->empty() && (!format->has_clock() || format->is_unix())) {
        object.problem(key, "has no time of day");
      }
    }
    object.read("target", column.target);
    object.read("nullable", column.nullable);
    object.read("key", column.key);
    if (column.key && object.has("nullable") && column.nullable) object.problem("nullable", "a key is never NULL");
    if (column.key) column.nullable = false;
    if (column.target.empty() && !object.has("target")) {
      column.target = column.source.name;
      if (column.source.number != 0 || column.clock.valid())
        object.problem("target", "is missing: the name that the column is to have");
    }
  }

  void check_columns(const FileMapping& file, const Object& object) {
    std::set<std::string_view> targets;
    for (const auto& column : file.columns) {
      if (!column.target.empty() && !targets.insert(column.target).second)
        object.problem("columns", fmt::format("two have the target '{}'", column.target));
      for (const Source* source : {&column.source, &column.clock})
        if (file.dialect.header_rows == 0 && !source->name.empty())
          object.problem("columns", fmt::format("'{}' is a name, but header_rows is 0: give its number", source->name));
    }
  }

  std::vector<std::string> problems_;
};

/// "line L, column C" of an offset.
std::string place_in(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const auto line_begin = before.rfind('\n');
  return fmt::format("line {}, column {}", std::ranges::count(before, '\n') + 1,
                     line_begin == before.npos ? offset + 1 : offset - line_begin);
}

}  // namespace

Result<Mapping> Mapping::parse(std::string_view text, std::string_view name) {
  const auto wrong = [name](std::string_view what) {
    return failure({.code = Errc::InvalidOptions, .context = fmt::format("{}: {}", name, what)});
  };
  json::stream_parser parser;
  json::error_code error;
  const std::size_t taken = parser.write_some(text.data(), text.size(), error);
  if (!error && taken == text.size()) parser.finish(error);
  const bool more = !error && text.find_first_not_of(" \t\r\n", taken) != text.npos;
  if (error || more)
    return wrong(fmt::format("{}: {}", place_in(text, taken),
                             more ? "there is more behind the value" : "not JSON: " + error.message()));
  MappingReader reader;
  auto mapping = reader.read(parser.release());
  if (reader.problems().empty()) return mapping;
  return wrong(fmt::format("{}", fmt::join(reader.problems(), "; ")));
}

Result<Mapping> Mapping::read(const std::filesystem::path& path) {
  auto source = io::open_file(path);
  if (!source) return failure(std::move(source.error()));
  const auto text = io::read_all(**source);
  if (!text) return failure(text.error());
  return parse(*text, path.string());
}

}  // namespace etl::inline v0::csv

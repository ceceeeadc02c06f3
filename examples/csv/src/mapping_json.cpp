// Reads the JSON form of a mapping.

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json.hpp>
#include <fmt/format.h>

#include <etl/csv/encoding.hpp>
#include <etl/csv/mapping.hpp>
#include <etl/io/source.hpp>

#include "json_object.hpp"

namespace etl::inline v0::csv {
namespace {

namespace json = boost::json;
using detail::JsonObject;
using detail::text_of;

class MappingReader {
 public:
  Mapping read(const json::value& root) {
    static constexpr std::string_view keys[] = {"files"};
    Mapping mapping;
    const JsonObject object(root, "", problems_);
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
        "pattern",    "format",           "delimiter",    "quote",         "escape",    "comment",
        "skip_lines", "header_rows",      "trim",         "ragged",        "max_field", "check_utf8",
        "encoding",   "keep_blank_lines", "null_markers", "quoted_nulls",  "timestamp", "columns",
        "stream_map", "decimal_comma",    "max_lines",    "empty_is_text", "types"};
    static constexpr std::string_view formats[] = {"csv", "json"};
    FileMapping file;
    const JsonObject object(value, path, problems_);
    object.keys(keys);
    if (object.lacks("pattern")) object.problem("pattern", "is missing: name the files, such as \"orders/*.csv\"");
    object.read("pattern", file.pattern);
    if (const auto chosen = object.choice("format", formats)) file.format = static_cast<FileFormat>(*chosen);
    read_dialect(file, object);
    object.read("quoted_nulls", file.nulls.quoted);
    if (object.has("null_markers")) file.nulls.texts.clear();
    object.each("null_markers", [&](const json::value& text, const std::string& at) {
      if (const auto* const held = text.if_string())
        file.nulls.texts.emplace_back(text_of(*held));
      else
        problems_.push_back(fmt::format("{}: must be a text", at));
    });
    read_types(file, object);
    const bool streams = object.has("stream_map");
    if (const auto* const timestamp = object.member("timestamp"))
      file.columns.push_back(read_timestamp(*timestamp, object.at("timestamp"), streams));
    if (streams) {
      read_stream_map(file, object);
    } else {
      object.each("columns", [&](const json::value& column, const std::string& at) {
        file.columns.push_back(read_column(column, at));
      });
    }
    check_columns(file, object);
    return file;
  }

  /// Reads "types", such as {"zip": "text"}.
  void read_types(FileMapping& file, const JsonObject& object) {
    for (const std::string_view other : {"columns", "timestamp", "stream_map"})
      if (object.has("types") && object.has(other))
        return object.problem("types",
                              fmt::format("is for files without \"{0}\", because \"{0}\" has its own types", other));
    object.members("types", [&](std::string_view name, const json::value& value, const std::string& at) {
      const auto* const text = value.if_string();
      const auto kind = text == nullptr ? std::nullopt : kind_of(text_of(*text));
      if (kind)
        file.types[std::string(name)] = *kind;
      else
        problems_.push_back(fmt::format("{}: must be one of {}", at, fmt::join(names_of_kinds(), ", ")));
    });
  }
  static std::array<std::string_view, std::size(all_kinds)> names_of_kinds() {
    std::array<std::string_view, std::size(all_kinds)> names;
    std::ranges::transform(all_kinds, names.begin(), [](Kind kind) { return to_string(kind); });
    return names;
  }

  /// Reads the dialect of delimited text. It is an error if the file is declared as JSON.
  void read_dialect(FileMapping& file, const JsonObject& object) {
    static constexpr std::string_view ragged[] = {"reject", "pad", "truncate"};  // in the order of Ragged
    static constexpr std::string_view keys[] = {"delimiter",     "quote",       "escape",       "comment",
                                                "skip_lines",    "header_rows", "trim",         "keep_blank_lines",
                                                "ragged",        "max_field",   "check_utf8",   "encoding",
                                                "decimal_comma", "max_lines",   "empty_is_text"};
    const std::size_t before = problems_.size();
    if (file.format == FileFormat::Json || object.has("stream_map"))
      for (const std::string_view key : keys)
        if (object.has(key)) object.problem(key, "is for CSV, and these files are JSON");
    Dialect& dialect = file.dialect;
    object.read("delimiter", dialect.delimiter);
    dialect.fixed_delimiter = object.has("delimiter");
    object.read("quote", dialect.quote);
    object.read("escape", dialect.escape);
    object.read("comment", dialect.comment);
    object.read("skip_lines", dialect.skip_lines);
    object.read("header_rows", dialect.header_rows);
    object.read("trim", dialect.trim);
    object.read("keep_blank_lines", dialect.keep_blank_lines);
    object.read("max_field", dialect.max_field);
    object.read("max_lines", dialect.max_lines);
    object.read("empty_is_text", file.nulls.empty_is_text);
    object.read("check_utf8", dialect.check_utf8);
    object.read("decimal_comma", file.decimal_comma);
    if (const auto chosen = object.choice("ragged", ragged)) dialect.ragged = static_cast<Ragged>(*chosen);
    std::string encoding;
    object.read("encoding", encoding);
    if (encoding == "latin-1")
      dialect.encoding = Encoding::Latin1;
    else if (!names_utf8(encoding))
      dialect.charset = encoding;
    if (const auto known = as_utf8(io::from_memory(""), dialect.charset); !known)
      object.problem("encoding", known.error().message());
    if (problems_.size() == before)
      if (const auto checked = check(dialect); !checked) object.problem("", checked.error().message());
  }

  /// Reads "stream_map" and makes columns for the cells of a reading: its time, whose column already exists, the id of
  /// its stream, and its value.
  void read_stream_map(FileMapping& file, const JsonObject& in) {
    static constexpr std::string_view keys[] = {"id", "readings", "id_target", "streams"};
    StreamMap& map = file.stream_map.emplace();
    const JsonObject object(*in.member("stream_map"), in.at("stream_map"), problems_);
    object.keys(keys);
    object.read("id", map.id);
    object.read("readings", map.readings);
    if (map.id == map.readings)
      object.problem("readings", fmt::format("is the member '{}', but the id is this member, too", map.id));
    if (file.format == FileFormat::Csv) in.problem("format", "is csv, and stream_map is for JSON");
    if (in.has("columns")) in.problem("columns", "is not for readings: \"streams\" names their columns");
    if (in.lacks("timestamp"))
      in.problem(
          "timestamp",
          R"(is missing: give the column for the times of readings, as in {"target": "at", "format": "unix_ms"})");
    if (object.has("id_target")) {
      MappedColumn& id = file.columns.emplace_back();
      id.source = 2;
      id.nullable = false;
      object.read("id_target", id.target);
    }
    const std::size_t before = file.columns.size();
    object.members("streams", [&](std::string_view id, const json::value& value, const std::string& path) {
      const MappedColumn column = read_stream(value, path);
      if (column.target.empty()) return;
      const auto same = std::find_if(file.columns.begin() + static_cast<std::ptrdiff_t>(before), file.columns.end(),
                                     [&](const MappedColumn& other) { return other.target == column.target; });
      const auto target = static_cast<std::size_t>(same - file.columns.begin()) - before;
      map.streams.emplace(id, target);
      if (same == file.columns.end()) {
        map.targets.push_back(column.target);
        file.columns.push_back(column);
        file.columns.back().source = 3 + target;
      } else if (same->kind != column.kind) {
        problems_.push_back(fmt::format("{}.type: is {}, and '{}' is {} for another stream", path,
                                        to_string(column.kind), column.target, to_string(same->kind)));
      }
    });
    const auto* const streams = object.member("streams");
    if (object.lacks("streams") || (streams != nullptr && streams->is_object() && streams->get_object().empty()))
      object.problem("streams", R"(must name a stream, as in {"3f2a": {"target": "temperature", "type": "double"}})");
  }

  MappedColumn read_stream(const json::value& value, const std::string& path) {
    static constexpr std::string_view keys[] = {"target", "type"};
    MappedColumn column{.kind = Kind::Double};
    const JsonObject object(value, path, problems_);
    object.keys(keys);
    if (object.lacks("target")) object.problem("target", "is missing: give the column for its values");
    object.read("target", column.target);
    read_type(column, object);
    return column;
  }

  /// `of_readings`: the timestamp is not a column of the file.
  MappedColumn read_timestamp(const json::value& value, const std::string& path, bool of_readings) {
    static constexpr std::string_view keys[] = {"column", "date",     "time", "format", "time_format",
                                                "target", "nullable", "key",  "type"};
    static constexpr std::string_view types[] = {"timestamp", "timestamptz"};
    MappedColumn column{.kind = Kind::TimestampTz, .nullable = false};
    const JsonObject object(value, path, problems_);
    object.keys(keys);
    object.read("column", column.source);
    object.read("date", column.source);
    object.read("time", column.clock);
    if (of_readings) {
      for (const std::string_view key : {"column", "date", "time"})
        if (object.has(key)) object.problem(key, "is not for readings, whose times come before their values");
      column.source = 1;
    } else if (object.has("column") == object.has("date") || object.has("date") != object.has("time")) {
      object.problem("", "must have \"column\", or \"date\" and \"time\"");
    }
    if (const auto chosen = object.choice("type", types))
      column.kind = *chosen == 0 ? Kind::Timestamp : Kind::TimestampTz;
    if (object.has("time_format") && !object.has("time")) object.problem("time_format", "needs a column \"time\"");
    finish(column, object);
    return column;
  }

  MappedColumn read_column(const json::value& value, const std::string& path) {
    static constexpr std::string_view keys[] = {"source", "target", "type", "nullable", "key", "format"};
    MappedColumn column;
    const JsonObject object(value, path, problems_);
    object.keys(keys);
    if (object.lacks("source")) object.problem("source", "is missing: give the name of a column, or its number from 1");
    object.read("source", column.source);
    read_type(column, object);
    const bool timed = column.kind == Kind::Date || column.kind == Kind::Timestamp || column.kind == Kind::TimestampTz;
    if (object.has("format") && !timed) object.problem("format", "is for date, timestamp and timestamptz");
    finish(column, object);
    return column;
  }

  static void read_type(MappedColumn& column, const JsonObject& object) {
    if (const auto chosen = object.choice("type", names_of_kinds())) column.kind = all_kinds[*chosen];
  }

  /// Reads the members that timestamps and other columns share.
  void finish(MappedColumn& column, const JsonObject& object) {
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
        object.problem("target", "is missing: give the name of the column in the result");
    }
  }

  void check_columns(const FileMapping& file, const JsonObject& object) {
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

/// "line L, column C" for an offset.
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
                             more ? "there is more text after the value" : "not JSON: " + error.message()));
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

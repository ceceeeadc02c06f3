#include "input.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <system_error>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

#include <etl/csv/encoding.hpp>
#include <etl/csv/infer.hpp>
#include <etl/csv/ndjson.hpp>
#include <etl/csv/ndjson_sniff.hpp>
#include <etl/io/glob.hpp>
#include <etl/io/object_store_url.hpp>
#include <etl/io/source.hpp>
#include <etl/text.hpp>

#include "content.hpp"

namespace program {
namespace {

namespace csv = etl::csv;
namespace fs = std::filesystem;
namespace json = boost::json;

/// Appends a row as an object. An unquoted empty cell is null and is left out.
void append_row(std::string& text, const csv::Row& row, const std::vector<std::string>& keys) {
  text += '{';
  for (std::size_t i = 0; i < row.size(); ++i) {
    const std::string_view cell = row[i];
    if (cell.empty() && !row.quoted(i)) continue;
    if (text.back() != '{') text += ',';
    text += keys[i];
    const bool plain = std::ranges::none_of(cell, [](unsigned char c) { return c < 0x20 || c == '"' || c == '\\'; });
    if (plain)
      text.append(1, '"').append(cell).append(1, '"');
    else
      text += json::serialize(json::string(cell));
  }
  text += '}';
}

etl::Result<std::vector<Column>> columns_of_json(const fs::path& file, const InputOptions& options,
                                                 const std::stop_token& stop) {
  auto reader = open_json(file, options);
  if (!reader) return etl::failure(std::move(reader.error()));
  csv::ndjson::Sniffer sniffer(file.string());
  for (;;) {
    auto chunk = reader->next(stop);
    if (!chunk) return etl::failure(std::move(chunk.error()));
    if (stop.stop_requested()) return stopped();
    if (!*chunk) break;
    for (const auto& line : **chunk) sniffer.look(line);
  }
  std::vector<Column> columns;
  const auto facts = sniffer.facts();
  const auto guesses = sniffer.guesses();
  for (auto& one : sniffer.columns()) {
    const csv::ndjson::MemberFacts& fact = facts[columns.size()];
    Column& made = columns.emplace_back(Column{
        .name = std::move(one.name), .kind = one.kind, .nested = fact.nested, .least = fact.least, .most = fact.most});
    made.empty = !guesses[columns.size() - 1].any();
    if (made.kind >= csv::Kind::Date) made.time_score = 0.4;
  }
  return columns;
}

etl::Result<std::vector<Column>> columns_of_rows(const fs::path& file, Content content, const InputOptions& options,
                                                 const std::stop_token& stop) {
  auto reader = open_table(file, content, options, csv::BadRows::SetAside, stop);
  if (!reader) return etl::failure(std::move(reader.error()));
  auto found = csv::infer(*reader, {}, stop);
  if (!found) return etl::failure(with_remedy(std::move(found.error())));
  std::vector<Column> columns;
  for (auto& one : found->columns) {
    Column& made = columns.emplace_back(Column{.name = std::move(one.name), .kind = one.kind});
    made.empty = one.profile.values() == 0;
    made.time_score = one.time_score;
    made.least = one.least;
    made.most = one.most;
    made.misfits = one.misfits;
    if (one.misfits > 0)
      made.first_misfit = fmt::format("{}: row {}: '{}'", file.string(), one.first_misfit, one.first_misfit_value);
  }
  return columns;
}

/// Whether a double holds all integers of the column exactly.
bool fits_double(const Column& column) {
  constexpr double exact = 9'007'199'254'740'992;
  return column.kind != csv::Kind::Integer || (column.least > -exact && column.most < exact);
}

/// The kind that accepts the values of both columns. Numeric tells of numbers that Druid rounds.
csv::Kind wider(const Column& a, const Column& b) {
  if (a.kind == b.kind || b.empty) return a.kind;
  if (a.empty) return b.kind;
  if (!is_number(a.kind) || !is_number(b.kind)) return csv::Kind::Text;
  const bool exact = a.kind != csv::Kind::Numeric && b.kind != csv::Kind::Numeric && fits_double(a) && fits_double(b);
  return exact ? csv::Kind::Double : csv::Kind::Numeric;
}

void merge(std::vector<Column>& all, std::vector<Column> more) {
  for (Column& column : more) {
    const auto known = std::ranges::find(all, column.name, &Column::name);
    if (known == all.end()) {
      all.push_back(std::move(column));
      continue;
    }
    known->kind = wider(*known, column);
    known->empty = known->empty && column.empty;
    known->nested = known->nested || column.nested;
    known->least = std::min(known->least, column.least);
    known->most = std::max(known->most, column.most);
    known->time_score = std::min(known->time_score, column.time_score);
    if (known->misfits == 0) known->first_misfit = std::move(column.first_misfit);
    known->misfits += column.misfits;
  }
}

std::vector<std::string> names_in(const std::vector<Column>& columns) {
  std::vector<std::string> names;
  for (const Column& column : columns) names.push_back(column.name);
  return names;
}

etl::Error nothing_in(const fs::path& file) {
  return etl::fatal(
      fmt::format("{}: the file is empty: it has neither a header nor rows; check how it was written", file.string()));
}

/// An error if two columns have the same name.
etl::Result<void> check_names(const fs::path& file, std::vector<std::string> names) {
  std::ranges::sort(names);
  const auto twice = std::ranges::adjacent_find(names);
  if (twice == names.end()) return {};
  return etl::fatal(
      fmt::format("{}: two columns have the name '{}'; give one of them another name", file.string(), *twice));
}

csv::Violation unreadable(const etl::Error& error) { return {.check = csv::Check::Read, .what = error.message()}; }

/// Finds numbers that Druid's time format "auto" would take for milliseconds since 1970.
class AutoTimes {
 public:
  AutoTimes(const std::vector<std::string>& names, std::string_view column)
      : column_(column),
        index_(column.empty() ? names.size()
                              : static_cast<std::size_t>(std::ranges::find(names, column) - names.begin())),
        width_(names.size()) {}
  /// Only the first such value is told.
  template <class R>
  void look(const R& row, csv::Validator& to) {
    if (index_ >= width_ || told_) return;
    const std::string_view text = row[index_];
    std::int64_t number = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
    constexpr std::int64_t year_2001 = 1'000'000'000'000, year_2096 = 4'000'000'000'000;
    if (failed != std::errc() || end != text.data() + text.size() || (number >= year_2001 && number < year_2096))
      return;
    told_ = true;
    to.add({.check = csv::Check::TimeColumn,
            .column = std::string(column_),
            .value = std::string(text),
            .row = row.number(),
            .what = fmt::format("row {}: Druid would read the time '{}' as milliseconds since 1970; name its format "
                                "with --time-format (posix for seconds, millis, micro, nano, or a pattern)",
                                row.number(), text)});
  }

 private:
  std::string_view column_;
  std::size_t index_;
  std::size_t width_;
  bool told_ = false;
};

struct Reading {
  const std::vector<std::string>& names;
  const std::function<etl::Result<void>(std::string_view)>& each;
  csv::Validator& validator;
  std::string_view auto_time;
};

etl::Result<void> read_json(csv::ndjson::Reader& reader, const Reading& to, const std::stop_token& stop) {
  csv::ndjson::Parser parser(to.names, reader.name(), {.reject_duplicate_keys = true, .reject_unknown_members = true});
  std::string joined;
  AutoTimes times(to.names, to.auto_time);
  for (;;) {
    auto chunk = reader.next(stop);
    if (stop.stop_requested()) return stopped();
    if (!chunk) {
      to.validator.add(unreadable(with_remedy(std::move(chunk.error()))));
      return {};
    }
    if (!*chunk) return {};
    for (const auto& line : **chunk) {
      const auto object = parser.parse(line);
      if (!object) {
        etl::Error error = object.error();
        if (etl::find_invalid_utf8(line.text) < line.text.size())
          error.context +=
              "; the row has bytes that are not valid in this encoding: name the correct encoding with --encoding, "
              "such as CP1252";
        to.validator.look(csv::BadRow{.error = std::move(error), .text = line.text, .place = {.row = line.number}});
        continue;
      }
      to.validator.look(*object);
      times.look(*object, to.validator);
      if (!to.each) continue;
      std::string_view text = line.text;
      if (line.element && text.find_first_of("\r\n") != std::string_view::npos) {
        joined.assign(text);  // line ends between the members of an element become blanks
        std::ranges::replace_if(joined, [](char c) { return c == '\r' || c == '\n'; }, ' ');
        text = joined;
      }
      if (auto written = to.each(text); !written) return written;
    }
  }
}

etl::Result<void> read_table(csv::Reader& reader, const Reading& to, const std::stop_token& stop) {
  std::vector<std::string> keys;
  for (const std::string& name : to.names) keys.push_back(json::serialize(json::string(name)) + ":");
  std::string text;
  AutoTimes times(to.names, to.auto_time);
  for (;;) {
    auto chunk = reader.next(stop);
    if (stop.stop_requested()) return stopped();
    if (!chunk) {
      to.validator.add(unreadable(with_remedy(std::move(chunk.error()))));
      return {};
    }
    if (!*chunk) return {};
    for (csv::BadRow row : (*chunk)->bad_rows()) {
      row.error = with_remedy(std::move(row.error));
      to.validator.look(row);
    }
    for (const csv::Row row : **chunk) {
      to.validator.look(row);
      times.look(row, to.validator);
      if (!to.each) continue;
      text.clear();
      append_row(text, row, keys);
      if (auto written = to.each(text); !written) return written;
    }
  }
}

csv::Validation finished(csv::Validator&& validator, const fs::path& file, std::string format, std::uint64_t bytes) {
  csv::Validation made = std::move(validator).finish();
  made.file = file.string();
  made.format = std::move(format);
  made.bytes = bytes;
  return made;
}

}  // namespace

void add_input(CLI::App& command, InputOptions& options) {
  command.add_option("--sheet", options.sheet, "Sheet of a workbook, by its name [the only sheet]");
  command.add_option("--range", options.range, "Cells of the sheet, such as B3:F100, B:F or B3: [all]");
  command.add_flag(
      "--empty-formulas", options.empty_formulas,
      "Read formulas that were saved without a value as empty cells; without this option they are an error");
  command.add_option("--skip-lines", options.skip_lines, "Number of lines to skip before the header")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  command.add_option("--delimiter", options.delimiter, "Character between cells [detected]")
      ->check([](const std::string& text) { return text.size() == 1 ? "" : "write one character"; });
  command
      .add_option(
          "--encoding", options.encoding,
          "Encoding of text (CSV and JSON), by its name in iconv, such as UTF-16LE, CP1252 or SHIFT_JIS [UTF-8, or "
          "UTF-16 with a byte order mark]")
      ->check([](const std::string& name) {
        const auto known = csv::as_utf8(etl::io::from_memory(""), name);
        return known ? std::string() : known.error().message();
      });
}

etl::Result<std::vector<fs::path>> files_of(const std::vector<std::string>& patterns) {
  auto files = etl::io::glob(patterns);
  if (!files) return files;
  std::ranges::sort(*files);  // the same files in another order are the same load: Druid sorts rows by their time
  for (const fs::path& file : *files) {
    std::error_code ignored;
    if (const fs::file_status status = fs::status(file, ignored);
        fs::exists(status) && !fs::is_regular_file(status) && !fs::is_directory(status))
      return etl::fatal(
          fmt::format("'{}' is a pipe or a device: each file is read several times, so write the rows to "
                      "a file first",
                      file.string()));
  }
  return files;
}

std::string format_of(const fs::path& file, const InputOptions& options) {
  switch (content_of(file, options)) {
    case Content::Table: return "csv";
    case Content::Json: return "json";
    case Content::Sheet: return "workbook";
    case Content::Binary: break;
  }
  return "unknown";
}

etl::Result<std::vector<Column>> columns_of(const std::vector<fs::path>& files, const InputOptions& options,
                                            const std::stop_token& stop) {
  std::vector<Column> all;
  bool any_json = false;
  for (const fs::path& file : files) {
    const Content content = content_of(file, options);
    const bool json_file = content == Content::Json;
    auto columns = json_file ? columns_of_json(file, options, stop) : columns_of_rows(file, content, options, stop);
    if (!columns && stop.stop_requested()) return stopped();
    if (!columns) return columns;
    any_json = any_json || json_file;
    const auto same = [](const Column& a, const Column& b) { return a.name == b.name; };
    if (!all.empty() && !any_json && !std::ranges::equal(all, *columns, same))
      return etl::fatal(fmt::format("{}: its columns differ from those of {}; load the file separately", file.string(),
                                    files[0].string()));
    if (!json_file)
      if (auto differ = check_names(file, names_in(*columns)); !differ) return etl::failure(differ.error());
    merge(all, std::move(*columns));
  }
  if (all.empty() && any_json)
    return etl::fatal(
        fmt::format("{}: no row is a JSON object with members; 'etl-druid validate' says what the rows are",
                    files.front().string()));
  if (all.empty() && !files.empty()) return nothing_in(files.front());
  return all;
}

etl::Result<std::vector<std::string>> names_of(const fs::path& file, const InputOptions& options,
                                               const std::stop_token& stop) {
  const Content content = content_of(file, options);
  if (content == Content::Json) {
    const auto columns = columns_of_json(file, options, stop);
    if (!columns) return etl::failure(columns.error());
    return names_in(*columns);
  }
  const auto reader = open_table(file, content, options, csv::BadRows::SetAside, stop);
  if (!reader) return etl::failure(reader.error());
  if (reader->header().empty()) return nothing_in(file);
  if (auto differ = check_names(file, reader->header()); !differ) return etl::failure(differ.error());
  return reader->header();
}

etl::Result<csv::Validation> read_rows(const fs::path& file, const InputOptions& options,
                                       const std::vector<std::string>& names, const csv::ValidationLimits& limits,
                                       std::string_view auto_time,
                                       const std::function<etl::Result<void>(std::string_view)>& each,
                                       const std::stop_token& stop) {
  const auto size = etl::io::size_of(file);
  if (!size) return etl::failure(size.error());
  const std::uint64_t bytes = *size;
  const Content content = content_of(file, options);
  if (content == Content::Json) {
    csv::Validator validator(names, limits);
    auto reader = open_json(file, options);
    if (!reader) return etl::failure(std::move(reader.error()));
    if (auto done = read_json(*reader, {names, each, validator, auto_time}, stop); !done)
      return etl::failure(done.error());
    return finished(std::move(validator), file, "json", bytes);
  }
  auto reader = open_table(file, content, options, csv::BadRows::SetAside, stop);
  if (!reader) return etl::failure(std::move(reader.error()));
  csv::Validator validator(reader->header(), limits);
  if (auto done = read_table(*reader, {reader->header(), each, validator, auto_time}, stop); !done)
    return etl::failure(done.error());
  return finished(std::move(validator), file, content == Content::Sheet ? "workbook" : "csv", bytes);
}

}  // namespace program

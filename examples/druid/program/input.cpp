#include "input.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <system_error>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

#include <etl/csv/encoding.hpp>
#include <etl/csv/foreign.hpp>
#include <etl/csv/infer.hpp>
#include <etl/csv/ndjson.hpp>
#include <etl/csv/ndjson_sniff.hpp>
#include <etl/csv/sniff.hpp>
#include <etl/io/glob.hpp>
#include <etl/io/object_store_url.hpp>
#include <etl/io/source.hpp>
#include <etl/text.hpp>
#ifdef ETLPIPE_DRUID_EXCEL
#include <etl/excel/sheet.hpp>
#endif

namespace program {
namespace {

namespace csv = etl::csv;
namespace fs = std::filesystem;
namespace json = boost::json;

bool is_workbook([[maybe_unused]] const fs::path& file) {
#ifdef ETLPIPE_DRUID_EXCEL
  return etl::excel::format_of(file).has_value();
#else
  return false;
#endif
}

/// The bytes of a file as UTF-8.
etl::Result<etl::io::Source> open_text(const fs::path& file, const InputOptions& options) {
  auto source = etl::io::open_input(file);
  return source ? csv::as_utf8(*std::move(source), options.encoding, csv::BadBytes::Mark) : std::move(source);
}

enum class Content : std::uint8_t { Table, Json, Sheet, Binary };

/// Whether a text has more kinds of control characters than files have that use some of them as delimiters.
bool is_binary(std::string_view text) {
  constexpr std::size_t most_kinds = 4;
  std::array<bool, 0x20> seen{};
  for (const char c : text)
    if (static_cast<unsigned char>(c) < seen.size()) seen[static_cast<unsigned char>(c)] = true;
  for (const char usual : {'\t', '\n', '\v', '\f', '\r'}) seen[static_cast<unsigned char>(usual)] = false;
  return static_cast<std::size_t>(std::ranges::count(seen, true)) > most_kinds;
}

/// What a file holds, by its first bytes. A file that cannot be read is a table, whose reader says what is wrong.
Content content_of(const fs::path& file, const InputOptions& options) {
  if (is_workbook(file)) return Content::Sheet;
  auto source = open_text(file, options);
  std::array<char, 4096> bytes{};
  while (source) {
    const auto got = (*source)->read(bytes);
    if (!got || *got == 0) break;
    std::string_view text(bytes.data(), *got);
    if (is_binary(text) || csv::foreign_format(text)) return Content::Binary;
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) continue;
    return text[first] == '{' || text[first] == '[' ? Content::Json : Content::Table;
  }
  return Content::Table;
}

etl::Result<csv::ndjson::Reader> open_json(const fs::path& file, const InputOptions& options) {
  auto source = open_text(file, options);
  if (!source) return etl::failure(std::move(source.error()));
  return csv::ndjson::Reader(*std::move(source));
}

/// Names the options of the program, which the components do not know.
etl::Error with_remedy(etl::Error error) {
  static constexpr std::pair<std::string_view, std::string_view> remedies[] = {
      {" (--sheet, or SheetOptions::sheet)", " (--sheet)"},
      {" (SheetOptions::errors)", ""},
      {" (SheetOptions::formulas_without_value_are_empty)", " (--empty-formulas)"},
      {" (Limits::max_row)", ""},
      {" (Limits::max_unpacked)", ""},
      {" (Limits::max_ratio)", ""},
      {" (Limits::max_copied)", ""},
      {" (Limits::max_xls_cells)", ""},
      {", or raise Limits::strings_in_memory", ""},
      {", or choose what to do with ragged rows", ""},
      {", or read the file without quotes", ""},
      {"or read it as Latin-1", "or read it as Latin-1 (--encoding CP1252)"}};
  for (const auto& [of_code, of_program] : remedies)
    if (const std::size_t at = error.context.find(of_code); at != std::string::npos)
      error.context.replace(at, of_code.size(), of_program);
  return error;
}

etl::Result<csv::Reader> open_sheet([[maybe_unused]] const fs::path& file, [[maybe_unused]] const InputOptions& options,
                                    [[maybe_unused]] const csv::ReaderOptions& reading,
                                    [[maybe_unused]] const std::stop_token& stop) {
#ifdef ETLPIPE_DRUID_EXCEL
  etl::excel::SheetOptions how{.sheet = options.sheet, .range = options.range};
  how.formulas_without_value_are_empty = options.empty_formulas;
  if (options.skip_lines > 0) {
    if (!options.range.empty())
      return etl::failure(etl::fatal("--range says which rows of a sheet are read: leave out --skip-lines"));
    how.range = fmt::format("A{}:", options.skip_lines + 1);
  }
  auto sheet = etl::excel::open(file, how);
  if (!sheet) return etl::failure(with_remedy(std::move(sheet.error())));
  csv::Dialect dialect;
  dialect.max_lines = 1 << 20;  // quotes are always correct here, so a cell may have any number of lines
  dialect.sheet_column = sheet->first_column;
  auto reader = csv::Reader::from(std::move(sheet->text), dialect, reading, stop);
  return reader ? std::move(reader) : etl::failure(with_remedy(std::move(reader.error())));
#else
  return etl::failure(etl::fatal("this etl-druid was built without the component excel: save the sheet as CSV"));
#endif
}

/// Opens delimited text or a sheet. The first row must be the header, because a header that is loaded as a row would
/// stay unnoticed.
etl::Result<csv::Reader> open(const fs::path& file, Content content, const InputOptions& options, csv::BadRows bad,
                              const std::stop_token& stop) {
  const csv::ReaderOptions reading{.bad_rows = bad};
  if (content == Content::Sheet) return open_sheet(file, options, reading, stop);
  csv::SniffHints hints{.dialect = csv::Dialect{}};
  hints.dialect->charset = options.encoding;
  hints.dialect->skip_lines = options.skip_lines;
  if (!options.delimiter.empty()) {
    hints.dialect->delimiter = options.delimiter.front();
    hints.delimiter_is_known = true;
  }
  const auto sniffed = csv::sniff(file, std::size_t{1} << 20, hints);
  if (!sniffed) return etl::failure(with_remedy(sniffed.error()));
  if (content == Content::Binary)  // of a format that the sniffer does not know
    return etl::fatal(
        fmt::format("{}: the file is binary data of an unknown format; load text (CSV or JSON) or a workbook, or name "
                    "the encoding of the text with --encoding",
                    file.string()));
  csv::Dialect dialect;
  dialect.delimiter = sniffed->dialect.delimiter;
  dialect.charset = options.encoding;
  dialect.skip_lines = options.skip_lines;
  dialect.check_utf8 = true;  // Druid would keep such a row with other letters, or not at all
  auto reader = csv::Reader::open(file, dialect, reading, stop);
  return reader ? std::move(reader) : etl::failure(with_remedy(std::move(reader.error())));
}

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
  for (auto& one : sniffer.columns()) {
    const csv::ndjson::MemberFacts& fact = facts[columns.size()];
    Column& made = columns.emplace_back(Column{
        .name = std::move(one.name), .kind = one.kind, .nested = fact.nested, .least = fact.least, .most = fact.most});
    if (made.kind >= csv::Kind::Date) made.time_score = 0.4;
  }
  return columns;
}

etl::Result<std::vector<Column>> columns_of_rows(const fs::path& file, Content content, const InputOptions& options,
                                                 const std::stop_token& stop) {
  auto reader = open(file, content, options, csv::BadRows::SetAside, stop);
  if (!reader) return etl::failure(std::move(reader.error()));
  auto found = csv::infer(*reader, {}, stop);
  if (!found) return etl::failure(with_remedy(std::move(found.error())));
  std::vector<Column> columns;
  for (auto& one : found->columns) {
    Column& made = columns.emplace_back(Column{.name = std::move(one.name), .kind = one.kind});
    made.time_score = one.time_score;
    made.least = one.least;
    made.most = one.most;
    made.misfits = one.misfits;
    if (one.misfits > 0)
      made.first_misfit = fmt::format("{}: row {}: '{}'", file.string(), one.first_misfit, one.first_misfit_value);
  }
  return columns;
}

/// The kind that accepts the values of both kinds.
csv::Kind wider(csv::Kind a, csv::Kind b) {
  if (a == b) return a;
  return is_number(a) && is_number(b) ? csv::Kind::Double : csv::Kind::Text;
}

void merge(std::vector<Column>& all, std::vector<Column> more) {
  for (Column& column : more) {
    const auto known = std::ranges::find(all, column.name, &Column::name);
    if (known == all.end()) {
      all.push_back(std::move(column));
      continue;
    }
    known->kind = wider(known->kind, column.kind);
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
  const auto reader = open(file, content, options, csv::BadRows::SetAside, stop);
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
  auto reader = open(file, content, options, csv::BadRows::SetAside, stop);
  if (!reader) return etl::failure(std::move(reader.error()));
  csv::Validator validator(reader->header(), limits);
  if (auto done = read_table(*reader, {reader->header(), each, validator, auto_time}, stop); !done)
    return etl::failure(done.error());
  return finished(std::move(validator), file, content == Content::Sheet ? "workbook" : "csv", bytes);
}

}  // namespace program

#include "input.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <system_error>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

#include <etl/csv/infer.hpp>
#include <etl/csv/ndjson.hpp>
#include <etl/csv/ndjson_sniff.hpp>
#include <etl/csv/sniff.hpp>
#include <etl/io/object_store_url.hpp>
#include <etl/io/source.hpp>
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

/// Whether the first character that is not blank belongs to JSON.
bool is_json(const fs::path& file) {
  auto source = etl::io::open_input(file);
  std::array<char, 4096> bytes{};
  while (source) {
    const auto got = (*source)->read(bytes);
    if (!got || *got == 0) return false;
    std::string_view text(bytes.data(), *got);
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    if (first != std::string_view::npos) return text[first] == '{' || text[first] == '[';
  }
  return false;
}

etl::Result<csv::Reader> open_sheet([[maybe_unused]] const fs::path& file, [[maybe_unused]] const InputOptions& options,
                                    [[maybe_unused]] const csv::ReaderOptions& reading,
                                    [[maybe_unused]] const std::stop_token& stop) {
#ifdef ETLPIPE_DRUID_EXCEL
  auto sheet = etl::excel::open(file, {.sheet = options.sheet});
  if (!sheet) {
    constexpr std::string_view of_code = " (--sheet, or SheetOptions::sheet)";
    if (const std::size_t at = sheet.error().context.find(of_code); at != std::string::npos)
      sheet.error().context.replace(at, of_code.size(), " (--sheet)");
    return etl::failure(std::move(sheet.error()));
  }
  csv::Dialect dialect;
  dialect.max_lines = 1 << 20;  // quotes are always correct here, so a cell may have any number of lines
  dialect.sheet_column = sheet->first_column;
  return csv::Reader::from(std::move(sheet->text), dialect, reading, stop);
#else
  return etl::failure(etl::fatal("this etl-druid was built without the component excel: save the sheet as CSV"));
#endif
}

/// Opens delimited text or a sheet. The first row must be the header, because a header that is loaded as a row would
/// stay unnoticed.
etl::Result<csv::Reader> open(const fs::path& file, const InputOptions& options, csv::BadRows bad,
                              const std::stop_token& stop) {
  const csv::ReaderOptions reading{.bad_rows = bad};
  if (is_workbook(file)) return open_sheet(file, options, reading, stop);
  csv::SniffHints hints{.dialect = csv::Dialect{}};
  if (!options.delimiter.empty()) {
    hints.dialect->delimiter = options.delimiter.front();
    hints.delimiter_is_known = true;
  }
  const auto sniffed = csv::sniff(file, std::size_t{1} << 20, hints);
  if (!sniffed) return etl::failure(sniffed.error());
  csv::Dialect dialect;
  dialect.delimiter = sniffed->dialect.delimiter;
  return csv::Reader::open(file, dialect, reading, stop);
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

etl::Result<std::vector<Column>> columns_of_json(const fs::path& file, const std::stop_token& stop) {
  auto reader = csv::ndjson::Reader::open(file);
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
  for (auto& one : sniffer.columns()) {
    Column& made = columns.emplace_back(Column{.name = std::move(one.name), .kind = one.kind});
    if (made.kind >= csv::Kind::Date) made.time_score = 0.4;
  }
  return columns;
}

etl::Result<std::vector<Column>> columns_of_rows(const fs::path& file, const InputOptions& options,
                                                 const std::stop_token& stop) {
  auto reader = open(file, options, csv::BadRows::SetAside, stop);
  if (!reader) return etl::failure(std::move(reader.error()));
  auto found = csv::infer(*reader, {}, stop);
  if (!found) return etl::failure(std::move(found.error()));
  std::vector<Column> columns;
  for (auto& one : found->columns) {
    Column& made = columns.emplace_back(Column{.name = std::move(one.name), .kind = one.kind});
    made.time_score = one.time_score;
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
    known->time_score = std::min(known->time_score, column.time_score);
    if (known->misfits == 0) known->first_misfit = std::move(column.first_misfit);
    known->misfits += column.misfits;
  }
}

csv::Violation unreadable(const etl::Error& error) { return {.check = csv::Check::Read, .what = error.message()}; }

struct Reading {
  const std::vector<std::string>& names;
  const std::function<etl::Result<void>(std::string_view)>& each;
  csv::Validator& validator;
};

etl::Result<void> read_json(csv::ndjson::Reader& reader, const Reading& to, const std::stop_token& stop) {
  csv::ndjson::Parser parser(to.names, reader.name(), {.reject_unknown_members = true});
  std::string joined;
  for (;;) {
    auto chunk = reader.next(stop);
    if (stop.stop_requested()) return stopped();
    if (!chunk) {
      to.validator.add(unreadable(chunk.error()));
      return {};
    }
    if (!*chunk) return {};
    for (const auto& line : **chunk) {
      const auto object = parser.parse(line);
      if (!object) {
        to.validator.add({.check = csv::Check::Row,
                          .value = std::string(line.text.substr(0, 100)),
                          .row = line.number,
                          .what = object.error().message()});
        continue;
      }
      to.validator.look(*object);
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
  for (;;) {
    auto chunk = reader.next(stop);
    if (stop.stop_requested()) return stopped();
    if (!chunk) {
      to.validator.add(unreadable(chunk.error()));
      return {};
    }
    if (!*chunk) return {};
    for (const csv::BadRow& row : (*chunk)->bad_rows()) to.validator.look(row);
    for (const csv::Row row : **chunk) {
      to.validator.look(row);
      if (!to.each) continue;
      text.clear();
      append_row(text, row, keys);
      if (auto written = to.each(text); !written) return written;
    }
  }
}

/// Adds the problems of the file as a whole.
csv::Validation finished(csv::Validator&& validator, const fs::path& file, std::string format, std::uint64_t bytes,
                         const csv::ValidationLimits& limits) {
  if (bytes > limits.max_bytes)
    validator.add({.check = csv::Check::Size,
                   .value = fmt::format("{}", bytes),
                   .what = fmt::format("{}: the file has {} bytes; at most {} are allowed (--max-bytes)", file.string(),
                                       bytes, limits.max_bytes)});
  csv::Validation made = std::move(validator).finish();
  made.file = file.string();
  made.format = std::move(format);
  made.bytes = bytes;
  return made;
}

}  // namespace

void add_input(CLI::App& command, InputOptions& options) {
  command.add_option("--sheet", options.sheet, "Sheet of a workbook, by its name [the only sheet]");
  command.add_option("--delimiter", options.delimiter, "Character between cells [detected]")
      ->check([](const std::string& text) { return text.size() == 1 ? "" : "write one character"; });
}

etl::Result<std::vector<Column>> columns_of(const std::vector<fs::path>& files, const InputOptions& options,
                                            const std::stop_token& stop) {
  std::vector<Column> all;
  bool any_json = false;
  for (const fs::path& file : files) {
    const bool json_file = !is_workbook(file) && is_json(file);
    auto columns = json_file ? columns_of_json(file, stop) : columns_of_rows(file, options, stop);
    if (!columns) return columns;
    any_json = any_json || json_file;
    const auto same = [](const Column& a, const Column& b) { return a.name == b.name; };
    if (!all.empty() && !any_json && !std::ranges::equal(all, *columns, same))
      return etl::fatal(fmt::format("{}: its columns differ from those of {}; load the file separately", file.string(),
                                    files[0].string()));
    for (std::size_t i = 0; !json_file && i < columns->size(); ++i)
      for (std::size_t k = i + 1; k < columns->size(); ++k)
        if ((*columns)[i].name == (*columns)[k].name)
          return etl::fatal(fmt::format("{}: two columns have the name '{}'; give one of them another name",
                                        file.string(), (*columns)[i].name));
    merge(all, std::move(*columns));
  }
  return all;
}

etl::Result<csv::Validation> read_rows(const fs::path& file, const InputOptions& options,
                                       const std::vector<std::string>& names, const csv::ValidationLimits& limits,
                                       const std::function<etl::Result<void>(std::string_view)>& each,
                                       const std::stop_token& stop) {
  const auto size = etl::io::size_of(file);
  if (!size) return etl::failure(size.error());
  const std::uint64_t bytes = *size;
  if (!is_workbook(file) && is_json(file)) {
    csv::Validator validator(names, limits);
    auto reader = csv::ndjson::Reader::open(file);
    if (!reader) return etl::failure(std::move(reader.error()));
    if (auto done = read_json(*reader, {names, each, validator}, stop); !done) return etl::failure(done.error());
    return finished(std::move(validator), file, "json", bytes, limits);
  }
  auto reader = open(file, options, csv::BadRows::SetAside, stop);
  if (!reader) return etl::failure(std::move(reader.error()));
  csv::Validator validator(reader->header(), limits);
  if (auto done = read_table(*reader, {reader->header(), each, validator}, stop); !done)
    return etl::failure(done.error());
  return finished(std::move(validator), file, is_workbook(file) ? "workbook" : "csv", bytes, limits);
}

}  // namespace program

#include <etl/csv/validate.hpp>

#include <algorithm>
#include <array>
#include <iterator>
#include <span>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include <etl/csv/foreign.hpp>
#include <etl/io/source.hpp>
#include <etl/text.hpp>

namespace etl::inline v0::csv {
namespace {

std::string percent(double share) { return fmt::format("{:.1f} %", share * 100); }

/// Whether the text contains the word, without regard to the case of ASCII letters.
bool has_word(std::string_view text, std::string_view word) noexcept {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  const auto same = [&](char a, char b) { return lower(a) == lower(b); };
  return !word.empty() && std::search(text.begin(), text.end(), word.begin(), word.end(), same) != text.end();
}

std::vector<std::string> names_of(const std::vector<ColumnStatistics>& columns, bool ColumnStatistics::* is) {
  std::vector<std::string> names;
  for (const ColumnStatistics& column : columns)
    if (column.*is) names.push_back(column.name);
  return names;
}

std::string listed(const std::vector<std::string>& names) {
  constexpr std::size_t most = 20;
  std::string text;
  for (std::size_t i = 0; i < std::min(most, names.size()); ++i)
    text += fmt::format("{}'{}'", i == 0 ? "" : ", ", detail::shown(names[i]));
  if (names.size() > most) text += fmt::format(" and {} more", names.size() - most);
  return text.empty() ? "none" : text;
}

/// Appends a member of a JSON object, after a comma unless it is the first.
void append_member(std::string& out, std::string_view name) {
  if (out.back() != '{') out += ',';
  fmt::format_to(std::back_inserter(out), "\"{}\":", name);
}
void append_member(std::string& out, std::string_view name, std::string_view text) {
  append_member(out, name);
  out += '"';
  append_json_escaped(out, text);
  out += '"';
}
void append_member(std::string& out, std::string_view name, std::uint64_t number) {
  append_member(out, name);
  out += std::to_string(number);
}
void append_member(std::string& out, std::string_view name, const std::vector<std::string>& texts) {
  append_member(out, name);
  out += '[';
  for (const std::string& text : texts) {
    if (&text != &texts.front()) out += ',';
    out += '"';
    append_json_escaped(out, text);
    out += '"';
  }
  out += ']';
}

Violation too_large(std::uint64_t bytes, std::uint64_t most) {
  return {.check = Check::Size,
          .value = std::to_string(bytes),
          .what = fmt::format("the file has {} bytes, more than {}", bytes, most)};
}

}  // namespace

std::string_view to_string(Check check) noexcept {
  switch (check) {
    case Check::Size: return "size";
    case Check::Format: return "format";
    case Check::Read: return "read";
    case Check::Row: return "row";
    case Check::Columns: return "columns";
    case Check::TimeColumn: return "time_column";
    case Check::NumericColumns: return "numeric_columns";
    case Check::Nulls: break;
  }
  return "nulls";
}

Result<void> check(const ValidationLimits& limits) {
  std::string problems;
  for (const auto& [name, value] :
       {std::pair("numeric_share", limits.numeric_share), std::pair("max_null_share", limits.max_null_share)})
    if (!(value >= 0 && value <= 1))
      problems += fmt::format("{}{} is {}, not between 0 and 1", problems.empty() ? "" : "; ", name, value);
  if (limits.max_violations == 0)
    problems += fmt::format("{}max_violations is 0: no file would be invalid", problems.empty() ? "" : "; ");
  if (problems.empty()) return {};
  return failure({.code = Errc::InvalidOptions, .context = "limits of a validation: " + problems});
}

Validator::Validator(std::vector<std::string> names, ValidationLimits limits) : limits_(std::move(limits)) {
  found_.format = "csv";
  for (std::size_t i = 0; i < names.size(); ++i)
    found_.columns.push_back({names[i].empty() ? fmt::format("column_{}", i + 1) : std::move(names[i])});
}

void Validator::look(const BadRow& row) {
  constexpr std::size_t kept = 200;
  ++found_.rows;
  ++found_.bad_rows;
  add({.check = Check::Row,
       .value = std::string(row.text.substr(0, kept)),
       .row = row.place.row,
       .what = row.error.message()});
}

void Validator::add(Violation violation) {
  if (found_.violations.size() < limits_.max_violations)
    found_.violations.push_back(std::move(violation));
  else
    ++found_.more_violations;
}

Validation Validator::finish() && {
  std::vector<ColumnStatistics>& columns = found_.columns;
  for (ColumnStatistics& column : columns) {
    column.numeric = column.profile.number_share() > limits_.numeric_share;
    column.time =
        column.profile.time_share() > limits_.numeric_share ||
        std::ranges::any_of(limits_.time_words, [&](const std::string& word) { return has_word(column.name, word); });
  }
  // Problems of the file as a whole come before those of rows, of which there can be many.
  std::vector<Violation> rows = std::exchange(found_.violations, {});
  const std::vector<std::string> times = found_.time_columns(), numbers = found_.numeric_columns();
  if (columns.size() < limits_.min_columns)
    add({.check = Check::Columns,
         .value = std::to_string(columns.size()),
         .what = fmt::format("too few columns: at least {} are required, and the file has {}", limits_.min_columns,
                             columns.size())});
  if (times.size() < limits_.min_time_columns)
    add({.check = Check::TimeColumn,
         .value = std::to_string(times.size()),
         .what = fmt::format("too few columns of times: at least {} must have a name with {} or values of ISO 8601, "
                             "and the file has: {}",
                             limits_.min_time_columns, fmt::join(limits_.time_words, ", "), listed(times))});
  if (numbers.size() < limits_.min_numeric_columns)
    add({.check = Check::NumericColumns,
         .value = std::to_string(numbers.size()),
         .what = fmt::format(
             "too few columns of numbers: at least {} must have more than {} of numbers, and the file has: {}",
             limits_.min_numeric_columns, percent(limits_.numeric_share), listed(numbers))});
  for (const ColumnStatistics& column : columns)
    if (const double share = column.profile.null_share(); share > limits_.max_null_share)
      add({.check = Check::Nulls,
           .column = column.name,
           .value = percent(share),
           .row = column.profile.first_null,
           .what = fmt::format("{} of the rows of column '{}' have no value, more than {}", percent(share),
                               detail::shown(column.name), percent(limits_.max_null_share))});
  for (Violation& row : rows) add(std::move(row));
  return std::move(found_);
}

std::vector<std::string> Validation::numeric_columns() const { return names_of(columns, &ColumnStatistics::numeric); }
std::vector<std::string> Validation::time_columns() const { return names_of(columns, &ColumnStatistics::time); }

std::string Validation::text() const {
  std::string all = fmt::format("{}: {}, {} rows, {} columns; numbers: {}; times: {}", file, format, rows,
                                columns.size(), listed(numeric_columns()), listed(time_columns()));
  if (ok()) return all + "; valid";
  all += "; not valid";
  for (const Violation& violation : violations)
    all += fmt::format("\n  {}: {}", to_string(violation.check), violation.what);
  if (more_violations > 0) all += fmt::format("\n  and {} more", more_violations);
  return all;
}

std::string Validation::json() const {
  std::string out = "{";
  append_member(out, "file", file);
  append_member(out, "format", format);
  append_member(out, "bytes", bytes);
  append_member(out, "row_count", rows);
  append_member(out, "bad_rows", bad_rows);
  append_member(out, "column_count", columns.size());
  append_member(out, "columns");
  out += '[';
  for (const ColumnStatistics& column : columns) {
    if (out.back() != '[') out += ',';
    out += '{';
    append_member(out, "name", column.name);
    append_member(out, "nulls", column.profile.nulls);
    append_member(out, "numbers", column.profile.numbers);
    append_member(out, "times", column.profile.times);
    append_member(out, "distinct", column.profile.distinct());
    out += '}';
  }
  out += ']';
  append_member(out, "numeric_columns", numeric_columns());
  append_member(out, "time_columns", time_columns());
  append_member(out, "valid");
  out += ok() ? "true" : "false";
  append_member(out, "violations");
  out += '[';
  for (const Violation& violation : violations) {
    if (out.back() != '[') out += ',';
    out += '{';
    append_member(out, "check", to_string(violation.check));
    append_member(out, "column", violation.column);
    append_member(out, "value", violation.value);
    append_member(out, "row", violation.row);
    append_member(out, "what", violation.what);
    out += '}';
  }
  out += ']';
  append_member(out, "more_violations", more_violations);
  return out + '}';
}

Validation validate(Reader& reader, const ValidationLimits& limits, const std::stop_token& stop) {
  std::vector<std::string> names = reader.header();
  names.resize(std::max(names.size(), reader.width()));
  Validator validator(std::move(names), limits);
  for (;;) {
    const auto chunk = reader.next(stop);
    if (!chunk) {
      validator.add({.check = Check::Read, .row = reader.place().row, .what = chunk.error().message()});
      break;
    }
    if (!*chunk) break;
    for (const Row row : **chunk) validator.look(row);
    for (const BadRow& bad : (*chunk)->bad_rows()) validator.look(bad);
  }
  if (stop.stop_requested())
    validator.add(
        {.check = Check::Read, .row = reader.place().row, .what = "the validation was stopped before the end"});
  Validation found = std::move(validator).finish();
  found.file = reader.name();
  found.bytes = reader.size_hint();
  return found;
}

Result<Validation> validate(const std::filesystem::path& path, const Dialect& dialect, const ValidationLimits& limits,
                            const std::stop_token& stop) {
  if (auto good = check(limits); !good) return failure(good.error());
  if (auto good = check(dialect); !good) return failure(good.error());
  Validation invalid{.file = path.string(), .format = "csv"};
  std::error_code unknown;
  if (const std::uintmax_t size = std::filesystem::file_size(path, unknown); !unknown) invalid.bytes = size;
  // A file beyond the limit is not read, because the limit exists to prevent that.
  if (invalid.bytes > limits.max_bytes) invalid.violations.push_back(too_large(invalid.bytes, limits.max_bytes));
  if (std::filesystem::is_regular_file(path, unknown)) {  // a pipe could not be read a second time
    auto source = io::open_input(path);
    if (!source) return failure(std::move(source.error()));
    std::array<char, foreign_bytes> first{};
    std::size_t size = 0;
    while (size < first.size()) {
      const auto got = (*source)->read(std::span(first).subspan(size));
      if (!got || *got == 0) break;  // reading the file will report what is wrong with it
      size += *got;
    }
    if (invalid.bytes == 0 && size == 0)
      invalid.violations.push_back({.check = Check::Format, .what = "the file is empty"});
    if (const auto foreign = foreign_format({first.data(), size})) {
      invalid.format = foreign->what;
      invalid.violations.push_back({.check = Check::Format,
                                    .value = std::string(foreign->what),
                                    .what = fmt::format("the file is {}: {}", foreign->what, foreign->remedy)});
    }
  }
  if (!invalid.ok()) return invalid;
  auto reader = Reader::open(path, dialect, {.bad_rows = BadRows::SetAside}, stop);
  if (!reader && !std::filesystem::exists(path, unknown)) return failure(std::move(reader.error()));
  if (!reader) {
    invalid.violations.push_back({.check = Check::Read, .what = reader.error().message()});
    return invalid;
  }
  Validation found = validate(*reader, limits, stop);
  found.bytes = invalid.bytes;
  return found;
}

}  // namespace etl::inline v0::csv

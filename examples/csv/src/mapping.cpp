#include <etl/csv/mapping.hpp>

#include <algorithm>
#include <chrono>
#include <optional>
#include <type_traits>

#include <fmt/format.h>

#include <etl/csv/columns.hpp>
#include <etl/csv/kind_guess.hpp>
#include <etl/io/glob.hpp>

#include "text.hpp"

namespace etl::inline v0::csv {
namespace {

template <class T>
bool put(const std::optional<T>& from, Value& out) {
  if (from) out = *from;
  return from.has_value();
}

template <class T, class... How>
bool parse(std::string_view text, Value& out, const How&... how) {
  T value{};
  if (!detail::parse(text, how..., value)) return false;
  out = value;
  return true;
}

/// The text in the value. Its memory is used again.
std::string& text_in(Value& out) {
  auto* const text = std::get_if<std::string>(&out);
  return text != nullptr ? *text : out.emplace<std::string>();
}

}  // namespace

bool RecordDecoder::take(const Column& column, std::string_view text, Value& out) {
  if (column.exact && !reads_back(column.kind, text, column.format.decimal_comma)) return false;
  switch (column.kind) {
    case Kind::Boolean: return parse<bool>(text, out);
    case Kind::Integer: return parse<std::int64_t>(text, out);
    case Kind::Double:
      return parse<double>(text, out, column.format.decimal_comma) &&
             (!column.lossless || keeps_digits<double>(text, column.format.decimal_comma));
    case Kind::Numeric: return parse_numeric(text, text_in(out), column.format.decimal_comma);
    case Kind::Text: text_in(out).assign(text); return true;
    case Kind::Date: return parse<Day>(text, out, column.format.time);
    case Kind::Timestamp: return put(parse_timestamp(text, column.format.time), out);
    case Kind::TimestampTz: break;
  }
  return put(parse_timestamp_tz(text, column.format.time), out);
}

bool RecordDecoder::take(const Column& column, std::string_view date, std::string_view clock, Value& out) {
  const auto moment = detail::join(date, clock, column.format);
  if (!moment || (column.kind == Kind::Timestamp && moment->offset)) return false;
  const auto time = moment->time - moment->offset.value_or(std::chrono::minutes{0});
  if (column.kind == Kind::Timestamp)
    out = time;
  else
    out = UtcTime(time.time_since_epoch());
  return true;
}

std::string RecordDecoder::expected(const Column& column, std::string_view text) {
  const auto& format = column.format;
  std::string what;
  switch (column.kind) {
    case Kind::Boolean: what = detail::expected<bool>(format); break;
    case Kind::Integer: what = detail::expected<std::int64_t>(format); break;
    case Kind::Double: what = detail::expected<double>(format); break;
    case Kind::Numeric: what = format.decimal_comma ? "a decimal number with a comma" : "a decimal number"; break;
    case Kind::Text: what = "a text"; break;
    case Kind::Date: what = detail::expected<Day>(format); break;
    case Kind::Timestamp: what = detail::expected<LocalTime>(format); break;
    case Kind::TimestampTz: what = detail::expected<UtcTime>(format); break;
  }
  if (Value value; column.lossless && take({.kind = column.kind, .format = column.format}, text, value))
    return fmt::format(
        "{} of which a double keeps all digits; a column of type numeric keeps them, and {}double "
        "allows rounding",
        what, column.retype);
  if (!column.exact) return what;
  if (Value value; take({.kind = column.kind, .format = format}, text, value))
    what += " that reads back as it is given";
  KindGuess better(column.kind);
  better.look(text, format.decimal_comma);
  if (text.empty()) better.look_at_text();
  what += "; the type of the column was inferred";
  if (!column.retype.empty())
    what += fmt::format(": make the table with {}{}", column.retype, to_string(better.kind()));
  return what;
}

std::vector<std::string> StreamMap::header() const {
  std::vector<std::string> cells{"time", id};
  cells.insert(cells.end(), targets.begin(), targets.end());
  return cells;
}

std::vector<MappedColumn> FileMapping::columns_of(std::span<const std::string> header, std::size_t width) const {
  if (!columns.empty()) return columns;
  std::vector<MappedColumn> all(header.empty() ? width : header.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].source = i + 1;
    all[i].target = name_of_column(header, i);
    if (const auto said = types.find(all[i].target); said != types.end()) all[i].kind = said->second;
  }
  return all;
}

Result<RecordDecoder> FileMapping::bind(std::span<const std::string> header, std::string file,
                                        std::size_t width) const {
  const auto mapped = columns_of(header, width);
  std::vector<detail::WantedCell> wanted;
  for (const auto& column : mapped) wanted.push_back({.source = column.source, .clock = column.clock});
  auto cells = detail::find_cells(wanted, header, width, file);
  if (!cells) return failure(std::move(cells.error()));
  std::vector<RecordDecoder::Column> bound;
  for (std::size_t i = 0; i < mapped.size(); ++i) {
    const auto& column = mapped[i];
    auto time = TimeFormat::from(column.format);
    auto clock = TimeFormat::from(column.time_format);
    for (auto* const written : {&time, &clock})
      if (!*written) {
        written->error().context = fmt::format("column '{}': {}", column.target, written->error().context);
        return failure(std::move(written->error()));
      }
    detail::BoundCell& cell = (*cells)[i];
    cell.longest_null = nulls.longest();
    if (dialect.sheet_column != 0) cell.sheet_column = dialect.sheet_column + cell.cell;
    bound.push_back(
        {.kind = column.kind,
         .nullable = column.nullable && !column.key,
         .exact = column.exact,
         .lossless = column.lossless,
         .retype = column.retype,
         .cell = std::move(cell),
         .format = {
             .time = *std::move(time), .clock = *std::move(clock), .nulls = nulls, .decimal_comma = decimal_comma}});
  }
  return RecordDecoder(std::move(bound), std::move(file));
}

std::vector<std::string> FileMapping::names() const {
  std::vector<std::string> names;
  for (const auto& column : columns)
    for (const Source* source : {&column.source, &column.clock})
      if (!source->name.empty() && std::ranges::find(names, source->name) == names.end()) names.push_back(source->name);
  return names;
}

const FileMapping* Mapping::find(const std::filesystem::path& path) const {
  for (const FileMapping& file : files) {
    const bool whole = file.pattern.find('/') != file.pattern.npos;
    if (io::matches(file.pattern, whole ? path.native() : path.filename().native())) return &file;
  }
  return nullptr;
}

FileMapping mapping_of(const Sniffed& sniffed, std::string pattern) {
  FileMapping mapping{.pattern = std::move(pattern), .dialect = sniffed.dialect};
  for (std::size_t i = 0; i < sniffed.columns.size(); ++i) {
    const auto& column = sniffed.columns[i];
    MappedColumn mapped{.target = column.name, .kind = column.kind};  // rows that were not inspected may have NULLs
    mapped.source = i + 1;                                            // names may occur twice
    mapping.columns.push_back(std::move(mapped));
  }
  return mapping;
}

}  // namespace etl::inline v0::csv

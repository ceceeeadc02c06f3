#include <etl/csv/record.hpp>

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include <etl/csv/parse.hpp>

namespace etl::inline v0::csv {
namespace {

[[nodiscard]] std::string_view trimmed(std::string_view text) noexcept {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

/// What a cell says, in an error: shortened, control characters escaped.
[[nodiscard]] std::string shown(std::string_view text) {
  constexpr std::size_t most = 60;
  std::string out = "'";
  for (const char c : text.substr(0, most)) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      out += fmt::format("\\x{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    else
      out += c;
  }
  return out + (text.size() > most ? "...'" : "'");
}

/// The place of the name among the header's, or nothing; several are an error.
struct Found {
  std::optional<std::size_t> index{};
  bool twice = false;
};
[[nodiscard]] Found find(std::span<const std::string> header, std::string_view name) {
  Found found;
  for (std::size_t i = 0; i < header.size(); ++i) {
    if (header[i] != name) continue;
    if (found.index) found.twice = true;
    found.index = i;
  }
  return found;
}

template <class T>
[[nodiscard]] T& as(Value& value) {
  if (T* const same = std::get_if<T>(&value)) return *same;
  return value.emplace<T>();
}

constexpr std::array<const char*, 8> no_such = {"is no boolean (true, false, t, f, yes, no, y, n, on, off, 1, 0)",
                                                "is no integer of 64 bits",
                                                "is no number",
                                                "is no decimal number",
                                                "",
                                                "is no date (YYYY-MM-DD)",
                                                "is no timestamp (YYYY-MM-DD hh:mm:ss)",
                                                "is no timestamp (YYYY-MM-DD hh:mm:ss+hh:mm)"};

}  // namespace

Result<void> check(const RecordFormat& format) {
  std::string found;
  const auto add = [&](const RecordColumn& column, std::string_view what) {
    found += fmt::format("{}column {}: {}", found.empty() ? "" : "; ", column.name.empty() ? "''" : column.name, what);
  };
  for (std::size_t i = 0; i < format.columns.size(); ++i) {
    const RecordColumn& column = format.columns[i];
    const bool is_time =
        column.kind == Kind::Date || column.kind == Kind::Timestamp || column.kind == Kind::TimestampTz;
    if (column.name.empty()) add(column, "it has no name");
    if (column.index && !column.source.empty()) add(column, "it has both a source name and an index");
    if (column.index == 0 || column.second_index == 0) add(column, "columns count from 1");
    if ((column.second_index || !column.second.empty()) && !is_time)
      add(column, "only dates and times have a second cell");
    if (!column.format.empty() && !is_time) add(column, "only dates and times have a format");
    if (!column.format.empty())
      if (const char* const why = format_problem(column.format))
        add(column, fmt::format("format '{}': {}", column.format, why));
    for (std::size_t j = 0; j < i; ++j)
      if (!column.name.empty() && format.columns[j].name == column.name) add(column, "it is there twice");
  }
  if (format.columns.empty()) found = "there are no columns";
  if (found.empty()) return {};
  return failure(Error{.code = Errc::InvalidOptions, .context = "invalid columns: " + found});
}

Result<RecordDecoder> RecordDecoder::bind(const RecordFormat& format, std::span<const std::string> header,
                                          std::string file) {
  if (auto checked = check(format); !checked) return failure(std::move(checked.error()));
  std::vector<Cell> cells;
  std::string missing, twice;
  const auto place = [&](const std::string& name, const std::optional<std::size_t>& index,
                         std::size_t otherwise) -> std::size_t {
    if (index) return *index - 1;
    if (header.empty()) return otherwise;
    const Found found = find(header, name);
    if (!found.index) missing += (missing.empty() ? "'" : ", '") + name + "'";
    if (found.twice) twice += (twice.empty() ? "'" : ", '") + name + "'";
    return found.index.value_or(0);
  };
  for (std::size_t i = 0; i < format.columns.size(); ++i) {
    const RecordColumn& column = format.columns[i];
    Cell cell{.index = place(column.source.empty() ? column.name : column.source, column.index, i)};
    if (column.second_index || !column.second.empty()) cell.second = place(column.second, column.second_index, i + 1);
    cells.push_back(cell);
  }
  if (missing.empty() && twice.empty()) return RecordDecoder(format, std::move(cells), std::move(file));
  std::string context = file + ": ";
  if (!missing.empty()) context += fmt::format("no column {}; the header has {}", missing, fmt::join(header, ", "));
  if (!twice.empty())
    context += fmt::format("{}column {} more than once: name it by its number", missing.empty() ? "" : "; ", twice);
  return failure(fatal(std::move(context)));
}

bool RecordDecoder::is_null(std::string_view text, bool quoted) const noexcept {
  if (format_.nulls.empty()) return text.empty() && !quoted;
  return std::ranges::find(format_.nulls, text) != format_.nulls.end();
}

const char* RecordDecoder::set(Value& value, const RecordColumn& column, std::string_view text, bool quoted) {
  if (is_null(text, quoted)) [[unlikely]] {
    if (column.nullable) return value.emplace<std::monostate>(), nullptr;
    if (column.kind != Kind::Text || !text.empty()) return "is NULL, which the column does not take";
  }
  if (column.kind == Kind::Text) {
    as<std::string>(value).assign(text);
    return nullptr;
  }
  text = trimmed(text);
  const char* const none = no_such[static_cast<std::size_t>(column.kind)];
  switch (column.kind) {
    case Kind::Boolean:
      if (const auto parsed = parse_boolean(text)) return as<bool>(value) = *parsed, nullptr;
      return none;
    case Kind::Integer:
      if (const auto parsed = parse_integer(text)) return as<std::int64_t>(value) = *parsed, nullptr;
      return none;
    case Kind::Double:
      if (const auto parsed = parse_double(text, column.decimal_comma)) return as<double>(value) = *parsed, nullptr;
      return none;
    case Kind::Numeric:
      if (const auto parsed = parse_numeric(text, column.decimal_comma, scratch_))
        return as<std::string>(value).assign(*parsed), nullptr;
      return none;
    case Kind::Date:
      if (column.format.empty()) {
        if (const auto parsed = parse_date(text)) return as<std::chrono::sys_days>(value) = *parsed, nullptr;
      } else if (const auto parsed = parse_formatted(text, column.format)) {
        const auto day = std::chrono::floor<std::chrono::days>(parsed->local);
        return as<std::chrono::sys_days>(value) = std::chrono::sys_days(day.time_since_epoch()), nullptr;
      }
      break;
    case Kind::Timestamp:
    case Kind::TimestampTz:
      if (const auto parsed = column.format.empty() ? parse_timestamp(text) : parse_formatted(text, column.format)) {
        if (column.kind == Kind::TimestampTz)
          as<std::chrono::sys_time<std::chrono::microseconds>>(value) = parsed->instant();
        else
          as<std::chrono::local_time<std::chrono::microseconds>>(value) = parsed->local;
        return nullptr;
      }
      break;
    case Kind::Text: break;
  }
  return column.format.empty() ? none : "does not have the column's format";
}

Error RecordDecoder::misfit(std::size_t column, std::string_view text, const char* why, std::uint64_t line,
                            std::uint64_t row) const {
  const RecordColumn& of = format_.columns[column];
  std::string context = fmt::format("{}:{}: row {}, column {} ({}): {} {}", file_, line, row, of.name,
                                    cells_[column].index + 1, shown(text), why);
  if (!of.format.empty()) context += fmt::format(" ({})", of.format);
  return rejected(std::move(context));
}

}  // namespace etl::inline v0::csv

#include <etl/csv/record.hpp>

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include <etl/csv/columns.hpp>

namespace etl::inline v0::csv {

TimeOption format(std::string_view pattern, std::string_view clock) {
  const auto made = [](std::string_view text) {
    auto parsed = TimeFormat::from(text);
    if (!parsed) throw Exception(std::move(parsed.error()));
    return *std::move(parsed);
  };
  return {.time = made(pattern), .clock = made(clock)};
}

namespace detail {
namespace {

std::string header_text(std::span<const std::string> header) {
  constexpr std::size_t most = 50;
  std::string text;
  for (std::size_t i = 0; i < header.size() && i < most; ++i)
    text += fmt::format("{}'{}'", i == 0 ? "" : ", ", shown(header[i]));
  if (header.size() > most) text += fmt::format(" and {} more", header.size() - most);
  return text;
}

/// The letters of a column of a sheet: A, B, ..., Z, AA.
std::string letters(std::size_t column) {
  std::string text;
  for (; column > 0; column = (column - 1) / 26) text.insert(text.begin(), static_cast<char>('A' + (column - 1) % 26));
  return text;
}

/// A place such as "FILE:12: row 11: ".
std::string place_of(const BadCell& bad) {
  const bool in_sheet = bad.cell.sheet_column != 0 && !bad.file.empty();
  std::string text;
  if (!bad.file.empty())
    text = fmt::format("{}:{}{}: ", bad.file, in_sheet ? letters(bad.cell.sheet_column) : "", bad.line);
  if (!in_sheet) text += fmt::format("row {}: ", bad.row);
  return text;
}

}  // namespace

std::string shown(std::string_view value) {
  constexpr std::size_t most = 60;
  std::string text;
  std::size_t end = std::min(value.size(), most);
  while (end > 0 && end < value.size() && (static_cast<unsigned char>(value[end]) & 0xC0) == 0x80) --end;
  for (const char c : value.substr(0, end)) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '\n')
      text += "\\n";
    else if (code < 0x20 || code == 0x7F)
      fmt::format_to(std::back_inserter(text), "\\x{:02X}", code);
    else
      text += c;
  }
  if (end < value.size()) text += "...";
  return text;
}

std::string written(std::string_view what, const TimeFormat& format) {
  return format.is_iso() ? fmt::format("{} in the format of ISO 8601", what)
                         : fmt::format("{} in the format {}", what, format.text());
}

Error bad_cell(const BadCell& bad) {
  std::string text = bad.where.empty() ? place_of(bad) : fmt::format("{}: ", bad.where);
  text += !bad.noun.empty() ? std::string(bad.noun) : fmt::format("column {}", bad.cell.cell + 1);
  if (!bad.cell.name.empty()) text += fmt::format(" '{}'", shown(bad.cell.name));
  text += bad.missing ? std::string(" is null or missing") : fmt::format(": '{}'", shown(bad.value));
  if (bad.cell.clock != no_cell)
    text += !bad.noun.empty() ? fmt::format(" with '{}'", shown(bad.clock))
                              : fmt::format(" with '{}' of column {}", shown(bad.clock), bad.cell.clock + 1);
  if (bad.null)
    text += bad.missing ? ", and this column must have a value" : " is NULL, and this column must have a value";
  else
    text += fmt::format(" is not {}", bad.expected);
  return rejected(std::move(text));
}

Result<std::vector<BoundCell>> find_cells(std::span<const WantedCell> wanted, std::span<const std::string> header,
                                          std::size_t width, std::string_view file) {
  if (width == 0) width = header.size();
  std::vector<std::string> problems;
  const auto find = [&](const Source& source) -> std::size_t {
    if (source.number != 0) {
      if (width != 0 && source.number > width)
        problems.push_back(fmt::format("no column {}, there are {}", source.number, width));
      return source.number - 1;
    }
    const auto found = std::ranges::find(header, source.name);
    if (found == header.end()) {
      problems.push_back(fmt::format("no column '{}'", source.name));
      return 0;
    }
    const auto at = static_cast<std::size_t>(found - header.begin());
    if (const auto again = std::find(found + 1, header.end(), source.name); again != header.end())
      problems.push_back(fmt::format("'{}' is the name of columns {} and {}: name it by its number", source.name,
                                     at + 1, again - header.begin() + 1));
    return at;
  };
  std::vector<BoundCell> cells;
  for (const WantedCell& want : wanted) {
    BoundCell cell{.cell = find(want.source)};
    if (want.clock.valid()) cell.clock = find(want.clock);
    if (cell.cell < header.size()) cell.name = header[cell.cell];
    cells.push_back(std::move(cell));
  }
  if (problems.empty()) return cells;
  std::string text = file.empty() ? std::string() : fmt::format("{}: ", file);
  text += fmt::format("{}; ", fmt::join(problems, "; "));
  text += header.empty() ? std::string("it has no header: name columns by their numbers")
                         : fmt::format("its header has {}", header_text(header));
  return failure({.code = Errc::InvalidOptions, .context = std::move(text)});
}

std::optional<Moment> join(std::string_view date, std::string_view clock, const CellFormat& format) noexcept {
  auto moment = format.time.parse(date);
  const auto time = format.clock.parse_time(clock);
  if (!moment || moment->has_clock || !time) return std::nullopt;
  moment->time += *time;
  moment->has_clock = true;
  return moment;
}

}  // namespace detail
}  // namespace etl::inline v0::csv

#include <etl/csv/row.hpp>

#include <algorithm>
#include <charconv>
#include <system_error>

#include <fmt/format.h>

namespace etl::inline v0::csv {

Position Place::position() const { return Position(fmt::format("{} {} {}", offset, line, row)); }

std::optional<Place> Place::from(const Position& position) {
  Place place;
  const char* at = position.text().data();
  const char* const end = at + position.text().size();
  const auto number = [&at, end](std::uint64_t& value) {
    const auto [stopped, error] = std::from_chars(at, end, value);
    at = stopped;
    return error == std::errc{};
  };
  const auto blank = [&at, end] {
    if (at == end || *at != ' ') return false;
    ++at;
    return true;
  };
  const bool good = number(place.offset) && blank() && number(place.line) && blank() && number(place.row) && at == end;
  return good && place.line > 0 && place.row > 0 ? std::optional(place) : std::nullopt;
}

namespace detail {
std::string_view Table::raw(std::size_t cell) const noexcept {
  const std::uint32_t begin = begin_of(cell);
  const std::uint32_t end = ends[cell] & ~special_cell;
  std::string_view whole(text + begin, end - begin);
  if (whole.ends_with('\r') && text[end] == '\n') whole.remove_suffix(1);
  if (!trim) return whole;
  const auto blank = [this](char c) { return (c == ' ' || c == '\t') && c != delimiter; };
  while (!whole.empty() && blank(whole.front())) whole.remove_prefix(1);
  while (!whole.empty() && blank(whole.back())) whole.remove_suffix(1);
  return whole;
}

std::string_view Table::special(std::size_t cell) const noexcept {
  if (!rewritten.empty()) {
    const Rewritten* const end = rewritten.data() + stretches[cell / stretch + 1];
    for (const Rewritten* r = rewritten.data() + stretches[cell / stretch]; r != end; ++r)
      if (r->cell == cell) return {scratch.data() + r->offset, r->size};
  }
  const std::string_view whole = raw(cell);
  return quoted(cell) ? whole.substr(1, whole.size() - 2) : whole;
}

bool Table::quoted(std::size_t cell) const noexcept {
  const std::string_view whole = raw(cell);
  return !whole.empty() && static_cast<unsigned char>(whole.front()) == quote;
}

}  // namespace detail

std::string_view Row::text() const noexcept {
  const std::uint32_t begin = table_->begin_of(span_->first);
  const std::uint32_t end = table_->ends[span_->first + span_->cells - 1] & ~detail::special_cell;
  std::string_view text(table_->text + begin, end - begin);
  if (text.ends_with('\r') && table_->text[end] == '\n') text.remove_suffix(1);
  return text;
}

}  // namespace etl::inline v0::csv

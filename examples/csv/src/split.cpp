#include <algorithm>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <etl/csv/index.hpp>
#include <etl/csv/reader.hpp>

#include "range_source.hpp"

namespace etl::inline v0::csv {
namespace {

constexpr std::size_t block = 256 << 10;

// Calls `each` with an index per part, on a thread per part; the first error by index.
template <class F>
Result<void> in_parallel(std::size_t parts, F each) {
  std::vector<Result<void>> results(parts);
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 1; i < parts; ++i) threads.emplace_back([&, i] { results[i] = each(i); });
    results[0] = each(0);
  }
  for (Result<void>& result : results)
    if (!result) return std::move(result);
  return {};
}

// Reads up to `size` bytes more.
Result<bool> append(io::ByteSource& source, std::string& to, std::size_t size) {
  const std::size_t before = to.size();
  to.resize(before + size);
  const Result<std::size_t> got = source.read({to.data() + before, size});
  to.resize(before + (got ? *got : 0));
  if (!got) return failure(got.error());
  return *got != 0;
}

// Whether an odd number of quotes stands in [begin, end).
Result<bool> odd_quotes(const std::filesystem::path& path, char quote, std::uint64_t begin, std::uint64_t end) {
  auto source = open_at(path, begin);
  if (!source) return failure(source.error());
  std::string buffer(block, '\0');
  std::ptrdiff_t quotes = 0;
  while (begin < end) {
    const auto got =
        (*source)->read({buffer.data(), static_cast<std::size_t>(std::min<std::uint64_t>(block, end - begin))});
    if (!got) return failure(got.error());
    if (*got == 0) break;
    quotes += std::count(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(*got), quote);
    begin += *got;
  }
  return quotes % 2 != 0;
}

// Offset behind the first row end at or behind `at`; or nothing when there is none.
Result<std::optional<std::uint64_t>> next_row(const std::filesystem::path& path, const Dialect& dialect,
                                              std::uint64_t at, bool inside) {
  auto source = open_at(path, at);
  if (!source) return failure(source.error());
  // A text that begins within quotes is one that begins with a quote.
  std::string text(inside ? 1 : 0, dialect.quote.value_or('"'));
  const std::size_t added = text.size();
  Structure structure;
  for (std::size_t size = block; text.size() <= 2 * dialect.max_field + block; size *= 2) {
    const Result<bool> more = append(**source, text, size);
    if (!more) return failure(more.error());
    std::string_view seen = text;
    if (*more && seen.ends_with('\r')) seen.remove_suffix(1);
    // What is broken in it shows when the parts are counted.
    std::ignore = index(seen, dialect, false, structure);
    if (structure.row_ends.size() > 0) return at + structure.ends[structure.row_ends[0]] + 1 - added;
    if (!*more) break;
  }
  return std::nullopt;
}

// Which parts begin at the given places; the last of them is the end of the file.
std::vector<Part> parts_of(const std::vector<Place>& places) {
  std::vector<Part> parts;
  for (std::size_t i = 0; i + 1 < places.size(); ++i)
    if (places[i].offset < places[i + 1].offset) parts.push_back({places[i], places[i + 1].offset});
  return parts;
}

// Without knowing anything about the file: one reader, which sees where rows begin.
Result<std::vector<Part>> split_in_order(const std::filesystem::path& path, const Dialect& dialect, Place first,
                                         std::uint64_t size, std::size_t parts) {
  auto reader = Reader::open(path, dialect, {.bad_rows = BadRows::SetAside});
  if (!reader) return failure(reader.error());
  std::vector<Place> places{first};
  for (;;) {
    const auto chunk = reader->next();
    if (!chunk) return failure(chunk.error());
    if (!*chunk) break;
    const Place& next = (*chunk)->next_place();
    if (places.size() < parts && next.offset - first.offset >= (size - first.offset) / parts * places.size())
      places.push_back(next);
  }
  places.push_back({size, 0, 0});
  return parts_of(places);
}

}  // namespace

Result<std::vector<Part>> split(const std::filesystem::path& path, const Dialect& wanted, std::size_t parts) {
  if (parts == 0) return failure({.code = Errc::InvalidOptions, .context = "a file cannot be split into 0 parts"});
  Dialect dialect = wanted;
  dialect.ragged = Ragged::Keep;
  dialect.check_utf8 = false;
  auto head = Reader::open(path, dialect);
  if (!head) return failure(head.error());
  auto plain = open_at(path, 0);
  if (!plain) return failure(plain.error());
  if (!*plain)
    return failure(fatal(fmt::format("'{}' cannot be split: it is compressed, or no regular file; read it in one piece",
                                     path.string())));
  const Place first = head->place();
  const std::uint64_t size = (*plain)->size_hint();
  if (size <= first.offset) return std::vector<Part>{};
  // A part is not smaller than what is read at once.
  parts = std::min<std::size_t>(parts, static_cast<std::size_t>((size - first.offset) / block) + 1);
  if (parts == 1) return std::vector<Part>{{first, size}};
  if (!can_index(dialect)) return split_in_order(path, dialect, first, size, parts);

  const auto boundary = [&](std::size_t i) { return first.offset + (size - first.offset) / parts * i; };
  std::vector<char> odd(parts, 0);
  if (dialect.quote) {
    auto counted = in_parallel(parts - 1, [&](std::size_t i) -> Result<void> {
      const Result<bool> found = odd_quotes(path, *dialect.quote, boundary(i), boundary(i + 1));
      if (!found) return failure(found.error());
      odd[i] = *found ? 1 : 0;
      return {};
    });
    if (!counted) return failure(counted.error());
  }
  std::vector<Place> places{first};
  bool inside = false;
  for (std::size_t i = 1; i < parts; ++i) {
    inside ^= odd[i - 1] != 0;
    const auto row = next_row(path, dialect, boundary(i), inside);
    if (!row) return failure(row.error());
    places.push_back({std::max(places.back().offset, row->value_or(size)), 1, 1});
  }
  places.push_back({size, 1, 1});

  // Lines and rows of each part; the last one's are not needed, but its quoting is to be good as well.
  std::vector<Place> behind(parts, Place{0, 0, 0});
  std::vector<char> broken(parts, 0);
  auto counted = in_parallel(parts, [&](std::size_t i) -> Result<void> {
    if (places[i].offset >= places[i + 1].offset) return {};
    auto reader = Reader::open(
        path, dialect, {.bad_rows = BadRows::SetAside, .begin = {places[i].offset, 1, 1}, .end = places[i + 1].offset});
    if (!reader) return failure(reader.error());
    const Place begin = reader->place();
    for (;;) {
      const auto chunk = reader->next();
      if (!chunk) return failure(chunk.error());
      if (!*chunk) break;
      if (!(*chunk)->bad_rows().empty()) broken[i] = 1;
    }
    behind[i] = {reader->place().offset, reader->place().line - begin.line, reader->place().row - begin.row};
    return {};
  });
  if (!counted) return failure(counted.error());
  if (std::find(broken.begin(), broken.end(), 1) != broken.end())
    return split_in_order(path, dialect, first, size, parts);
  for (std::size_t i = 0; i + 1 < places.size(); ++i) {
    places[i + 1].line = places[i].line + behind[i].line;
    places[i + 1].row = places[i].row + behind[i].row;
  }
  return parts_of(places);
}

}  // namespace etl::inline v0::csv

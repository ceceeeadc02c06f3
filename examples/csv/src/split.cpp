#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <etl/csv/encoding.hpp>
#include <etl/csv/index.hpp>
#include <etl/csv/reader.hpp>

#include "range_source.hpp"
#include "survey.hpp"

namespace etl::inline v0::csv {
namespace {

constexpr std::size_t block = 256 << 10;

// Calls `each` with all numbers below `count`, on several threads. Returns the first error.
template <class F>
Result<void> in_parallel(std::size_t count, std::size_t threads, F each) {
  std::vector<Result<void>> results(threads);
  const auto run = [&](std::size_t thread) {
    for (std::size_t i = thread; i < count && results[thread]; i += threads) results[thread] = each(i);
  };
  {
    std::vector<std::jthread> running;
    for (std::size_t i = 1; i < threads; ++i) running.emplace_back(run, i);
    run(0);
  }
  for (Result<void>& result : results)
    if (!result) return std::move(result);
  return {};
}

// Reads up to `size` more bytes.
Result<bool> append(io::ByteSource& source, std::string& to, std::size_t size) {
  const std::size_t before = to.size();
  to.resize(before + size);
  const Result<std::size_t> got = source.read({to.data() + before, size});
  to.resize(before + (got ? *got : 0));
  if (!got) return failure(got.error());
  return *got != 0;
}

// The offset after the first line feed from `at` on. Nearly all files have line feeds.
Result<std::optional<std::uint64_t>> behind_line_feed(const std::filesystem::path& path, std::uint64_t at,
                                                      std::uint64_t most) {
  auto source = open_at(path, at);
  if (!source) return failure(source.error());
  std::string text;
  for (const std::uint64_t begin = at; at - begin <= most; at += text.size()) {
    text.clear();
    const Result<bool> more = append(**source, text, 4096);
    if (!more) return failure(more.error());
    if (!*more) break;
    if (const std::size_t feed = text.find('\n'); feed != text.npos) return at + feed + 1;
  }
  return std::nullopt;
}

Result<detail::Survey> survey(const std::filesystem::path& path, const Dialect& dialect, std::uint64_t begin,
                              std::uint64_t end) {
  auto source = open_at(path, begin);
  if (!source) return failure(source.error());
  std::string text(block + 65, '\0');
  std::size_t left = 0;  // unread bytes of the text before
  detail::Survey found;
  for (;;) {
    const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(block, end - begin));
    const Result<std::size_t> got = most == 0 ? Result<std::size_t>(0) : (*source)->read({text.data() + left, most});
    if (!got) return failure(got.error());
    begin += *got;
    const std::string_view seen(text.data(), left + *got);
    const std::size_t used = detail::survey(seen, dialect, *got == 0, found);
    if (*got == 0) return found;
    left = seen.size() - used;
    std::copy_n(text.data() + used, left, text.data());
  }
}

// The end of the row whose quotes are open at `at`: its offset, and the number of line breaks and rows before it.
// Nothing if there is no end.
Result<std::optional<Place>> row_end(const std::filesystem::path& path, const Dialect& dialect, std::uint64_t at) {
  auto source = open_at(path, at);
  if (!source) return failure(source.error());
  // A text that begins within quotes is parsed like a text that begins with a quote.
  std::string text(1, *dialect.quote);
  Structure structure;
  for (std::size_t size = block; text.size() <= 2 * dialect.max_field + block; size *= 2) {
    const Result<bool> more = append(**source, text, size);
    if (!more) return failure(more.error());
    std::string_view seen = text;
    if (*more && seen.ends_with('\r')) seen.remove_suffix(1);
    if (!index(seen, dialect, false, structure)) return std::nullopt;
    if (structure.row_ends.size() > 0) {
      const std::uint32_t end = structure.ends[structure.row_ends[0]];
      const std::ptrdiff_t within =
          std::ranges::count_if(structure.breaks.all(), [&](auto offset) { return offset < end; });
      return Place{at + end, static_cast<std::uint64_t>(within) + 1, 1};
    }
    if (!*more) break;
  }
  return std::nullopt;
}

// The parts that begin at these places. The last place is the end of the file.
std::vector<Part> parts_of(const std::vector<Place>& places) {
  std::vector<Part> parts;
  for (std::size_t i = 0; i + 1 < places.size(); ++i)
    if (places[i].offset < places[i + 1].offset) parts.push_back({places[i], places[i + 1].offset});
  return parts;
}

// Splits with one reader, which sees where rows begin, without knowing anything about the file.
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
  std::array<char, encoding_bytes> mark{};
  const auto got = *plain ? (*plain)->read(mark) : Result<std::size_t>(0);
  if (!got) return failure(got.error());
  if (!*plain || !is_plain({mark.data(), *got}, dialect.charset))
    return failure(fatal(fmt::format(
        "'{}' cannot be split: it is compressed, of another encoding, or no regular file; read it in one piece",
        path.string())));
  const Place first = head->place();
  const std::uint64_t size = (*plain)->size_hint();
  if (size <= first.offset) return std::vector<Part>{};
  // A part is at least as large as one read.
  parts = std::min<std::size_t>(parts, static_cast<std::size_t>((size - first.offset) / block) + 1);
  if (parts == 1) return std::vector<Part>{{first, size}};
  // With `trim`, lines of blanks are not rows, and the survey cannot see that.
  if (!can_index(dialect) || dialect.trim) return split_in_order(path, dialect, first, size, parts);

  // The begin of the last part is needed, but nothing within it. The text before it is cut into stretches; each is
  // surveyed without knowing whether it begins within quotes.
  const std::uint64_t part_size = (size - first.offset) / parts;
  const std::size_t per_part = std::clamp<std::size_t>(static_cast<std::size_t>(part_size / block), 1, parts);
  const std::size_t count = per_part * (parts - 1);
  std::vector<std::uint64_t> begins{first.offset};
  for (std::size_t i = 1; i <= count; ++i) {
    const std::uint64_t at = std::max(first.offset + part_size / per_part * i, begins.back());
    const auto begin = behind_line_feed(path, at, 2 * dialect.max_field + block);
    if (!begin) return failure(begin.error());
    if (!*begin) return split_in_order(path, dialect, first, size, parts);
    begins.push_back(**begin);
  }
  std::vector<detail::Survey> stretches(count);
  const std::size_t threads = std::min<std::size_t>(parts, std::max(1u, std::thread::hardware_concurrency()));
  auto surveyed = in_parallel(count, threads, [&](std::size_t i) -> Result<void> {
    auto found = survey(path, dialect, begins[i], begins[i + 1]);
    if (!found) return failure(found.error());
    stretches[i] = *found;
    return {};
  });
  if (!surveyed) return failure(surveyed.error());

  std::vector<Place> places;
  Place at = first;
  bool inside = false;
  std::uint64_t tail = 0;        // bytes of a cell that has not ended
  std::uint64_t tail_lines = 0;  // lines of that cell
  for (std::size_t i = 0; i <= count; ++i) {
    if (i % per_part == 0) {
      places.push_back(at);
      if (inside) {
        const auto end = row_end(path, dialect, begins[i]);
        if (!end) return failure(end.error());
        const std::uint64_t most = i < count ? begins[i + 1] : size;
        if (!*end || (*end)->offset > most || tail + (*end)->offset - begins[i] + 128 > dialect.max_field)
          return split_in_order(path, dialect, first, size, parts);
        places.back() = {(*end)->offset, at.line + (*end)->line, at.row + (*end)->row};
      }
    }
    if (i == count) break;
    const detail::Survey::Guess& guess = stretches[i].guesses[inside ? 1 : 0];
    if (guess.broken || std::max(guess.longest, guess.head + tail) + 128 > dialect.max_field ||
        guess.most_lines + tail_lines + 128 > dialect.max_lines)
      return split_in_order(path, dialect, first, size, parts);
    at = {begins[i + 1], at.line + stretches[i].lines, at.row + guess.rows};
    tail = guess.ended ? guess.tail : tail + guess.tail;
    tail_lines = guess.ended ? guess.lines : tail_lines + guess.lines;
    inside ^= stretches[i].odd;
  }
  places.push_back({size, 0, 0});
  return parts_of(places);
}

}  // namespace etl::inline v0::csv

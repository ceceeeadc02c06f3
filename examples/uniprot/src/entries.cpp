#include <etl/uniprot/entries.hpp>

#include <algorithm>
#include <charconv>
#include <system_error>

#include <fmt/format.h>

namespace etl::inline v0::uniprot {
namespace {

bool is_blank(std::string_view text) noexcept {
  return text.find_first_not_of(std::string_view(" \t\r\n\x1A\0", 6)) == text.npos;
}
std::uint64_t count_lines(std::string_view text) noexcept {
  const auto feeds = static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
  return feeds > 0 ? feeds : static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\r'));
}

/// Calls `each` with the entries in the text of a chunk. Blank lines between entries belong to no entry. `line` is the
/// number of the first line, and later that of the current entry. Returns false if `each` returned false.
template <class Each>
bool each_entry(std::string_view rest, std::uint64_t& line, Each&& each) {
  const io::RecordSplitter splitter("//");
  while (!is_blank(rest)) {
    while (rest.front() == '\n' || rest.front() == '\r') {
      if (!rest.starts_with("\r\n")) ++line;
      rest.remove_prefix(1);
    }
    const std::string_view text = rest.substr(0, splitter.first_end(rest, true));
    if (!each(text)) return false;
    line += count_lines(text);
    rest.remove_prefix(text.size());
  }
  return true;
}

}  // namespace

Position InputPlace::position() const { return Position(fmt::format("{} {} {}", input, offset, line)); }

std::optional<InputPlace> InputPlace::from(const Position& position) {
  InputPlace place;
  const std::string& text = position.text();
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto number = [&at, end](auto& value) {
    const auto [stopped, error] = std::from_chars(at, end, value);
    at = stopped;
    return error == std::errc{};
  };
  const auto space = [&at, end] {
    if (at == end || *at != ' ') return false;
    ++at;
    return true;
  };
  const bool whole =
      number(place.input) && space() && number(place.offset) && space() && number(place.line) && at == end;
  return whole ? std::optional(place) : std::nullopt;
}

Result<std::uint64_t> count_entries(io::Source source, const std::stop_token& stop) {
  io::ChunkReader reader(std::move(source), io::RecordSplitter("//"), {.max_record = max_entry_bytes});
  std::uint64_t entries = 0;
  for (;;) {
    const Result<std::optional<io::Chunk>> chunk = reader.next(stop);
    if (!chunk) return failure(chunk.error());
    if (!*chunk) break;
    std::uint64_t line = 1;
    static_cast<void>(each_entry((*chunk)->text, line, [&](std::string_view) { return ++entries, true; }));
  }
  if (stop.stop_requested()) return failure(fatal("stopped before all entries were counted"));
  return entries;
}

Result<void> parse_entries(io::Source source, const EntryRange& range,
                           const std::function<bool(const RawEntry&, const Entry&, const Problem*)>& each,
                           const std::stop_token& stop) {
  io::ChunkReader reader(std::move(source), io::RecordSplitter("//"), {.max_record = max_entry_bytes});
  Entry entry;
  std::uint64_t number = 0;
  while (number < range.last) {
    const Result<std::optional<io::Chunk>> chunk = reader.next(stop);
    if (!chunk) return failure(chunk.error());
    if (!*chunk) break;
    std::uint64_t line = (*chunk)->first_line;
    const bool more = each_entry((*chunk)->text, line, [&](std::string_view text) {
      if (++number < range.first) return true;
      if (number > range.last) return false;
      const std::optional<Problem> problem = parse(text, entry);
      return each({.text = text, .line = line}, entry, problem ? &*problem : nullptr);
    });
    if (!more) break;
  }
  return {};
}

bool extract_entries(io::Source source, const InputPlace& begin, Emitter<RawEntry>& out, const EntryRange& range) {
  const std::uint32_t input = begin.input;
  io::ChunkReader reader(std::move(source), io::RecordSplitter("//"),
                         {.max_record = max_entry_bytes, .offset = begin.offset, .first_line = begin.line});
  std::uint64_t last_line = begin.line, number = 0;
  for (;;) {
    if (number >= range.last) return true;
    if (!reader.ready()) out.flush();
    Result<std::optional<io::Chunk>> next = reader.next(out.stop_token());
    if (!next) {
      const auto why = std::make_shared<const std::string>(next.error().message());
      out.retain(why);
      return out.push({.text = *why, .line = last_line, .input = input, .kind = RawEntry::Kind::Unreadable});
    }
    const std::optional<io::Chunk>& chunk = *next;
    if (!chunk) return !out.stop_token().stop_requested();
    out.retain(chunk->keep);
    out.mark(InputPlace{input, chunk->offset, chunk->first_line}.position());
    std::uint64_t line = chunk->first_line;
    const bool taken = each_entry(chunk->text, line, [&](std::string_view text) {
      ++number;
      const bool wanted = number >= range.first && number <= range.last;
      return !wanted || out.push({.text = text, .line = line, .input = input});
    });
    if (!taken) return false;
    last_line = line;
  }
}

}  // namespace etl::inline v0::uniprot

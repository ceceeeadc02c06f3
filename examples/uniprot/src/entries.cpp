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

bool extract_entries(io::Source source, const InputPlace& begin, Emitter<RawEntry>& out) {
  const io::RecordSplitter splitter("//");
  const std::uint32_t input = begin.input;
  io::ChunkReader reader(std::move(source), splitter,
                         {.max_record = max_entry_bytes, .offset = begin.offset, .first_line = begin.line});
  std::uint64_t last_line = begin.line;
  for (;;) {
    if (!reader.ready()) out.flush();
    Result<std::optional<io::Chunk>> next = reader.next(out.stop());
    if (!next) {
      const auto why = std::make_shared<const std::string>(next.error().message());
      out.hold(why);
      return out.push({.text = *why, .line = last_line, .input = input, .kind = RawEntry::Kind::Unreadable});
    }
    const std::optional<io::Chunk>& chunk = *next;
    if (!chunk) return !out.stop().stop_requested();
    out.hold(chunk->keep);
    out.mark(InputPlace{input, chunk->offset, chunk->first_line}.position());
    std::uint64_t line = chunk->first_line;
    for (std::string_view rest = chunk->text; !is_blank(rest);) {
      // Blank lines between entries belong to none.
      while (rest.front() == '\n' || rest.front() == '\r') {
        if (!rest.starts_with("\r\n")) ++line;
        rest.remove_prefix(1);
      }
      const std::string_view text = rest.substr(0, splitter.first_end(rest, true));
      if (!out.push({.text = text, .line = line, .input = input})) return false;
      line += count_lines(text);
      rest.remove_prefix(text.size());
    }
    last_line = line;
  }
}

}  // namespace etl::inline v0::uniprot

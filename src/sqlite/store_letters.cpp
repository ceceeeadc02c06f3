/// Converts dead letters to rows and back.

#include "store_letters.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "store_tables.hpp"

namespace etl::inline v0::sqlite::detail {
namespace {

/// Ranges as "0-2 5-6": the first and the last number of each, without commas.
std::string text_of(const SeqRanges& ranges) {
  std::string text;
  for (const SeqRange range : ranges.ranges())
    text += fmt::format("{}{}-{}", text.empty() ? "" : " ", range.first, range.end - 1);
  return text;
}
SeqRanges ranges_of(std::string_view text) {
  SeqRanges ranges;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    SeqRange range;
    at = std::from_chars(at, end, range.first).ptr;
    if (at < end) at = std::from_chars(at + 1, end, range.end).ptr;  // after '-'
    ++range.end;
    ranges.add(range);
    if (at < end) ++at;  // a space
  }
  return ranges;
}

/// The errors, one on each line, so that users can read them in the table.
std::string joined(const std::vector<std::string>& errors) {
  std::string text;
  for (const std::string& error : errors) {
    if (&error != errors.data()) text += '\n';
    for (const char c : error) {
      if (c == '\\' || c == '\n') text += '\\';
      text += c == '\n' ? 'n' : c;
    }
  }
  return text;
}
std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> errors(1);
  bool escaped = false;
  for (const char c : text) {
    if (escaped)
      errors.back() += c == 'n' ? '\n' : c;
    else if (c == '\n')
      errors.emplace_back();
    else if (c != '\\')
      errors.back() += c;
    escaped = !escaped && c == '\\';
  }
  return errors;
}

Stage stage_of(std::string_view text) {
  for (std::uint8_t i = 0; i <= static_cast<std::uint8_t>(Stage::Manage); ++i)  // Manage is the last stage
    if (text == to_string(static_cast<Stage>(i))) return static_cast<Stage>(i);
  return Stage::Transform;
}

}  // namespace

Result<void> write_letter(Statement& statement, const DeadLetter& letter) {
  using std::chrono::microseconds;
  const std::string errors = joined(letter.errors);
  statement.bind(0, std::string_view(letter.id));
  statement.bind(1, std::string_view(letter.pipeline));
  statement.bind(2, std::string_view(letter.run));
  statement.bind(3, std::int64_t{letter.partition});
  statement.bind(4, integer(letter.seq));
  statement.bind(5, integer(letter.batch));
  bind_optional(statement, 6, letter.position);
  statement.bind(7, to_string(letter.stage));
  statement.bind(8, std::int64_t{letter.attempts});
  if (letter.errors.empty())
    statement.bind(9, nullptr);
  else
    statement.bind(9, std::string_view(errors));
  statement.bind(10, std::int64_t{std::chrono::floor<microseconds>(letter.time.time_since_epoch()).count()});
  if (letter.payload)
    statement.bind(11, std::as_bytes(std::span(*letter.payload)));
  else
    statement.bind(11, nullptr);
  statement.bind(12, std::string_view(letter.partition_id));
  statement.bind(13, integer(letter.results));
  const std::string loaded = text_of(letter.loaded);
  statement.bind(14, std::string_view(loaded));
  statement.bind(15, std::int64_t{letter.replays});
  return run(statement);
}

DeadLetter letter_of(const Statement& row) {
  DeadLetter letter{.id = std::string(row.text(0)),
                    .pipeline = std::string(row.text(1)),
                    .run = std::string(row.text(2)),
                    .partition = small_number(row, 3),
                    .seq = number(row, 4),
                    .batch = number(row, 5),
                    .position = position_of(row, 6),
                    .stage = stage_of(row.text(7)),
                    .attempts = small_number(row, 8)};
  if (!row.is_null(9)) letter.errors = split(row.text(9));
  // Counts nanoseconds, so it cannot represent every number of microseconds.
  using Time = std::chrono::system_clock::time_point;
  constexpr auto micros = [](Time time) {
    return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
  };
  letter.time = Time(std::chrono::microseconds(std::clamp(row.integer(10), micros(Time::min()), micros(Time::max()))));
  if (!row.is_null(11)) {
    const auto payload = row.blob(11);
    letter.payload.emplace(reinterpret_cast<const char*>(payload.data()), payload.size());
  }
  letter.partition_id = row.text(12);
  letter.results = number(row, 13);
  letter.loaded = ranges_of(row.text(14));
  letter.replays = small_number(row, 15);
  return letter;
}

}  // namespace etl::inline v0::sqlite::detail

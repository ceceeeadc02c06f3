#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include <etl/druid/dead_letters.hpp>

namespace etl::inline v0::druid {
namespace {

bool is_lost(const BadRow& row) { return row.kind != "processedWithError"; }

/// "etl_sales_HASH" for "etl_sales_HASH_3": all attempts to load the same content share this name.
std::string content_of(const std::string& task) {
  const std::size_t end = task.rfind('_');
  const bool numbered = end != std::string::npos && end + 1 < task.size() &&
                        task.find_first_not_of("0123456789", end + 1) == std::string::npos;
  return numbered ? task.substr(0, end) : task;
}

}  // namespace

std::vector<DeadLetter> dead_letters(const TaskResult& result, const LetterOptions& options) {
  std::vector<DeadLetter> made;
  if (!result.report) return made;
  using Micros = std::chrono::microseconds;
  const auto now = std::chrono::time_point_cast<Micros>(std::chrono::system_clock::now());
  std::uint64_t number = 0;
  for (const BadRow& row : result.report->bad_rows) {
    ++number;
    if (!is_lost(row)) continue;
    DeadLetter letter{.pipeline = options.pipeline, .run = result.id, .stage = Stage::Load, .time = now};
    const std::string place = row.line > 0 ? fmt::format("{}:{}", row.file.substr(row.file.rfind('/') + 1), row.line)
                                           : fmt::format("bad row {}", number);
    letter.id = content_of(result.id) + ":" + place;
    letter.seq = row.line > 0 ? row.line - 1 : number - 1;
    letter.partition_id = row.file;
    letter.errors = row.details;
    if (options.text) letter.payload = options.text(row);
    if (!letter.payload) letter.payload = row.input;
    made.push_back(std::move(letter));
  }
  return made;
}

std::uint64_t rows_without_letter(const TaskResult& result) noexcept {
  if (!result.report) return 0;
  const auto lettered = static_cast<std::uint64_t>(std::ranges::count_if(result.report->bad_rows, is_lost));
  const std::uint64_t lost = result.report->rows.unparseable;
  return lost > lettered ? lost - lettered : 0;
}

}  // namespace etl::inline v0::druid

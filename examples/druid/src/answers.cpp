#include "answers.hpp"

#include <charconv>
#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>
#include <variant>

#include <boost/json.hpp>
#include <fmt/format.h>

namespace etl::inline v0::druid {
namespace {

namespace json = boost::json;

Error not_understood(std::string_view what, std::string_view text) {
  return {.code = Problem::Answer,
          .error_class = ErrorClass::Fatal,
          .context = fmt::format("the answer of the server is not {} of Druid; check the URL: {}", what,
                                 first_sentence(text.substr(0, 4096)))};
}

Result<json::value> parse(std::string_view what, std::string_view text) {
  boost::system::error_code failed;
  json::value value = json::parse(text, failed);
  if (failed) return not_understood(what, text);
  return value;
}

/// A member of an object, or null.
const json::value* member(const json::value* value, std::string_view name) {
  const json::object* const object = value == nullptr ? nullptr : value->if_object();
  return object == nullptr ? nullptr : object->if_contains(name);
}

/// The text of a value; empty for null and for other types.
std::string text_of(const json::value* value) {
  const json::string* const text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? std::string() : std::string(text->data(), text->size());
}

std::optional<std::int64_t> number_of(const json::value* value) {
  if (value == nullptr) return std::nullopt;
  boost::system::error_code failed;
  const auto number = value->to_number<std::int64_t>(failed);
  return failed ? std::nullopt : std::optional(number);
}

std::uint64_t count_of(const json::value* value) {
  const auto number = number_of(value);
  return number && *number > 0 ? static_cast<std::uint64_t>(*number) : 0;
}

/// The status of one task. Older versions of Druid have only `status`, newer versions also `statusCode`.
std::optional<TaskStatus> status_of(const json::value* value) {
  TaskStatus made;
  std::string state = text_of(member(value, "statusCode"));
  if (state.empty()) state = text_of(member(value, "status"));
  if (state == "SUCCESS")
    made.state = TaskState::Success;
  else if (state == "FAILED")
    made.state = TaskState::Failed;
  else if (state != "RUNNING")
    return std::nullopt;
  made.id = text_of(member(value, "id"));
  made.runner_state = text_of(member(value, "runnerStatusCode"));
  made.type = text_of(member(value, "type"));
  made.data_source = text_of(member(value, "dataSource"));
  made.created = text_of(member(value, "createdTime"));
  made.error = text_of(member(value, "errorMsg"));
  const auto duration = number_of(member(value, "duration"));
  if (duration && *duration >= 0) made.duration = std::chrono::milliseconds(*duration);
  return made;
}

RowStats rows_of(const json::value* stats) {
  RowStats made{.processed = count_of(member(stats, "processed")),
                .processed_with_error = count_of(member(stats, "processedWithError")),
                .thrown_away = count_of(member(stats, "thrownAway")),
                .unparseable = count_of(member(stats, "unparseable")),
                .processed_bytes = count_of(member(stats, "processedBytes"))};
  const json::value* const reasons = member(stats, "thrownAwayByReason");
  if (reasons != nullptr && reasons->is_object())
    for (const auto& [reason, count] : reasons->get_object())
      made.thrown_away_by_reason.emplace_back(reason, count_of(&count));
  return made;
}

/// Reads the place of a bad row from the end of its description, such as "(Path: file:/data/rows.json.gz, Record: 2,
/// Line: 2)". Data within the spec has no path.
void find_place(BadRow& row) {
  constexpr std::string_view path = "(Path: ";
  constexpr std::string_view record = "Record: ";
  constexpr std::string_view line = ", Line: ";
  for (const std::string& detail : row.details) {
    const std::size_t end = detail.rfind(line);
    const std::size_t middle = detail.rfind(record, end);
    if (end == std::string::npos || middle == std::string::npos) continue;
    const char* const digits = detail.data() + end + line.size();
    if (std::from_chars(digits, detail.data() + detail.size(), row.line).ec != std::errc()) continue;
    const std::size_t begin = detail.rfind(path, middle);
    if (begin != std::string::npos && begin + path.size() + 2 <= middle)
      row.file = detail.substr(begin + path.size(), middle - 2 - begin - path.size());
    return;
  }
}

std::vector<BadRow> bad_rows_of(const json::value* events) {
  std::vector<BadRow> made;
  if (events == nullptr || !events->is_array()) return made;
  for (const json::value& event : events->get_array()) {
    if (event.is_string()) {  // older form without parts
      find_place(made.emplace_back(BadRow{.kind = "unparseable", .details = {text_of(&event)}}));
      continue;
    }
    BadRow row{.input = text_of(member(&event, "input")), .kind = text_of(member(&event, "errorType"))};
    const json::value* const details = member(&event, "details");
    if (details != nullptr && details->is_array())
      for (const json::value& detail : details->get_array()) row.details.push_back(text_of(&detail));
    find_place(row);
    made.push_back(std::move(row));
  }
  return made;
}

/// The value of a cell as a text.
std::optional<std::string> cell_of(const json::value& value) {
  if (value.is_null()) return std::nullopt;
  if (value.is_string()) return text_of(&value);
  return json::serialize(value);
}

}  // namespace

Result<std::string> parse_submitted(std::string_view text) {
  Result<json::value> value = parse("a submission", text);
  if (!value) return failure(std::move(value.error()));
  std::string id = text_of(member(&*value, "task"));
  if (id.empty()) return not_understood("a submission", text);
  return id;
}

Result<TaskStatus> parse_status(std::string_view text) {
  Result<json::value> value = parse("a task's status", text);
  if (!value) return failure(std::move(value.error()));
  auto status = status_of(member(&*value, "status"));
  if (!status) return not_understood("a task's status", text);
  if (status->id.empty()) status->id = text_of(member(&*value, "task"));
  return std::move(*status);
}

Result<std::vector<TaskStatus>> parse_statuses(std::string_view text, std::span<const std::string> ids) {
  Result<json::value> value = parse("an object of tasks", text);
  if (!value) return failure(std::move(value.error()));
  if (!value->is_object()) return not_understood("an object of tasks", text);
  std::vector<TaskStatus> made;
  for (const std::string& id : ids) {
    const json::value* const found = member(&*value, id);
    if (found == nullptr) continue;
    auto status = status_of(found);
    if (!status) return not_understood("an object of tasks", text);
    status->id = id;
    made.push_back(std::move(*status));
  }
  return made;
}

Result<TaskReport> parse_report(std::string_view text, std::string_view id) {
  // Version 27 answers 200 with an error page while it shuts a task down.
  if (text.starts_with("<html") && text.find("<title>Error 500") != std::string_view::npos)
    return Error{.code = Problem::NoReport,
                 .error_class = ErrorClass::Transient,
                 .context = fmt::format("task '{}' has no report of an ingestion: {}", id, first_sentence(text))};
  Result<json::value> value = parse("a task's report", text);
  if (!value) return failure(std::move(value.error()));
  const json::value* const found = member(&*value, "ingestionStatsAndErrors");
  const json::value* const payload = member(found, "payload");
  if (payload == nullptr) {
    const std::string said = text_of(member(&*value, "error"));
    if (!value->is_object()) return not_understood("a task's report", text);
    return Error{
        .code = Problem::NoReport,
        .error_class = ErrorClass::Transient,
        .context = fmt::format("task '{}' has no report of an ingestion{}{}", id, said.empty() ? "" : ": ", said)};
  }
  TaskReport made{.task = text_of(member(found, "taskId")),
                  .ingestion_state = text_of(member(payload, "ingestionState")),
                  .error = text_of(member(payload, "errorMsg"))};
  const json::value* stats = member(payload, "rowStats");
  if (const json::value* const totals = member(stats, "totals")) stats = totals;
  made.rows = rows_of(member(stats, "buildSegments"));
  const json::value* const events = member(payload, "unparseableEvents");
  made.bad_rows = bad_rows_of(member(events, "buildSegments"));
  if (made.ingestion_state == "DETERMINE_PARTITIONS") {  // the task failed before it wrote anything
    made.rows = rows_of(member(stats, "determinePartitions"));
    made.bad_rows = bad_rows_of(member(events, "determinePartitions"));
  }
  if (const auto segments = number_of(member(payload, "segmentsPublished")); segments && *segments >= 0)
    made.segments_published = static_cast<std::uint64_t>(*segments);
  const json::value* const confirmed = member(payload, "segmentAvailabilityConfirmed");
  made.segments_available = confirmed != nullptr && confirmed->is_bool() && confirmed->get_bool();
  return made;
}

Result<bool> parse_contains(std::string_view text, std::string_view name) {
  Result<json::value> value = parse("a list of names", text);
  if (!value) return failure(std::move(value.error()));
  if (!value->is_array()) return not_understood("a list of names", text);
  for (const json::value& one : value->get_array())
    if (text_of(&one) == name) return true;
  return false;
}

Result<double> parse_load_status(std::string_view text, std::string_view name) {
  Result<json::value> value = parse("a load status", text);
  if (!value) return failure(std::move(value.error()));
  const json::value* const found = member(&*value, name);
  if (found == nullptr || !found->is_number()) return not_understood("a load status", text);
  return found->to_number<double>();
}

Result<Table> parse_table(std::string_view text) {
  constexpr std::string_view what = "a table with names and types";
  Result<json::value> value = parse(what, text);
  if (!value) return failure(std::move(value.error()));
  if (!value->is_array() || value->get_array().size() < 2) return not_understood(what, text);
  const json::array& lines = value->get_array();
  for (const json::value& line : lines)
    if (!line.is_array() || line.get_array().size() != lines.front().get_array().size())
      return not_understood(what, text);
  Table made;
  for (std::size_t i = 0; i < lines[0].get_array().size(); ++i)
    made.columns.push_back({.name = text_of(&lines[0].get_array()[i]), .type = text_of(&lines[1].get_array()[i])});
  for (std::size_t at = 2; at < lines.size(); ++at) {
    auto& row = made.rows.emplace_back();
    for (const json::value& cell : lines[at].get_array()) row.push_back(cell_of(cell));
  }
  return made;
}

Result<std::string> parse_version(std::string_view text) {
  Result<json::value> value = parse("a status", text);
  if (!value) return failure(std::move(value.error()));
  std::string version = text_of(member(&*value, "version"));
  if (version.empty()) return not_understood("a status", text);
  return version;
}

std::string query_json(const Query& query, bool lines) {
  struct Kind {
    json::object operator()(const std::string& text) const { return {{"type", "VARCHAR"}, {"value", text}}; }
    json::object operator()(std::int64_t number) const { return {{"type", "BIGINT"}, {"value", number}}; }
    json::object operator()(double number) const { return {{"type", "DOUBLE"}, {"value", number}}; }
    json::object operator()(bool truth) const { return {{"type", "BOOLEAN"}, {"value", truth}}; }
  };
  json::object made{{"query", query.sql}, {"resultFormat", lines ? "objectLines" : "array"}};
  if (!lines) {
    made["header"] = true;
    made["sqlTypesHeader"] = true;
  }
  json::array parameters;
  for (const Query::Parameter& one : query.parameters) parameters.push_back(std::visit(Kind(), one));
  if (!parameters.empty()) made["parameters"] = std::move(parameters);
  return json::serialize(made);
}

std::string array_json(std::span<const std::string> texts) {
  json::array made;
  for (const std::string& text : texts) made.push_back(json::string(text));
  return json::serialize(made);
}

}  // namespace etl::inline v0::druid

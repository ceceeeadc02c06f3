#pragma once
// What Druid answers, as values. A text that is not what the manual says gives an error of code `Problem::Answer`.

#include <string>
#include <string_view>
#include <vector>

#include <etl/druid/client.hpp>
#include <etl/druid/task.hpp>
#include <etl/error.hpp>

namespace etl::inline v0::druid {

/// {"task":"ID"}
[[nodiscard]] Result<std::string> parse_submitted(std::string_view text);
/// {"task":"ID","status":{...}}
[[nodiscard]] Result<TaskStatus> parse_status(std::string_view text);
/// {"ID":{...},...}, in the order of `ids`.
[[nodiscard]] Result<std::vector<TaskStatus>> parse_statuses(std::string_view text, std::span<const std::string> ids);
/// {"ingestionStatsAndErrors":{...}}; `Problem::NoReport` for {"error":"..."}.
[[nodiscard]] Result<TaskReport> parse_report(std::string_view text, std::string_view id);
/// ["a","b"] has `name`.
[[nodiscard]] Result<bool> parse_contains(std::string_view text, std::string_view name);
/// {"NAME":100.0}
[[nodiscard]] Result<double> parse_load_status(std::string_view text, std::string_view name);
/// Names, types of SQL and rows, as arrays.
[[nodiscard]] Result<Table> parse_table(std::string_view text);
/// {"version":"33.0.0",...}
[[nodiscard]] Result<std::string> parse_version(std::string_view text);
/// The body of a request for a query.
[[nodiscard]] std::string query_json(const Query& query, bool lines);
[[nodiscard]] std::string array_json(std::span<const std::string> texts);

}  // namespace etl::inline v0::druid

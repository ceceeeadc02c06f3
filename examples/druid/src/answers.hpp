#pragma once
// Converts answers of Druid to values. A text that does not follow the manual gives an error with the code
// `Problem::Answer`.

#include <string>
#include <string_view>
#include <vector>

#include <etl/druid/client.hpp>
#include <etl/druid/task.hpp>
#include <etl/error.hpp>

namespace etl::inline v0::druid {

/// Parses {"task":"ID"}.
[[nodiscard]] Result<std::string> parse_submitted(std::string_view text);
/// Parses {"task":"ID","status":{...}}.
[[nodiscard]] Result<TaskStatus> parse_status(std::string_view text);
/// Parses {"ID":{...},...}. The result has the order of `ids`.
[[nodiscard]] Result<std::vector<TaskStatus>> parse_statuses(std::string_view text, std::span<const std::string> ids);
/// Parses {"ingestionStatsAndErrors":{...}}. Returns `Problem::NoReport` for {"error":"..."}.
[[nodiscard]] Result<TaskReport> parse_report(std::string_view text, std::string_view id);
/// Whether an array such as ["a","b"] contains `name`.
[[nodiscard]] Result<bool> parse_contains(std::string_view text, std::string_view name);
/// Parses {"NAME":100.0}.
[[nodiscard]] Result<double> parse_load_status(std::string_view text, std::string_view name);
/// Parses arrays of names, SQL types, and rows.
[[nodiscard]] Result<Table> parse_table(std::string_view text);
/// Parses {"version":"33.0.0",...}.
[[nodiscard]] Result<std::string> parse_version(std::string_view text);
/// The body of a query request.
[[nodiscard]] std::string query_json(const Query& query, bool lines);
[[nodiscard]] std::string array_json(std::span<const std::string> texts);

}  // namespace etl::inline v0::druid

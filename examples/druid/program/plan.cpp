#include "plan.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace program {
namespace {

namespace druid = etl::druid;
using druid::DimensionType;

etl::Error wrong(std::string text) { return {.code = etl::Errc::InvalidOptions, .context = std::move(text)}; }

DimensionType type_of(const Column& column) {
  if (column.nested) return DimensionType::Json;  // as a string Druid would store the text that Java gives, "{id=1}"
  switch (column.kind) {
    case etl::csv::Kind::Integer: return DimensionType::Long;
    case etl::csv::Kind::Double:
    case etl::csv::Kind::Numeric: return DimensionType::Double;
    default: return DimensionType::String;
  }
}

/// The column that the user named, or the most suitable column by name, type, nulls and number of values.
etl::Result<std::string> time_column(const Plan& plan, const std::vector<Column>& columns) {
  if (!plan.time.empty()) return plan.time;
  std::vector<std::string> best;
  double score = 0;
  for (const Column& column : columns) {
    if (column.time_score <= 0 || column.time_score < score) continue;
    if (column.time_score > score) best.clear();
    score = column.time_score;
    best.push_back(column.name);
  }
  if (best.size() == 1) return best.front();
  return wrong(best.empty() ? "no column holds dates or times; name a column with --time"
                            : fmt::format("several columns can be the time ({}); choose one of them with --time",
                                          fmt::join(best, ", ")));
}

/// The format of the time. Druid's "auto" takes each number for milliseconds since 1970, so the values of a column of
/// numbers say what they are: since 1970, and between 2001 and 2096.
etl::Result<std::string> time_format(const Plan& plan, const std::string& name, const std::vector<Column>& columns) {
  const auto column = std::ranges::find(columns, name, &Column::name);
  if (plan.time_format != "auto" || column == columns.end() || !is_number(column->kind)) return plan.time_format;
  constexpr std::pair<const char*, double> units[] = {{"posix", 1}, {"millis", 1e3}, {"micro", 1e6}, {"nano", 1e9}};
  for (const auto& [format, unit] : units)
    if (column->kind == etl::csv::Kind::Integer && column->least >= 1e9 * unit && column->most < 4e9 * unit)
      return std::string(format);
  return wrong(
      fmt::format("column '{}' has the numbers {} to {}, and it is not clear which times they are; name their format "
                  "with --time-format: posix (seconds since 1970), millis, micro, nano, or a pattern such as yyyyMMdd",
                  name, column->least, column->most));
}

/// Parses "longSum:total:quantity" and "count:rows".
etl::Result<druid::Metric> metric_of(const std::string& text) {
  const std::size_t first = text.find(':');
  if (first == std::string::npos)
    return wrong(fmt::format("--metrics '{}': write TYPE:NAME:COLUMN, or count:NAME", text));
  const std::size_t second = text.find(':', first + 1);
  druid::Metric made{.type = text.substr(0, first), .name = text.substr(first + 1, second - first - 1)};
  if (second != std::string::npos) made.field = text.substr(second + 1);
  return made;
}

bool reads_numbers(std::string_view metric) {
  return metric.starts_with("long") || metric.starts_with("double") || metric.starts_with("float");
}

etl::Result<druid::Grain> grain_of(std::string_view option, const std::string& name) {
  const auto grain = druid::grain_of(name);
  if (!grain)
    return wrong(fmt::format("{} '{}': write HOUR, DAY, MONTH or another granularity of Druid", option, name));
  return *grain;
}

/// The types that the user gave, by column.
etl::Result<std::map<std::string, DimensionType>> types_of(const Plan& plan, const std::vector<Column>& columns,
                                                           std::string_view time) {
  static const std::map<std::string_view, DimensionType> names{
      {"string", DimensionType::String}, {"long", DimensionType::Long}, {"double", DimensionType::Double},
      {"float", DimensionType::Float},   {"json", DimensionType::Json}, {"auto", DimensionType::Auto}};
  std::map<std::string, DimensionType> made;
  for (const std::string& text : plan.types) {
    const std::size_t equals = text.rfind('=');
    const auto type = names.find(equals == std::string::npos ? "" : std::string_view(text).substr(equals + 1));
    if (type == names.end())
      return wrong(fmt::format("--type '{}': write COLUMN=string, long, double, float, json or auto", text));
    const std::string column = text.substr(0, equals);
    if (std::ranges::find(columns, column, &Column::name) == columns.end())
      return wrong(fmt::format("--type '{}': '{}' is not a column of the input", text, column));
    if (column == time)
      return wrong(
          fmt::format("--type '{}': '{}' is the time of the rows, and the time has no other type; leave out the "
                      "option, or choose another column with --time",
                      text, column));
    made[column] = type->second;
  }
  return made;
}

}  // namespace

etl::Result<druid::Spec> spec_of(const Plan& plan, const std::vector<Column>& columns) {
  if (plan.drop_existing && plan.mode == "append")
    return wrong(
        "--drop-existing empties intervals, but --mode append keeps the existing rows: leave out one of the two "
        "options");
  druid::Mode mode = druid::Append{.intervals = plan.intervals};
  if (plan.mode == "replace")
    mode = druid::Replace{
        .intervals = plan.intervals, .where_rows_are = plan.intervals.empty(), .drop_existing = plan.drop_existing};
  druid::Spec spec{.data_source = plan.data_source, .mode = std::move(mode), .format = druid::JsonFormat{}};
  auto time = time_column(plan, columns);
  if (!time) return etl::failure(std::move(time.error()));
  auto format = time_format(plan, *time, columns);
  if (!format) return etl::failure(std::move(format.error()));
  spec.timestamp = {.column = std::move(*time), .format = std::move(*format)};
  std::set<std::string> inputs{spec.timestamp.column};
  for (const std::string& text : plan.metrics) {
    auto metric = metric_of(text);
    if (!metric) return etl::failure(std::move(metric.error()));
    if (const auto read = std::ranges::find(columns, metric->field, &Column::name);
        read != columns.end() && read->kind == etl::csv::Kind::Text && reads_numbers(metric->type))
      return wrong(
          fmt::format("--metrics '{}': column '{}' holds texts, and {} reads numbers; choose another column, or "
                      "a metric such as stringLast",
                      text, metric->field, metric->type));
    inputs.insert(metric->field);
    spec.metrics.push_back(std::move(*metric));
  }
  const auto types = types_of(plan, columns, spec.timestamp.column);
  if (!types) return etl::failure(types.error());
  std::vector<druid::Dimension> dimensions;
  for (const Column& column : columns) {
    spec.columns.push_back(column.name);
    if (inputs.contains(column.name)) continue;
    const auto said = types->find(column.name);
    const DimensionType type = said != types->end() ? said->second : type_of(column);
    // Druid would keep these rows with null in place of the value.
    if (said == types->end() && type != DimensionType::String &&
        column.misfits > static_cast<std::uint64_t>(plan.max_bad_rows))
      return wrong(fmt::format(
          "column '{}' holds numbers, but {} values are not numbers, the first in {}; declare the column with --type "
          "'{}=string', or allow such rows with --max-rejects, which loads them without the value",
          column.name, column.misfits, column.first_misfit, column.name));
    dimensions.push_back({.name = column.name, .type = type});
  }
  spec.dimensions = druid::Dimensions::of(std::move(dimensions));
  const auto segment = grain_of("--granularity", plan.granularity);
  if (!segment) return etl::failure(segment.error());
  const auto query = grain_of("--query-granularity", plan.query_granularity);
  if (!query) return etl::failure(query.error());
  spec.granularity = {.segment = *segment, .query = *query, .rollup = plan.rollup};
  spec.context.concurrent_locks = plan.concurrent_locks;
  spec.tuning.max_parse_exceptions = plan.max_bad_rows;
  // Each bad row gets a dead letter.
  spec.tuning.max_saved_parse_exceptions = std::max<std::int64_t>(100, plan.max_bad_rows);
  return spec;
}

void add_plan(CLI::App& command, Plan& plan) {
  constexpr int most_bad_rows = 10'000;  // a report of Druid can still hold the texts of this many rows
  command.add_option("--datasource", plan.data_source, "Name of the datasource")->required();
  command
      .add_option(
          "--mode", plan.mode,
          "append: add the rows; replace: replace the existing rows of the same times. Required, except with --dry-run")
      ->check(CLI::IsMember({"append", "replace"}));
  command.add_option(
      "--intervals", plan.intervals,
      "Times to load, such as 2024-01-01/2024-02-01; with replace, the times to replace [the times of the rows]");
  command.add_flag("--drop-existing", plan.drop_existing, "With replace: also empty the intervals that get no new row");
  command.add_option("--time", plan.time, "Column of the time [chosen by names, types, nulls and values]");
  command
      .add_option("--time-format", plan.time_format,
                  "Format of the time: auto (found by the values), iso, posix, millis, micro, nano, or a pattern such "
                  "as dd.MM.yyyy")
      ->capture_default_str();
  command
      .add_option(
          "--type", plan.types,
          "COLUMN=TYPE: type of a column, instead of the inferred one: string, long, double, float, json or auto")
      ->allow_extra_args(false);
  command.add_option("--granularity", plan.granularity, "Length of time that a segment covers")->capture_default_str();
  command
      .add_option("--query-granularity", plan.query_granularity,
                  "Precision to which the times of rows are truncated, such as HOUR")
      ->capture_default_str();
  command.add_flag("--concurrent-locks", plan.concurrent_locks,
                   "Let tasks that append run at the same time as other tasks of the same times (Druid's "
                   "useConcurrentLocks); all tasks that write the datasource must use it");
  command.add_flag("--rollup", plan.rollup, "Combine rows with equal time and dimensions; needs --metrics");
  command.add_option("--metrics,--metric", plan.metrics,
                     "Metrics: TYPE:NAME:COLUMN, such as longSum:total:quantity, or count:NAME");
  command
      .add_option("--max-rejects,--max-bad-rows", plan.max_bad_rows,
                  "Fail if more than N rows are bad: Druid cannot parse the row or one of its values")
      ->check(CLI::Range(0, most_bad_rows))
      ->capture_default_str();
}

}  // namespace program

#include <algorithm>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <etl/druid/compare.hpp>

namespace etl::inline v0::druid {
namespace {

/// The SQL type of a dimension; empty if Druid chooses the type.
std::string_view type_of(DimensionType type) {
  switch (type) {
    case DimensionType::String: return "VARCHAR";
    case DimensionType::Long: return "BIGINT";
    case DimensionType::Float: return "FLOAT";
    case DimensionType::Double: return "DOUBLE";
    case DimensionType::Json:
    case DimensionType::Auto: break;
  }
  return {};
}
/// The SQL type of a metric such as "longSum".
std::string_view type_of(std::string_view metric) {
  if (metric == "count" || metric.starts_with("long")) return "BIGINT";
  if (metric.starts_with("double")) return "DOUBLE";
  if (metric.starts_with("float")) return "FLOAT";
  return {};
}

ColumnChange change_of(std::string column, std::string_view was, std::string_view is) {
  ColumnChange change{.column = std::move(column), .was = std::string(was), .is = std::string(is)};
  const bool decimal = was == "DOUBLE" || was == "FLOAT";
  if (decimal && is == "BIGINT") {
    change.type = ColumnChange::Type::Wider;
    change.what = fmt::format("column '{}' is {}; the integers of the new rows fit", change.column, was);
  } else {
    change.what = fmt::format("column '{}' is {}, and the new rows have {}", change.column, was, is);
  }
  return change;
}

}  // namespace

std::vector<ColumnChange> compare(std::span<const Table::Column> existing, const Spec& spec) {
  std::vector<ColumnChange> found;
  if (existing.empty()) return found;
  std::vector<std::pair<std::string, std::string_view>> written{{"__time", "TIMESTAMP"}};
  for (const Dimension& one : spec.dimensions.declared()) written.emplace_back(one.name, type_of(one.type));
  for (const Metric& one : spec.metrics) written.emplace_back(one.name, type_of(std::string_view(one.type)));
  for (const auto& [name, type] : written) {
    const auto was = std::ranges::find(existing, name, &Table::Column::name);
    if (was == existing.end())
      found.push_back({.type = ColumnChange::Type::New,
                       .column = name,
                       .is = std::string(type),
                       .what = fmt::format("column '{}' is new; old rows have no value in it", name)});
    else if (!type.empty() && was->type != type)
      found.push_back(change_of(name, was->type, type));
  }
  if (spec.dimensions.is_discovered()) return found;  // the spec does not say which columns it writes
  for (const Table::Column& one : existing)
    if (std::ranges::find(written, one.name, &std::pair<std::string, std::string_view>::first) == written.end())
      found.push_back({.type = ColumnChange::Type::Missing,
                       .column = one.name,
                       .was = one.type,
                       .what = fmt::format("column '{}' is not in the input; new rows have no value in it", one.name)});
  return found;
}

}  // namespace etl::inline v0::druid

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <variant>
#include <vector>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "checks.hpp"
#include "iso.hpp"

namespace etl::inline v0::druid {
namespace {

constexpr std::string_view time_name = "__time";

/// Whether all letters outside of quotes are pattern letters of Joda-Time.
bool is_joda_pattern(std::string_view format) {
  constexpr std::string_view letters = "GCxwweEyYDMdaKhHkmsSzZ";
  bool quoted = false;
  bool any = false;
  for (const char c : format) {
    if (c == '\'') quoted = !quoted;
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (quoted || !letter) continue;
    if (letters.find(c) == std::string_view::npos) return false;
    any = true;
  }
  return any && !quoted;
}

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

bool makes(const Spec& spec, std::string_view name) {
  return std::ranges::find(spec.transforms.transforms, name, &Transform::name) != spec.transforms.transforms.end();
}

void check_timestamp(const Spec& spec, const std::vector<std::string>& columns, Problems& to) {
  constexpr std::string_view formats[] = {"auto", "iso", "posix", "millis", "micro", "nano", "ruby"};
  const Timestamp& time = spec.timestamp;
  if (time.column.empty()) to.add("timestamp.column", "is empty; name the column that holds the time of a row");
  if (std::ranges::find(formats, time.format) == std::end(formats) && !is_joda_pattern(time.format))
    to.add("timestamp.format",
           fmt::format("'{}' is neither a format of Druid ({}) nor a pattern such as dd.MM.yyyy HH:mm", time.format,
                       fmt::join(formats, ", ")));
  if (!time.missing_value.empty() && !parse_iso(time.missing_value))
    to.add("timestamp.missing_value",
           fmt::format("'{}' is no time of ISO 8601; write one such as 2024-01-01T00:00:00Z", time.missing_value));
  if (!columns.empty() && !time.column.empty() && time.missing_value.empty() && !contains(columns, time.column))
    to.add("timestamp.column",
           fmt::format("'{}' is not a column of the input, which has {}; name the column that holds the "
                       "time, or give missing_value",
                       time.column, listed(columns)));
}

void check_source_column(std::string_view field, std::string_view name, const Spec& spec,
                         const std::vector<std::string>& columns, Problems& to) {
  if (columns.empty() || name.empty() || contains(columns, name) || makes(spec, name)) return;
  to.add(field, fmt::format("'{}' is neither a column of the input, which has {}, nor made by a transform; it would be "
                            "empty in all rows",
                            name, listed(columns)));
}

/// A segment lists its columns in lines whose parts commas separate, without quotes.
void check_stored_name(std::string_view field, std::string_view name, Problems& to) {
  if (name.find_first_of(",\r\n") != std::string_view::npos)
    to.add(field, fmt::format("'{}' contains a comma or a line end, and Druid cannot store such a column; give the "
                              "column another name",
                              name));
}

void check_dimensions(const Spec& spec, const std::vector<std::string>& columns, std::set<std::string>& outputs,
                      Problems& to) {
  if (spec.dimensions.empty())
    to.add("dimensions",
           "are not given; use Dimensions::discovered(), Dimensions::of({...}) or dimensions(fields, time)");
  for (const Dimension& one : spec.dimensions.declared()) {
    if (one.name.empty()) {
      to.add("dimensions", "has a dimension without a name; name the column");
    } else if (one.name == time_name) {
      to.add("dimensions", "'__time' is no dimension, because Druid makes it of the timestamp; leave it out");
    } else if (!outputs.insert(one.name).second) {
      to.add("dimensions", fmt::format("'{}' occurs twice; leave one out", one.name));
    }
    if (one.type != DimensionType::String && (one.multi_value || !one.bitmap_index))
      to.add("dimensions",
             fmt::format("'{}' is no string, so multi_value and bitmap_index do not apply; leave them out", one.name));
    check_stored_name("dimensions", one.name, to);
    check_source_column("dimensions", one.name, spec, columns, to);
  }
  for (const std::string& one : spec.dimensions.excluded())
    if (one.empty()) to.add("dimensions", "has an empty name among the excluded; name the column");
}

void check_metrics(const Spec& spec, const std::vector<std::string>& columns, std::set<std::string>& outputs,
                   Problems& to) {
  const auto& types = metric_types();
  for (const Metric& one : spec.metrics) {
    if (std::ranges::find(types, one.type) == types.end())
      to.add("metrics", fmt::format("'{}' has the type '{}', which Druid does not have; use one of {}", one.name,
                                    one.type, fmt::join(types, ", ")));
    if (one.name.empty())
      to.add("metrics",
             fmt::format("has a metric of type '{}' without a name; name the column that it makes", one.type));
    else if (one.name == time_name)
      to.add("metrics", "'__time' is the name of the timestamp; choose another name");
    else if (!outputs.insert(one.name).second)
      to.add("metrics", fmt::format("'{}' is also a dimension or another metric; names must differ", one.name));
    if (one.type == "count" && !one.field.empty())
      to.add("metrics",
             fmt::format("'{}' counts rows and reads no column; leave the field '{}' out", one.name, one.field));
    if (one.type != "count" && one.field.empty())
      to.add("metrics", fmt::format("'{}' has no field; name the column that it reads", one.name));
    check_stored_name("metrics", one.name, to);
    check_source_column("metrics", one.field, spec, columns, to);
  }
}

void check_transforms(const Spec& spec, Problems& to) {
  std::set<std::string> names;
  for (const Transform& one : spec.transforms.transforms) {
    if (one.name.empty()) to.add("transforms", "has a transform without a name; name the column that it makes");
    if (one.expression.empty())
      to.add("transforms", fmt::format("'{}' has no expression; give one such as upper(\"{}\")", one.name, one.name));
    if (!names.insert(one.name).second)
      to.add("transforms", fmt::format("'{}' occurs twice; put both into one expression", one.name));
  }
  if (spec.transforms.filter.empty()) return;
  boost::system::error_code failed;
  const boost::json::value filter = boost::json::parse(spec.transforms.filter, failed);
  const bool typed = !failed && filter.is_object() && filter.get_object().contains("type");
  if (!typed)
    to.add("transforms.filter",
           fmt::format("'{}' is no JSON object with a type; write a filter of Druid", spec.transforms.filter));
}

/// Whether an interval of length `grain` begins at `time`.
bool begins(Millis time, Grain grain) {
  using namespace std::chrono;
  const auto multiple_of = [&](auto span) { return time.time_since_epoch() % span == milliseconds(0); };
  const sys_days day = floor<days>(time);
  const year_month_day date(day);
  const bool midnight = time == day;
  const bool first = midnight && date.day() == std::chrono::day(1);
  switch (grain) {
    case Grain::Second: return multiple_of(seconds(1));
    case Grain::Minute: return multiple_of(minutes(1));
    case Grain::FiveMinute: return multiple_of(minutes(5));
    case Grain::TenMinute: return multiple_of(minutes(10));
    case Grain::FifteenMinute: return multiple_of(minutes(15));
    case Grain::ThirtyMinute: return multiple_of(minutes(30));
    case Grain::Hour: return multiple_of(hours(1));
    case Grain::SixHour: return multiple_of(hours(6));
    case Grain::EightHour: return multiple_of(hours(8));
    case Grain::Day: return midnight;
    case Grain::Week: return midnight && weekday(day) == Monday;
    case Grain::Month: return first;
    case Grain::Quarter: return first && (static_cast<unsigned>(date.month()) - 1) % 3 == 0;
    case Grain::Year: return first && date.month() == January;
    case Grain::None:
    case Grain::All: break;
  }
  return true;
}

void check_mode(const Spec& spec, Problems& to) {
  const Replace* const replace = spec.mode.replace();
  for (const std::string& text : spec.mode.intervals()) {
    const std::string wrong = interval_problem(text);
    if (!wrong.empty()) {
      to.add("mode.intervals", fmt::format("'{}' {}", text, wrong));
      continue;
    }
    const std::size_t slash = text.find('/');
    for (const std::string_view half :
         {std::string_view(text).substr(0, slash), std::string_view(text).substr(slash + 1)}) {
      const auto time = parse_iso(half);
      if (replace == nullptr || !time || begins(*time, spec.granularity.segment)) continue;
      to.add("mode.intervals",
             fmt::format("'{}': no {} begins at {}; Druid replaces whole segments, so rows outside the interval would "
                         "be lost; choose other limits or a finer granularity.segment",
                         text, to_string(spec.granularity.segment), half));
    }
  }
  if (replace == nullptr) return;
  if (replace->intervals.empty() && replace->drop_existing)
    to.add("mode.drop_existing", "needs the intervals that it empties; give them");
  if (replace->intervals.empty() && !replace->where_rows_are)
    to.add("mode.intervals", "are missing; say which spans of time are replaced, or set where_rows_are");
  if (!replace->intervals.empty() && replace->where_rows_are)
    to.add("mode.where_rows_are", "is set, and intervals are given; give only one of them");
}

void check_granularity(const Spec& spec, Problems& to) {
  const Granularity& grain = spec.granularity;
  if (grain.segment == Grain::None)
    to.add("granularity.segment", "NONE would make a segment of every millisecond; use HOUR, DAY or MONTH");
  else if (grain.query > grain.segment)
    to.add("granularity.query",
           fmt::format("{} is coarser than the granularity of segments, {}; make it the same or finer",
                       to_string(grain.query), to_string(grain.segment)));
  if (grain.rollup && spec.metrics.empty())
    to.add("granularity.rollup",
           "would combine equal rows into one row, and without metrics their number would be lost; add a metric such "
           "as {\"count\", \"rows\"}, or set rollup to false");
}

}  // namespace

std::string listed(const std::vector<std::string>& names) {
  constexpr std::size_t most = 12;
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < most; ++i)
    text += fmt::format("{}'{}'", i == 0 ? "" : i + 1 == names.size() ? " and " : ", ", names[i]);
  if (names.size() > most) text += fmt::format(" and {} more", names.size() - most);
  return text;
}

void check_schema(const Spec& spec, Problems& to) {
  const std::vector<std::string> columns = known_columns(spec);
  std::set<std::string> outputs;
  check_timestamp(spec, columns, to);
  check_dimensions(spec, columns, outputs, to);
  check_metrics(spec, columns, outputs, to);
  check_transforms(spec, to);
  check_granularity(spec, to);
  check_mode(spec, to);
}

}  // namespace etl::inline v0::druid

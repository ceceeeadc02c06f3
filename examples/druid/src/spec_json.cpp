// Writes a spec as JSON.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <boost/json.hpp>
#include <fmt/format.h>

#include <etl/druid/spec.hpp>
#include <etl/io/digest.hpp>

#include "checks.hpp"

namespace etl::inline v0::druid {
namespace {

namespace json = boost::json;

json::array names(const std::vector<std::string>& from) {
  json::array made;
  for (const std::string& one : from) made.push_back(json::string(one));
  return made;
}

/// A secret that Druid's processes read from an environment variable.
json::object from_environment(const std::string& variable) { return {{"type", "environment"}, {"variable", variable}}; }

json::object input_of(const InlineInput& input) { return {{"type", "inline"}, {"data", input.data}}; }
json::object input_of(const LocalInput& input) {
  json::object made{{"type", "local"}};
  if (!input.base_dir.empty()) {
    made["baseDir"] = input.base_dir;
    made["filter"] = input.filter;
  } else {
    made["files"] = names(input.files);
  }
  return made;
}
json::object input_of(const HttpInput& input) {
  json::object made{{"type", "http"}, {"uris", names(input.uris)}};
  if (!input.user.empty()) {
    made["httpAuthenticationUsername"] = input.user;
    made["httpAuthenticationPassword"] = from_environment(input.password_variable);
  }
  return made;
}
json::object input_of(const S3Input& input) {
  json::object made{{"type", "s3"}};
  if (!input.uris.empty()) made["uris"] = names(input.uris);
  if (!input.prefixes.empty()) made["prefixes"] = names(input.prefixes);
  if (!input.object_glob.empty()) made["objectGlob"] = input.object_glob;
  if (!input.access_key_variable.empty())
    made["properties"] = json::object{{"accessKeyId", from_environment(input.access_key_variable)},
                                      {"secretAccessKey", from_environment(input.secret_key_variable)}};
  if (!input.endpoint.empty())
    made["endpointConfig"] = json::object{{"url", input.endpoint}, {"signingRegion", input.region}};
  if (input.path_style) {
    json::object client{{"enablePathStyleAccess", true}};
    if (input.endpoint.starts_with("http://")) client["protocol"] = "http";
    made["clientConfig"] = std::move(client);
  }
  return made;
}
json::object input_of(const DruidInput& input) {
  return {{"type", "druid"}, {"dataSource", input.data_source}, {"interval", input.interval}};
}

template <class Format>
json::object delimited(std::string_view type, const Format& format) {
  json::object made{{"type", type}};
  if (format.header)
    made["findColumnsFromHeader"] = true;
  else
    made["columns"] = names(format.columns);
  if (format.skip_rows > 0) made["skipHeaderRows"] = format.skip_rows;
  if (!format.list_delimiter.empty()) made["listDelimiter"] = format.list_delimiter;
  return made;
}
json::object format_of(const std::monostate& /*none*/) { return {}; }
json::object format_of(const CsvFormat& format) { return delimited("csv", format); }
json::object format_of(const TsvFormat& format) {
  json::object made = delimited("tsv", format);
  made["delimiter"] = format.delimiter;
  return made;
}
json::object format_of(ColumnarFormat format) {
  return {{"type", format == ColumnarFormat::Parquet ? "parquet" : "orc"}};
}
json::object format_of(const JsonFormat& format) {
  constexpr std::array<std::string_view, 3> kinds{"path", "jq", "root"};
  json::object made{{"type", "json"}};
  if (format.fields.empty() && format.discover_fields) return made;
  json::array fields;
  for (const JsonField& field : format.fields) {
    json::object one{{"type", kinds[static_cast<std::size_t>(field.kind)]}, {"name", field.name}};
    if (field.kind != JsonField::Kind::Root) one["expr"] = field.expression;
    fields.push_back(std::move(one));
  }
  made["flattenSpec"] = json::object{{"useFieldDiscovery", format.discover_fields}, {"fields", std::move(fields)}};
  return made;
}

json::object timestamp_of(const Timestamp& time) {
  json::object made{{"column", time.column}, {"format", time.format}};
  if (!time.missing_value.empty()) made["missingValue"] = time.missing_value;
  return made;
}

json::object dimension_of(const Dimension& one) {
  constexpr std::array<std::string_view, 6> types{"string", "long", "float", "double", "json", "auto"};
  constexpr std::array<std::string_view, 3> orders{"SORTED_ARRAY", "SORTED_SET", "ARRAY"};
  json::object made{{"type", types[static_cast<std::size_t>(one.type)]}, {"name", one.name}};
  if (!one.bitmap_index) made["createBitmapIndex"] = false;
  if (one.multi_value) made["multiValueHandling"] = orders[static_cast<std::size_t>(*one.multi_value)];
  return made;
}

json::object dimensions_of(const Dimensions& dimensions) {
  json::object made;
  if (dimensions.is_discovered()) {
    made["useSchemaDiscovery"] = true;
    if (!dimensions.excluded().empty()) made["dimensionExclusions"] = names(dimensions.excluded());
    return made;
  }
  json::array declared;
  for (const Dimension& one : dimensions.declared()) declared.push_back(dimension_of(one));
  made["dimensions"] = std::move(declared);
  return made;
}

json::array metrics_of(const std::vector<Metric>& metrics) {
  json::array made;
  for (const Metric& one : metrics) {
    json::object metric{{"type", one.type}, {"name", one.name}};
    if (!one.field.empty()) metric["fieldName"] = one.field;
    for (const auto& [name, value] : one.parameters) metric[name] = value;
    made.push_back(std::move(metric));
  }
  return made;
}

json::object transforms_of(const Transforms& transforms) {
  json::object made;
  json::array list;
  for (const Transform& one : transforms.transforms)
    list.push_back(json::object{{"type", "expression"}, {"name", one.name}, {"expression", one.expression}});
  made["transforms"] = std::move(list);
  if (!transforms.filter.empty()) made["filter"] = json::parse(transforms.filter);
  return made;
}

json::object granularity_of(const Spec& spec) {
  json::object made{{"type", "uniform"},
                    {"segmentGranularity", to_string(spec.granularity.segment)},
                    {"queryGranularity", to_string(spec.granularity.query)},
                    {"rollup", spec.granularity.rollup}};
  if (!spec.mode.intervals().empty()) made["intervals"] = names(spec.mode.intervals());
  return made;
}

json::object partitions_of(const DynamicPartitions& one) {
  json::object made{{"type", "dynamic"}, {"maxRowsPerSegment", one.max_rows_per_segment}};
  if (one.max_total_rows) made["maxTotalRows"] = *one.max_total_rows;
  return made;
}
json::object partitions_of(const HashedPartitions& one) {
  json::object made{{"type", "hashed"}};
  if (!one.dimensions.empty()) made["partitionDimensions"] = names(one.dimensions);
  if (one.num_shards) made["numShards"] = *one.num_shards;
  if (one.target_rows_per_segment) made["targetRowsPerSegment"] = *one.target_rows_per_segment;
  return made;
}
json::object partitions_of(const RangePartitions& one) {
  json::object made{{"type", "range"}, {"partitionDimensions", names(one.dimensions)}};
  if (one.target_rows_per_segment) made["targetRowsPerSegment"] = *one.target_rows_per_segment;
  if (one.max_rows_per_segment) made["maxRowsPerSegment"] = *one.max_rows_per_segment;
  if (one.assume_grouped) made["assumeGrouped"] = true;
  return made;
}

json::object tuning_of(const Tuning& tuning) {
  constexpr std::array<std::string_view, 4> compressions{"lz4", "lzf", "zstd", "uncompressed"};
  json::object made{
      {"type", "index_parallel"},
      {"partitionsSpec", std::visit([](const auto& one) { return partitions_of(one); }, tuning.partitions)},
      {"forceGuaranteedRollup", !std::holds_alternative<DynamicPartitions>(tuning.partitions)},
      {"maxNumConcurrentSubTasks", tuning.max_sub_tasks},
      {"maxParseExceptions", tuning.max_parse_exceptions},
      {"maxSavedParseExceptions", tuning.max_saved_parse_exceptions},
      {"logParseExceptions", tuning.log_parse_exceptions}};
  if (tuning.max_rows_in_memory) made["maxRowsInMemory"] = *tuning.max_rows_in_memory;
  if (tuning.max_bytes_in_memory) made["maxBytesInMemory"] = *tuning.max_bytes_in_memory;
  if (tuning.await_segments.count() > 0) made["awaitSegmentAvailabilityTimeoutMillis"] = tuning.await_segments.count();
  if (tuning.max_split_bytes || tuning.max_split_files) {
    json::object hint{{"type", "maxSize"}};
    if (tuning.max_split_bytes) hint["maxSplitSize"] = *tuning.max_split_bytes;
    if (tuning.max_split_files) hint["maxNumFiles"] = *tuning.max_split_files;
    made["splitHintSpec"] = std::move(hint);
  }
  json::object index;
  const auto name = [&](Compression one) { return compressions[static_cast<std::size_t>(one)]; };
  if (tuning.dimension_compression) index["dimensionCompression"] = name(*tuning.dimension_compression);
  if (tuning.metric_compression) index["metricCompression"] = name(*tuning.metric_compression);
  if (!index.empty()) made["indexSpec"] = std::move(index);
  return made;
}

json::object schema_of(const Spec& spec) {
  json::object made{{"dataSource", spec.data_source},
                    {"timestampSpec", timestamp_of(spec.timestamp)},
                    {"dimensionsSpec", dimensions_of(spec.dimensions)},
                    {"metricsSpec", metrics_of(spec.metrics)},
                    {"granularitySpec", granularity_of(spec)}};
  if (!spec.transforms.transforms.empty() || !spec.transforms.filter.empty())
    made["transformSpec"] = transforms_of(spec.transforms);
  return made;
}

json::object io_of(const Spec& spec) {
  json::object made{{"type", "index_parallel"},
                    {"inputSource", std::visit([](const auto& one) { return input_of(one); }, spec.input)}};
  if (!std::holds_alternative<std::monostate>(spec.format))
    made["inputFormat"] = std::visit([](const auto& one) { return format_of(one); }, spec.format);
  made["appendToExisting"] = spec.mode.append() != nullptr;
  made["dropExisting"] = spec.mode.replace() != nullptr && spec.mode.replace()->drop_existing;
  return made;
}

json::object task_of(const Spec& spec) {
  json::object made{{"type", "index_parallel"}};
  if (!spec.id.empty()) made["id"] = spec.id;
  made["spec"] = json::object{
      {"dataSchema", schema_of(spec)}, {"ioConfig", io_of(spec)}, {"tuningConfig", tuning_of(spec.tuning)}};
  json::object context;
  if (spec.context.priority) context["priority"] = *spec.context.priority;
  if (spec.context.concurrent_locks) context["useConcurrentLocks"] = true;
  if (!context.empty()) made["context"] = std::move(context);
  return made;
}

/// Returns all problems of the spec as one error, if there are any.
Result<void> checked(const Spec& spec) {
  const std::vector<std::string> found = problems(spec);
  if (found.empty()) return {};
  return Error{.code = Errc::InvalidOptions,
               .context = fmt::format("the spec for Druid cannot be used: {}", fmt::join(found, "; "))};
}

}  // namespace

void check_name(std::string_view field, std::string_view name, Problems& to) {
  if (name.empty()) return to.add(field, "is empty; give a name");
  if (name.front() == '.') to.add(field, fmt::format("'{}' begins with a point; choose another name", name));
  bool control = false;
  for (const char c : name) control = control || static_cast<unsigned char>(c) < ' ' || c == '\x7f';
  if (name.find('/') != std::string_view::npos)
    to.add(field, fmt::format("'{}' contains '/', which Druid does not allow; choose another name", name));
  if (control) to.add(field, "contains a control character, such as a tab or a line end; choose another name");
}

namespace {

/// Checks what Druid says of a name only when a task has read all rows.
void check_stored_source(std::string_view name, Problems& to) {
  // Ids of segments have at most 255 characters in the database of metadata: the name, three times, and a number. With
  // a longer one the task never ends.
  constexpr std::size_t most = 160;
  if (name.size() > most)
    to.add("data_source", fmt::format("'{}...' has {} bytes, and Druid keeps names of at most {}, because the ids of "
                                      "segments contain them; choose a shorter name",
                                      name.substr(0, 40), name.size(), most));
  if (!name.empty() && (name.front() == ' ' || name.back() == ' '))
    to.add("data_source", fmt::format("'{}' begins or ends with a blank; choose another name", name));
}

}  // namespace

std::vector<std::string> problems(const Spec& spec) {
  Problems found;
  check_name("data_source", spec.data_source, found);
  check_stored_source(spec.data_source, found);
  if (!spec.id.empty()) check_name("id", spec.id, found);
  check_input(spec, found);
  check_format(spec, found);
  check_schema(spec, found);
  check_tuning(spec, found);
  return std::move(found).take();
}

Result<std::string> to_json(const Spec& spec) {
  if (Result<void> done = checked(spec); !done) return failure(std::move(done.error()));
  return json::serialize(task_of(spec));
}

Result<std::string> task_id(const Spec& spec, std::string_view content, unsigned attempt) {
  Spec same = spec;
  same.id.clear();
  Result<std::string> text = to_json(same);
  if (!text) return text;
  io::Digest digest(io::DigestKind::Sha256);
  digest.update(*text);
  digest.update(std::string_view("\0", 1));
  digest.update(content);
  return fmt::format("etl_{}_{}_{}", spec.data_source, digest.finish().substr(0, 20), attempt);
}

}  // namespace etl::inline v0::druid

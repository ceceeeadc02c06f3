// Specs of ingestion: what they refuse, and their JSON.
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <etl/druid/spec.hpp>

#include "support/catch.hpp"
#include "support/json.hpp"

namespace spec_test {

namespace druid = etl::druid;
using test::Json;

namespace {

struct Sale {
  std::chrono::sys_time<std::chrono::milliseconds> sold_at;
  std::string product;
  std::int32_t quantity;
  std::optional<double> price;
  float weight;
  bool gift;
  std::uint64_t serial;
  std::vector<std::string> tags;
};

const auto sale = etl::fields<Sale>(
    etl::field("sold_at", &Sale::sold_at), etl::field("product", &Sale::product),
    etl::field("quantity", &Sale::quantity), etl::field("price", &Sale::price),
    etl::field("weight", &Sale::weight, druid::input_only), etl::field("gift", &Sale::gift),
    etl::field("serial", &Sale::serial, druid::as(druid::DimensionType::String)), etl::field("tags", &Sale::tags));

druid::Spec good() {
  return {.data_source = "sales",
          .mode = druid::Replace{.intervals = {"2024-01-01/2024-02-01"}},
          .timestamp = {.column = "sold_at"},
          .dimensions = druid::Dimensions::of({{.name = "product"}}),
          .input = druid::LocalInput{.base_dir = "/data", .filter = "*.json.gz"},
          .format = druid::JsonFormat{}};
}

/// The problems of a good spec that `spoil` has changed, one a line.
template <class F>
std::string spoiled(F spoil) {
  druid::Spec spec = good();
  spoil(spec);
  std::string text;
  for (const std::string& one : druid::problems(spec)) text += (text.empty() ? "" : "\n") + one;
  return text;
}

Json::Leaves leaves(const druid::Spec& spec) {
  const auto json = druid::to_json(spec);
  INFO((json ? std::string() : json.error().message()));
  REQUIRE(json);
  return Json::parse(*json).value();
}

}  // namespace

TEST_CASE("druid spec: a good one has no problems, and its JSON says what it says") {
  CHECK(spoiled([](auto&) {}).empty());
  const auto json = leaves(good());
  CHECK(json.at("type") == "index_parallel");
  CHECK(json.at("spec.dataSchema.dataSource") == "sales");
  CHECK(json.at("spec.dataSchema.timestampSpec.column") == "sold_at");
  CHECK(json.at("spec.dataSchema.timestampSpec.format") == "auto");
  CHECK(json.at("spec.dataSchema.dimensionsSpec.dimensions.0.name") == "product");
  CHECK(json.at("spec.dataSchema.granularitySpec.intervals.0") == "2024-01-01/2024-02-01");
  CHECK(json.at("spec.dataSchema.granularitySpec.segmentGranularity") == "DAY");
  CHECK(json.at("spec.dataSchema.granularitySpec.queryGranularity") == "NONE");
  CHECK(json.at("spec.dataSchema.granularitySpec.rollup") == "false");
  CHECK(json.at("spec.dataSchema.metricsSpec.#") == "0");
  CHECK(json.at("spec.ioConfig.appendToExisting") == "false");
  CHECK(json.at("spec.ioConfig.dropExisting") == "false");
  CHECK(json.at("spec.ioConfig.inputSource.baseDir") == "/data");
  CHECK(json.at("spec.ioConfig.inputFormat.type") == "json");
  CHECK(json.at("spec.tuningConfig.partitionsSpec.maxRowsPerSegment") == "5000000");
  CHECK(json.at("spec.tuningConfig.maxParseExceptions") == "0");
  CHECK(json.count("id") == 0);
  CHECK(json.count("spec.dataSchema.transformSpec.transforms.#") == 0);
}

TEST_CASE("druid spec: dimensions of described rows") {
  const druid::Dimensions dimensions = druid::dimensions(sale, "sold_at");
  std::string text;
  auto spec = good();
  spec.dimensions = dimensions;
  const auto json = leaves(spec);
  for (std::size_t i = 0; i < dimensions.declared().size(); ++i) {
    const std::string at = "spec.dataSchema.dimensionsSpec.dimensions." + std::to_string(i);
    text += json.at(at + ".name") + ":" + json.at(at + ".type") + " ";
  }
  CHECK(text == "product:string quantity:long price:double gift:string serial:string tags:auto ");
}

TEST_CASE("druid spec: all problems are told at once, each with field, value and remedy") {
  const druid::Spec nothing{.mode = druid::Replace{}};
  const auto error = druid::to_json(nothing);
  REQUIRE_FALSE(error);
  CHECK(error.error().code == etl::Errc::InvalidOptions);
  CHECK(
      error.error().message() ==
      "the spec for Druid cannot be used: data_source: is empty; give a name; input.data: is empty; give rows, or "
      "another input; format: is missing; give JsonFormat, CsvFormat, TsvFormat or ColumnarFormat; dimensions: are not "
      "given; use Dimensions::discovered(), Dimensions::of({...}) or dimensions(fields, time); mode.intervals: are "
      "missing; say which spans of time are replaced, or set where_rows_are");
}

TEST_CASE("druid spec: names that Druid does not allow") {
  CHECK(spoiled([](auto& s) { s.data_source = "sa/les"; }) ==
        "data_source: 'sa/les' contains '/', which Druid does not allow; choose another name");
  CHECK(spoiled([](auto& s) { s.data_source = ".sales"; }) ==
        "data_source: '.sales' begins with a point; choose another name");
  CHECK(spoiled([](auto& s) { s.data_source = "a\tb"; }) ==
        "data_source: contains a control character, such as a tab or a line end; choose another name");
  CHECK(spoiled([](auto& s) { s.id = "sl/ash"; }) ==
        "id: 'sl/ash' contains '/', which Druid does not allow; choose another name");
  CHECK(spoiled([](auto& s) { s.data_source = "two words"; }).empty());
  CHECK(spoiled([](auto& s) { s.data_source = "  "; }) ==
        "data_source: '  ' begins or ends with a blank; choose another name");
  CHECK(spoiled([](auto& s) { s.data_source = "sales "; }) ==
        "data_source: 'sales ' begins or ends with a blank; choose another name");
  CHECK(spoiled([](auto& s) { s.data_source = std::string(300, 'n'); }) ==
        "data_source: '" + std::string(40, 'n') +
            "...' has 300 bytes, and Druid keeps names of at most 160, because the ids of segments contain them; "
            "choose a shorter name");
  CHECK(spoiled([](auto& s) { s.data_source = std::string(160, 'n'); }).empty());
}

TEST_CASE("druid spec: a time column that the input does not have, and formats of time") {
  CHECK(spoiled([](auto& s) {
          s.timestamp.column = "__time";
          s.columns = {"product", "date"};
        }) ==
        "timestamp.column: '__time' is not a column of the input, which has 'product' and 'date'; name the column that "
        "holds the time, or give missing_value");
  CHECK(spoiled([](auto& s) { s.timestamp.format = "isoo"; }) ==
        "timestamp.format: 'isoo' is neither a format of Druid (auto, iso, posix, millis, micro, nano, ruby) nor a "
        "pattern "
        "such as dd.MM.yyyy HH:mm");
  CHECK(spoiled([](auto& s) { s.timestamp.format = "yyyy-MM-dd'T'HH:mm"; }).empty());
  CHECK(spoiled([](auto& s) { s.timestamp = {.column = "no", .missing_value = "yesterday"}; }) ==
        "timestamp.missing_value: 'yesterday' is no time of ISO 8601; write one such as 2024-01-01T00:00:00Z");
  CHECK(spoiled([](auto& s) {
          s.timestamp = {.column = "no", .missing_value = "2024-01-01T00:00:00.5+02:00"};
          s.columns = {"product"};
        }).empty());
  CHECK(spoiled([](auto& s) {
          s.format = druid::CsvFormat{.header = false, .columns = {"day", "product"}};
        }).starts_with("timestamp.column: 'sold_at' is not a column"));
}

TEST_CASE("druid spec: dimensions and metrics that cannot be") {
  CHECK(spoiled([](auto& s) {
          s.dimensions = druid::Dimensions::of({{.name = "a"}, {.name = "a"}, {.name = "__time"}});
        }) ==
        "dimensions: 'a' occurs twice; leave one out\n"
        "dimensions: '__time' is no dimension, because Druid makes it of the timestamp; leave it out");
  CHECK(spoiled([](auto& s) {
          s.dimensions =
              druid::Dimensions::of({{.name = "n", .type = druid::DimensionType::Long, .bitmap_index = false}});
        }) == "dimensions: 'n' is no string, so multi_value and bitmap_index do not apply; leave them out");
  CHECK(spoiled([](auto& s) { s.columns = {"sold_at", "prod"}; }) ==
        "dimensions: 'product' is neither a column of the input, which has 'sold_at' and 'prod', nor made by a "
        "transform; it "
        "would be empty in all rows");
  CHECK(spoiled([](auto& s) {
          s.columns = {"sold_at", "prod"};
          s.transforms.transforms = {{.name = "product", .expression = "upper(\"prod\")"}};
        }).empty());
  CHECK(spoiled([](auto& s) {
          s.metrics = {{.type = "count", .name = "rows", .field = "x"},
                       {.type = "longSum", .name = "product", .field = "q"},
                       {.type = "longSum", .name = "sum"},
                       {.type = "count", .name = "__time"},
                       {.type = "count"}};
        }) ==
        "metrics: 'rows' counts rows and reads no column; leave the field 'x' out\n"
        "metrics: 'product' is also a dimension or another metric; names must differ\n"
        "metrics: 'sum' has no field; name the column that it reads\n"
        "metrics: '__time' is the name of the timestamp; choose another name\n"
        "metrics: has a metric of type 'count' without a name; name the column that it makes");
  CHECK(spoiled([](auto& s) {
          s.metrics = {{.type = "sum", .name = "s", .field = "q"}};
        }).starts_with("metrics: 's' has the type 'sum', which Druid does not have; use one of count, longSum, "));
}

TEST_CASE("druid spec: transforms and filters") {
  CHECK(spoiled([](auto& s) {
          s.transforms = {.transforms = {{.name = "a", .expression = "1"}, {.name = "a", .expression = ""}},
                          .filter = "x = 1"};
        }) ==
        "transforms: 'a' has no expression; give one such as upper(\"a\")\n"
        "transforms: 'a' occurs twice; put both into one expression\n"
        "transforms.filter: 'x = 1' is no JSON object with a type; write a filter of Druid");
  auto spec = good();
  spec.transforms = {.transforms = {{.name = "a", .expression = "b + 1"}},
                     .filter = R"({"type":"selector","dimension":"c","value":"d"})"};
  const auto json = leaves(spec);
  CHECK(json.at("spec.dataSchema.transformSpec.transforms.0.expression") == "b + 1");
  CHECK(json.at("spec.dataSchema.transformSpec.filter.value") == "d");
}

TEST_CASE("druid spec: roll-up without metrics would lose how many rows there were") {
  CHECK(spoiled([](auto& s) { s.granularity.rollup = true; }) ==
        "granularity.rollup: would combine equal rows into one row, and without metrics their number would be lost; "
        "add a metric such as {\"count\", \"rows\"}, or set rollup to false");
  CHECK(spoiled([](auto& s) {
          s.granularity.rollup = true;
          s.metrics = {{"count", "rows"}};
        }).empty());
}

TEST_CASE("druid spec: granularities") {
  using druid::Grain;
  CHECK(spoiled([](auto& s) { s.granularity = {.segment = Grain::Day, .query = Grain::Month}; }) ==
        "granularity.query: MONTH is coarser than the granularity of segments, DAY; make it the same or finer");
  CHECK(spoiled([](auto& s) { s.granularity.segment = Grain::None; }) ==
        "granularity.segment: NONE would make a segment of every millisecond; use HOUR, DAY or MONTH");
  CHECK(druid::grain_of("fifteen_minute") == Grain::FifteenMinute);
  CHECK(druid::grain_of("ALL") == Grain::All);
  CHECK_FALSE(druid::grain_of("fortnight"));
  CHECK(druid::to_string(Grain::Quarter) == "QUARTER");
}

TEST_CASE("druid spec: intervals of a mode") {
  const auto intervals = [](std::vector<std::string> given, druid::Grain segment = druid::Grain::Day) {
    return spoiled([&](auto& s) {
      s.mode = druid::Replace{.intervals = std::move(given)};
      s.granularity.segment = segment;
    });
  };
  for (const char* text : {"2024-01-01/2024-02-01", "2024-01-01/P1M", "2016-06/P1M", "P1D/2024-01-01", "2024/2025",
                           "2024-01-01T00:00:00Z/2024-01-02T00:00:00.000Z", "2024-01-01T02:00+02:00/P1D"})
    CHECK(intervals({text}).empty());
  for (const char* text : {"2024-01-01", "2024-01-01/2024-02-01/2024-03-01", "a/2024-01-01", "2024-01-01/b", "P1D/P1D",
                           "2024-02-30/2024-03-01", "2024-01-02/2024-01-01", "2024-01-01/2024-01-01", "2024-01-01/P",
                           "2024-01-01/PT", "2024-01-01T25/P1D", "2024-01-01T00:00:00X/P1D", ""})
    CHECK(intervals({text}).starts_with("mode.intervals: '" + std::string(text) + "' "));
  CHECK(
      intervals({"2024-01-01T12:00:00Z/2024-01-03"}) ==
      "mode.intervals: '2024-01-01T12:00:00Z/2024-01-03': no DAY begins at 2024-01-01T12:00:00Z; Druid replaces whole "
      "segments, so rows outside the interval would be lost; choose other limits or a finer granularity.segment");
  CHECK(intervals({"2024-01-01T12:00:00Z/2024-01-03"}, druid::Grain::SixHour).empty());
  CHECK_FALSE(intervals({"2024-01-02/2024-01-09"}, druid::Grain::Week).empty());
  CHECK(intervals({"2024-01-01/2024-01-08"}, druid::Grain::Week).empty());
  CHECK_FALSE(intervals({"2024-02-01/2024-03-01"}, druid::Grain::Quarter).empty());
  CHECK(intervals({"2024-04-01/2024-07-01"}, druid::Grain::Quarter).empty());
  CHECK(spoiled([](auto& s) { s.mode = druid::Append{.intervals = {"2024-01-01T12:00/2024-01-03"}}; }).empty());
  CHECK(spoiled([](auto& s) { s.mode = druid::Replace{.where_rows_are = true, .drop_existing = true}; }) ==
        "mode.drop_existing: needs the intervals that it empties; give them");
  CHECK(spoiled([](auto& s) { s.mode = druid::Replace{.intervals = {"2024/2025"}, .where_rows_are = true}; }) ==
        "mode.where_rows_are: is set, and intervals are given; give only one of them");
  auto spec = good();
  spec.mode = druid::Replace{.intervals = {"2024/2025"}, .drop_existing = true};
  CHECK(leaves(spec).at("spec.ioConfig.dropExisting") == "true");
  spec.mode = druid::Append{};
  CHECK(leaves(spec).at("spec.ioConfig.appendToExisting") == "true");
  CHECK(leaves(spec).count("spec.dataSchema.granularitySpec.intervals.#") == 0);
}

TEST_CASE("druid spec: inputs") {
  const auto with = [](druid::Input input) { return spoiled([&](auto& s) { s.input = std::move(input); }); };
  CHECK(with(druid::InlineInput{}) == "input.data: is empty; give rows, or another input");
  CHECK(with(druid::InlineInput{std::string((8U << 20U) + 1, 'x')}) ==
        "input.data: has 8388609 bytes, more than the 8388608 that a spec may hold; write the rows to files and use a "
        "local, "
        "http or s3 input");
  CHECK(with(druid::LocalInput{}) == "input: has neither base_dir nor files; give one of them");
  CHECK(with(druid::LocalInput{.base_dir = "data", .filter = ""}) ==
        "input.base_dir: 'data' is not an absolute path; Druid's tasks run in folders of their own, so write the path "
        "from /\n"
        "input.filter: is empty; give a pattern of names, such as *.json");
  CHECK(with(druid::LocalInput{.files = {"/a", "b"}}) ==
        "input.files: 'b' is not an absolute path; write the path from /");
  CHECK(with(druid::HttpInput{.uris = {"ftp://host/a"}, .user = "me"}) ==
        "input.uris: 'ftp://host/a' is not an http or https URL; write it with its scheme and host\n"
        "input.user: and password_variable belong together; give both or neither");
  const std::string secret = with(druid::HttpInput{.uris = {"https://me:hidden@host/a"}});
  CHECK(secret.starts_with(
      "input.uris: 'https://host/a' has credentials, which everybody who may read the task would see"));
  CHECK(with(druid::S3Input{}) == "input: has neither uris nor prefixes; give one of them");
  CHECK(
      with(druid::S3Input{.uris = {"s3://bucket", "http://x/y"}, .endpoint = "there", .access_key_variable = "KEY"}) ==
      "input.uris: 's3://bucket' is not s3://bucket/key\n"
      "input.uris: 'http://x/y' is not s3://bucket/key\n"
      "input.access_key_variable: and secret_key_variable belong together; give both or neither\n"
      "input.endpoint: 'there' is not an http or https URL\n"
      "input.region: is empty; an endpoint needs the region that its requests are signed for, such as us-east-1");
  CHECK(with(druid::S3Input{.prefixes = {"s3://bucket", "s3://bucket/a"}}).empty());
  CHECK(with(druid::DruidInput{.data_source = "old", .interval = "2024/2025"}) ==
        "format: is given for an input that is a datasource, which has none; leave it out");
  CHECK(spoiled([](auto& s) {
          s.input = druid::DruidInput{.data_source = "old", .interval = "2024"};
          s.format = std::monostate();
        }) ==
        "input.interval: '2024' is no interval of ISO 8601; write start/end, such as 2024-01-01/2024-02-01 or "
        "2024-01-01/P1M");
}

TEST_CASE("druid spec: secrets stay in the environment of Druid") {
  auto spec = good();
  spec.input = druid::S3Input{.uris = {"s3://b/k"},
                              .endpoint = "http://127.0.0.1:7070",
                              .region = "us-east-1",
                              .path_style = true,
                              .access_key_variable = "S3_KEY",
                              .secret_key_variable = "S3_SECRET"};
  const auto s3 = leaves(spec);
  CHECK(s3.at("spec.ioConfig.inputSource.properties.secretAccessKey.type") == "environment");
  CHECK(s3.at("spec.ioConfig.inputSource.properties.secretAccessKey.variable") == "S3_SECRET");
  CHECK(s3.at("spec.ioConfig.inputSource.endpointConfig.signingRegion") == "us-east-1");
  CHECK(s3.at("spec.ioConfig.inputSource.clientConfig.enablePathStyleAccess") == "true");
  CHECK(s3.at("spec.ioConfig.inputSource.clientConfig.protocol") == "http");
  spec.input = druid::HttpInput{.uris = {"https://host/a"}, .user = "me", .password_variable = "PASSWORD"};
  CHECK(leaves(spec).at("spec.ioConfig.inputSource.httpAuthenticationPassword.variable") == "PASSWORD");
}

TEST_CASE("druid spec: formats") {
  const auto with = [](druid::InputFormat format) { return spoiled([&](auto& s) { s.format = std::move(format); }); };
  CHECK(with(druid::CsvFormat{}).empty());
  CHECK(with(druid::CsvFormat{.columns = {"sold_at", "product"}}) ==
        "format.columns: are given, and the first line has names, too; set header to false, or give no columns");
  CHECK(with(druid::CsvFormat{.header = false}) ==
        "format.columns: are not given, and the first line has no names; give the names of all columns");
  CHECK(with(druid::CsvFormat{
            .header = false, .columns = {"sold_at", "product", "a,b", "product"}, .list_delimiter = ","}) ==
        "format.columns: 'a,b' contains the delimiter; choose another name\n"
        "format.columns: 'product' occurs twice; names must differ\n"
        "format.list_delimiter: ',' is the delimiter of cells, too; choose another one");
  CHECK(with(druid::TsvFormat{.delimiter = "||"}) == "format.delimiter: '||' has 2 bytes; give one character");
  CHECK(with(druid::JsonFormat{.discover_fields = false}) ==
        "format.fields: are not given, and fields are not discovered; rows would have no column");
  CHECK(with(druid::JsonFormat{.fields = {{.name = "a", .expression = "b"}}}) ==
        "format.fields: 'a' has the expression 'b', which is no JSONPath; begin it with $");
  CHECK(spoiled([](auto& s) {
          s.format = druid::ColumnarFormat::Parquet;
          s.input = druid::InlineInput{"x"};
        }) == "format: is binary, and an inline input is text; use a local, http or s3 input");
  auto spec = good();
  spec.format = druid::TsvFormat{.skip_rows = 2, .delimiter = "|", .list_delimiter = ";"};
  CHECK(leaves(spec).at("spec.ioConfig.inputFormat.findColumnsFromHeader") == "true");
  CHECK(leaves(spec).at("spec.ioConfig.inputFormat.delimiter") == "|");
  CHECK(leaves(spec).at("spec.ioConfig.inputFormat.skipHeaderRows") == "2");
  spec.format = druid::JsonFormat{.fields = {{.name = "id", .expression = "$.a.id"}}};
  CHECK(leaves(spec).at("spec.ioConfig.inputFormat.flattenSpec.fields.0.expr") == "$.a.id");
}

TEST_CASE("druid spec: partitions and tuning") {
  using druid::HashedPartitions;
  using druid::RangePartitions;
  const auto with = [](druid::Partitions partitions, bool append = false) {
    return spoiled([&](auto& s) {
      s.tuning.partitions = std::move(partitions);
      if (append) s.mode = druid::Append{};
    });
  };
  CHECK(with(HashedPartitions{}).empty());
  CHECK(with(HashedPartitions{}, true) ==
        "tuning.partitions: are HashedPartitions, and the mode is Append, which Druid allows with DynamicPartitions "
        "only; use "
        "these, or Replace");
  CHECK(with(HashedPartitions{.num_shards = 2, .target_rows_per_segment = 0}) ==
        "tuning.partitions.target_rows_per_segment: is 0; give at least 1\n"
        "tuning.partitions: have both num_shards and target_rows_per_segment; give only one of them");
  CHECK(with(RangePartitions{}) ==
        "tuning.partitions.dimensions: are missing; name the dimensions whose ranges make segments\n"
        "tuning.partitions: need exactly one of target_rows_per_segment and max_rows_per_segment");
  CHECK(spoiled([](auto& s) {
          s.tuning.partitions = RangePartitions{.dimensions = {"product"}, .target_rows_per_segment = 1000};
          s.input = druid::InlineInput{"x"};
        }) ==
        "tuning.partitions: are RangePartitions, which Druid cannot make of an inline input; use HashedPartitions or "
        "DynamicPartitions, or another input");
  CHECK(spoiled([](auto& s) {
          s.tuning.max_sub_tasks = 0;
          s.tuning.max_parse_exceptions = -1;
          s.tuning.partitions = druid::DynamicPartitions{.max_rows_per_segment = 0};
        }) ==
        "tuning.partitions.max_rows_per_segment: is 0; give at least 1\n"
        "tuning.max_sub_tasks: is 0; give at least 1\n"
        "tuning.max_parse_exceptions: is -1; give 0 or more");
  auto spec = good();
  spec.tuning = {.partitions = RangePartitions{.dimensions = {"product"}, .max_rows_per_segment = 1000},
                 .max_sub_tasks = 2,
                 .await_segments = std::chrono::seconds(60),
                 .max_split_files = 5,
                 .dimension_compression = druid::Compression::Zstd};
  spec.context = {.priority = 60, .concurrent_locks = true};
  const auto json = leaves(spec);
  CHECK(json.at("spec.tuningConfig.forceGuaranteedRollup") == "true");
  CHECK(json.at("spec.tuningConfig.partitionsSpec.partitionDimensions.0") == "product");
  CHECK(json.at("spec.tuningConfig.awaitSegmentAvailabilityTimeoutMillis") == "60000");
  CHECK(json.at("spec.tuningConfig.splitHintSpec.maxNumFiles") == "5");
  CHECK(json.at("spec.tuningConfig.indexSpec.dimensionCompression") == "zstd");
  CHECK(json.at("context.useConcurrentLocks") == "true");
  CHECK(json.at("context.priority") == "60");
}

TEST_CASE("druid spec: the id of a task depends on spec, content and attempt, and on nothing else") {
  const std::string first = druid::task_id(good(), "content", 0).value();
  CHECK(first.starts_with("etl_sales_"));
  CHECK(first.ends_with("_0"));
  CHECK(first.size() == 32);
  auto spec = good();
  spec.id = first;
  CHECK(druid::task_id(spec, "content", 0).value() == first);
  CHECK(druid::task_id(spec, "content", 1).value() == first.substr(0, 30) + "_1");
  CHECK(druid::task_id(spec, "other", 0).value() != first);
  spec.mode = druid::Append{};
  CHECK(druid::task_id(spec, "content", 0).value() != first);
  spec.data_source = "";
  CHECK_FALSE(druid::task_id(spec, "content", 0));
}

}  // namespace spec_test

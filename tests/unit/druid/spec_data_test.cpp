// Specs that others wrote, against those that the builder makes.
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <etl/druid/spec.hpp>

#include "support/catch.hpp"
#include "support/json.hpp"
#include "support/test_data.hpp"

namespace spec_data_test {

namespace druid = etl::druid;
namespace fs = std::filesystem;

namespace {

std::string read(const fs::path& path) {
  std::ifstream file(path);
  REQUIRE(file);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

/// Druid takes a name alone for a dimension that is a string.
void name_strings(test::Json::Leaves& leaves) {
  const std::string_view under = "spec.dataSchema.dimensionsSpec.dimensions.";
  const test::Json::Leaves before = leaves;
  for (const auto& [path, value] : before) {
    const bool name =
        path.starts_with(under) && path.find('.', under.size()) == std::string::npos && !path.ends_with("#");
    if (!name) continue;
    leaves.erase(path);
    leaves[path + ".name"] = value;
    leaves[path + ".type"] = "string";
  }
}

std::vector<druid::Dimension> strings(std::vector<std::string> names) {
  std::vector<druid::Dimension> made;
  for (std::string& name : names) made.push_back({.name = std::move(name)});
  return made;
}

/// Each value of the spec in the file has the same place and value in the JSON of `spec`. `but`: places that differ.
void check_like(const fs::path& file, const druid::Spec& spec, const std::set<std::string>& but = {}) {
  INFO(file.string());
  const auto json = druid::to_json(spec);
  INFO((json ? *json : json.error().message()));
  REQUIRE(json);
  const auto ours = test::Json::parse(*json).value();
  auto theirs = test::Json::parse(read(file)).value();
  name_strings(theirs);
  for (const auto& [path, value] : theirs) {
    if (but.contains(path)) continue;
    INFO(path);
    const auto found = ours.find(path);
    CHECK(found != ours.end());
    if (found != ours.end()) CHECK(lower(found->second) == lower(value));
  }
}

const std::vector<std::string> wikipedia_strings{
    "channel", "cityName",      "comment",   "countryIsoCode", "countryName", "isAnonymous",   "isMinor",    "isNew",
    "isRobot", "isUnpatrolled", "metroCode", "namespace",      "page",        "regionIsoCode", "regionName", "user"};

/// Places without the numbers of array elements, as in spec_shape.csv: "a.0.b" is "a[].b".
std::string shape(std::string_view path) {
  std::string made;
  std::istringstream parts{std::string(path)};
  for (std::string part; std::getline(parts, part, '.');) {
    if (part == "#") continue;
    if (part.find_first_not_of("0123456789") == std::string::npos)
      made += "[]";
    else
      made += (made.empty() ? "" : ".") + part;
  }
  return made;
}

std::vector<druid::Spec> many() {
  const auto append = [](std::string name) {
    return druid::Spec{.data_source = std::move(name),
                       .mode = druid::Append{},
                       .dimensions = druid::Dimensions::discovered({"x"}),
                       .metrics = {{"count", "rows"}, {"HLLSketchBuild", "u", "user"}, {"stringLast", "last", "s"}},
                       .input = druid::InlineInput{"{}"},
                       .format = druid::JsonFormat{}};
  };
  std::vector<druid::Spec> made{append("a"), append("b"), append("c"), append("d"), append("e")};
  made[0].mode = druid::Replace{.intervals = {"2024/2025"}};
  made[0].tuning.partitions = druid::HashedPartitions{.num_shards = 2};
  made[1].input = druid::LocalInput{.base_dir = "/d"};
  made[1].format = druid::JsonFormat{.fields = {{.name = "a", .expression = "$.a"}}};
  made[2].input = druid::HttpInput{.uris = {"http://h/a"}};
  made[2].tuning.max_split_files = 1;
  made[3].input = druid::DruidInput{.data_source = "o", .interval = "2024/2025"};
  made[3].format = std::monostate();
  made[3].transforms.transforms = {{.name = "t", .expression = "1"}};
  made[4].granularity = {.segment = druid::Grain::Hour, .query = druid::Grain::Second};
  made[4].dimensions =
      druid::Dimensions::of({{.name = "s", .bitmap_index = false}, {.name = "l", .type = druid::DimensionType::Long}});
  return made;
}

}  // namespace

TEST_CASE("druid spec: the builder makes real specs") {
  const auto data = test::data_folder();
  if (!data) return;
  const fs::path specs = *data / "druid" / "specs";
  const std::set<std::string> relative{"spec.ioConfig.inputSource.baseDir"};  // the builder wants absolute paths
  auto dimensions = strings(wikipedia_strings);
  for (const char* name : {"added", "deleted", "delta"})
    dimensions.push_back({.name = name, .type = druid::DimensionType::Long});
  druid::Spec wikipedia{.data_source = "wikipedia",
                        .mode = druid::Replace{.intervals = {"2015-09-12/2015-09-13"}},
                        .timestamp = {.column = "time", .format = "iso"},
                        .dimensions = druid::Dimensions::of(dimensions),
                        .input = druid::LocalInput{.base_dir = "/quickstart/tutorial/",
                                                   .filter = "wikiticker-2015-09-12-sampled.json.gz"},
                        .format = druid::JsonFormat{},
                        .tuning = {.max_rows_in_memory = 25000}};
  auto differ = relative;
  differ.insert("spec.tuningConfig.maxRowsPerSegment");  // the old place of what partitionsSpec has
  check_like(specs / "tutorial_v25" / "wikipedia-index.json", wikipedia, differ);

  const druid::Spec rollup{
      .data_source = "rollup-tutorial",
      .mode = druid::Replace{.intervals = {"2018-01-01/2018-01-03"}},
      .timestamp = {.column = "timestamp", .format = "iso"},
      .dimensions = druid::Dimensions::of(strings({"srcIP", "dstIP"})),
      .metrics = {{"count", "count"}, {"longSum", "packets", "packets"}, {"longSum", "bytes", "bytes"}},
      .granularity = {.segment = druid::Grain::Week, .query = druid::Grain::Minute, .rollup = true},
      .input = druid::LocalInput{.base_dir = "/quickstart/tutorial", .filter = "rollup-data.json"},
      .format = druid::JsonFormat{},
      .tuning = {.max_rows_in_memory = 25000}};
  // Druid's tutorial replaces a part of a week, which the builder refuses.
  CHECK(druid::problems(rollup).size() == 1);
  auto whole_weeks = rollup;
  whole_weeks.mode = druid::Replace{.intervals = {"2018-01-01/2018-01-08"}};
  differ.insert("spec.dataSchema.granularitySpec.intervals.0");
  check_like(specs / "tutorial_v25" / "rollup-index.json", whole_weeks, differ);

  auto http = strings({"page", "language", "user", "unpatrolled", "newPage", "robot", "anonymous", "namespace",
                       "continent", "country", "region", "city"});
  http[1].bitmap_index = false;
  const druid::Spec by_http{
      .data_source = "%%DATASOURCE%%",
      .mode = druid::Replace{.intervals = {"2016-06/P1M"}},
      .timestamp = {.column = "timestamp"},
      .dimensions = druid::Dimensions::of(http),
      .metrics = {{"count", "count"},
                  {"doubleSum", "added", "added"},
                  {"doubleSum", "deleted", "deleted"},
                  {"doubleSum", "delta", "delta"}},
      .granularity = {.segment = druid::Grain::Day, .query = druid::Grain::Second, .rollup = true},
      .input = druid::HttpInput{.uris = {"https://druid.apache.org/data/wikipedia.json.gz",
                                         "https://druid.apache.org/data/wikipedia.json.gz"}},
      .format = druid::JsonFormat{},
      .tuning = {.max_sub_tasks = 10, .max_split_files = 1}};
  check_like(specs / "integration_v25_templates" / "wikipedia_http_inputsource_task.json", by_http);
}

TEST_CASE("druid spec: places and enumerations are those of real specs, or of the manual") {
  const auto data = test::data_folder();
  if (!data) return;
  std::set<std::string> shapes;
  std::istringstream lines(read(*data / "druid" / "spec_shape.csv"));
  for (std::string line; std::getline(lines, line);) shapes.insert(line.substr(0, line.find(',')));
  // Of the manual of version 37, and not in the real specs.
  const std::string dimensions = "spec.dataSchema.dimensionsSpec.";
  const std::string tuning = "spec.tuningConfig.";
  shapes.insert({dimensions + "useSchemaDiscovery", "spec.ioConfig.dropExisting", tuning + "maxParseExceptions",
                 tuning + "maxSavedParseExceptions", tuning + "logParseExceptions"});
  std::set<std::string> words;
  std::istringstream enums(read(*data / "druid" / "spec_enums.csv"));
  for (std::string line; std::getline(enums, line);) {
    std::istringstream values(line.substr(line.find(',') + 1));
    for (std::string value; values >> value;) words.insert(lower(value));
  }
  words.insert({"maxsize", "expression", "path"});
  for (const druid::Spec& spec : many()) {
    const auto json = druid::to_json(spec);
    INFO((json ? *json : json.error().message()));
    REQUIRE(json);
    const auto leaves = test::Json::parse(*json).value();
    for (const auto& [path, value] : leaves) {
      INFO(path << " = " << value);
      CHECK(shapes.contains(shape(path)));
      if (path.ends_with(".type") || path.ends_with("Granularity")) CHECK(words.contains(lower(value)));
    }
  }
}

}  // namespace spec_data_test

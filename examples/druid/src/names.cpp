// Druid's names for enumerators.

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include <etl/druid/schema.hpp>
#include <etl/http/headers.hpp>

namespace etl::inline v0::druid {
namespace {

constexpr std::array<std::string_view, 16> grains{
    "NONE",     "SECOND",     "MINUTE", "FIVE_MINUTE", "TEN_MINUTE", "FIFTEEN_MINUTE", "THIRTY_MINUTE", "HOUR",
    "SIX_HOUR", "EIGHT_HOUR", "DAY",    "WEEK",        "MONTH",      "QUARTER",        "YEAR",          "ALL"};

}  // namespace

std::string_view to_string(Grain grain) noexcept { return grains[static_cast<std::size_t>(grain)]; }

std::optional<Grain> grain_of(std::string_view name) noexcept {
  const auto* const found = std::ranges::find_if(grains, [&](auto known) { return http::same_name(known, name); });
  if (found == grains.end()) return std::nullopt;
  return static_cast<Grain>(found - grains.begin());
}

const std::vector<std::string_view>& metric_types() {
  static const std::vector<std::string_view> types{"count",
                                                   "longSum",
                                                   "longMin",
                                                   "longMax",
                                                   "doubleSum",
                                                   "doubleMin",
                                                   "doubleMax",
                                                   "floatSum",
                                                   "floatMin",
                                                   "floatMax",
                                                   "doubleFirst",
                                                   "doubleLast",
                                                   "floatFirst",
                                                   "floatLast",
                                                   "longFirst",
                                                   "longLast",
                                                   "stringFirst",
                                                   "stringLast",
                                                   "doubleAny",
                                                   "floatAny",
                                                   "longAny",
                                                   "stringAny",
                                                   "HLLSketchBuild",
                                                   "thetaSketch",
                                                   "hyperUnique",
                                                   "tDigestSketch",
                                                   "quantilesDoublesSketch",
                                                   "arrayOfDoublesSketch"};
  return types;
}

}  // namespace etl::inline v0::druid

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>

#include <fmt/format.h>

#include "checks.hpp"

namespace etl::inline v0::druid {
namespace {

void check_positive(std::string_view field, std::optional<std::int64_t> value, Problems& to) {
  if (value && *value < 1) to.add(field, fmt::format("is {}; give at least 1", *value));
}
void check_not_negative(std::string_view field, std::int64_t value, Problems& to) {
  if (value < 0) to.add(field, fmt::format("is {}; give 0 or more", value));
}

void check_names(const std::vector<std::string>& names, Problems& to) {
  std::set<std::string_view> seen;
  for (const std::string& name : names)
    if (name.empty() || !seen.insert(name).second)
      to.add("tuning.partitions.dimensions", name.empty() ? "has an empty name; name a dimension"
                                                          : fmt::format("'{}' occurs twice; leave one out", name));
}

/// Checks that the mode is not Append, because perfect roll-up cannot append.
void check_append(const Spec& spec, std::string_view kind, Problems& to) {
  if (spec.mode.append() != nullptr)
    to.add("tuning.partitions", fmt::format("are {}, and the mode is Append, which Druid allows with DynamicPartitions "
                                            "only; use these, or Replace",
                                            kind));
}

void check(const DynamicPartitions& one, const Spec& /*spec*/, Problems& to) {
  check_positive("tuning.partitions.max_rows_per_segment", one.max_rows_per_segment, to);
  check_positive("tuning.partitions.max_total_rows", one.max_total_rows, to);
}

void check(const HashedPartitions& one, const Spec& spec, Problems& to) {
  check_append(spec, "HashedPartitions", to);
  check_names(one.dimensions, to);
  check_positive("tuning.partitions.num_shards", one.num_shards, to);
  check_positive("tuning.partitions.target_rows_per_segment", one.target_rows_per_segment, to);
  if (one.num_shards && one.target_rows_per_segment)
    to.add("tuning.partitions", "have both num_shards and target_rows_per_segment; give only one of them");
}

void check(const RangePartitions& one, const Spec& spec, Problems& to) {
  check_append(spec, "RangePartitions", to);
  check_names(one.dimensions, to);
  if (one.dimensions.empty())
    to.add("tuning.partitions.dimensions", "are missing; name the dimensions whose ranges make segments");
  check_positive("tuning.partitions.target_rows_per_segment", one.target_rows_per_segment, to);
  check_positive("tuning.partitions.max_rows_per_segment", one.max_rows_per_segment, to);
  if (one.target_rows_per_segment.has_value() == one.max_rows_per_segment.has_value())
    to.add("tuning.partitions", "need exactly one of target_rows_per_segment and max_rows_per_segment");
  if (std::holds_alternative<InlineInput>(spec.input))
    to.add("tuning.partitions",
           "are RangePartitions, which Druid cannot make of an inline input; use HashedPartitions or "
           "DynamicPartitions, or another input");
}

}  // namespace

void check_tuning(const Spec& spec, Problems& to) {
  const Tuning& tuning = spec.tuning;
  std::visit([&](const auto& one) { check(one, spec, to); }, tuning.partitions);
  check_positive("tuning.max_sub_tasks", tuning.max_sub_tasks, to);
  check_positive("tuning.max_rows_in_memory", tuning.max_rows_in_memory, to);
  check_positive("tuning.max_bytes_in_memory", tuning.max_bytes_in_memory, to);
  check_positive("tuning.max_split_bytes", tuning.max_split_bytes, to);
  check_positive("tuning.max_split_files", tuning.max_split_files, to);
  check_not_negative("tuning.max_parse_exceptions", tuning.max_parse_exceptions, to);
  check_not_negative("tuning.max_saved_parse_exceptions", tuning.max_saved_parse_exceptions, to);
  check_not_negative("tuning.await_segments", tuning.await_segments.count(), to);
  if (spec.context.priority) check_not_negative("context.priority", *spec.context.priority, to);
}

}  // namespace etl::inline v0::druid

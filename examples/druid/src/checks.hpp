#pragma once
// Finds problems of a spec that Druid would report only later. Each function adds sentences to `Problems`.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <etl/druid/spec.hpp>

namespace etl::inline v0::druid {

class Problems {
 public:
  /// Adds "FIELD: WHAT".
  void add(std::string_view field, std::string_view what) {
    found_.push_back(std::string(field).append(": ").append(what));
  }
  [[nodiscard]] std::vector<std::string> take() && { return std::move(found_); }

 private:
  std::vector<std::string> found_;
};

/// Checks the name of a datasource or task.
void check_name(std::string_view field, std::string_view name, Problems& to);
void check_input(const Spec& spec, Problems& to);
void check_format(const Spec& spec, Problems& to);
void check_schema(const Spec& spec, Problems& to);
void check_tuning(const Spec& spec, Problems& to);
/// The columns that the input is known to have; empty if they are not known.
[[nodiscard]] std::vector<std::string> known_columns(const Spec& spec);
/// "'a', 'b' and 'c'", or the first few of many.
[[nodiscard]] std::string listed(const std::vector<std::string>& names);

}  // namespace etl::inline v0::druid

#pragma once
/// Specs of batch ingestion into Druid (`index_parallel`), checked before Druid sees them.
///
///     etl::druid::Spec spec{.data_source = "sales",
///                           .mode = etl::druid::Replace{.intervals = {"2024-01-01/2024-02-01"}},
///                           .timestamp = {.column = "sold_at"},
///                           .dimensions = etl::druid::dimensions(sale_fields, "sold_at"),
///                           .input = etl::druid::LocalInput{.base_dir = "/data", .filter = "*.json.gz"},
///                           .format = etl::druid::JsonFormat{}};
///     auto json = etl::druid::to_json(spec);  // or an error that lists everything that is wrong

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <etl/config.hpp>
#include <etl/druid/input.hpp>
#include <etl/druid/schema.hpp>
#include <etl/druid/tuning.hpp>
#include <etl/error.hpp>

namespace etl::inline v0::druid {

/// Adds rows to the existing rows. Repeating it adds them again: at least once.
struct Append {
  /// ISO 8601; rows outside are thrown away. Empty: all rows are taken.
  std::vector<std::string> intervals{};
};

/// Replaces existing rows. Repeating it gives the same rows: exactly once.
struct Replace {
  /// ISO 8601, such as 2024-01-01/2024-02-01; rows outside are thrown away.
  std::vector<std::string> intervals{};
  /// Without `intervals`: replaces each span of `Granularity::segment` for which the input has a row. Rows of earlier
  /// inputs in other spans stay.
  bool where_rows_are = false;
  /// Also empties spans of `intervals` for which the input has no row.
  bool drop_existing = false;
};

/// What happens to the rows that a datasource already has. There is no default, because many users did not expect
/// Druid's default, which replaces.
class Mode {
 public:
  /// Adds rows.
  Mode(Append append) : how_(std::move(append)) {}  // NOLINT(google-explicit-constructor)
  /// Replaces rows.
  Mode(Replace replace) : how_(std::move(replace)) {}  // NOLINT(google-explicit-constructor)
  /// Null: the mode is `Replace`.
  [[nodiscard]] const Append* append() const noexcept { return std::get_if<Append>(&how_); }
  /// Null: the mode is `Append`.
  [[nodiscard]] const Replace* replace() const noexcept { return std::get_if<Replace>(&how_); }
  /// The intervals of either.
  [[nodiscard]] const std::vector<std::string>& intervals() const noexcept {
    return std::visit([](const auto& how) -> const std::vector<std::string>& { return how.intervals; }, how_);
  }

 private:
  std::variant<Append, Replace> how_;
};

/// Settings of the task itself.
struct TaskContext {
  std::optional<std::int64_t> priority{};  ///< of the task's locks; Druid's default for batch tasks is 50
  bool concurrent_locks = false;           ///< lets appends and replaces run at the same time
};

/// One batch ingestion. An aggregate, whose `mode` must be given.
struct Spec {
  std::string data_source{};      ///< its name
  Mode mode;                      ///< what happens to the existing rows
  Timestamp timestamp{};          ///< the column of the time
  Dimensions dimensions{};        ///< `Dimensions::discovered()`, `Dimensions::of({...})` or `dimensions(fields, time)`
  std::vector<Metric> metrics{};  ///< aggregated columns
  Transforms transforms{};        ///< what is computed before
  Granularity granularity{};      ///< how rows are cut by time
  Input input{};                  ///< where the task reads
  InputFormat format{};           ///< how the input is written
  Tuning tuning{};                ///< limits and partitions
  TaskContext context{};          ///< locks
  /// Identifies the task; Druid refuses a second task with the same id. Empty: Druid chooses one, and a submission
  /// whose answer is lost cannot be found again. See `task_id`.
  std::string id{};
  /// Names of the input's columns, when they are known: timestamp, dimensions and metrics are checked against them.
  std::vector<std::string> columns{};
};

/// Everything in the spec that Druid would refuse or misunderstand; each problem is one sentence that names field,
/// value and remedy. Empty: the spec is correct as far as it can be known without Druid.
[[nodiscard]] std::vector<std::string> problems(const Spec& spec);

/// The JSON of `POST /druid/indexer/v1/task`, or an error of code `Errc::InvalidOptions` with all `problems`. It holds
/// no secret.
[[nodiscard]] Result<std::string> to_json(const Spec& spec);

/// An id for the task of `spec` that is the same whenever `content` (a digest of the input, for example), `spec` and
/// `attempt` are: "etl_DATASOURCE_HASH_ATTEMPT". An id of a failed task cannot be used again, so the attempt is a part
/// of it. The spec's own id does not matter. The error is that of `to_json`.
[[nodiscard]] Result<std::string> task_id(const Spec& spec, std::string_view content, unsigned attempt);

}  // namespace etl::inline v0::druid

#pragma once
/// What a datasource of Druid stores: time, dimensions, metrics and transforms (Druid manual, "Ingestion spec").

#include <chrono>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <etl/config.hpp>
#include <etl/fields.hpp>

namespace etl::inline v0::druid {

/// The column of the input that becomes `__time`.
struct Timestamp {
  std::string column = "__time";  ///< its name in the input
  /// "auto" (ISO 8601, or milliseconds since 1970), "iso", "posix", "millis", "micro", "nano", "ruby", or a pattern of
  /// Joda-Time such as "dd.MM.yyyy HH:mm".
  std::string format = "auto";
  std::string missing_value{};  ///< ISO 8601 time of rows without one; empty: such rows cannot be parsed
};

/// The type of a dimension. `Auto` lets Druid choose from the values, arrays and objects included.
enum class DimensionType : std::uint8_t { String, Long, Float, Double, Json, Auto };
/// How several values of a string are stored.
enum class MultiValue : std::uint8_t { SortedArray, SortedSet, Array };

/// A column to group and to filter by. An aggregate.
struct Dimension {
  std::string name{};  ///< name of the column, in the input and in the datasource
  DimensionType type = DimensionType::String;
  bool bitmap_index = true;                 ///< for strings: filters are fast, segments are larger
  std::optional<MultiValue> multi_value{};  ///< for strings
};

/// The dimensions of a datasource: declared, or discovered by Druid. A value; empty until one of the makers made it.
class Dimensions {
 public:
  Dimensions() = default;
  /// Druid takes all columns except `but`, the timestamp and inputs of metrics, and chooses the types.
  [[nodiscard]] static Dimensions discovered(std::vector<std::string> but = {}) {
    Dimensions made;
    made.discovered_ = true;
    made.excluded_ = std::move(but);
    return made;
  }
  /// These, in this order, which is also the order in which Druid sorts rows.
  [[nodiscard]] static Dimensions of(std::vector<Dimension> declared) {
    Dimensions made;
    made.declared_ = std::move(declared);
    return made;
  }
  /// Whether Druid chooses columns and types.
  [[nodiscard]] bool is_discovered() const noexcept { return discovered_; }
  /// What was declared, in its order.
  [[nodiscard]] const std::vector<Dimension>& declared() const noexcept { return declared_; }
  /// Columns that Druid leaves out of those that it discovers.
  [[nodiscard]] const std::vector<std::string>& excluded() const noexcept { return excluded_; }
  [[nodiscard]] bool empty() const noexcept { return !discovered_ && declared_.empty(); }

 private:
  bool discovered_ = false;
  std::vector<Dimension> declared_{};
  std::vector<std::string> excluded_{};
};

/// Options of a field of `etl::fields` for this connector.
struct AsType {
  DimensionType type;
};
/// What `input_only` makes.
struct InputOnly {};
/// Gives a field another type than that of its member.
[[nodiscard]] constexpr AsType as(DimensionType type) noexcept { return {type}; }
/// The field is no dimension: metrics or transforms read it.
inline constexpr InputOnly input_only;

namespace detail {
template <class V>
inline constexpr bool is_time = false;
template <class Clock, class D>
inline constexpr bool is_time<std::chrono::time_point<Clock, D>> = true;
template <class V>
inline constexpr bool is_list = false;
template <class V>
inline constexpr bool is_list<std::vector<V>> = true;

/// The type of a dimension for a member of type `V`, or nothing.
template <class V>
[[nodiscard]] constexpr std::optional<DimensionType> type_for() {
  if constexpr (std::convertible_to<const V&, std::string_view> || std::same_as<V, bool> || is_time<V> ||
                std::same_as<V, std::chrono::year_month_day>)
    return DimensionType::String;
  else if constexpr (is_list<V>)
    return DimensionType::Auto;
  else if constexpr (std::same_as<V, float>)
    return DimensionType::Float;
  else if constexpr (std::floating_point<V>)
    return DimensionType::Double;
  else if constexpr (std::is_enum_v<V>)
    return DimensionType::Long;
  else if constexpr (std::integral<V>)
    return std::is_unsigned_v<V> && sizeof(V) == 8 ? std::nullopt : std::optional(DimensionType::Long);
  else
    return std::nullopt;
}

template <class Row, class Get, bool Key, class... Options>
void add_dimension(std::vector<Dimension>& to, const Field<Get, Key, Options...>& field, std::string_view time_column) {
  using Value = not_null_t<std::remove_cvref_t<std::invoke_result_t<const Get&, const Row&>>>;
  constexpr bool renamed = (std::same_as<Options, AsType> || ...);
  static_assert(renamed || (std::same_as<Options, InputOnly> || ...) || type_for<Value>(),
                "etl: Druid has no type for this field; give etl::druid::as(type) or etl::druid::input_only. A 64-bit "
                "unsigned integer may be too large for a long, so it needs as(), too");
  if constexpr (!(std::same_as<Options, InputOnly> || ...)) {
    if (field.name == time_column) return;
    Dimension made{.name = field.name};
    if constexpr (renamed)
      made.type = std::get<AsType>(field.options).type;
    else
      made.type = *type_for<Value>();
    to.push_back(std::move(made));
  }
}
}  // namespace detail

/// The dimensions of rows that `fields` describes, in its order: whole numbers and enumerations as long, floating-point
/// numbers as float or double, texts, times and truth values as string, vectors as Druid finds them. The field
/// `time_column` is left out, because it becomes `__time`.
template <class Row, class... F>
[[nodiscard]] Dimensions dimensions(const Fields<Row, F...>& fields, std::string_view time_column) {
  std::vector<Dimension> made;
  std::apply([&](const auto&... field) { (detail::add_dimension<Row>(made, field, time_column), ...); }, fields.all);
  return Dimensions::of(std::move(made));
}

/// One aggregation of rows that roll-up puts together.
struct Metric {
  /// "count", "longSum", "doubleMax", "stringLast", "HLLSketchBuild", ...; see `metric_types`.
  std::string type{};
  std::string name{};   ///< the column that it makes
  std::string field{};  ///< the column that it reads; none for "count"
  /// Whole-numbered parameters of the type, such as {"lgK", 12} or {"maxStringBytes", 1024}.
  std::vector<std::pair<std::string, std::int64_t>> parameters{};
};
/// The types of metrics that a spec may have, those of Druid's own extension for DataSketches included.
[[nodiscard]] const std::vector<std::string_view>& metric_types();

/// A column that Druid computes from others (Druid manual, "Expressions"). It may replace a column of the same name.
struct Transform {
  std::string name{};        ///< of the column that it makes, or whose value it changes
  std::string expression{};  ///< of Druid's own language
};
/// What is computed, and which rows are kept, before rows are stored. An aggregate.
struct Transforms {
  std::vector<Transform> transforms{};  ///< computed for each row
  /// JSON object of a filter of Druid, such as R"({"type":"selector","dimension":"country","value":"DE"})". Rows that
  /// it does not keep count as thrown away. Empty: all rows are kept.
  std::string filter{};
};

/// Spans of time by Druid's names.
enum class Grain : std::uint8_t {
  None,
  Second,
  Minute,
  FiveMinute,
  TenMinute,
  FifteenMinute,
  ThirtyMinute,
  Hour,
  SixHour,
  EightHour,
  Day,
  Week,
  Month,
  Quarter,
  Year,
  All,
};
/// "DAY" and so on.
[[nodiscard]] std::string_view to_string(Grain grain) noexcept;
/// The grain of a name in upper or lower case, or nothing.
[[nodiscard]] std::optional<Grain> grain_of(std::string_view name) noexcept;

/// How rows are cut by time. An aggregate.
struct Granularity {
  Grain segment = Grain::Day;  ///< the span of time of a segment; replacing works by such spans
  Grain query = Grain::None;   ///< times are cut to this; `None` keeps milliseconds
  /// Puts rows together that have the same (cut) time and dimensions.
  bool rollup = false;
};

}  // namespace etl::inline v0::druid

#pragma once
/// Maps the columns of a file to members of a struct.
///
///     const auto orders = etl::csv::columns<Order>(etl::csv::column("sku", &Order::sku),
///                                                  etl::csv::column(3, &Order::price, etl::csv::decimal_comma),
///                                                  etl::csv::column("day", &Order::day,
///                                                  etl::csv::format("%d.%m.%Y")));
///     auto decoder = orders.bind(reader.header(), reader.name());  // Result<Decoder>
///     decoder->decode(row, order);                                 // Result<void>

#include <algorithm>
#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <ratio>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include <etl/csv/parse.hpp>
#include <etl/csv/record.hpp>
#include <etl/csv/value.hpp>
#include <etl/error.hpp>
#include <etl/fields.hpp>

namespace etl::inline v0::csv {

/// How a column is written; made by `format`.
struct TimeOption {
  TimeFormat time;   ///< of dates and timestamps
  TimeFormat clock;  ///< of a time of day in a separate column
};
/// The type of `decimal_comma`.
struct DecimalComma {};
/// A conversion; made by `convert`.
template <class F>
struct Convert {
  F function;  ///< from a text to a std::optional of the value
};

/// How dates and times of a column are written (see `TimeFormat`); `clock` is for a time of day in a separate column.
/// Throws `etl::Exception` for an invalid pattern.
[[nodiscard]] TimeOption format(std::string_view pattern, std::string_view clock = {});
/// Numbers of the column are written 1,5.
inline constexpr DecimalComma decimal_comma;
/// Reads a column with your own function, for example for names of enumerators. `function(std::string_view)` returns a
/// std::optional of the member's type; nothing means that the text is not a valid value.
template <class F>
[[nodiscard]] Convert<F> convert(F function) {
  return {std::move(function)};
}

namespace detail {

template <class M>
inline constexpr bool is_utc = false;
template <class D>
inline constexpr bool is_utc<std::chrono::sys_time<D>> = true;
template <class M>
inline constexpr bool is_local = false;
template <class D>
inline constexpr bool is_local<std::chrono::local_time<D>> = true;
template <class M>
inline constexpr bool is_day = std::same_as<M, std::chrono::sys_days> || std::same_as<M, std::chrono::local_days> ||
                               std::same_as<M, std::chrono::year_month_day>;
template <class M>
inline constexpr bool is_text = std::same_as<M, std::string> || std::same_as<M, std::string_view>;
template <class M>
inline constexpr bool is_number = std::floating_point<M> && !std::same_as<M, long double>;
template <class M>
inline constexpr bool is_whole =
    std::is_enum_v<M> || (std::integral<M> && !std::same_as<M, char> && !std::same_as<M, wchar_t> &&
                          !std::same_as<M, char8_t> && !std::same_as<M, char16_t> && !std::same_as<M, char32_t>);
template <class M>
concept CellType = is_text<M> || is_day<M> || is_utc<M> || is_local<M> || is_number<M> || is_whole<M>;

/// False: it lies beyond what `T` can tell, or is finer.
template <class T, class From>
[[nodiscard]] bool set_time(const std::optional<From>& from, T& to) noexcept {
  using D = typename T::duration;
  if (!from) return false;
  if constexpr (std::ratio_less_v<typename D::period, std::micro>) {
    constexpr auto reach = std::chrono::floor<std::chrono::hours>(D::max()) - std::chrono::hours{1};
    if (std::chrono::abs(std::chrono::floor<std::chrono::hours>(from->time_since_epoch())) > reach) return false;
    to = *from;
  } else {
    to = std::chrono::floor<D>(*from);
    if constexpr (!std::chrono::treat_as_floating_point_v<typename D::rep>) return to == *from;
  }
  return true;
}

/// " in whole seconds", for a time that is coarser than what cells may tell.
template <class D>
[[nodiscard]] std::string whole_units() {
  using Period = typename D::period;
  if (std::chrono::treat_as_floating_point_v<typename D::rep> || !std::ratio_greater_v<Period, std::micro>) return "";
  if (std::ratio_equal_v<Period, std::milli>) return " in whole milliseconds";
  if (std::ratio_equal_v<Period, std::ratio<1>>) return " in whole seconds";
  if (std::ratio_equal_v<Period, std::ratio<60>>) return " in whole minutes";
  if (std::ratio_equal_v<Period, std::ratio<3600>>) return " in whole hours";
  return " in whole units of the member";
}

/// False: the text is no such value.
template <CellType M>
[[nodiscard]] bool take(std::string_view text, const CellFormat& format, M& out) {
  if constexpr (std::same_as<M, std::string>) {
    out.assign(text);
    return true;
  } else if constexpr (std::same_as<M, std::string_view>) {
    out = text;
    return true;
  } else if constexpr (std::is_enum_v<M>) {
    std::underlying_type_t<M> value{};
    if (!take(text, format, value)) return false;
    out = static_cast<M>(value);
    return true;
  } else if constexpr (std::integral<M>) {
    return parse(text, out);
  } else if constexpr (std::floating_point<M>) {
    return parse(text, format.decimal_comma, out);
  } else if constexpr (is_day<M>) {
    Day day{};
    if (!parse(text, format.time, day)) return false;
    if constexpr (std::same_as<M, std::chrono::local_days>)
      out = M(day.time_since_epoch());
    else
      out = M(day);
    return true;
  } else if constexpr (is_utc<M>) {
    return set_time(parse_timestamp_tz(text, format.time), out);
  } else {
    return set_time(parse_timestamp(text, format.time), out);
  }
}

template <class M>
[[nodiscard]] std::string expected(const CellFormat& format) {
  if constexpr (is_text<M>)
    return "a text";
  else if constexpr (std::same_as<M, bool>)
    return "a truth value (true, false, yes, no, 1, 0)";
  else if constexpr (std::is_enum_v<M>)
    return expected<std::underlying_type_t<M>>(format);
  else if constexpr (std::integral<M>)
    return fmt::format("{} {}-bit integer", std::is_signed_v<M> ? "a signed" : "an unsigned", sizeof(M) * 8);
  else if constexpr (is_number<M>)
    return format.decimal_comma ? "a number with a decimal comma" : "a number";
  else if constexpr (is_day<M>)
    return written("a date", format.time);
  else if constexpr (is_utc<M>)
    return written("a point in time" + whole_units<typename M::duration>(), format.time);
  else if constexpr (is_local<M>)
    return written("a date and time without a zone" + whole_units<typename M::duration>(), format.time);
  else
    return "such a value";
}

}  // namespace detail

/// A column of a file and the member that it is read into. Made by `column`.
template <class T, class M, class F = void>
struct Column {
  using Row = T;                 ///< the struct
  using Member = M;              ///< the type of the member
  using Function = F;            ///< the type of the conversion, or void
  Source source{};               ///< the column in the file
  Source clock{};                ///< the column of the time of day, if separate; otherwise not valid
  M T::* member = nullptr;       ///< the member
  CellFormat format{};           ///< how cells are written
  std::optional<Nulls> nulls{};  ///< texts that mean NULL; nothing: those of all columns
  /// The conversion, if there is one.
  std::conditional_t<std::is_void_v<F>, std::monostate, F> function{};
};

namespace detail {

template <class T, class M, class F>
Column<T, M, F> with(Column<T, M, F> column) {
  return column;
}
template <class T, class M, class F, class... More>
auto with(Column<T, M, F> column, TimeOption option, More... more) {
  column.format.time = std::move(option.time);
  column.format.clock = std::move(option.clock);
  return with(std::move(column), std::move(more)...);
}
template <class T, class M, class F, class... More>
auto with(Column<T, M, F> column, DecimalComma, More... more) {
  column.format.decimal_comma = true;
  return with(std::move(column), std::move(more)...);
}
template <class T, class M, class F, class... More>
auto with(Column<T, M, F> column, Nulls nulls, More... more) {
  column.nulls = std::move(nulls);
  return with(std::move(column), std::move(more)...);
}
template <class T, class M, class Old, class F, class... More>
auto with(Column<T, M, Old> column, Convert<F> by, More... more) {
  static_assert(std::is_convertible_v<std::invoke_result_t<const F&, std::string_view>, std::optional<not_null_t<M>>>,
                "the function of etl::csv::convert gives a std::optional of what the member holds");
  return with(Column<T, M, F>{.source = std::move(column.source),
                              .clock = std::move(column.clock),
                              .member = column.member,
                              .format = std::move(column.format),
                              .nulls = std::move(column.nulls),
                              .function = std::move(by.function)},
              std::move(more)...);
}

}  // namespace detail

/// Maps the column with this name or number (from 1) to a member. Members are bool, integers, enumerations, floating
/// point, std::string, std::string_view (into the row), days, sys_time, local_time, and std::optional of these, which
/// is empty for NULL. Options: `format`, `decimal_comma`, `Nulls`, `convert`.
template <class T, class M, class... Options>
[[nodiscard]] auto column(const Source& source, M T::* member, Options... options) {
  return detail::with(Column<T, M>{.source = source, .member = member}, std::move(options)...);
}
/// Maps two columns, a date and a time of day, to one timestamp.
template <class T, class M, class... Options>
[[nodiscard]] auto column(const DateTime& source, M T::* member, Options... options) {
  static_assert(detail::is_utc<not_null_t<M>> || detail::is_local<not_null_t<M>>,
                "a date and a time of day make a std::chrono::sys_time or local_time");
  return detail::with(Column<T, M>{.source = source.date, .clock = source.time, .member = member},
                      std::move(options)...);
}

namespace detail {

/// False: the cell holds no such value.
template <class R, class Cells, class C>
[[nodiscard]] ETLPIPE_ALWAYS_INLINE bool decode_cell(const R& row, const Cells& cells, const C& column,
                                                     const BoundCell& at, typename C::Member& out) {
  using Member = typename C::Member;
  using Inner = not_null_t<Member>;
  std::string_view text = cells[at.cell];
  if constexpr (std::is_void_v<typename C::Function> && !is_text<Inner>) text = trimmed(text);
  if (text.size() <= at.longest_null && is_null(row, at.cell, text, column.format.nulls)) [[unlikely]] {
    if constexpr (is_optional<Member>) {
      if (at.clock != no_cell) {  // a time of day without its date is an error
        const std::string_view clock = trimmed(cells[at.clock]);
        if (!clock.empty() && !is_null(row, at.clock, clock, column.format.nulls)) return false;
      }
      out.reset();
      return true;
    } else {
      if (!is_text<Inner> || !text.empty() || says_null(row, at.cell)) return false;
    }
  }
  Inner* value = nullptr;
  if constexpr (is_optional<Member>)
    value = out ? &*out : &out.emplace();  // a text keeps its memory
  else
    value = &out;
  if constexpr (!std::is_void_v<typename C::Function>) {
    std::optional<Inner> converted = column.function(text);
    if (converted) *value = std::move(*converted);
    return converted.has_value();
  } else {
    static_assert(CellType<Inner>, "etl::csv reads no such member; see etl::csv::convert");
    if constexpr (is_utc<Inner> || is_local<Inner>) {
      if (at.clock != no_cell) {
        const auto moment = join(text, cells[at.clock], column.format);
        if (!moment || (is_local<Inner> && moment->offset)) return false;
        const auto time = moment->time - moment->offset.value_or(std::chrono::minutes{0});
        if constexpr (is_utc<Inner>)
          return set_time(std::optional<UtcTime>(UtcTime(time.time_since_epoch())), *value);
        else
          return set_time(std::optional<LocalTime>(time), *value);
      }
    }
    return take(text, column.format, *value);
  }
}

}  // namespace detail

/// Reads rows of one file into structs. Immutable, thread-safe.
template <class T, class... C>
class Decoder {
 public:
  /// Made by `Columns::bind`.
  Decoder(const std::tuple<C...>& columns, std::vector<detail::BoundCell> cells, std::string file)
      : columns_(columns), file_(std::move(file)) {
    std::ranges::move(cells, cells_.begin());
  }

  /// Fills the members; strings reuse their memory. An error of class Rejected names file, line, row, column, value and
  /// what was expected; members of earlier columns are set.
  template <class R>
  [[nodiscard]] Result<void> decode(const R& row, T& out) const {
    return decode(row, out, std::index_sequence_for<C...>{});
  }

 private:
  template <class R, std::size_t... i>
  Result<void> decode(const R& row, T& out, std::index_sequence<i...>) const {
    std::size_t done = 0;
    const auto& cells = detail::cells_of(row);
    const bool good =
        ((detail::decode_cell(row, cells, std::get<i>(columns_), cells_[i], out.*std::get<i>(columns_).member) &&
          ++done) &&
         ...);
    Result<void> result;  // `return {}` would fill it with zeros, which takes as long as a cell
    if (!good) [[unlikely]]
      ((i == done ? void(result = failure(error<i>(row))) : void()), ...);
    return result;
  }

  template <std::size_t i, class R>
  [[nodiscard]] Error error(const R& row) const {
    const auto& column = std::get<i>(columns_);
    using Member = typename std::tuple_element_t<i, std::tuple<C...>>::Member;
    using Inner = not_null_t<Member>;
    const auto& cell = cells_[i];
    using Function = typename std::tuple_element_t<i, std::tuple<C...>>::Function;
    std::string expected = std::is_void_v<Function> ? detail::expected<Inner>(column.format) : "a value of this column";
    const bool null =
        !is_optional<Member> && detail::is_null(row, cell.cell, trimmed(row[cell.cell]), column.format.nulls);
    return detail::bad_cell_of(row, file_, cell, null, std::move(expected));
  }

  std::tuple<C...> columns_;
  std::array<detail::BoundCell, sizeof...(C)> cells_;
  std::string file_;
};

/// A compile-time mapping. Made by `columns`; immutable.
template <class T, class... C>
class Columns {
 public:
  using Row = T;  ///< the struct
  /// Made by `columns`.
  explicit Columns(const Nulls& nulls, C... columns) : columns_(std::move(columns)...) {
    const auto complete = [&nulls](auto& column) { column.format.nulls = column.nulls.value_or(nulls); };
    std::apply([&complete](auto&... each) { (complete(each), ...); }, columns_);
  }

  /// Finds the columns in the header of a file. The error names all missing columns, and the header. `width` is the
  /// number of cells of a row, for a file without a header; 0 if not known.
  [[nodiscard]] Result<Decoder<T, C...>> bind(std::span<const std::string> header, std::string file = {},
                                              std::size_t width = 0) const {
    const auto wanted = std::apply(
        [](const auto&... each) {
          return std::vector<detail::WantedCell>{{.source = each.source, .clock = each.clock}...};
        },
        columns_);
    auto cells = detail::find_cells(wanted, header, width, file);
    if (!cells) return failure(std::move(cells.error()));
    std::size_t i = 0;
    const auto limit = [&](const auto& column) { (*cells)[i++].longest_null = column.format.nulls.longest(); };
    for_each(limit);
    return Decoder<T, C...>(columns_, *std::move(cells), std::move(file));
  }

  /// The same columns for a format whose numbers have decimal points, as JSON's have.
  [[nodiscard]] Columns with_decimal_points() const {
    Columns points = *this;
    std::apply([](auto&... each) { ((each.format.decimal_comma = false), ...); }, points.columns_);
    return points;
  }

  /// The names that a writer writes as header, in the order of declaration; "columnN" for a column by number.
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> names;
    const auto add = [&names](const Source& source) {
      names.push_back(source.name.empty() ? fmt::format("column{}", source.number) : source.name);
    };
    std::apply(
        [&add](const auto&... each) { ((add(each.source), each.clock.valid() ? add(each.clock) : void()), ...); },
        columns_);
    return names;
  }

  /// Calls `visit(column)` for each column, in the order of declaration.
  template <class Visit>
  void for_each(Visit&& visit) const {
    std::apply([&visit](const auto&... each) { (visit(each), ...); }, columns_);
  }

 private:
  std::tuple<C...> columns_;
};

/// Maps columns to a struct. `Nulls` as first argument are used for all columns without their own.
template <class T, class... M, class... F>
[[nodiscard]] Columns<T, Column<T, M, F>...> columns(Column<T, M, F>... all) {
  return Columns<T, Column<T, M, F>...>(Nulls{}, std::move(all)...);
}
template <class T, class... M, class... F>
[[nodiscard]] Columns<T, Column<T, M, F>...> columns(const Nulls& nulls, Column<T, M, F>... all) {
  return Columns<T, Column<T, M, F>...>(nulls, std::move(all)...);
}

namespace detail {

template <class Option>
inline constexpr bool is_cell_option =
    std::is_same_v<Option, TimeOption> || std::is_same_v<Option, DecimalComma> || std::is_same_v<Option, Nulls>;
template <class F>
inline constexpr bool is_cell_option<Convert<F>> = true;

/// The column of a field as a tuple. Empty for a field that is computed, which no cell can be read into.
template <class Get, bool Key, class... Options>
[[nodiscard]] auto column_of(const Field<Get, Key, Options...>& field) {
  if constexpr (std::is_member_object_pointer_v<Get>) {
    const auto known = []<class Option>(const Option& option) {
      if constexpr (is_cell_option<Option>)
        return std::tuple<Option>(option);
      else
        return std::tuple<>();
    };
    const auto options = std::apply([&](const auto&... each) { return std::tuple_cat(known(each)...); }, field.options);
    return std::apply(
        [&](const auto&... each) { return std::tuple(csv::column(Source(field.name), field.get, each...)); }, options);
  } else {
    return std::tuple<>();
  }
}

}  // namespace detail

/// The fields of a struct that are data members, by their names. `format`, `decimal_comma`, `Nulls` and `convert` among
/// the options of a field are honoured.
template <class T, class... F>
[[nodiscard]] auto columns(const Fields<T, F...>& fields, const Nulls& nulls = {}) {
  const auto all =
      std::apply([](const auto&... each) { return std::tuple_cat(detail::column_of(each)...); }, fields.all);
  static_assert(std::tuple_size_v<decltype(all)> > 0, "etl::csv: none of the fields is a data member");
  return std::apply([&](const auto&... each) { return columns<T>(nulls, each...); }, all);
}

}  // namespace etl::inline v0::csv

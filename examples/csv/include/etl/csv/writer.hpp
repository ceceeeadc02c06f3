#pragma once
/// Rows into files, so that the reader of the same dialect reads the same cells again.

#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <etl/csv/columns.hpp>
#include <etl/csv/dialect.hpp>
#include <etl/csv/parse.hpp>
#include <etl/csv/value.hpp>
#include <etl/error.hpp>
#include <etl/io/sink.hpp>

namespace etl::inline v0::csv {

struct WriterOptions {
  Dialect dialect{};               ///< of which the delimiter, quote, escape, comment, trim and blank lines matter
  bool quote_all = false;          ///< else cells that need quotes get them; a NULL never does
  std::string line_end = "\n";     ///< LF, CR LF or CR
  std::string null{};              ///< what a NULL is written as; a text that looks so gets quotes
  bool decimal_comma = false;      ///< numbers are written 1,5
  std::size_t buffer = 256 << 10;  ///< bytes that are written at once
};

/// Writes rows cell by cell, whole, or as structs by the mapping that reads them. Belongs to one thread at a time.
class Writer {
 public:
  /// Options that cannot be are named in the error.
  [[nodiscard]] static Result<Writer> to(io::Sink sink, WriterOptions options = {});
  /// Appends to a text, which outlives the writer.
  [[nodiscard]] static Result<Writer> into(std::string& text, WriterOptions options = {});

  /// A cell of the row that is open.
  void cell(std::string_view text);
  template <std::same_as<Value> V>
  void cell(const V& value) {
    put(value);
  }
  void null();
  /// Ends the row. A cell that the dialect has no way to write rejects the row, which is left out. Errors of the sink
  /// are as it says.
  [[nodiscard]] Result<void> end_row();

  [[nodiscard]] Result<void> row(std::span<const std::string> cells);
  [[nodiscard]] Result<void> row(std::span<const std::string_view> cells);
  [[nodiscard]] Result<void> row(std::span<const Value> values);
  /// A row of names, and rows below it. A column without a name is called "columnN".
  template <class T, class... C>
  [[nodiscard]] Result<void> header(const Columns<T, C...>& columns) {
    return row(std::span<const std::string>(columns.names()));
  }
  template <class T, class... C>
  [[nodiscard]] Result<void> row(const Columns<T, C...>& columns, const T& value) {
    columns.for_each([&](const auto& column) { member(column, value.*column.member); });
    return end_row();
  }

  /// Writes what is buffered and finishes the sink. Without it the output is incomplete; call it last, once.
  [[nodiscard]] Result<void> finish();
  [[nodiscard]] std::uint64_t rows() const noexcept { return rows_; }

 private:
  Writer(io::Sink sink, std::string* text, WriterOptions options);
  static Result<void> check(const WriterOptions& options);
  [[nodiscard]] std::string& out() noexcept { return text_ != nullptr ? *text_ : buffer_; }
  void begin_cell();
  void put_quoted(std::string_view text);
  void put(const Value& value);
  void number(std::string& text, bool comma);
  void moment(const CellFormat& format, const Moment& moment, bool two_cells);

  template <class C, class M>
  void member(const C& column, const M& value) {
    static_assert(std::is_void_v<typename C::Function>, "a column with etl::csv::convert is read only");
    if constexpr (is_optional<M>) {
      if (value) return member(column, *value);
      null();
      if (column.clock.valid()) null();
    } else if constexpr (detail::is_text<M>) {
      cell(std::string_view(value));
    } else if constexpr (detail::is_day<M>) {
      moment(column.format, {.time = LocalTime(std::chrono::local_days(std::chrono::year_month_day(value)))}, false);
    } else if constexpr (detail::is_utc<M> || detail::is_local<M>) {
      Moment told{.time = LocalTime(std::chrono::floor<std::chrono::microseconds>(value.time_since_epoch())),
                  .has_clock = true};
      if (detail::is_utc<M> && !column.clock.valid()) told.offset = std::chrono::minutes{0};
      moment(column.format, told, column.clock.valid());
    } else if constexpr (std::is_enum_v<M>) {
      member(column, static_cast<std::underlying_type_t<M>>(value));
    } else {
      scratch_.clear();
      if constexpr (std::same_as<M, bool> || std::floating_point<M>)
        append_text(scratch_, value);
      else if constexpr (std::signed_integral<M>)
        append_text(scratch_, static_cast<std::int64_t>(value));
      else
        append_text(scratch_, static_cast<std::uint64_t>(value));
      number(scratch_, std::floating_point<M> && (column.format.decimal_comma || options_.decimal_comma));
    }
  }

  io::Sink sink_;
  std::string* text_;
  WriterOptions options_;
  std::string buffer_{};
  std::string scratch_{};
  std::array<bool, 256> special_{};  // bytes that need quotes
  std::size_t row_begin_ = 0;        // in `out()`
  std::size_t cells_ = 0;            // of the open row
  std::uint64_t rows_ = 0;
  bool null_only_ = false;  // the open row is one NULL so far
  std::string rejected_{};  // why the open row cannot be written
};

}  // namespace etl::inline v0::csv

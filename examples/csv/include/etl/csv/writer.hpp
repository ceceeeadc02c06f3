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

/// Settings of a `Writer`. An aggregate.
struct WriterOptions {
  Dialect dialect{};               ///< its delimiter, quote, escape, comment, trim and blank lines are used
  bool quote_all = false;          ///< quote all cells except NULL; otherwise only cells that need quotes
  std::string line_end = "\n";     ///< LF, CR LF or CR
  std::string null{};              ///< the text for NULL; an equal text that is not NULL gets quotes
  bool decimal_comma = false;      ///< numbers are written 1,5
  std::size_t buffer = 256 << 10;  ///< number of bytes that are written at once
};

/// Writes rows: cell by cell, as whole rows, or as structs with the mapping that reads them. Belongs to one thread at a
/// time.
class Writer {
 public:
  /// Writes to a sink. The error names invalid options.
  [[nodiscard]] static Result<Writer> to(io::Sink sink, WriterOptions options = {});
  /// Appends to a text, which must outlive the writer.
  [[nodiscard]] static Result<Writer> into(std::string& text, WriterOptions options = {});

  /// Adds a cell to the open row.
  void cell(std::string_view text);
  template <std::same_as<Value> V>
  void cell(const V& value) {
    put(value);
  }
  /// Adds a NULL to the open row.
  void null();
  /// Ends the row. If the dialect cannot write a cell, the error is of class Rejected, and the row is not written. Also
  /// returns errors of the sink.
  [[nodiscard]] Result<void> end_row();

  /// Writes a whole row.
  [[nodiscard]] Result<void> row(std::span<const std::string> cells);
  [[nodiscard]] Result<void> row(std::span<const std::string_view> cells);
  [[nodiscard]] Result<void> row(std::span<const Value> values);
  /// Writes the header row of a mapping. A column without a name is called "columnN".
  template <class T, class... C>
  [[nodiscard]] Result<void> header(const Columns<T, C...>& columns) {
    return row(std::span<const std::string>(columns.names()));
  }
  template <class T, class... C>
  [[nodiscard]] Result<void> row(const Columns<T, C...>& columns, const T& value) {
    columns.for_each([&](const auto& column) { member(column, value.*column.member); });
    return end_row();
  }

  /// Writes the buffer and finishes the sink. Without `finish` the output is incomplete. Call it once, last.
  [[nodiscard]] Result<void> finish();
  /// Number of rows written.
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

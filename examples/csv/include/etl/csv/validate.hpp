#pragma once
/// Whether a file of rows is fit to be loaded: all that is wrong with it, at once.
///
///     const auto found = etl::csv::validate("sales.csv");
///     if (!found) return etl::failure(found.error());
///     if (!found->ok()) fmt::print("{}\n", found->text());

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <etl/csv/dialect.hpp>
#include <etl/csv/profile.hpp>
#include <etl/csv/reader.hpp>
#include <etl/csv/record.hpp>
#include <etl/error.hpp>

namespace etl::inline v0::csv {

/// What a file must be. Each limit can be set; 0 columns and a share of 1 let everything pass.
struct ValidationLimits {
  std::uint64_t max_bytes = 500'000'000;  ///< of the file as it is stored
  std::size_t min_columns = 5;            ///< fewest columns
  std::size_t min_time_columns = 1;       ///< with a word of `time_words` in their name, or with times as values
  std::size_t min_numeric_columns = 2;    ///< of which more than `numeric_share` of the values read as numbers
  double numeric_share = 0.5;             ///< the same share makes a column of times
  double max_null_share = 0.8;            ///< of the rows, in each column
  std::vector<std::string> time_words{"time", "date", "timestamp"};  ///< in any case of ASCII letters
  Nulls nulls{};                                                     ///< texts that mean NULL
  bool decimal_comma = false;                                        ///< numbers are written 1,5
  std::size_t max_violations = 1000;                                 ///< that are kept; the others are counted
};

/// What a violation is about.
enum class Check : std::uint8_t {
  Size,            ///< the file is too large
  Format,          ///< it is no text, or empty
  Read,            ///< it cannot be read to its end
  Row,             ///< a row is broken, or has another number of cells
  Columns,         ///< too few columns
  TimeColumn,      ///< no column of times
  NumericColumns,  ///< too few columns of numbers
  Nulls,           ///< a column has too few values
};
/// "size", "format", "read", "row", "columns", "time_column", "numeric_columns", "nulls".
[[nodiscard]] std::string_view to_string(Check check) noexcept;

/// One thing that is wrong.
struct Violation {
  Check check = Check::Read;  ///< what the violation is about
  std::string column{};       ///< its name, or empty: it concerns all of the file
  std::string value{};        ///< what was found instead: a number, a share, or the text of the row
  std::uint64_t row = 0;      ///< the number of the first row that shows it, from 1; 0: it concerns no row
  std::string what{};         ///< a sentence: what was wanted, what was found
  friend bool operator==(const Violation&, const Violation&) = default;
};

/// What a column holds.
struct ColumnStatistics {
  std::string name{};       ///< its name
  ColumnProfile profile{};  ///< counts of its cells
  bool numeric = false;     ///< whether it is a column of numbers
  bool time = false;        ///< whether it is a column of times
};

/// What was found. A value.
struct Validation {
  std::string file{};                       ///< name of the file
  std::string format{};                     ///< "csv", or what the caller says; of a file that is no text what it is
  std::uint64_t bytes = 0;                  ///< of the file as it is stored; 0: not known
  std::uint64_t rows = 0;                   ///< data rows, broken ones included
  std::uint64_t bad_rows = 0;               ///< of these
  std::vector<ColumnStatistics> columns{};  ///< the columns
  std::vector<Violation> violations{};      ///< what is wrong
  std::uint64_t more_violations = 0;        ///< that were not kept

  /// Whether nothing is wrong.
  [[nodiscard]] bool ok() const noexcept { return violations.empty(); }
  /// Names of the columns of numbers.
  [[nodiscard]] std::vector<std::string> numeric_columns() const;
  /// Names of the columns of times.
  [[nodiscard]] std::vector<std::string> time_columns() const;
  /// For a person: a line for each violation, or that all is well.
  [[nodiscard]] std::string text() const;
  /// One object: file, format, bytes, row_count, bad_rows, column_count, columns, numeric_columns, time_columns, valid,
  /// violations as {check, column, value, row, what}.
  [[nodiscard]] std::string json() const;
};

/// Names every limit that cannot be, in one error.
[[nodiscard]] Result<void> check(const ValidationLimits& limits);

/// Takes rows of any kind that a `Row` is like (`operator[]`, `quoted`, `number`), and says in the end what is wrong.
/// Memory does not grow with the rows. Belongs to one thread at a time.
class Validator {
 public:
  /// `names`: of the columns.
  Validator(std::vector<std::string> names, ValidationLimits limits);
  template <class R>
  void look(const R& row) {
    ++found_.rows;
    const auto& cells = detail::cells_of(row);
    const std::uint64_t number = row.number();
    for (std::size_t i = 0; i < found_.columns.size(); ++i) {
      const std::string_view text = cells[i];
      const bool null =
          (detail::says_null(row, i) || text.size() <= longest_null_) && detail::is_null(row, i, text, limits_.nulls);
      found_.columns[i].profile.look(text, null, number, limits_.decimal_comma);
    }
  }
  /// A row that was set aside.
  void look(const BadRow& row);
  /// Adds a violation of the caller's own checks.
  void add(Violation violation);
  /// Checks what the rows have shown. Call it once, after all rows.
  [[nodiscard]] Validation finish() &&;

 private:
  ValidationLimits limits_;
  std::size_t longest_null_ = limits_.nulls.longest();
  Validation found_{};
};

/// Validates what a reader gives, which was opened with `BadRows::SetAside`. A stop ends it with what was seen so far,
/// and a violation of `Check::Read` that says so.
[[nodiscard]] Validation validate(Reader& reader, const ValidationLimits& limits = {},
                                  const std::stop_token& stop = {});
/// Validates a file of delimited text. What cannot be opened or read, is too large or is no text is a violation too; an
/// error are limits that cannot be, and a file that is not there.
[[nodiscard]] Result<Validation> validate(const std::filesystem::path& path, const Dialect& dialect = {},
                                          const ValidationLimits& limits = {}, const std::stop_token& stop = {});

}  // namespace etl::inline v0::csv

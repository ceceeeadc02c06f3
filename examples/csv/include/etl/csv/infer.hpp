#pragma once
/// Which schema a file has: types, the column of times, dimensions and metrics; and whether it fits a schema that is
/// there.
///
///     const auto found = etl::csv::infer(*reader);
///     if (!found) return etl::failure(found.error());
///     for (const auto& change : etl::csv::compare(existing, *found)) fmt::print("{}\n", change.what);

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <etl/csv/profile.hpp>
#include <etl/csv/reader.hpp>
#include <etl/csv/record.hpp>
#include <etl/csv/value.hpp>
#include <etl/error.hpp>

namespace etl::inline v0::csv {

/// Settings of `infer`. An aggregate.
struct InferOptions {
  std::size_t sample_rows = 1000;  ///< the first rows, which tell the types
  /// Of the values of the sample that make a column one of numbers, or of times, although others are none. The same
  /// share has to hold for the whole file.
  double share = 0.8;
  std::string time_column{};   ///< the name of the column of times; empty: the best one
  Nulls nulls{};               ///< texts that mean NULL
  bool decimal_comma = false;  ///< numbers are written 1,5
};

/// What a column is for.
enum class Role : std::uint8_t {
  Time,       ///< the rows are ordered and cut by it; one column at most
  Dimension,  ///< to group and to filter by: texts, truth values, dates, and numbers that are called an id
  Metric,     ///< to sum up: other numbers
};
[[nodiscard]] std::string_view to_string(Role role) noexcept;

/// A column that was found. A value.
struct InferredColumn {
  std::string name{};             ///< its name
  Kind kind = Kind::Text;         ///< by the whole file
  Kind sample_kind = Kind::Text;  ///< by the sample alone: another one means that the file changes after it
  Role role = Role::Dimension;    ///< what the column is for
  ColumnProfile profile{};        ///< of the whole file
  /// From 0 to 1, 0 for what cannot be times: 0.4 for the type, 0.3 for the name, 0.2 for the rows that have a value,
  /// 0.1 for how many values differ.
  double time_score = 0;
  std::uint64_t misfits = 0;         ///< values that are not of the kind: these rows would be rejected
  std::uint64_t first_misfit = 0;    ///< the number of the first such row, from 1; 0: there is none
  std::string first_misfit_value{};  ///< its first 100 bytes
  /// The smallest number. It is larger than `most` if there is no number.
  double least = std::numeric_limits<double>::max();
  double most = std::numeric_limits<double>::lowest();  ///< the largest number
};

/// What was found. A value.
struct Inferred {
  std::vector<InferredColumn> columns{};     ///< the columns
  std::optional<std::size_t> time_column{};  ///< its place; nothing: no column is fit to be it
  std::uint64_t rows = 0;                    ///< number of rows, without bad rows
  std::uint64_t bad_rows = 0;                ///< number of bad rows
};

/// Reads all rows of a reader, in constant memory. A stop is an error: half a file tells nothing of the rest.
[[nodiscard]] Result<Inferred> infer(Reader& reader, const InferOptions& options = {},
                                     const std::stop_token& stop = {});

/// A column of a schema that is there.
struct SchemaColumn {
  std::string name{};      ///< its name
  Kind kind = Kind::Text;  ///< its type
};

/// A difference between a schema that is there and a file.
struct SchemaChange {
  /// What kind of difference it is.
  enum class Type : std::uint8_t {
    New,       ///< the file has a column more: the schema grows
    Missing,   ///< the file lacks a column: its rows have no value there
    Narrower,  ///< the file's kind fits into that of the schema, as integers into doubles
    Changed,   ///< it does not
  };
  Type type = Type::Changed;
  std::string column{};       ///< name of the column
  std::optional<Kind> was{};  ///< type in the schema; nothing: not there
  std::optional<Kind> is{};   ///< type in the file; nothing: not there
  std::string what{};         ///< a sentence
  /// Whether the file can be loaded into the schema.
  [[nodiscard]] bool compatible() const noexcept { return type != Type::Changed; }
};

/// All differences, in the order of the file's columns, and then what it lacks. Names are compared as they are.
[[nodiscard]] std::vector<SchemaChange> compare(std::span<const SchemaColumn> existing, const Inferred& found);

}  // namespace etl::inline v0::csv

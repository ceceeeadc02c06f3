#pragma once
// Decides which columns of a file go to which columns of the table.

#include <cstddef>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <etl/csv/kind_guess.hpp>
#include <etl/csv/mapping.hpp>
#include <etl/error.hpp>
#include <etl/stop.hpp>

#include "input.hpp"
#include "into.hpp"
#include "load.hpp"

namespace program {

/// How a file is read, and which of its values are loaded: `columns[i]` gets value i of a record.
struct FilePlan {
  std::shared_ptr<Input> input{};
  TargetColumns columns{};
  std::string shape{};                 ///< how texts become values (`shape_of`)
  std::vector<std::size_t> widened{};  ///< the columns that hold more than the values do (`widen`)
  /// Evidence for the kinds of columns, if they were inferred; otherwise empty.
  std::vector<etl::csv::KindGuess> guesses{};
  std::optional<std::size_t> mapping_index{};  ///< index in "files" of the mapping that applies, counted from 0
  bool kinds_known = true;  ///< false if there was no row from which to infer the types of new columns
};

/// Text after an error that says how to set the encoding with the command line and with a mapping.
inline constexpr std::string_view as_latin1 =
    R"( (--latin1, or "encoding": "latin-1" in a mapping; --encoding NAME reads another one))";

/// Whether the path is a file that can be opened any number of times.
[[nodiscard]] bool can_be_read_again(const std::filesystem::path& file);
/// The name of the file in messages.
[[nodiscard]] std::string display_name(const std::filesystem::path& file);

/// How many bytes of a file are read by default to infer kinds.
inline constexpr std::size_t first_look = 1 << 20;
inline constexpr std::size_t whole_file = std::numeric_limits<std::size_t>::max();

/// `mapping` is the contents of --mapping, or nothing. `table` is the columns of the table, or nothing if the table
/// must be made from about the first `look` bytes of the file.
[[nodiscard]] etl::Result<FilePlan> plan_file(const std::filesystem::path& file, const Load& options,
                                              const std::optional<etl::csv::Mapping>& mapping,
                                              const std::optional<TargetColumns>& table, const etl::StopToken& stop,
                                              std::size_t look = first_look);

/// The columns that get the mapped columns: columns of the table, or columns to be made. The mapped columns get their
/// kinds. `by_place`: the columns of the file have no names.
[[nodiscard]] etl::Result<FilePlan> plan_columns(std::vector<etl::csv::MappedColumn>& mapped,
                                                 const std::optional<TargetColumns>& table, bool by_place,
                                                 const Load& options, const std::string& file);

/// Marks the columns of a new table that --key names. An error: there is none of that name.
[[nodiscard]] etl::Result<void> set_keys(TargetColumns& columns, const Load& options, const std::string& place);

/// Checks that every column whose type the user gave exists.
[[nodiscard]] etl::Result<void> check_types(const TargetColumns& columns, const ColumnTypes& types,
                                            const std::string& place);

/// The column with this name. If there is none: the only column whose name differs in upper and lower case only, or is
/// the part of a long name that PostgreSQL has kept.
[[nodiscard]] TargetColumns::const_iterator column_called(std::string_view name, const TargetColumns& table);

/// Whether two names of columns differ in upper and lower case only.
[[nodiscard]] bool same_but_for_case(std::string_view a, std::string_view b);

/// Text for the fingerprint: everything in a mapping that determines the values, except the dialect.
[[nodiscard]] std::string shape_of(const etl::csv::FileMapping& mapping);

/// Converts an integer or a date for a column that holds more: a number with any digits, or a midnight.
void widen(etl::csv::Value& value);

/// The error of a value that does not fit its column, with the option that may help.
[[nodiscard]] etl::Error with_value_remedy(etl::Error error);

/// "id integer, price double", for the log and for fingerprints.
[[nodiscard]] std::string to_string(const TargetColumns& columns);

}  // namespace program

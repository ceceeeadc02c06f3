#pragma once
// Which columns of a file go to which columns of the table.

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

/// How a file is read, and what of it is loaded: `columns[i]` gets value i of its records.
struct FilePlan {
  std::shared_ptr<Input> input{};
  TargetColumns columns{};
  std::string shape{};                         ///< how texts become values (`shape_of`)
  std::vector<std::size_t> widened{};          ///< of these columns, those that hold more than the values (`widen`)
  std::vector<etl::csv::KindGuess> guesses{};  ///< of columns whose kind was found out, what told it; else empty
  std::optional<std::size_t> mapping_index{};  ///< which element of "files" of the mapping says so, from 0
  bool kinds_known = true;                     ///< else no row has told of what types columns are that are to be made
};

/// How the command line and a mapping say it: behind an error whose remedy it is.
inline constexpr std::string_view as_latin1 =
    R"( (--latin1, or "encoding": "latin-1" in a mapping; --encoding NAME reads another one))";

/// Whether it is a file, which can be opened any number of times.
[[nodiscard]] bool can_be_read_again(const std::filesystem::path& file);
/// For messages.
[[nodiscard]] std::string display_name(const std::filesystem::path& file);

/// How much of a file is looked at to find kinds out, unless told otherwise.
inline constexpr std::size_t first_look = 1 << 20;
inline constexpr std::size_t whole_file = std::numeric_limits<std::size_t>::max();

/// `mapping`: what --mapping says, or nothing. `table`: its columns, or nothing when it is to be made of what about the
/// first `look` bytes of the file hold.
[[nodiscard]] etl::Result<FilePlan> plan_file(const std::filesystem::path& file, const Load& options,
                                              const std::optional<etl::csv::Mapping>& mapping,
                                              const std::optional<TargetColumns>& table, const etl::StopToken& stop,
                                              std::size_t look = first_look);

/// The columns that get the mapped ones: of the table, or as they are to be made. The mapped ones become what these
/// have. `by_place`: they have no names.
[[nodiscard]] etl::Result<FilePlan> plan_columns(std::vector<etl::csv::MappedColumn>& mapped,
                                                 const std::optional<TargetColumns>& table, bool by_place,
                                                 const Load& options, const std::string& file);

/// Of names of columns.
[[nodiscard]] bool same_but_for_case(std::string_view a, std::string_view b);

/// Everything in a mapping that decides which values there are, but for the dialect: for the fingerprint.
[[nodiscard]] std::string shape_of(const etl::csv::FileMapping& mapping);

/// A mapping's integers and dates in columns that hold more: numbers with any digits, midnights.
void widen(etl::csv::Value& value);

/// Whether a column with so many decimals would round the value.
[[nodiscard]] bool rounds(const etl::csv::Value& value, int decimals);

/// The error of a value that is none of its column, with the option that may cure it.
[[nodiscard]] etl::Error with_value_remedy(etl::Error error);

/// "id integer, price double": for the log, and for fingerprints.
[[nodiscard]] std::string to_string(const TargetColumns& columns);

}  // namespace program

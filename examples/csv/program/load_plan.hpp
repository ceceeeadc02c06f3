#pragma once
// Which columns of a file go to which columns of the table.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <etl/csv/mapping.hpp>
#include <etl/csv/reader.hpp>
#include <etl/csv/value.hpp>
#include <etl/error.hpp>
#include <etl/stop.hpp>

#include "load.hpp"
#include "load_into.hpp"

namespace program {

/// Records as the table takes them: a mapping's integers and dates may go to columns that hold more than these.
class TableDecoder {
 public:
  TableDecoder(etl::csv::RecordDecoder decoder, std::vector<std::size_t> widened)
      : decoder_(std::move(decoder)), widened_(std::move(widened)) {}
  [[nodiscard]] etl::Result<void> decode(const etl::csv::Row& row, etl::csv::Record& record) const {
    auto decoded = decoder_.decode(row, record);
    for (const std::size_t i : widened_)
      if (decoded) widen(record[i]);
    return decoded;
  }

 private:
  /// Integers to numbers with any digits, days to their midnights.
  static void widen(etl::csv::Value& value) {
    if (const auto* const number = std::get_if<std::int64_t>(&value))
      value = std::to_string(*number);
    else if (const auto* const day = std::get_if<etl::csv::Day>(&value))
      value = etl::csv::LocalTime(day->time_since_epoch());
  }

  etl::csv::RecordDecoder decoder_;
  std::vector<std::size_t> widened_;
};

/// How a file is read, and what of it is loaded: `columns[i]` gets value i of its records.
struct FilePlan {
  etl::csv::Dialect dialect{};
  std::shared_ptr<etl::csv::Reader> reader{};  ///< behind the header of what cannot be read again: a pipe
  TableDecoder decoder;
  TargetColumns columns{};
  bool kinds_known = true;  ///< else no row has told of what types columns are that are to be made
};

/// How the command line and a mapping say it: behind an error whose remedy it is.
inline constexpr std::string_view as_latin1 = R"( (--latin1, or "encoding": "latin-1" in a mapping))";

/// Whether it is a file, which can be opened any number of times.
[[nodiscard]] bool can_be_read_again(const std::filesystem::path& file);

/// `mapping`: what --mapping says, or nothing. `table`: its columns, or nothing when it is to be made of what the file
/// holds.
[[nodiscard]] etl::Result<FilePlan> plan_file(const std::filesystem::path& file, const Load& options,
                                              const std::optional<etl::csv::Mapping>& mapping,
                                              const std::optional<TargetColumns>& table, const etl::Stop& stop);

/// "id integer, price double": for the log, and for fingerprints.
[[nodiscard]] std::string to_string(const TargetColumns& columns);

}  // namespace program

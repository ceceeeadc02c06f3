#pragma once
// Which columns of a file go to which columns of the table.

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <etl/csv/mapping.hpp>
#include <etl/csv/reader.hpp>
#include <etl/error.hpp>
#include <etl/stop.hpp>

#include "load.hpp"
#include "load_into.hpp"

namespace program {

/// How a file is read, and what of it is loaded: `columns[i]` gets value i of its records.
struct FilePlan {
  etl::csv::Dialect dialect{};
  std::shared_ptr<etl::csv::Reader> reader{};  ///< behind the header of what cannot be read again: a pipe
  etl::csv::RecordDecoder decoder;
  TargetColumns columns{};
};

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

#pragma once
/// What an input file holds, and how it is opened.

#include <cstdint>
#include <filesystem>
#include <stop_token>

#include <etl/csv/ndjson.hpp>
#include <etl/csv/reader.hpp>
#include <etl/error.hpp>

#include "input.hpp"

namespace program {

enum class Content : std::uint8_t { Table, Json, Sheet, Binary };

/// What a file holds, by its first bytes. A file that cannot be read is a table, whose reader says what is wrong.
[[nodiscard]] Content content_of(const std::filesystem::path& file, const InputOptions& options);

/// Opens JSON objects.
[[nodiscard]] etl::Result<etl::csv::ndjson::Reader> open_json(const std::filesystem::path& file,
                                                              const InputOptions& options);
/// Opens delimited text or a sheet. The first row must be the header, because a header that is loaded as a row would
/// stay unnoticed.
[[nodiscard]] etl::Result<etl::csv::Reader> open_table(const std::filesystem::path& file, Content content,
                                                       const InputOptions& options, etl::csv::BadRows bad,
                                                       const std::stop_token& stop);

/// Names the options of the program, which the components do not know.
[[nodiscard]] etl::Error with_remedy(etl::Error error);

}  // namespace program

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

/// Tells from its first bytes what a file holds. A file that cannot be read counts as a table, because the reader of
/// the table then says what is wrong.
[[nodiscard]] Content content_of(const std::filesystem::path& file, const InputOptions& options);

/// Opens a file of JSON objects.
[[nodiscard]] etl::Result<etl::csv::ndjson::Reader> open_json(const std::filesystem::path& file,
                                                              const InputOptions& options);
/// Opens delimited text or a sheet. The first row must be the header, because nobody would notice a header that is
/// loaded as a row.
[[nodiscard]] etl::Result<etl::csv::Reader> open_table(const std::filesystem::path& file, Content content,
                                                       const InputOptions& options, etl::csv::BadRows bad,
                                                       const std::stop_token& stop);

/// Makes an error of a component name the options of this program, which the component does not know.
[[nodiscard]] etl::Error with_remedy(etl::Error error);

}  // namespace program

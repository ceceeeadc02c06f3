#pragma once
/// Files that are no text, recognised by their first bytes.

#include <cstddef>
#include <optional>
#include <string_view>

namespace etl::inline v0::csv {

/// What a file is instead of delimited text.
struct Foreign {
  std::string_view what{};    ///< "a Parquet file"
  std::string_view remedy{};  ///< what to do: "write it as CSV with a program for Parquet"
};

/// How many first bytes tell all formats apart.
inline constexpr std::size_t foreign_bytes = 262;

/// Recognises Parquet, Avro, ORC, Arrow, zip (and with it .xlsx), .xls, gzip within gzip, zstd, bzip2, xz, lz4, 7-Zip,
/// RAR, tar, PDF, SQLite, HDF5, pictures, HTML and XML. Nothing: it is none of these, and may be text. Fewer bytes than
/// `foreign_bytes` are those of a short file. Thread-safe.
[[nodiscard]] std::optional<Foreign> foreign_format(std::string_view first_bytes) noexcept;

}  // namespace etl::inline v0::csv

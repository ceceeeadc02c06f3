#pragma once
/// How a file is written, and what is in it, found out from its beginning.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <etl/csv/dialect.hpp>
#include <etl/csv/value.hpp>
#include <etl/error.hpp>

namespace etl::inline v0::csv {

struct SniffedColumn {
  std::string name{};      ///< of the header; without one "column_1" and so on
  Kind kind = Kind::Text;  ///< the narrowest that all cells fit, which are not empty
  bool nullable = false;   ///< some cells are empty, without quotes
  friend bool operator==(const SniffedColumn&, const SniffedColumn&) = default;
};

/// What was found. A guess: look at it before you rely on it.
struct Sniffed {
  Dialect dialect{};
  std::vector<SniffedColumn> columns{};
  std::uint64_t rows = 0;      ///< data rows looked at
  std::uint64_t bad_rows = 0;  ///< of these, with another number of cells, or with broken quoting
  bool whole = false;          ///< all of the file was looked at
};

/// `text` begins as the file does; without `whole` a last row that does not end is left out. `said`: how the file is
/// written, but for the delimiter, which alone is found out then, and the kinds of columns.
[[nodiscard]] Result<Sniffed> sniff_text(std::string_view text, bool whole = true,
                                         const std::optional<Dialect>& said = {});
/// Looks at the first `bytes` of a file, plain or gzip. Standard input cannot be read again: an error.
[[nodiscard]] Result<Sniffed> sniff(const std::filesystem::path& path, std::size_t bytes = 1 << 20,
                                    const std::optional<Dialect>& said = {});

}  // namespace etl::inline v0::csv

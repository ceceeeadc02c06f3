#pragma once
/// Infers from the beginning of a file how it is written and what it contains.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <etl/csv/dialect.hpp>
#include <etl/csv/kind_guess.hpp>
#include <etl/csv/reader.hpp>
#include <etl/csv/record.hpp>
#include <etl/csv/value.hpp>
#include <etl/error.hpp>

namespace etl::inline v0::csv {

/// A column that was found.
struct SniffedColumn {
  std::string name{};  ///< name in the header; without a header "column_1" and so on
  Kind kind =
      Kind::Text;         ///< the narrowest kind in which all cells that are not NULL read back unchanged (`KindGuess`)
  bool nullable = false;  ///< some cells are NULL
  friend bool operator==(const SniffedColumn&, const SniffedColumn&) = default;
};

/// What was found. It is a guess: check it before you rely on it.
struct Sniffed {
  Dialect dialect{};                     ///< how the file is written
  std::vector<SniffedColumn> columns{};  ///< its columns
  std::uint64_t rows = 0;                ///< number of data rows looked at
  std::uint64_t bad_rows = 0;            ///< number of rows with another number of cells or with broken quotes
  bool whole = false;                    ///< whether the whole file was looked at
};

/// What the user knows about a file.
struct SniffHints {
  std::optional<Dialect> dialect{};  ///< how it is written; its delimiter and whether it has a header are inferred
  Nulls nulls{};                     ///< texts that do not count for the kind of a column
  bool decimal_comma = false;        ///< numbers are written 1,5
  bool delimiter_is_known = false;   ///< it is that of `dialect`, also if its `fixed_delimiter` is set
  bool quote_is_known = true;        ///< it is that of `dialect`
  bool header_is_known = false;      ///< `header_rows` is that of `dialect`
};

/// The columns of a reader's rows.
struct Looked {
  std::vector<KindGuess> columns{};  ///< the kinds of the columns
  std::vector<bool> nullable{};      ///< whether some cells of a column are NULL
  std::uint64_t rows = 0;            ///< number of rows looked at
};
/// Reads rows up to about `bytes` behind the reader's place and looks at their cells, as a load with the same reader
/// takes them: rows that are set aside do not count. Of the hints only `nulls` and `decimal_comma` matter.
[[nodiscard]] Result<Looked> look_at_columns(Reader& reader, std::size_t bytes, const SniffHints& said,
                                             const std::stop_token& stop = {});

/// `text` begins as the file does; without `whole` a last row that does not end is left out. Rows of another width
/// than most do not count for the kinds of columns.
[[nodiscard]] Result<Sniffed> sniff_text(std::string_view text, bool whole = true, const SniffHints& said = {});
/// Looks at the first `bytes` of a file, plain or gzip. Standard input cannot be read again: an error. If `stop` is
/// requested while it waits for a pipe, the error is `std::errc::operation_canceled`.
[[nodiscard]] Result<Sniffed> sniff(const std::filesystem::path& path, std::size_t bytes = 1 << 20,
                                    const SniffHints& said = {}, const std::stop_token& stop = {});

}  // namespace etl::inline v0::csv

#pragma once
/// How a file is written, and what is in it, found out from its beginning.

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

struct SniffedColumn {
  std::string name{};      ///< of the header; without one "column_1" and so on
  Kind kind = Kind::Text;  ///< the narrowest in which all cells that are not NULL read back as they are (`KindGuess`)
  bool nullable = false;   ///< some cells are NULL
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

/// What a person has said of a file.
struct SniffHints {
  std::optional<Dialect> dialect{};  ///< how it is written, but for the delimiter, which is found out all the same
  Nulls nulls{};                     ///< texts that do not count for the kind of a column
  bool decimal_comma = false;        ///< numbers are written 1,5
  bool delimiter_is_known = false;   ///< it is that of `dialect`, one of those that are found out
};

/// Columns of a reader's rows.
struct Looked {
  std::vector<KindGuess> columns{};
  std::vector<bool> nullable{};
  std::uint64_t rows = 0;
};
/// Reads rows up to about `bytes` behind the reader's place and looks at their cells, as a load with the same reader
/// takes them: rows that are set aside do not count. Of the hints only `nulls` and `decimal_comma` matter.
[[nodiscard]] Result<Looked> look_at_columns(Reader& reader, std::size_t bytes, const SniffHints& said,
                                             const std::stop_token& stop = {});

/// `text` begins as the file does; without `whole` a last row that does not end is left out. Rows of another width
/// than most do not count for the kinds of columns.
[[nodiscard]] Result<Sniffed> sniff_text(std::string_view text, bool whole = true, const SniffHints& said = {});
/// Looks at the first `bytes` of a file, plain or gzip. Standard input cannot be read again: an error.
[[nodiscard]] Result<Sniffed> sniff(const std::filesystem::path& path, std::size_t bytes = 1 << 20,
                                    const SniffHints& said = {});

}  // namespace etl::inline v0::csv

#pragma once
/// Reads columns of files as values, by a mapping from a JSON file (docs/guide/csv_mapping.md) or made in code.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <etl/csv/dialect.hpp>
#include <etl/csv/parse.hpp>
#include <etl/csv/record.hpp>
#include <etl/csv/sniff.hpp>
#include <etl/csv/value.hpp>
#include <etl/error.hpp>

namespace etl::inline v0::csv {

/// A column of a file, and its column in the result.
struct MappedColumn {
  Source source{};            ///< the column in the file
  Source clock{};             ///< the column of the time of day, if separate; otherwise not valid
  std::string target{};       ///< name in the result
  Kind kind = Kind::Text;     ///< type of the values
  bool nullable = true;       ///< if false, a NULL is an error, and an empty cell of a text column is the empty text
  bool key = false;           ///< belongs to the key, and is never NULL
  std::string format{};       ///< format of dates and timestamps (`TimeFormat`)
  std::string time_format{};  ///< format of `clock`
  bool exact = false;         ///< the kind was inferred: a value that does not read back (`reads_back`) is an error
  bool lossless = false;      ///< a double that does not keep all digits of its number (`keeps_digits`) is an error
  std::string
      retype{};  ///< for errors of exact and lossless columns: the option that sets a kind, such as "--type zip="

  friend bool operator==(const MappedColumn&, const MappedColumn&) = default;
};

/// Reads rows of one file into records. Immutable, thread-safe.
class RecordDecoder {
 public:
  /// A `MappedColumn` whose cell was found in the header.
  struct Column {
    Kind kind = Kind::Text;    ///< type of the values
    bool nullable = true;      ///< may be NULL
    bool exact = false;        ///< as `MappedColumn::exact`
    bool lossless = false;     ///< as `MappedColumn::lossless`
    std::string retype{};      ///< as `MappedColumn::retype`
    detail::BoundCell cell{};  ///< where it is in a row
    CellFormat format{};       ///< how it is written
  };
  /// Made by `FileMapping::bind`.
  RecordDecoder(std::vector<Column> columns, std::string file) : columns_(std::move(columns)), file_(std::move(file)) {}

  /// Fills in a value for each column of the mapping; strings reuse their memory. An error of class Rejected names
  /// file, line, row, column, value and what was expected.
  template <class R>
  [[nodiscard]] Result<void> decode(const R& row, Record& out) const {
    out.resize(columns_.size());
    const auto& cells = detail::cells_of(row);
    for (std::size_t i = 0; i < columns_.size(); ++i)
      if (!decode(row, cells, columns_[i], out[i])) [[unlikely]]
        return failure(error(row, columns_[i]));
    return {};
  }
  [[nodiscard]] std::size_t size() const noexcept { return columns_.size(); }

 private:
  [[nodiscard]] static bool take(const Column& column, std::string_view text, Value& out);
  [[nodiscard]] static bool take(const Column& column, std::string_view date, std::string_view clock, Value& out);
  [[nodiscard]] static std::string expected(const Column& column, std::string_view text);

  template <class R, class Cells>
  [[nodiscard]] static bool decode(const R& row, const Cells& cells, const Column& column, Value& out) {
    const std::size_t cell = column.cell.cell;
    const std::string_view text = column.kind == Kind::Text ? cells[cell] : trimmed(cells[cell]);
    if (text.size() <= column.cell.longest_null && is_null(row, cell, text, column)) {
      if (column.nullable) {
        const std::size_t clock = column.cell.clock;
        if (clock != detail::no_cell) {  // a time of day without its date is an error
          const std::string_view time = trimmed(cells[clock]);
          if (!time.empty() && !is_null(row, clock, time, column)) return false;
        }
        out = std::monostate{};
        return true;
      }
      if (column.kind != Kind::Text || !text.empty() || detail::says_null(row, cell)) return false;
    }
    return column.cell.clock == detail::no_cell ? take(column, text, out)
                                                : take(column, text, cells[column.cell.clock], out);
  }
  template <class R>
  [[nodiscard]] static bool is_null(const R& row, std::size_t cell, std::string_view text, const Column& column) {
    const Nulls& nulls = column.format.nulls;
    if (detail::is_null(row, cell, text, nulls)) return true;
    constexpr bool knows_null = requires { row.null(cell); };
    return !knows_null && text.empty() && column.kind != Kind::Text && !(nulls.empty_is_text && row.quoted(cell));
  }
  template <class R>
  [[nodiscard]] Error error(const R& row, const Column& column) const {
    const std::string_view text = trimmed(row[column.cell.cell]);
    const bool null = !column.nullable && is_null(row, column.cell.cell, text, column);
    return detail::bad_cell_of(row, file_, column.cell, null, expected(column, text));
  }

  std::vector<Column> columns_;
  std::string file_;
};

/// The format of a file.
enum class FileFormat : std::uint8_t {
  Csv,   ///< delimited text
  Json,  ///< one object per line, or an array of objects
};

/// For files of readings, `{"uuid": "3f2a", "Readings": [[1700000000000, 21.5], ...]}`: says which stream goes to which
/// column. A reading is a row with these cells: its time, the id of its stream, and one cell for each target. All
/// targets except that of its stream are NULL (`readings::Reading`).
struct StreamMap {
  std::string id = "uuid";             ///< the member with the id of a stream, a text or a number
  std::string readings = "Readings";   ///< the member with the array of readings
  std::vector<std::string> targets{};  ///< columns of values
  std::map<std::string, std::size_t, std::less<>> streams{};  ///< index of the target by id; other streams are skipped

  /// Names of the cells.
  [[nodiscard]] std::vector<std::string> header() const;
  friend bool operator==(const StreamMap&, const StreamMap&) = default;
};

/// How some files are written, and which columns are read. A value.
struct FileMapping {
  /// The files, as for `io::matches`; a pattern without a slash matches names only.
  std::string pattern = "**";
  std::optional<FileFormat> format{};     ///< nothing: decided by the name of the file
  std::optional<StreamMap> stream_map{};  ///< for files of readings; its cells are the sources of `columns`
  Dialect dialect{};                      ///< how delimited text is written
  bool decimal_comma = false;             ///< numbers are written 1,5
  Nulls nulls{};                          ///< texts that mean NULL
  std::vector<MappedColumn> columns{};    ///< if empty, all columns of the header, as texts; column_1 if it has no name
  std::map<std::string, Kind, std::less<>> types{};  ///< types of these columns, by name; the others are texts

  /// Finds the columns in the header of a file. The error names all that are missing and the header that there is, or a
  /// format that is none. `width`: cells of a row, for a file without a header; 0: not known.
  [[nodiscard]] Result<RecordDecoder> bind(std::span<const std::string> header, std::string file = {},
                                           std::size_t width = 0) const;
  /// The names of the sources, each once.
  [[nodiscard]] std::vector<std::string> names() const;
  /// The columns of the records: `columns`, or all columns of a file with this header.
  [[nodiscard]] std::vector<MappedColumn> columns_of(std::span<const std::string> header, std::size_t width = 0) const;

  friend bool operator==(const FileMapping&, const FileMapping&) = default;
};

/// All files of a job. A value.
struct Mapping {
  std::vector<FileMapping> files{};  ///< the first whose pattern matches counts

  /// Reads a mapping file. One error lists everything that is wrong, with file, place ("files[2].columns[0].type") and
  /// what is allowed.
  [[nodiscard]] static Result<Mapping> read(const std::filesystem::path& path);
  /// The same for a text; `name` is used in errors.
  [[nodiscard]] static Result<Mapping> parse(std::string_view json, std::string_view name = "mapping");

  /// The first mapping whose pattern matches the path, or null.
  [[nodiscard]] const FileMapping* find(const std::filesystem::path& path) const;
};

/// The mapping that reads all columns with the kinds that were sniffed.
[[nodiscard]] FileMapping mapping_of(const Sniffed& sniffed, std::string pattern = "**");

}  // namespace etl::inline v0::csv

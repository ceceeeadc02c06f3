#pragma once
/// Columns of files as values, by a mapping that is read from a JSON file (docs/guide/csv_mapping.md), or made in code.

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

/// A column of a file, and what becomes of it.
struct MappedColumn {
  Source source{};
  Source clock{};        ///< of the time of day, when it stands in a column of its own; not valid: there is none
  std::string target{};  ///< its name in what is made of it
  Kind kind = Kind::Text;
  bool nullable = true;       ///< else a NULL is an error; an empty text is then an empty text
  bool key = false;           ///< one of those that tell a row from others: never NULL
  std::string format{};       ///< of dates and timestamps (`TimeFormat`)
  std::string time_format{};  ///< of `clock`
  bool exact = false;         ///< the kind was found out: a value that does not read back (`reads_back`) is an error
  std::string retype{};       ///< what an error of an exact column tells before a kind, as "--type zip="

  friend bool operator==(const MappedColumn&, const MappedColumn&) = default;
};

/// Rows of one file as records. Immutable: any number of threads at once.
class RecordDecoder {
 public:
  struct Column {
    Kind kind = Kind::Text;
    bool nullable = true;
    bool exact = false;
    std::string retype{};
    detail::BoundCell cell{};
    CellFormat format{};
  };
  RecordDecoder(std::vector<Column> columns, std::string file) : columns_(std::move(columns)), file_(std::move(file)) {}

  /// Fills a value for each column of the mapping; texts reuse their memory. The error, of class Rejected, names file,
  /// line, row, column, value and what was expected.
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
    const auto& cell = column.cell;
    constexpr bool has_place = requires { row.where(file_); };  // which is then more than a line
    Error error = detail::bad_cell({.file = has_place ? std::string_view() : file_,
                                    .line = row.line(),
                                    .row = row.number(),
                                    .cell = cell,
                                    .value = row[cell.cell],
                                    .clock = cell.clock == detail::no_cell ? std::string_view() : row[cell.clock],
                                    .expected = expected(column, row[cell.cell])});
    if constexpr (has_place) error.context.replace(0, error.context.find(':'), row.where(file_));
    return error;
  }

  std::vector<Column> columns_;
  std::string file_;
};

enum class FileFormat : std::uint8_t {
  Csv,
  Json,  ///< one object a line, or a document that is an array of objects
};

/// Files of readings, `{"uuid": "3f2a", "Readings": [[1700000000000, 21.5], ...]}`: which stream goes to which column.
/// A reading is a row of these cells: its time, the id of its stream, and one for each target, of which all are NULL
/// but its own (`readings::Reading`).
struct StreamMap {
  std::string id = "uuid";            ///< the member that has the id of a stream, a text or a number
  std::string readings = "Readings";  ///< the member that has the array of its readings
  std::vector<std::string> targets{};
  std::map<std::string, std::size_t, std::less<>> streams{};  ///< by id: which of the targets; others are left out

  /// Names of the cells.
  [[nodiscard]] std::vector<std::string> header() const;
  friend bool operator==(const StreamMap&, const StreamMap&) = default;
};

/// How some files are written, and what is taken from them. A value.
struct FileMapping {
  std::string pattern = "**";             ///< as of `io::matches`; without a slash: of the file's name alone
  std::optional<FileFormat> format{};     ///< nothing: as the file is called
  std::optional<StreamMap> stream_map{};  ///< of files of readings, whose cells are then the sources of `columns`
  Dialect dialect{};
  bool decimal_comma = false;
  Nulls nulls{};
  std::vector<MappedColumn> columns{};               ///< empty: all that the header has; column_1 where it has no name
  std::map<std::string, Kind, std::less<>> types{};  ///< of these, by their names; the others are texts

  /// Finds the columns in the header of a file. The error names all that are missing and the header that there is, or a
  /// format that is none. `width`: cells of a row, for a file without a header; 0: not known.
  [[nodiscard]] Result<RecordDecoder> bind(std::span<const std::string> header, std::string file = {},
                                           std::size_t width = 0) const;
  /// The names of the sources, each once.
  [[nodiscard]] std::vector<std::string> names() const;
  /// The columns of the records: `columns`, or what stands for them in a file with this header.
  [[nodiscard]] std::vector<MappedColumn> columns_of(std::span<const std::string> header, std::size_t width = 0) const;

  friend bool operator==(const FileMapping&, const FileMapping&) = default;
};

/// All files of a job. A value.
struct Mapping {
  std::vector<FileMapping> files{};

  /// Reads a mapping file. One error names everything that is wrong in it: the file, where
  /// ("files[2].columns[0].type"), what, and what is allowed.
  [[nodiscard]] static Result<Mapping> read(const std::filesystem::path& path);
  /// The same of a text; `name` is for errors.
  [[nodiscard]] static Result<Mapping> parse(std::string_view json, std::string_view name = "mapping");

  /// The first whose pattern matches the path; null: none.
  [[nodiscard]] const FileMapping* find(const std::filesystem::path& path) const;
};

/// The mapping that takes all columns of a file as they were sniffed.
[[nodiscard]] FileMapping mapping_of(const Sniffed& sniffed, std::string pattern = "**");

}  // namespace etl::inline v0::csv

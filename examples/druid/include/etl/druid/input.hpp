#pragma once
/// Where an ingestion task of Druid reads, and how the data is written (Druid manual, "Input sources", "Source input
/// formats"). All types here are values.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <etl/config.hpp>

namespace etl::inline v0::druid {

/// Data that stands in the spec itself.
struct InlineInput {
  /// Largest data that a spec may hold, in bytes. The overlord keeps each spec in memory and in its database: 32 MB
  /// ended an overlord with a heap of 256 MB.
  static constexpr std::size_t max_bytes = std::size_t{8} << 20;
  std::string data{};
};

/// Files on the machines that run the tasks, not on the machine of this program. Give a folder with a filter, or files.
struct LocalInput {
  std::string base_dir{};            ///< absolute path of a folder
  std::string filter = "*";          ///< names to read below `base_dir`, such as "*.json.gz"
  std::vector<std::string> files{};  ///< absolute paths
};

/// Files that Druid downloads.
struct HttpInput {
  std::vector<std::string> uris{};  ///< absolute http or https URLs without credentials
  std::string user{};               ///< for basic authentication; empty: none
  /// The environment variable of Druid's processes that holds the password. A spec holds no password, because everybody
  /// who may read the task reads its spec.
  std::string password_variable{};
};

/// Objects in an S3 store. Druid needs the extension `druid-s3-extensions`. Exactly one of `uris` and `prefixes`.
struct S3Input {
  std::vector<std::string> uris{};      ///< objects, as s3://bucket/key
  std::vector<std::string> prefixes{};  ///< all objects whose keys begin so, as s3://bucket/prefix
  std::string object_glob{};            ///< keeps only objects whose whole key matches, such as "**.json"; empty: all
  std::string endpoint{};               ///< URL of a store that is not AWS; empty: as Druid is configured
  std::string region{};                 ///< signing region for `endpoint`; empty: as Druid is configured
  bool path_style = false;              ///< addresses buckets as a part of the path
  /// Environment variables of Druid's processes with the access key and the secret key. Empty: the credentials of
  /// Druid itself. Give both or neither.
  std::string access_key_variable{};
  std::string secret_key_variable{};  ///< with the secret key; see `access_key_variable`
};

/// Rows of a datasource of the same Druid. Such an input has no format.
struct DruidInput {
  std::string data_source{};  ///< its name
  std::string interval{};     ///< ISO 8601, such as 2024-01-01/2024-02-01
};

/// Where a task reads.
using Input = std::variant<InlineInput, LocalInput, HttpInput, S3Input, DruidInput>;

/// One field of nested JSON as a column.
struct JsonField {
  /// How a field is found.
  enum class Kind : std::uint8_t {
    Path,  ///< by JSONPath
    Jq,    ///< by an expression of jq
    Root,  ///< a member of the outer object
  };
  std::string name{};        ///< name of the column
  Kind kind = Kind::Path;    ///< how `expression` is read
  std::string expression{};  ///< JSONPath or jq; not for `Root`
};

/// Objects, one a line, or one after the other.
struct JsonFormat {
  std::vector<JsonField> fields{};  ///< columns that are taken from inner objects
  bool discover_fields = true;      ///< also takes the fields of the outer object that `fields` does not name
};

/// Comma-separated text. Either the first line has the names of the columns, or `columns` has them.
struct CsvFormat {
  bool header = true;                  ///< the first line has the names
  std::vector<std::string> columns{};  ///< names of all columns; only without `header`
  std::uint64_t skip_rows = 0;         ///< lines to skip before the header or the first row
  std::string list_delimiter{};        ///< one character that separates the values of one cell; empty: Ctrl-A
};

/// Text with another delimiter; otherwise as `CsvFormat`.
struct TsvFormat {
  bool header = true;                  ///< the first line has the names
  std::vector<std::string> columns{};  ///< as in `CsvFormat`
  std::uint64_t skip_rows = 0;         ///< as in `CsvFormat`
  std::string delimiter = "\t";        ///< one character
  std::string list_delimiter{};        ///< as in `CsvFormat`
};

/// Files of columns. Each kind needs an extension of Druid of its own: `druid-parquet-extensions` or
/// `druid-orc-extensions`.
enum class ColumnarFormat : std::uint8_t { Parquet, Orc };

/// `std::monostate`: none, as for `DruidInput`. Excel workbooks are no format of Druid: convert them to CSV or JSON.
using InputFormat = std::variant<std::monostate, JsonFormat, CsvFormat, TsvFormat, ColumnarFormat>;

}  // namespace etl::inline v0::druid

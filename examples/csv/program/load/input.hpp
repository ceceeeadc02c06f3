#pragma once
// The input of a file, whatever its format.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <etl/csv/reader.hpp>
#include <etl/csv/readings.hpp>
#include <etl/csv/value.hpp>
#include <etl/error.hpp>
#include <etl/position.hpp>

namespace program {

/// Several rows of a file, not yet decoded. Any thread may use them.
class Rows {
 public:
  virtual ~Rows() = default;
  [[nodiscard]] virtual std::size_t size() const noexcept = 0;
  /// Decodes a row: its values, followed by its place for `Input::place`. Returns an error if the row is rejected.
  [[nodiscard]] virtual etl::Result<void> decode(std::size_t i, etl::csv::Record& out) const = 0;
  /// The text of the row in the file.
  [[nodiscard]] virtual std::string text(std::size_t i) const = 0;
};

/// Reads a file or a part of a file. Belongs to one thread; its rows do not.
class RowSource {
 public:
  virtual ~RowSource() = default;
  /// The next rows, or null at the end or after a stop.
  [[nodiscard]] virtual etl::Result<std::shared_ptr<const Rows>> next(const std::stop_token& stop) = 0;
  /// The position after the rows that were returned.
  [[nodiscard]] virtual etl::Position position() const = 0;
  /// Bytes of the file that were read, before decompression.
  [[nodiscard]] virtual std::uint64_t bytes_read() const noexcept = 0;
};

/// A file together with the way to read it.
class Input {
 public:
  virtual ~Input() = default;
  /// Text for the fingerprint: the settings that determine the rows and their numbers.
  [[nodiscard]] virtual std::string settings() const = 0;
  /// At most `most` parts that can be read at the same time. A file that cannot be cut is one part without end.
  [[nodiscard]] virtual std::vector<etl::csv::Part> parts(std::size_t /*most*/) const {
    return std::vector<etl::csv::Part>(1);
  }
  /// `from` is the position that an earlier load has reached. A pipe can be opened only once.
  [[nodiscard]] virtual etl::Result<std::unique_ptr<RowSource>> open(const etl::csv::Part& part,
                                                                     const std::optional<etl::Position>& from,
                                                                     const std::stop_token& stop) = 0;
  /// "FILE:LINE", from the place that `Rows::decode` has appended to the record.
  [[nodiscard]] virtual std::string place(const etl::csv::Record& record) const = 0;
  /// Text after the error of a row: the byte at which the row begins in the inflated UTF-8 text of the file. Empty if
  /// not known.
  [[nodiscard]] virtual std::string offset(const etl::csv::Record& /*record*/) const { return {}; }
  /// Text after the error of a file that cannot be read.
  [[nodiscard]] virtual std::string_view remedy() const { return {}; }
  /// Readings of streams that the mapping does not name. Call it after the file was read. Null if the format has no
  /// readings.
  [[nodiscard]] virtual const etl::csv::readings::LeftOut* left_out() const { return nullptr; }
};

/// The error for a position that cannot be parsed.
[[nodiscard]] inline etl::Error other_version() {
  return etl::fatal("another version of this program saved the progress: use --restart");
}

}  // namespace program

#pragma once
// What a file is read as, whatever its format.

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

/// Some rows of a file, as they stand in it. Any thread.
class Rows {
 public:
  virtual ~Rows() = default;
  [[nodiscard]] virtual std::size_t size() const noexcept = 0;
  /// The values of a row, and behind them its place, for `Input::place`; or why it is rejected.
  [[nodiscard]] virtual etl::Result<void> decode(std::size_t i, etl::csv::Record& out) const = 0;
  /// As it is in the file.
  [[nodiscard]] virtual std::string text(std::size_t i) const = 0;
};

/// Reads a file, or a part of it. Belongs to one thread; its rows do not.
class RowSource {
 public:
  virtual ~RowSource() = default;
  /// Null: the end, or a stop.
  [[nodiscard]] virtual etl::Result<std::shared_ptr<const Rows>> next(const std::stop_token& stop) = 0;
  /// Behind the rows that were given.
  [[nodiscard]] virtual etl::Position position() const = 0;
  /// Of the file, compressed as it is.
  [[nodiscard]] virtual std::uint64_t bytes_read() const noexcept = 0;
};

/// A file, and how it is read.
class Input {
 public:
  virtual ~Input() = default;
  /// What decides which rows there are, and which number each has: for the fingerprint.
  [[nodiscard]] virtual std::string settings() const = 0;
  /// At most so many, to be read at once. What cannot be cut is one, without an end.
  [[nodiscard]] virtual std::vector<etl::csv::Part> parts(std::size_t /*most*/) const {
    return std::vector<etl::csv::Part>(1);
  }
  /// `from`: where an earlier load has got to. What comes from a pipe is given once.
  [[nodiscard]] virtual etl::Result<std::unique_ptr<RowSource>> open(const etl::csv::Part& part,
                                                                     const std::optional<etl::Position>& from,
                                                                     const std::stop_token& stop) = 0;
  /// "FILE:LINE", by what `Rows::decode` has appended to a record.
  [[nodiscard]] virtual std::string place(const etl::csv::Record& record) const = 0;
  /// Behind the error of a row: at which byte of the file's text, inflated and as UTF-8, it begins. Empty: not known.
  [[nodiscard]] virtual std::string offset(const etl::csv::Record& /*record*/) const { return {}; }
  /// Behind the error of a file that cannot be read.
  [[nodiscard]] virtual std::string_view remedy() const { return {}; }
  /// Readings of streams that the mapping does not name, once the file was read; null: it has none.
  [[nodiscard]] virtual const etl::csv::readings::LeftOut* left_out() const { return nullptr; }
};

/// The error for a position that is none.
[[nodiscard]] inline etl::Error other_version() {
  return etl::fatal("another version of this program saved the progress: use --restart");
}

}  // namespace program

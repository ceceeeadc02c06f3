#pragma once
/// Restart points of gzip files, as units keep them.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <etl/error.hpp>
#include <etl/io/gzip.hpp>
#include <etl/io/source.hpp>
#include <etl/jobs/job.hpp>

#include "file.hpp"

namespace etl::inline v0::jobs::detail {

/// "gzip1 IN BITS OUT WINDOW", the last compressed and in hexadecimal digits.
[[nodiscard]] std::string restart_text(const io::GzipPoint& point);
[[nodiscard]] std::optional<io::GzipPoint> restart_point(const std::string& text);

/// Inflates a whole gzip file and remembers restart points on its way. Checks every CRC-32 and length.
class PointReader {
 public:
  explicit PointReader(File file);
  PointReader(const PointReader&) = delete;
  PointReader& operator=(const PointReader&) = delete;
  /// At least one byte; 0 at the end.
  [[nodiscard]] Result<std::size_t> read(std::span<char> to) { return source_->read(to); }
  /// The last point at or before `out`; earlier points are forgotten.
  [[nodiscard]] io::GzipPoint point_before(std::uint64_t out);

 private:
  std::vector<io::GzipPoint> points_;
  io::Source source_;
};

/// The bytes of a unit of a gzip file.
[[nodiscard]] Result<io::Source> gzip_unit(File file, const UnitPlace& place);

}  // namespace etl::inline v0::jobs::detail

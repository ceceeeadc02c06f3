#pragma once
/// Restart points of gzip files: places between two blocks of a deflate stream (RFC 1951 3.2.3), each with the 32 KiB
/// that the stream may refer back to. The method is that of zlib's examples/zran.c.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <zlib.h>

#include <etl/error.hpp>
#include <etl/io/source.hpp>
#include <etl/jobs/job.hpp>

#include "file.hpp"

namespace etl::inline v0::jobs::detail {

/// Where to begin to inflate.
struct RestartPoint {
  std::uint64_t in = 0;   ///< offset of the next byte in the file
  int bits = 0;           ///< so many high bits of the byte before it belong to the next block
  std::uint64_t out = 0;  ///< offset in the inflated bytes
  std::string window{};   ///< the inflated bytes before, at most 32 KiB
  /// "gzip1 IN BITS OUT WINDOW", the last compressed and in hexadecimal digits.
  [[nodiscard]] std::string text() const;
  [[nodiscard]] static std::optional<RestartPoint> from(const std::string& text);
};

/// A z_stream that ends itself.
class Inflater {
 public:
  Inflater() = default;
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater();
  /// `bits`: 31 for gzip, -15 for a raw stream. Throws `std::bad_alloc` without memory.
  void begin(int bits);
  z_stream stream{};

 private:
  bool begun_ = false;
};

/// Inflates a whole gzip file and remembers restart points on its way. Checks every CRC-32 and length.
class PointReader {
 public:
  explicit PointReader(File file);
  /// At least one byte; 0 at the end.
  [[nodiscard]] Result<std::size_t> read(std::span<char> to);
  /// The last point at or before `out`; earlier points are forgotten.
  [[nodiscard]] RestartPoint point_before(std::uint64_t out);

 private:
  [[nodiscard]] Result<bool> fill();
  void remember();
  [[nodiscard]] Error damaged(const char* what) const;
  File file_;
  Inflater inflater_;
  std::vector<char> buffer_;
  std::uint64_t taken_ = 0;  // bytes of the file that were read
  std::uint64_t out_ = 0;    // bytes that were inflated
  std::vector<RestartPoint> points_;
  bool within_ = false;  // a member
};

/// The bytes of a unit of a gzip file.
[[nodiscard]] Result<io::Source> gzip_unit(File file, const UnitPlace& place);

}  // namespace etl::inline v0::jobs::detail

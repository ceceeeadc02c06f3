#include <etl/io/gzip.hpp>

#include <algorithm>
#include <limits>
#include <new>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include <zlib.h>

namespace etl::inline v0::io {
namespace {

class DeflateSink final : public ByteSink {
 public:
  DeflateSink(Sink target, int level) : target_(std::move(target)), buffer_(std::size_t{256} << 10) {
    if (level < 1 || level > 9)
      throw Exception(fatal(fmt::format("gzip level {}: it must be 1 (fast) to 9 (small)", level)));
    // 15 bits of window, plus 16 for a gzip header and trailer; 8 is zlib's default memory level.
    if (::deflateInit2(&stream_, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) throw std::bad_alloc();
    stream_.next_out = buffer_.data();
    stream_.avail_out = static_cast<uInt>(buffer_.size());
  }
  DeflateSink(const DeflateSink&) = delete;
  DeflateSink& operator=(const DeflateSink&) = delete;
  ~DeflateSink() override { ::deflateEnd(&stream_); }

  Result<void> write(std::string_view bytes) override {
    while (!bytes.empty() && !error_) {
      const std::size_t count = std::min<std::size_t>(bytes.size(), std::numeric_limits<uInt>::max());
      stream_.next_in = reinterpret_cast<const Bytef*>(bytes.data());
      stream_.avail_in = static_cast<uInt>(count);
      bytes.remove_prefix(count);
      while (stream_.avail_in > 0 && !error_) step(Z_NO_FLUSH);
    }
    return result();
  }
  Result<void> finish() override {
    stream_.avail_in = 0;
    while (!error_ && step(Z_FINISH) != Z_STREAM_END) {}
    flush();
    // The target is closed after an error too. The first error is reported.
    if (auto finished = target_->finish(); !finished && !error_) error_ = std::move(finished).error();
    return result();
  }

 private:
  int step(int mode) {
    const int status = ::deflate(&stream_, mode);
    if (stream_.avail_out == 0) flush();
    return status;
  }
  void flush() {
    const std::size_t size = buffer_.size() - stream_.avail_out;
    if (!error_ && size > 0)
      if (auto written = target_->write({reinterpret_cast<const char*>(buffer_.data()), size}); !written)
        error_ = std::move(written).error();
    stream_.next_out = buffer_.data();
    stream_.avail_out = static_cast<uInt>(buffer_.size());
  }
  [[nodiscard]] Result<void> result() const {
    if (error_) return failure(*error_);
    return {};
  }

  Sink target_;
  std::vector<Bytef> buffer_;
  z_stream stream_{};
  std::optional<Error> error_;
};

}  // namespace

Sink deflate(Sink target, int level) { return std::make_unique<DeflateSink>(std::move(target), level); }

}  // namespace etl::inline v0::io

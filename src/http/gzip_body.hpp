#pragma once
/// Inflates the body of an answer while it arrives.

#include <array>
#include <cstddef>
#include <string_view>

#include <zlib.h>

#include <etl/error.hpp>

namespace etl::inline v0::http {

/// A gzip stream that is handed over in pieces of any size. Belongs to one thread at a time.
class GzipBody {
 public:
  GzipBody() : ready_(inflateInit2(&stream_, max_window + gzip_only) == Z_OK) {}
  GzipBody(const GzipBody&) = delete;
  GzipBody& operator=(const GzipBody&) = delete;
  ~GzipBody() {
    if (ready_) inflateEnd(&stream_);
  }

  /// Whether nothing came, or all members have ended.
  [[nodiscard]] bool complete() const noexcept { return !inside_; }

  /// Calls `keep` with what the bytes hold. An error is fatal: the bytes are no gzip.
  template <class F>
  [[nodiscard]] Result<void> take(std::string_view bytes, F&& keep) {
    if (!ready_) return failure(fatal("out of memory for the inflation of an answer"));
    stream_.next_in = reinterpret_cast<const Bytef*>(bytes.data());
    stream_.avail_in = static_cast<uInt>(bytes.size());
    std::array<char, 65536> out;
    do {
      if (!inside_ && stream_.avail_in == 0) break;
      inside_ = true;
      stream_.next_out = reinterpret_cast<Bytef*>(out.data());
      stream_.avail_out = static_cast<uInt>(out.size());
      const int code = inflate(&stream_, Z_NO_FLUSH);
      if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
        return failure(fatal(stream_.msg == nullptr ? "the gzip stream is damaged" : stream_.msg));
      if (code == Z_STREAM_END) {
        inside_ = false;
        inflateReset(&stream_);
      }
      if (auto kept = keep(std::string_view(out.data(), out.size() - stream_.avail_out)); !kept) return kept;
    } while (stream_.avail_in > 0 || stream_.avail_out == 0);
    return {};
  }

 private:
  static constexpr int max_window = 15, gzip_only = 16;
  z_stream stream_{};
  bool ready_;
  bool inside_ = false;
};

}  // namespace etl::inline v0::http

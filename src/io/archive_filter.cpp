#include "archive_filter.hpp"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <etl/error.hpp>

namespace etl::inline v0::io::detail {
namespace {

/// Decompresses with libarchive's `raw` format, which presents the output of the filters as one file without a name.
class ArchiveSource final : public FilterSource {
 public:
  ArchiveSource(Source source, Compression compression)
      : FilterSource(std::move(source)), compression_(compression), buffer_(std::size_t{128} << 10) {}

  Result<std::size_t> read(std::span<char> to) override {
    if (!archive_ && !failed_) open();
    if (failed_) return failure(*failed_);
    if (ended_ || to.empty()) return std::size_t{0};
    la_ssize_t got = ARCHIVE_RETRY;
    while (got == ARCHIVE_RETRY) got = ::archive_read_data(archive_.get(), to.data(), to.size());
    if (got > 0) return static_cast<std::size_t>(got);
    if (got < 0)
      fail();
    else
      end();
    if (failed_) return failure(*failed_);
    return std::size_t{0};
  }

 private:
  struct Free {
    void operator()(archive* handle) const noexcept { ::archive_read_free(handle); }
  };

  void open() {
    archive_.reset(::archive_read_new());
    if (!archive_) throw std::bad_alloc();
    archive* const handle = archive_.get();
    const int filter = compression_ == Compression::Bzip2 ? ::archive_read_support_filter_bzip2(handle)
                       : compression_ == Compression::Xz  ? ::archive_read_support_filter_xz(handle)
                                                          : ::archive_read_support_filter_zstd(handle);
    if (filter != ARCHIVE_OK)  // without this check libarchive would start a program
      return fail(fmt::format("this libarchive was built without {}", to_string(compression_)));
    ::archive_read_support_format_raw(handle);
    ::archive_read_support_format_empty(handle);
    if (compression_ == Compression::Zstd) skip_frames();
    if (failed_ || ended_) return;
    archive_entry* entry = nullptr;
    if (::archive_read_open(handle, this, nullptr, &ArchiveSource::more, nullptr) != ARCHIVE_OK) return fail();
    const int header = ::archive_read_next_header(handle, &entry);
    // libarchive finds no filter in data that is too short to recognise, and would return it unchanged.
    if (::archive_filter_code(handle, 0) == ARCHIVE_FILTER_NONE)
      return fail(fmt::format("{} data is cut off", to_string(compression_)));
    if (header == ARCHIVE_EOF) return end();
    if (header != ARCHIVE_OK) fail();
  }
  /// Reads past the skippable frames at the beginning, which older versions of libarchive do not take for zstd.
  void skip_frames() {
    constexpr std::size_t header = 8;  // the magic number, and the size of what follows
    std::uint64_t frame = 0;           // bytes of the skippable frame that are still to come
    while (first_ < header || frame > 0) {
      const auto got = source().read(std::span(buffer_).subspan(first_));
      if (!got) {
        failed_ = got.error();
        return;
      }
      first_ += *got;
      if (*got == 0) break;
      for (;;) {
        const std::size_t drop = std::min<std::uint64_t>(frame, first_);
        std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(drop),
                  buffer_.begin() + static_cast<std::ptrdiff_t>(first_), buffer_.begin());
        first_ -= drop;
        frame -= drop;
        skipped_ += drop;
        if (frame > 0 || first_ < header || !is_skippable_frame({buffer_.data(), first_})) break;
        frame = header;
        for (std::size_t i = 0; i < 4; ++i)
          frame += std::uint64_t{static_cast<unsigned char>(buffer_[4 + i])} << (8 * i);
      }
    }
    if (frame > 0) fail("zstd data is cut off within a skippable frame");
    ended_ = skipped_ > 0 && first_ == 0;
  }
  static la_ssize_t more(archive* handle, void* self, const void** bytes) noexcept {
    auto& source = *static_cast<ArchiveSource*>(self);
    try {
      const std::size_t first = std::exchange(source.first_, 0);
      const auto got = first > 0 ? Result<std::size_t>(first) : source.source().read(source.buffer_);
      if (got) {
        *bytes = source.buffer_.data();
        source.given_ += *got;
        return static_cast<la_ssize_t>(*got);
      }
      source.failed_ = got.error();
    } catch (...) {
      source.failed_ = fatal(source.name() + ": reading it threw an exception");
    }
    ::archive_set_error(handle, EIO, "the source cannot be read");
    return ARCHIVE_FATAL;
  }
  /// Data after the last stream is an error.
  void end() {
    ended_ = true;
    const auto taken = static_cast<std::uint64_t>(std::max<la_int64_t>(0, ::archive_filter_bytes(archive_.get(), -1)));
    const auto behind = given_ > taken ? Result<std::size_t>(1) : source().read(buffer_);
    if (!behind)
      failed_ = behind.error();
    else if (*behind > 0)
      fail(fmt::format("what follows byte {} is no {} data", skipped_ + taken, to_string(compression_)));
  }
  void fail(const std::string& what) {
    if (failed_) return;  // the source's own error says more
    failed_.emplace(Error{.code = std::make_error_code(std::errc::bad_message), .context = name() + ": " + what});
  }
  void fail() {
    const char* const what = ::archive_error_string(archive_.get());
    fail(fmt::format("{} data is damaged or cut off: {}", to_string(compression_),
                     what == nullptr ? "unknown error" : what));
  }

  Compression compression_;
  std::vector<char> buffer_;
  std::unique_ptr<archive, Free> archive_{};
  std::size_t first_ = 0;      // bytes in the buffer that libarchive gets first
  std::uint64_t skipped_ = 0;  // bytes of skippable frames before them
  std::uint64_t given_ = 0;    // compressed bytes given to libarchive
  bool ended_ = false;
  std::optional<Error> failed_{};
};

}  // namespace

Source archive_filter(Source compressed, Compression compression) {
  return std::make_unique<ArchiveSource>(std::move(compressed), compression);
}

}  // namespace etl::inline v0::io::detail

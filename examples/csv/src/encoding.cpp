#include <etl/csv/encoding.hpp>
#include <etl/csv/foreign.hpp>

#include <iconv.h>
#include <strings.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <etl/io/compression.hpp>

namespace etl::inline v0::csv {
namespace {

constexpr std::string_view utf8_mark = "\xEF\xBB\xBF";
constexpr std::string_view little_mark = "\xFF\xFE", big_mark = "\xFE\xFF";
constexpr std::string_view wide_little_mark("\xFF\xFE\0\0", 4), wide_big_mark("\0\0\xFE\xFF", 4);

/// The encoding that a byte order mark stands for, or nothing. UTF-8 may have a mark, and needs none.
std::string_view marked_charset(std::string_view begin) noexcept {
  if (begin.starts_with(wide_little_mark) || begin.starts_with(wide_big_mark)) return "UTF-32";
  return begin.starts_with(little_mark) || begin.starts_with(big_mark) ? "UTF-16" : std::string_view();
}

/// Recognises UTF-16 without a mark: in most texts, every other one of the first bytes is NUL.
std::string_view unmarked_utf16(std::string_view begin) noexcept {
  if (begin.size() < encoding_bytes) return {};
  std::size_t even = 0, odd = 0;
  for (std::size_t i = 0; i < encoding_bytes; ++i) (i % 2 == 0 ? even : odd) += begin[i] == '\0' ? 1U : 0U;
  if (odd >= 3 && even == 0) return "UTF-16LE";
  return even >= 3 && odd == 0 ? "UTF-16BE" : std::string_view();
}

/// Size of the smallest unit of an encoding, in bytes.
std::size_t unit_of(std::string_view charset) noexcept {
  const auto begins = [&](std::string_view name) {
    return charset.size() >= name.size() && ::strncasecmp(charset.data(), name.data(), name.size()) == 0;
  };
  if (begins("UTF-16") || begins("UTF16") || begins("UCS-2") || begins("UCS2")) return 2;
  return begins("UTF-32") || begins("UTF32") || begins("UCS-4") || begins("UCS4") ? 4 : 1;
}

/// Passes the bytes of a source on, after a conversion by iconv if needed.
class Utf8Source final : public io::ByteSource {
 public:
  Utf8Source(io::Source source, iconv_t converter, std::string charset, BadBytes bad_bytes)
      : source_(std::move(source)), converter_(converter), charset_(std::move(charset)), bad_bytes_(bad_bytes) {}
  ~Utf8Source() override {
    if (converter_ != none) ::iconv_close(converter_);
  }

  Result<std::size_t> read(std::span<char> to) override {
    if (failed_) return failure(*failed_);
    if (!looked_)
      if (auto seen = look(); !seen) return stop(std::move(seen.error()));
    if (converter_ == none) return pass_on(to);
    for (;;) {
      if (!converted_.empty()) return give(to);
      if (ended_) return std::size_t{0};
      if (auto more = convert(); !more) return stop(std::move(more.error()));
    }
  }
  const std::string& name() const noexcept override { return source_->name(); }
  std::uint64_t consumed() const noexcept override { return source_->consumed(); }
  std::uint64_t size_hint() const noexcept override { return source_->size_hint(); }
  bool interrupt() noexcept override { return source_->interrupt(); }

 private:
  static inline const iconv_t none = reinterpret_cast<iconv_t>(-1);  // NOLINT: as iconv has it

  tl::unexpected<Error> stop(Error error) {
    failed_ = std::move(error);
    return failure(*failed_);
  }
  /// Determines the encoding from the first bytes.
  Result<void> look() {
    looked_ = true;
    while (ahead_.size() < io::compression_bytes) {
      std::array<char, 4096> bytes{};
      const auto got = source_->read(bytes);
      if (!got) return failure(got.error());
      if (*got == 0) break;
      ahead_.append(bytes.data(), *got);
    }
    if (const auto compression = io::compression_of(ahead_); compression != io::Compression::None)
      return failure(fatal(
          fmt::format("{}: the file is compressed by {}: decompress it first", name(), io::to_string(compression))));
    if (const auto foreign = foreign_format(ahead_))
      return failure(fatal(fmt::format("{}: the file is {}: {}", name(), foreign->what, foreign->remedy)));
    if (ahead_.starts_with(utf8_mark)) return convert_from("");
    if (const std::string_view marked = marked_charset(ahead_); !marked.empty()) return convert_from(marked);
    return converter_ != none ? Result<void>() : convert_from(unmarked_utf16(ahead_));
  }
  /// Empty: passes the bytes on.
  Result<void> convert_from(std::string_view charset) {
    if (converter_ != none) ::iconv_close(converter_);
    charset_ = charset;
    converter_ = charset.empty() ? none : ::iconv_open("UTF-8", charset_.c_str());
    return {};
  }
  Result<std::size_t> pass_on(std::span<char> to) {
    if (ahead_.empty()) return source_->read(to);
    const std::size_t size = std::min(to.size(), ahead_.size());
    std::copy_n(ahead_.begin(), size, to.begin());
    ahead_.erase(0, size);
    return size;
  }
  std::size_t give(std::span<char> to) {
    const std::size_t size = std::min(to.size(), converted_.size() - given_);
    std::copy_n(converted_.begin() + static_cast<std::ptrdiff_t>(given_), size, to.begin());
    given_ += size;
    if (given_ == converted_.size()) converted_.clear(), given_ = 0;
    return size;
  }
  /// Converts more of the source, up to the last whole character.
  Result<void> convert() {
    constexpr std::size_t piece = 64 << 10;
    if (ahead_.size() < piece) {
      const std::size_t before = ahead_.size();
      ahead_.resize(before + piece);
      const auto got = source_->read(std::span(ahead_).subspan(before));
      ahead_.resize(before + got.value_or(0));
      if (!got) return failure(got.error());
      ended_ = *got == 0;
    }
    converted_.resize(4 * ahead_.size() + 16);
    char* in = ahead_.data();
    std::size_t left = ahead_.size();
    char* out = converted_.data();
    std::size_t room = converted_.size();
    const std::size_t made = ::iconv(converter_, &in, &left, &out, &room);
    const int code = errno;
    converted_.resize(converted_.size() - room);
    passed_ += ahead_.size() - left;
    ahead_.erase(0, ahead_.size() - left);
    const bool failed = made == static_cast<std::size_t>(-1) && code == EILSEQ;
    const bool bad = failed || (ended_ && !ahead_.empty());
    if (bad && bad_bytes_ == BadBytes::Mark) {
      converted_ += '\xFF';
      ahead_.erase(0, failed ? unit_of(charset_) : ahead_.size());
      ended_ = ended_ && ahead_.empty();
    }
    if (first_ && converted_.starts_with(utf8_mark)) converted_.erase(0, 3);
    first_ = first_ && converted_.empty();
    if (bad && bad_bytes_ == BadBytes::Stop)
      return failure(fatal(fmt::format("{}: byte {}: not {}; is it another encoding?", name(), passed_, charset_)));
    return {};
  }

  io::Source source_;
  iconv_t converter_;
  std::string charset_;
  BadBytes bad_bytes_;
  std::string ahead_{};      // bytes that are read and not converted
  std::string converted_{};  // bytes that are converted and not given out
  std::size_t given_ = 0;    // number of bytes of `converted_` already given out
  std::uint64_t passed_ = 0;
  bool looked_ = false, ended_ = false, first_ = true;
  std::optional<Error> failed_{};
};

}  // namespace

bool is_plain(std::string_view begin, std::string_view charset) noexcept {
  if (begin.starts_with(utf8_mark)) return true;
  return charset.empty() && marked_charset(begin).empty() && unmarked_utf16(begin).empty();
}

bool names_utf8(std::string_view charset) noexcept {
  constexpr std::string_view name = "UTF8";
  std::string plain(charset);
  std::erase_if(plain, [](char c) { return c == '-' || c == '_'; });
  return plain.size() == name.size() && ::strncasecmp(plain.data(), name.data(), name.size()) == 0;
}

Result<io::Source> as_utf8(io::Source source, std::string_view charset, BadBytes bad_bytes) {
  auto* converter = reinterpret_cast<iconv_t>(-1);  // NOLINT: as iconv has it
  const std::string from(charset);
  if (!charset.empty()) {
    converter = ::iconv_open("UTF-8", from.c_str());
    if (converter == reinterpret_cast<iconv_t>(-1))  // NOLINT
      return failure({.code = Errc::InvalidOptions,
                      .context = fmt::format("there is no encoding '{}'; `iconv -l` lists them", from)});
  }
  return std::make_unique<Utf8Source>(std::move(source), converter, from, bad_bytes);
}

}  // namespace etl::inline v0::csv

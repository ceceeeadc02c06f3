#include <etl/csv/encoding.hpp>
#include <etl/csv/foreign.hpp>

#include <iconv.h>

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
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <etl/io/compression.hpp>

#include "range_source.hpp"
#include "text.hpp"

namespace etl::inline v0::csv {
namespace {

constexpr std::string_view utf8_mark = "\xEF\xBB\xBF";
constexpr std::string_view little_mark = "\xFF\xFE", big_mark = "\xFE\xFF";
constexpr std::string_view wide_little_mark("\xFF\xFE\0\0", 4), wide_big_mark("\0\0\xFE\xFF", 4);

/// The encoding that a byte order mark stands for, or nothing. UTF-8 may have a mark, and needs none.
std::string_view marked_charset(std::string_view begin) noexcept {
  if (begin.starts_with(wide_little_mark)) return "UTF-32LE";
  if (begin.starts_with(wide_big_mark)) return "UTF-32BE";
  if (begin.starts_with(little_mark)) return "UTF-16LE";
  return begin.starts_with(big_mark) ? "UTF-16BE" : std::string_view();
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
  const auto begins = [&](std::string_view name) { return begins_with(charset, name); };
  if (begins("utf-16") || begins("utf16") || begins("ucs-2") || begins("ucs2")) return 2;
  return begins("utf-32") || begins("utf32") || begins("ucs-4") || begins("ucs4") ? 4 : 1;
}

/// Whether the meaning of bytes depends on earlier bytes.
bool has_states(std::string_view charset) noexcept {
  for (const std::string_view name : {"iso-2022", "iso2022", "utf-7", "utf7", "unicode-1-1-utf-7", "hz"})
    if (begins_with(charset, name)) return true;
  return false;
}

constexpr std::size_t piece = 64 << 10;

}  // namespace

/// Passes the bytes of a source on, after a conversion by iconv if needed.
class Utf8Source final : public io::ByteSource {
 public:
  Utf8Source(io::Source source, iconv_t converter, std::string charset, BadBytes bad_bytes,
             std::shared_ptr<FileOffsets> offsets)
      : source_(std::move(source)),
        converter_(converter),
        charset_(std::move(charset)),
        bad_bytes_(bad_bytes),
        offsets_(std::move(offsets)) {}
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
      if (ended_) {
        if (std::exchange(at_end_, true)) return std::size_t{0};
        take_kept();
        continue;
      }
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
    if (converter_ == none) return convert_from(unmarked_utf16(ahead_));
    if (offsets_) offsets_->begin(charset_);
    return {};
  }
  /// Empty: passes the bytes on.
  Result<void> convert_from(std::string_view charset) {
    if (converter_ != none) ::iconv_close(converter_);
    charset_ = charset;
    converter_ = charset.empty() ? none : ::iconv_open("UTF-8", charset_.c_str());
    if (offsets_ && converter_ != none) offsets_->begin(charset_);
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
    if (offsets_ && !first_) offsets_->add({.text = made_, .file = passed_});
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
      const std::size_t skipped = failed ? std::min(unit_of(charset_), ahead_.size()) : ahead_.size();
      ahead_.erase(0, skipped);
      passed_ += skipped;
      ended_ = ended_ && ahead_.empty();
    }
    const bool marked = first_ && converted_.starts_with(utf8_mark);
    if (marked) converted_.erase(0, utf8_mark.size());
    if (offsets_ && first_ && (marked || !converted_.empty()))
      offsets_->add({.text = 0, .file = marked ? unit_of(charset_) : 0});
    first_ = first_ && converted_.empty() && !marked;
    made_ += converted_.size();
    if (bad && bad_bytes_ == BadBytes::Stop)
      return failure(fatal(fmt::format("{}: byte {}: not {}; is it another encoding?", name(), passed_, charset_)));
    return {};
  }

  /// Takes the letter that the converter has kept because an accent might follow, as in CP1258 and TCVN.
  void take_kept() {
    converted_.resize(16);
    char* out = converted_.data();
    std::size_t room = converted_.size();
    ::iconv(converter_, nullptr, nullptr, &out, &room);
    converted_.resize(converted_.size() - room);
  }

  io::Source source_;
  iconv_t converter_;
  std::string charset_;
  BadBytes bad_bytes_;
  std::shared_ptr<FileOffsets> offsets_;
  std::string ahead_{};       // bytes that are read and not converted
  std::string converted_{};   // bytes that are converted and not given out
  std::size_t given_ = 0;     // number of bytes of `converted_` already given out
  std::uint64_t passed_ = 0;  // bytes of the source that are converted
  std::uint64_t made_ = 0;    // bytes of UTF-8 that they became
  bool looked_ = false, ended_ = false, at_end_ = false, first_ = true;
  std::optional<Error> failed_{};
};

void FileOffsets::begin(std::string charset) {
  const std::lock_guard lock(mutex_);
  charset_ = std::move(charset);
}

void FileOffsets::add(Known known) {
  const std::lock_guard lock(mutex_);
  if (known_.empty() || known.file - known_.back().file >= piece) known_.push_back(known);
}

std::string FileOffsets::charset() const {
  const std::lock_guard lock(mutex_);
  return charset_;
}

std::optional<std::uint64_t> FileOffsets::find(std::uint64_t offset) const {
  Known from{};
  {
    const std::lock_guard lock(mutex_);
    if (charset_.empty()) return offset;
    const auto after = std::ranges::upper_bound(known_, offset, {}, &Known::text);
    if (has_states(charset_) || after == known_.begin()) return std::nullopt;
    from = *(after - 1);
  }
  std::error_code unknown;
  if (!std::filesystem::is_regular_file(file_, unknown)) return std::nullopt;
  auto source = open_at(file_, from.file);
  if (!source || !*source) return std::nullopt;  // for example, gzip
  std::string bytes(4 * piece, '\0');
  std::size_t size = 0;
  while (size < bytes.size()) {
    const auto got = (*source)->read(std::span(bytes).subspan(size));
    if (!got) return std::nullopt;
    if (*got == 0) break;
    size += *got;
  }
  auto* const converter = ::iconv_open("UTF-8", charset_.c_str());
  char* in = bytes.data();
  std::array<char, 4096> text;
  std::uint64_t left = offset - from.text;
  while (left > 0 && size > 0) {
    char* out = text.data();
    std::size_t room = static_cast<std::size_t>(std::min<std::uint64_t>(left, text.size()));
    const std::size_t wanted = room;
    const bool stopped = ::iconv(converter, &in, &size, &out, &room) == static_cast<std::size_t>(-1) && errno != E2BIG;
    left -= wanted - room;
    if (stopped && left > 0) {  // `BadBytes::Mark` has made one byte of it
      const std::size_t bad = std::min(size, unit_of(charset_));
      in += bad;
      size -= bad;
      --left;
    } else if (room == wanted) {
      break;
    }
  }
  ::iconv_close(converter);
  if (left > 0) return std::nullopt;  // the file has changed
  return from.file + static_cast<std::uint64_t>(in - bytes.data());
}

bool is_plain(std::string_view begin, std::string_view charset) noexcept {
  if (begin.starts_with(utf8_mark)) return true;
  return charset.empty() && marked_charset(begin).empty() && unmarked_utf16(begin).empty();
}

bool names_utf8(std::string_view charset) noexcept {
  constexpr std::string_view name = "utf8";
  std::string plain(charset);
  std::erase_if(plain, [](char c) { return c == '-' || c == '_'; });
  return plain.size() == name.size() && begins_with(plain, name);
}

Result<io::Source> as_utf8(io::Source source, std::string_view charset, BadBytes bad_bytes,
                           std::shared_ptr<FileOffsets> offsets) {
  auto* converter = reinterpret_cast<iconv_t>(-1);  // NOLINT: as iconv has it
  const std::string from(charset);
  if (!charset.empty()) {
    converter = ::iconv_open("UTF-8", from.c_str());
    if (converter == reinterpret_cast<iconv_t>(-1))  // NOLINT
      return failure({.code = Errc::InvalidOptions,
                      .context = fmt::format("there is no encoding '{}'; `iconv -l` lists them", from)});
  }
  return std::make_unique<Utf8Source>(std::move(source), converter, from, bad_bytes, std::move(offsets));
}

}  // namespace etl::inline v0::csv

#pragma once
/// Files that are not UTF-8, as UTF-8.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <etl/config.hpp>
#include <etl/error.hpp>
#include <etl/io/source.hpp>

namespace etl::inline v0::csv {

/// What happens to bytes that are none of the encoding.
enum class BadBytes : std::uint8_t {
  Stop,  ///< they are an error when they are read
  Mark,  ///< each character becomes the byte 0xFF, which no UTF-8 has, so that a check of rows finds its row
};

/// Where in a file the bytes of its UTF-8 text come from. `as_utf8` fills it while it reads. Thread-safe.
class FileOffsets {
 public:
  /// For this file, which `find` opens again.
  explicit FileOffsets(std::filesystem::path file) : file_(std::move(file)) {}
  /// The byte of the file that begins the character at byte `offset` of the text, which was read already: the same byte
  /// if the text is not converted. Nothing if it cannot be known: the file is compressed or cannot be read again, or
  /// what its bytes mean depends on earlier ones.
  [[nodiscard]] std::optional<std::uint64_t> find(std::uint64_t offset) const;
  /// The encoding from which the text is converted, so that its offsets differ from those of the file. Empty if it is
  /// not converted.
  [[nodiscard]] std::string charset() const;

 private:
  friend class Utf8Source;
  struct Known {
    std::uint64_t text, file;
  };
  void begin(std::string charset);
  void add(Known known);

  std::filesystem::path file_;
  mutable std::mutex mutex_{};
  std::string charset_{};  // empty: the text is not converted
  std::vector<Known> known_{};
};

/// What a source has, as UTF-8. `charset`: as iconv names it ("UTF-16LE", "CP1250", "SHIFT_JIS"); empty: UTF-16 when it
/// begins with characters of which every other byte is NUL; else the bytes as they are. A byte order mark decides in
/// any case. What looks like a zip archive is an error when it is read. An error: there is no such encoding. `offsets`,
/// unless null, is filled.
[[nodiscard]] Result<io::Source> as_utf8(io::Source source, std::string_view charset = {},
                                         BadBytes bad_bytes = BadBytes::Stop,
                                         std::shared_ptr<FileOffsets> offsets = nullptr);

/// Whether `charset` names UTF-8, which needs no conversion.
[[nodiscard]] bool names_utf8(std::string_view charset) noexcept;

/// So many bytes of a file tell whether it is UTF-16.
inline constexpr std::size_t encoding_bytes = 8;

/// Whether `as_utf8` leaves the bytes of a source that begins so as they are.
[[nodiscard]] bool is_plain(std::string_view begin, std::string_view charset = {}) noexcept;

}  // namespace etl::inline v0::csv

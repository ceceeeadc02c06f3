#pragma once
// The shared strings of a workbook.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "archive.hpp"
#include "unnamed_file.hpp"

namespace etl::inline v0::excel::detail {

/// A buffer with a limited number of bytes in memory. Further bytes go to an unnamed file, which disappears together
/// with the object.
class SpillBuffer {
 public:
  SpillBuffer() = default;
  SpillBuffer(SpillBuffer&&) noexcept;
  SpillBuffer& operator=(SpillBuffer&&) noexcept;
  ~SpillBuffer();
  [[nodiscard]] Result<void> append(std::string_view bytes);
  /// Moves all bytes to the file; later bytes go there too.
  [[nodiscard]] Result<void> spill();
  /// Ends the writing. No byte may be added afterwards.
  [[nodiscard]] Result<void> finish();
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  [[nodiscard]] const char* data() const noexcept { return mapped_ != nullptr ? mapped_ : memory_.data(); }

 private:
  [[nodiscard]] Result<void> write_out();
  [[nodiscard]] bool spilled() const noexcept { return file_.handle() >= 0; }

  std::string memory_{};
  std::uint64_t size_ = 0;
  UnnamedFile file_{};
  const char* mapped_ = nullptr;
};

class SharedStrings {
 public:
  SharedStrings() = default;
  /// `in_memory` is the number of bytes kept in memory for texts and their places; the rest is kept in files.
  [[nodiscard]] static Result<SharedStrings> read(Part part, std::size_t in_memory);
  [[nodiscard]] std::uint64_t size() const noexcept { return ends_.size() / sizeof(std::uint64_t); }
  /// The text with the number `i`, or nothing. Valid as long as the object exists.
  [[nodiscard]] std::optional<std::string_view> at(std::uint64_t i) const noexcept;
  [[nodiscard]] Result<void> add(std::string_view text);
  [[nodiscard]] Result<void> finish();
  explicit SharedStrings(std::size_t in_memory) noexcept : in_memory_(in_memory) {}

 private:
  SpillBuffer texts_{};
  SpillBuffer ends_{};  // for each text, a std::uint64_t with the offset of its end
  std::size_t in_memory_ = 0;
  bool spilled_ = false;
};

}  // namespace etl::inline v0::excel::detail

#pragma once
// The texts that cells of a workbook share.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "archive.hpp"
#include "unnamed_file.hpp"

namespace etl::inline v0::excel::detail {

/// Bytes of which a bounded number are in memory, the others in an unnamed file that is gone with the object.
class SpillBuffer {
 public:
  SpillBuffer() = default;
  SpillBuffer(SpillBuffer&&) noexcept;
  SpillBuffer& operator=(SpillBuffer&&) noexcept;
  ~SpillBuffer();
  [[nodiscard]] Result<void> append(std::string_view bytes);
  /// From now on bytes go to the file; those of before too.
  [[nodiscard]] Result<void> spill();
  /// No byte is added after this.
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
  /// `in_memory`: bytes of texts and of their places; more are kept in files.
  [[nodiscard]] static Result<SharedStrings> read(Part part, std::size_t in_memory);
  [[nodiscard]] std::uint64_t size() const noexcept { return ends_.size() / sizeof(std::uint64_t); }
  /// Nothing: there is no such text. Valid as long as the object is.
  [[nodiscard]] std::optional<std::string_view> at(std::uint64_t i) const noexcept;
  [[nodiscard]] Result<void> add(std::string_view text);
  [[nodiscard]] Result<void> finish();
  explicit SharedStrings(std::size_t in_memory) noexcept : in_memory_(in_memory) {}

 private:
  SpillBuffer texts_{};
  SpillBuffer ends_{};  // one std::uint64_t for each text: where it ends
  std::size_t in_memory_ = 0;
  bool spilled_ = false;
};

}  // namespace etl::inline v0::excel::detail

#pragma once
// The zip archive that an .xlsx is.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <etl/error.hpp>
#include <etl/excel/sheet.hpp>

#include "workbook_file.hpp"

namespace etl::inline v0::excel::detail {

/// A file of the archive, read from front to back.
class Part {
 public:
  class Impl;
  explicit Part(std::unique_ptr<Impl> impl) noexcept;
  Part(Part&&) noexcept;
  Part& operator=(Part&&) noexcept;
  ~Part();
  /// 0: the end. Goes never beyond the limits.
  [[nodiscard]] Result<std::size_t> read(std::span<char> to);
  /// "FILE: part 'xl/workbook.xml'".
  [[nodiscard]] const std::string& name() const noexcept;
  [[nodiscard]] std::uint64_t packed_size() const noexcept;
  /// Of the packed bytes, about how many were read.
  [[nodiscard]] std::uint64_t consumed() const noexcept;

 private:
  std::unique_ptr<Impl> impl_;
};

/// Belongs to one thread at a time, with its parts.
class Archive {
 public:
  [[nodiscard]] static Result<Archive> open(const WorkbookFile& file, const Limits& limits);
  [[nodiscard]] bool has(const std::string& name) const;
  /// In any case of ASCII letters, as names of parts are.
  [[nodiscard]] Result<Part> part(const std::string& name) const;
  [[nodiscard]] const std::string& file() const noexcept;

 private:
  struct Open;
  explicit Archive(std::shared_ptr<Open> open) noexcept : open_(std::move(open)) {}
  friend class Part::Impl;
  std::shared_ptr<Open> open_;
};

}  // namespace etl::inline v0::excel::detail

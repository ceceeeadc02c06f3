#pragma once
// The zip archive of an .xlsx.

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
  /// Reads bytes; returns 0 at the end. Never reads more than the limits allow.
  [[nodiscard]] Result<std::size_t> read(std::span<char> to);
  /// Name for messages: "FILE: part 'xl/workbook.xml'".
  [[nodiscard]] const std::string& name() const noexcept;
  [[nodiscard]] std::uint64_t packed_size() const noexcept;
  /// Approximate number of packed bytes that were read.
  [[nodiscard]] std::uint64_t consumed() const noexcept;

 private:
  std::unique_ptr<Impl> impl_;
};

/// An open archive. The archive and its parts belong to one thread at a time.
class Archive {
 public:
  [[nodiscard]] static Result<Archive> open(const WorkbookFile& file, const Limits& limits);
  [[nodiscard]] bool has(const std::string& name) const;
  /// Finds a part by its name. ASCII letters match in upper and lower case, as names of parts do.
  [[nodiscard]] Result<Part> part(const std::string& name) const;
  [[nodiscard]] const std::string& file() const noexcept;

 private:
  struct Open;
  explicit Archive(std::shared_ptr<Open> open) noexcept : open_(std::move(open)) {}
  friend class Part::Impl;
  std::shared_ptr<Open> open_;
};

}  // namespace etl::inline v0::excel::detail

#pragma once
// The file of a workbook, which is read at any place: the file itself, or a copy of an object.

#include <filesystem>
#include <memory>
#include <string>

#include <etl/error.hpp>
#include <etl/excel/sheet.hpp>

#include "unnamed_file.hpp"

namespace etl::inline v0::excel::detail {

struct WorkbookFile {
  std::filesystem::path path{};               ///< opened anew by each reader
  std::string name{};                         ///< in messages: what the caller wrote
  Format format = Format::Xlsx;               ///< by its content
  std::shared_ptr<const UnnamedFile> copy{};  ///< keeps `path` alive
};

/// An object (`s3://...`) is copied to an unnamed file. The last copy is kept for the next call, so that listing the
/// sheets and reading each of them copies the object once. Thread-safe.
[[nodiscard]] Result<WorkbookFile> find_workbook(const std::filesystem::path& path_or_url, const Limits& limits);

}  // namespace etl::inline v0::excel::detail

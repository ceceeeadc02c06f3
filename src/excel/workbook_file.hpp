#pragma once
// The file of a workbook, which can be read at any place: the file itself, or a copy of an object.

#include <filesystem>
#include <memory>
#include <string>

#include <etl/error.hpp>
#include <etl/excel/sheet.hpp>

#include "unnamed_file.hpp"

namespace etl::inline v0::excel::detail {

struct WorkbookFile {
  std::filesystem::path path{};               ///< each reader opens it again
  std::string name{};                         ///< name for messages, as the caller wrote it
  Format format = Format::Xlsx;               ///< determined by its content
  std::shared_ptr<const UnnamedFile> copy{};  ///< keeps `path` alive
};

/// Finds the file of a workbook. An object (`s3://...`) is copied to an unnamed file. The last copy is kept for the
/// next call, so that listing the sheets and reading each of them copies the object once. Thread-safe.
[[nodiscard]] Result<WorkbookFile> find_workbook(const std::filesystem::path& path_or_url, const Limits& limits);

}  // namespace etl::inline v0::excel::detail

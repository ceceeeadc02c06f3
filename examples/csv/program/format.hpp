#pragma once
// The format of a file that is delimited text or JSON.

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <string_view>

#include <etl/csv/mapping.hpp>

namespace program {

/// The format that the name of the file suggests.
inline etl::csv::FileFormat format_of(const std::filesystem::path& file) {
  static constexpr std::string_view compressed[] = {".gz", ".bz2", ".xz", ".zst"};
  const bool packed = std::ranges::find(compressed, file.extension().string()) != std::end(compressed);
  const std::filesystem::path kind = (packed ? file.stem() : file).extension();
  const bool json = kind == ".json" || kind == ".ndjson" || kind == ".jsonl";
  return json ? etl::csv::FileFormat::Json : etl::csv::FileFormat::Csv;
}

}  // namespace program

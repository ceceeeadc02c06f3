#pragma once
/// What the cases of the workload `swissprot` give, and what they share.

#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <etl/error.hpp>
#include <etl/io/record_splitter.hpp>

#include <common/measure.hpp>

namespace bench::swissprot {

struct Measured {
  Moment used{};
  std::uint64_t entries = 0;
  std::uint64_t residues = 0;  ///< 0 where a case does not look at them
  std::uint64_t problems = 0;  ///< entries that were refused
};

template <class T>
T must(etl::Result<T> result) {
  if (!result) throw etl::Exception(std::move(result).error());
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

/// Calls `use` with the text of each entry.
template <class Use>
void for_each_entry(std::string_view text, Use use) {
  const etl::io::RecordSplitter splitter("//");
  while (!text.empty()) {
    const std::string_view entry = text.substr(0, splitter.first_end(text, true));
    use(entry);
    text.remove_prefix(entry.size());
  }
}

/// One thread, text in memory: lines, own, views, entry_view.
Measured read_text(std::string_view impl, std::string_view text);
/// A compressed file: inflate, inflate_views, inflate_own.
Measured read_compressed(std::string_view impl, const std::filesystem::path& file);

struct Loading {
  std::filesystem::path file;
  std::size_t workers = 2;
  std::size_t batch = 500;
};
/// A whole file into a new database beside it, and its two halves alone: transform, insert, ingest.
Measured load(std::string_view impl, const Loading& job, std::string_view text);

}  // namespace bench::swissprot

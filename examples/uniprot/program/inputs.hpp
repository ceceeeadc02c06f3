#pragma once
// Input files, and the handling of their entries that ingest and inspect share.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <etl/etl.hpp>
#include <etl/uniprot/entries.hpp>
#include <etl/uniprot/parse.hpp>

#include "options.hpp"

namespace program {

/// A bad entry, or an input that could not be read to its end.
struct Reject {
  std::string file{};
  std::uint64_t line = 0;
  std::uint64_t column = 0;
  std::string accession{};  // empty if not known
  std::string reason{};
  /// FILE:LINE:COLUMN: ACCESSION: REASON
  [[nodiscard]] std::string text() const;
};

/// Number of parts of entries that did not follow the format and were kept as text, by kind. Thread-safe.
class UnparsedCounts {
 public:
  void add(const etl::uniprot::Entry& entry);
  /// JSON such as {"FT":1,"GN":2}.
  [[nodiscard]] std::string json() const;
  /// "3 parts of entries do not follow the format and were kept as text (FT 1, GN 2)", or nothing.
  [[nodiscard]] std::string text() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::uint64_t, std::less<>> counts_{};
};

/// The name of a file in messages: "standard input" for "-".
[[nodiscard]] std::string display_name(const std::filesystem::path& file);

/// Checks that every regular file can be opened, before work begins. Returns the first problem, or nothing. (A pipe
/// can be opened only once.)
[[nodiscard]] std::optional<etl::Error> check_inputs(const std::vector<std::filesystem::path>& files);

/// Approximate number of entries in the files, estimated from the beginning of the first file. 0 if unknown.
[[nodiscard]] std::uint64_t estimate_entries(const std::vector<std::filesystem::path>& files);

/// The identity of an ingest of these files in its database.
struct Job {
  std::string name{};         // made from the names of the files
  std::string fingerprint{};  // made from the contents of the files and from the selection
  bool resumable = true;      // false if one of the files is a pipe
};
[[nodiscard]] etl::Result<Job> job_of(const Ingest& options);

/// Pushes the entries of all files, one file after the other, from the position where an earlier run ended. A file
/// that can no longer be opened gives an `Unreadable`. `range` selects entries of each file.
void extract_files(const std::vector<std::filesystem::path>& files, etl::Emitter<etl::uniprot::RawEntry>& out,
                   const etl::uniprot::EntryRange& range = {});

/// Whether the entry is selected. Called after parsing, so that a bad entry is always reported.
[[nodiscard]] bool wanted(const etl::uniprot::Entry& entry, const Selection& selection);

/// Parses an entry. Returns a description of a bad entry.
[[nodiscard]] std::optional<Reject> parse(const etl::uniprot::RawEntry& raw,
                                          const std::vector<std::filesystem::path>& files, etl::uniprot::Entry& entry);

}  // namespace program

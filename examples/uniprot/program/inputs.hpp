#pragma once
// Input files, and what both ingest and inspect make of their entries.

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
  std::string accession{};  // empty: not known
  std::string reason{};
  /// FILE:LINE:COLUMN: ACCESSION: REASON
  [[nodiscard]] std::string text() const;
};

/// How many parts of entries did not follow the format and were kept as text, by their kind. Thread-safe.
class UnparsedCounts {
 public:
  void add(const etl::uniprot::Entry& entry);
  /// {"FT":1,"GN":2}
  [[nodiscard]] std::string json() const;
  /// "3 parts of entries do not follow the format and were kept as text (FT 1, GN 2)", or nothing.
  [[nodiscard]] std::string text() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::uint64_t, std::less<>> counts_{};
};

/// "standard input" for "-".
[[nodiscard]] std::string display_name(const std::filesystem::path& file);

/// Checks that every regular file can be opened, before work begins. The first problem, or nothing. (A pipe can be
/// opened once only.)
[[nodiscard]] std::optional<etl::Error> check_inputs(const std::vector<std::filesystem::path>& files);

/// About how many entries the files hold: from the density of the first one's beginning. 0: cannot be told.
[[nodiscard]] std::uint64_t estimate_entries(const std::vector<std::filesystem::path>& files);

/// What an ingest of these files is known by in its database.
struct Job {
  std::string name{};         // of the files
  std::string fingerprint{};  // of their contents and of what is wanted of them
  bool resumable = true;      // not when one of them is a pipe
};
[[nodiscard]] etl::Result<Job> job_of(const Ingest& options);

/// Pushes the entries of all files, one file after the other, from where an earlier run was on. One that cannot be
/// opened any more gives an `Unreadable`. `range`: of the entries of each file.
void extract_files(const std::vector<std::filesystem::path>& files, etl::Emitter<etl::uniprot::RawEntry>& out,
                   const etl::uniprot::EntryRange& range = {});

/// Whether the selection wants this entry. Asked after the parse: a bad entry is reported whatever it says of itself.
[[nodiscard]] bool wanted(const etl::uniprot::Entry& entry, const Selection& selection);

/// Parses; a bad entry is described.
[[nodiscard]] std::optional<Reject> parse(const etl::uniprot::RawEntry& raw,
                                          const std::vector<std::filesystem::path>& files, etl::uniprot::Entry& entry);

}  // namespace program

#pragma once
// What the command line asks for.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <etl/etl.hpp>
#include <etl/uniprot/entries.hpp>

namespace program {

/// Which entries are wanted.
struct Selection {
  std::vector<std::uint32_t> taxa{};  // empty: all
  bool reviewed = false;              // only those
};

enum class Tables : std::uint8_t { Proteins, Full };
enum class Format : std::uint8_t { Ndjson, Json, Fasta, Dat };

struct Ingest {
  std::vector<std::filesystem::path> files{};
  std::filesystem::path database{};
  Selection selection{};
  Tables tables = Tables::Proteins;
  std::size_t workers = std::max(1u, std::thread::hardware_concurrency());
  std::size_t batch_size = 500;
  std::chrono::nanoseconds timeout = std::chrono::seconds(1);
  std::shared_ptr<etl::MemoryBudget> memory{};  // null: no limit
  std::uint64_t max_rejects = UINT64_MAX;
  double max_reject_ratio = 1.0;
  bool restart = false;
  bool dry_run = false;
  std::filesystem::path dead_letters{};  // empty: not wanted as a file
  bool quiet = false;
  bool json = false;
};
struct Inspect {
  std::vector<std::filesystem::path> files{};
  Selection selection{};
  Format format = Format::Ndjson;
  std::shared_ptr<etl::MemoryBudget> memory{};  // null: no limit
  bool pretty = false;                          // JSON with a member a line
  etl::uniprot::EntryRange range{};             // of each file
  std::size_t workers = std::max(1u, std::thread::hardware_concurrency());
};
struct Count {
  std::vector<std::filesystem::path> files{};
};
struct Generate {
  std::uint64_t entries = 1000;
  std::filesystem::path out{};
  std::uint64_t seed = 1;
};

// Each returns the exit code.
int ingest(const Ingest& options, const etl::Stop& stop);
int inspect(const Inspect& options, const etl::Stop& stop);
int count(const Count& options, const etl::Stop& stop);
int generate(const Generate& options);

}  // namespace program

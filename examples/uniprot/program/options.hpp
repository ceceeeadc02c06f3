#pragma once
// The options of the command line.

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

/// The selection of entries.
struct Selection {
  std::vector<std::uint32_t> taxa{};  // empty: all taxa
  bool reviewed = false;              // only reviewed entries
};

enum class Tables : std::uint8_t { Proteins, Full };
enum class Format : std::uint8_t { Ndjson, Json, Fasta, Dat };

struct Ingest {
  std::vector<std::filesystem::path> files{};
  std::string store{};  // sqlite:PATH or postgresql://...
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
  std::filesystem::path dead_letters{};  // empty: no file of dead letters
  bool quiet = false;
  bool json = false;
  std::string job{};           // empty: without a job
  std::string organisation{};  // whose job it is
  std::uint64_t unit_bytes = 32 << 20;
  double lease = 60;               // s
  double statement_timeout = 300;  // s, PostgreSQL
  std::uint32_t max_attempts = 3;

  [[nodiscard]] bool postgres() const { return !store.starts_with("sqlite:"); }
  [[nodiscard]] std::string sqlite_path() const { return store.substr(7); }
};
/// A worker, or a command about jobs.
struct JobCommand {
  std::string store{};
  std::string job{};  // number or name; empty: all jobs
  bool stay = false;  // the worker waits for new jobs
  bool watch = false;
  double lease = 60;               // in seconds
  double statement_timeout = 300;  // in seconds, for PostgreSQL
  std::size_t workers = std::max(1u, std::thread::hardware_concurrency());
  std::uint64_t max_rejects = UINT64_MAX;
  std::shared_ptr<etl::MemoryBudget> memory{};  // null: no limit
  bool quiet = false;
  bool json = false;
};
struct Inspect {
  std::vector<std::filesystem::path> files{};
  Selection selection{};
  Format format = Format::Ndjson;
  std::shared_ptr<etl::MemoryBudget> memory{};  // null: no limit
  bool pretty = false;                          // JSON with one member per line
  etl::uniprot::EntryRange range{};             // range of entries of each file
  std::size_t workers = std::max(1u, std::thread::hardware_concurrency());
};
struct Count {
  std::vector<std::filesystem::path> files{};
  bool json = false;
};
struct Generate {
  std::uint64_t entries = 1000;
  std::filesystem::path out{};
  std::uint64_t seed = 1;
};

/// Tells an error on standard error. Returns the exit code.
int fail(const etl::Error& error, int exit_code = 1);

// Each function runs a subcommand and returns the exit code.
int ingest(const Ingest& options, const etl::StopToken& stop);
int inspect(const Inspect& options, const etl::StopToken& stop);
int count(const Count& options, const etl::StopToken& stop);
int generate(const Generate& options);
#ifdef PROGRAM_JOBS
int ingest_job(const Ingest& options, const etl::StopToken& stop);
int work(const JobCommand& options, const etl::StopToken& stop);
int list_jobs(const JobCommand& options);
int show_status(const JobCommand& options, const etl::StopToken& stop);
int cancel_job(const JobCommand& options);
int resume_job(const JobCommand& options);
int retry_quarantined(const JobCommand& options);
#endif

}  // namespace program

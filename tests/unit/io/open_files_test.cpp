// G3: a run leaves no file open, however it ends.
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <etl/io/checkpoint_file.hpp>
#include <etl/io/dead_letter_file.hpp>
#include <etl/run.hpp>

#include "support/catch.hpp"
#include "support/open_files.hpp"
#include "unit/io/support.hpp"

namespace open_files_test {

namespace {

/// 0 to 99 in two partitions; some are rejected, and `fail` ends the run.
struct Numbers {
  using position = std::uint64_t;
  bool fail = false;
  std::string fingerprint() const { return "numbers"; }
  std::vector<std::string> partitions() const { return {"low", "high"}; }
  std::string describe(const std::int64_t& n) const { return std::to_string(n); }
  void extract(const std::string& partition, etl::Emitter<std::int64_t>& out) const {
    const std::int64_t base = partition == "low" ? 0 : 50;
    for (std::uint64_t i = out.resume_from() ? out.resume_from()->number().value() : 0; i < 50; ++i) {
      if (!out.push(base + static_cast<std::int64_t>(i))) return;
      out.mark(etl::Position(i + 1));
    }
  }
  etl::Result<std::int64_t> transform(const std::int64_t& n) const {
    if (n % 20 == 7) return etl::failure(etl::rejected("seven"));
    return std::int64_t{n};
  }
  etl::Result<void> load(std::span<const std::int64_t> batch) const {
    if (fail && batch.back() > 40) return etl::failure(etl::fatal("enough"));
    return {};
  }
};

}  // namespace

TEST_CASE("stores in files: G3 a run leaves no file open, however it ends") {
  const test::TemporaryFolder folder;
  etl::Options options{.name = "numbers", .batch_size = 10, .workers = 3};
  options.errors.max_rejects = 100;
  options.errors.dead_letters = std::make_shared<etl::io::DeadLetterFile>(folder / "letters.ndjson");
  options.delivery.checkpoints = std::make_shared<etl::io::CheckpointFile>(folder / "checkpoints");
  REQUIRE(etl::run(Numbers{}, options).ok());  // what a process keeps for later runs is open now
  const auto before = test::open_files();
  for (const bool fail : {true, false, true, true, false}) {
    CHECK(etl::run(Numbers{fail}, options).ok() == !fail);
    CHECK(test::open_files() == before);
  }
  // The disk is full: nothing can be written to the letters.
  options.errors.dead_letters = std::make_shared<etl::io::DeadLetterFile>("/dev/full");
  CHECK_FALSE(etl::run(Numbers{}, options).ok());
  options.delivery.checkpoints = std::make_shared<etl::io::CheckpointFile>("/dev/null");
  CHECK_FALSE(etl::run(Numbers{}, options).ok());
  CHECK(test::open_files() == before);
}

}  // namespace open_files_test

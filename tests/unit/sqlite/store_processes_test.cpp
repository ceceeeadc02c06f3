// G15: several processes at one database.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <etl/run.hpp>
#include <etl/sqlite/store.hpp>

#include "support/catch.hpp"
#include "unit/sqlite/support.hpp"

namespace store_processes_test {

namespace {

using etl::sqlite::Store;

struct Row {
  std::int64_t id = 0;
};
const auto rows = etl::sqlite::table<Row>("rows", etl::sqlite::column("id", &Row::id));

/// 0 to 399 in four partitions.
struct Numbers {
  using position = std::uint64_t;
  std::string fingerprint() const { return "numbers"; }
  std::vector<std::string> partitions() const { return {"0", "100", "200", "300"}; }
  void extract(const std::string& partition, etl::Emitter<Row>& out) const {
    for (std::uint64_t i = out.resume_from() ? out.resume_from()->number().value() : 0; i < 100; ++i) {
      if (!out.push({std::stoll(partition) + static_cast<std::int64_t>(i)})) return;
      out.mark(etl::Position(i + 1));
    }
  }
  etl::Result<void> load(std::span<const Row> batch, etl::sqlite::Tx& tx) const { return tx.write(rows, batch); }
};

struct End {
  bool ok = false;
  bool superseded = false;
};

End run(const std::filesystem::path& path) {
  const auto store = Store::open(path, {.synchronous = etl::sqlite::Synchronous::Off});
  if (!store) return {};
  const Numbers job;
  etl::Options options{.name = "numbers", .batch_size = 5, .workers = 2};
  options.delivery.incremental = true;  // one that comes after the end has nothing to do
  const auto report = etl::run(etl::with_store(job, **store), options);
  End end{.ok = report.ok()};
  for (const auto& one : report.errors) end.superseded |= one.error.code == etl::Errc::Superseded;
  return end;
}

}  // namespace

TEST_CASE("sqlite store: G15 processes that run one pipeline at once: every row once, and one of them ends it") {
  for (int round = 0; round < 5; ++round) {
    const test::Folder folder;
    const auto path = folder / "s.db";
    {
      const auto store = test::ok(Store::open(path));
      test::ok(store->database().execute("CREATE TABLE rows(id INTEGER)"));
    }
    std::vector<pid_t> children;
    for (int i = 0; i < 4; ++i) {
      children.push_back(::fork());
      if (children.back() != 0) continue;
      ::alarm(120);  // no assertions here
      const End end = run(path);
      ::_exit(end.ok ? 0 : end.superseded ? 1 : 2);
    }
    int ended = 0;
    for (const pid_t child : children) {
      int status = 0;
      REQUIRE(::waitpid(child, &status, 0) == child);
      REQUIRE(WIFEXITED(status));
      CHECK(WEXITSTATUS(status) <= 1);  // completed, or superseded
      if (WEXITSTATUS(status) == 0) ++ended;
    }
    CHECK(ended >= 1);
    auto db = test::open(path);
    CHECK(test::value(db, "SELECT count(*) || ' ' || count(DISTINCT id) FROM rows") == "400 400");
    CHECK(test::value(db, "SELECT group_concat(watermark) FROM etl_partitions") == "100,100,100,100");
    CHECK(test::value(db, "SELECT finished FROM etl_checkpoints") == "1");
  }
}

}  // namespace store_processes_test

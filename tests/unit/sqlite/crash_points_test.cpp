// G15: the SQLite store under crashes at every step, with the store opened anew for each run.
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <etl/run.hpp>
#include <etl/sqlite/store.hpp>
#include <etl/testing/crash_points.hpp>
#include <etl/testing/faults.hpp>

#include "support/catch.hpp"
#include "unit/sqlite/support.hpp"

namespace crash_points_test {

using etl::sqlite::Store;
using etl::testing::Faults;
using test::ok;

namespace {

struct Row {
  std::int64_t id = 0;
};
const auto rows = etl::sqlite::table<Row>("rows", etl::sqlite::column("id", &Row::id));

/// 0 to 19; 5 is rejected by transform, 11 by the database.
struct Numbers {
  using position = std::uint64_t;
  Faults* faults;

  std::string fingerprint() const { return "numbers"; }
  std::string describe(const std::int64_t& n) const { return std::to_string(n); }
  void extract(etl::Emitter<std::int64_t>& out) const {
    for (std::uint64_t i = out.resume_from() ? out.resume_from()->number().value() : 0; i < 20; ++i) {
      faults->yield();
      if (i % 3 == 0) out.mark(etl::Position(i));
      if (!out.push(static_cast<std::int64_t>(i))) return;
    }
  }
  void transform(const std::int64_t& n, etl::Out<Row>& out) const {
    faults->yield();
    if (n == 5) return out.reject("five");
    out.push({n});
  }
  /// Not const: one transaction at a time, so that nobody waits for the database while the schedule picks another.
  etl::Result<void> load(std::span<const Row> batch, etl::BatchContext& context, etl::sqlite::Tx& tx) {
    return tx.write(rows, batch, context);
  }
};

struct World {
  test::Folder folder{};
  std::filesystem::path path = folder / "rows.db";
  World() { ok(open()->database().execute("CREATE TABLE rows(id INTEGER NOT NULL CHECK(id<>11))")); }

  [[nodiscard]] std::shared_ptr<Store> open() const {
    return ok(Store::open(path, {.synchronous = etl::sqlite::Synchronous::Off}));
  }
  etl::RunReport run(Faults& faults, const etl::Executor& executor) const {
    const auto store = open();
    etl::testing::FaultyStore<etl::sqlite::Tx> faulty(*store, faults);
    etl::Options options{.batch_size = 4, .workers = 2};
    options.errors.max_rejects = 2;
    options.executor = executor;
    options.name = "numbers";
    return etl::run(etl::with_store(Numbers{&faults}, faulty), options);
  }
  /// What is wrong, or nothing.
  [[nodiscard]] std::string check() const {
    std::vector<std::int64_t> expected;
    for (std::int64_t n = 0; n < 20; ++n)
      if (n != 5 && n != 11) expected.push_back(n);
    if (rows() != expected) return std::to_string(rows().size()) + " rows, not each once";
    const auto found = letters();
    if (found.size() != 2) return std::to_string(found.size()) + " dead letters";
    return found[0].seq == 5 && found[0].stage == etl::Stage::Transform && found[1].seq == 11 &&
                   found[1].stage == etl::Stage::Load && found[1].payload == "11"
               ? ""
               : "other dead letters";
  }
  [[nodiscard]] std::vector<std::int64_t> rows() const {
    const auto store = open();
    std::vector<std::int64_t> all;
    auto statement = ok(store->database().prepare("SELECT id FROM rows ORDER BY id"));
    while (ok(statement.step())) all.push_back(std::stoll(std::string(statement.text(0))));
    return all;
  }
  [[nodiscard]] std::vector<etl::DeadLetter> letters() const {
    std::vector<etl::DeadLetter> all;
    ok(open()->list("numbers", [&](const etl::DeadLetter& letter) { return all.push_back(letter), true; }));
    return all;
  }
};

}  // namespace

TEST_CASE("sqlite store: G7 G15 rows, letters and progress are right whichever step a run dies at") {
  const auto summary = etl::testing::for_each_crash_point(
      [] { return std::make_unique<World>(); },
      [](auto& world, Faults& faults, const etl::Executor& executor) { return world->run(faults, executor); },
      [](auto& world) { return world->check(); }, {.seeds = 4});
  CHECK(summary.crashes > 150);
}

}  // namespace crash_points_test

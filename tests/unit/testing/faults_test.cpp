#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <etl/testing/faults.hpp>
#include <etl/testing/memory_stores.hpp>

#include "support/catch.hpp"

namespace faults_test {

using etl::testing::Faults;

namespace {

/// One transaction with one row.
etl::Result<void> store_row(etl::TransactionalStore<etl::testing::MemoryTransaction<int>>& store, int row) {
  auto session = store.connect();
  if (!session) return etl::failure(session.error());
  if (auto begun = (*session)->begin(); !begun) return begun;
  (*session)->transaction().write(row);
  if (auto recorded = (*session)->record({"p", {}, {}, {}}); !recorded) return recorded;
  return (*session)->commit();
}

}  // namespace

TEST_CASE("faults: an operation is a step before and a step after it, where it succeeds") {
  Faults faults;
  std::uint64_t told = 0;
  faults.at_each_step([&] { ++told; });
  CHECK(faults.around("a", [] { return etl::Result<int>(7); }) == 7);
  CHECK(faults.steps() == 2);
  CHECK_FALSE(faults.around("b", []() -> etl::Result<void> { return etl::failure(etl::fatal("no")); }));
  CHECK(faults.steps() == 3);
  CHECK(told == 3);
  CHECK_FALSE(faults.crashed());
}

TEST_CASE("faults: after a crash nothing is done any more") {
  for (const std::uint64_t step : {1u, 2u, 3u, 4u}) {
    CAPTURE(step);
    Faults faults;
    faults.crash_at(step);
    std::uint64_t done = 0;
    for (std::uint64_t i = 0; i < 5; ++i) {
      const auto result = faults.around("save", [&]() -> etl::Result<void> { return ++done, etl::Result<void>(); });
      CHECK(result.has_value() == (2 * i + 2 < step));
      if (!result) CHECK(result.error().error_class == etl::ErrorClass::Fatal);
    }
    CHECK(faults.crashed());
    CHECK(faults.crashed_in() == (step % 2 == 0 ? "after save" : "before save"));
    CHECK(done == step / 2);
  }
}

TEST_CASE("faults: the k-th call of an operation fails, before it or after it, others do not") {
  Faults faults;
  faults.fail("save", 2, etl::transient("busy"));
  faults.fail_after("save", 3, etl::transient("lost"));
  int done = 0;
  std::vector<std::string> told;
  for (int i = 0; i < 4; ++i) {
    const auto saved = faults.around("save", [&]() -> etl::Result<void> { return ++done, etl::Result<void>(); });
    told.push_back(saved ? "saved" : saved.error().context);
    CHECK(faults.around("load", []() -> etl::Result<void> { return {}; }));
  }
  CHECK(told == std::vector<std::string>{"saved", "busy", "lost", "saved"});
  CHECK(done == 3);
}

TEST_CASE("faults: an operation can be late") {
  Faults faults;
  std::chrono::nanoseconds passed{};
  faults.pass_time_by([&](std::chrono::nanoseconds by) { passed += by; });
  faults.delay("save", 2, std::chrono::seconds(10));
  faults.delay("save", 3, std::chrono::seconds(5));
  faults.fail("save", 3, etl::transient("busy"));
  std::vector<std::int64_t> at;
  for (int i = 0; i < 3; ++i) {
    const auto saved = faults.around("save", [&] {
      at.push_back(passed / std::chrono::seconds(1));
      return etl::Result<void>();
    });
    CHECK(saved.has_value() == (i < 2));
  }
  CHECK(at == std::vector<std::int64_t>{0, 10});
  CHECK(passed == std::chrono::seconds(15));
}

TEST_CASE("faulty store: a connection lost in the commit has committed, a crash before it has not") {
  etl::testing::MemoryStore<int> store;
  Faults lost;
  lost.fail_after("commit", 1, etl::transient("connection lost"));
  etl::testing::FaultyStore first(store, lost);
  const auto unknown = store_row(first, 1);
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().code == etl::Errc::OutcomeUnknown);
  CHECK(store.rows() == std::vector<int>{1});
  CHECK(lost.steps() == 8);  // connect, begin, record, commit

  Faults dead;
  dead.crash_at(7);
  etl::testing::FaultyStore second(store, dead);
  CHECK_FALSE(store_row(second, 2));
  CHECK(store.rows() == std::vector<int>{1});
  CHECK_FALSE(store_row(second, 3));
  CHECK(store.rows() == std::vector<int>{1});
}

TEST_CASE("faulty checkpoints and dead letters: what was done before the crash stays") {
  etl::testing::MemoryCheckpoints checkpoints;
  etl::testing::MemoryDeadLetters letters;
  Faults faults;
  faults.crash_at(6);
  etl::testing::FaultyCheckpoints progress(checkpoints, faults);
  etl::testing::FaultyDeadLetters rejects(letters, faults);
  const std::vector<etl::DeadLetter> one{{.id = "1"}};
  CHECK(progress.save("p", {.fingerprint = "f"}));
  CHECK(rejects.write(one));
  CHECK_FALSE(progress.reset("p"));  // done, and not heard of
  CHECK_FALSE(rejects.purge(std::vector<std::string>{"1"}));
  CHECK_FALSE(progress.find("p"));
  CHECK_FALSE(checkpoints.find("p").value());
  CHECK(letters.letters().size() == 1);
}

}  // namespace faults_test

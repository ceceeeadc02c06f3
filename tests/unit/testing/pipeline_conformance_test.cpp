#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <etl/testing/faults.hpp>
#include <etl/testing/pipeline_conformance.hpp>

#include "support/catch.hpp"

namespace pipeline_conformance_test {

using namespace etl::testing;

namespace {

enum class Fault { None, MarksTooLate, MarksTooEarly, Deaf, Forgetful };

struct Numbers {
  Fault fault = Fault::None;
  std::uint64_t runs_before = 0;
  void extract(etl::Emitter<std::uint64_t>& out) {
    const auto& mark = out.resume_from();
    const std::uint64_t begin = mark ? mark->number().value_or(0) : 0;
    for (std::uint64_t i = begin; i < 10; ++i) {
      if (!out.push(fault == Fault::Forgetful ? i + runs_before : i) && fault != Fault::Deaf) return;
      const std::uint64_t place = fault == Fault::MarksTooLate ? i + 2 : fault == Fault::MarksTooEarly ? i : i + 1;
      out.mark(etl::Position(place));
    }
  }
};

struct Table {
  std::vector<int> rows;
  bool doubles = false, all_or_nothing = false;
  std::vector<int> stored() const { return rows; }
  etl::Result<void> load(std::span<const int> batch, etl::BatchContext& context) {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (batch[i] >= 0) {
        rows.insert(rows.end(), doubles ? 2 : 1, batch[i]);
      } else {
        context.reject(i, "negative");
        if (all_or_nothing) return {};
      }
    }
    return {};
  }
};

struct KeyedTable {
  bool ignores_keys = false;
  std::vector<std::pair<etl::IdempotencyKey, int>> rows;
  std::vector<int> stored() const {
    std::vector<int> all;
    for (const auto& [key, row] : rows) all.push_back(row);
    return all;
  }
  void load(std::span<const int> batch, etl::BatchContext&, const etl::IdempotencyKey& key) {
    if (!ignores_keys) std::erase_if(rows, [&](const auto& row) { return row.first == key; });
    for (const int row : batch) rows.emplace_back(key, row);
  }
};

}  // namespace

TEST_CASE("a good source keeps the contract") {
  CHECK_NOTHROW(check_source<std::uint64_t>([] { return Numbers(); }));
  struct Own {
    MemorySource<int> source{{1, 2, 3, 4, 5}};
    Faults faults{};
    etl::Result<void> extract(etl::Emitter<int>& out) { return source.extract(out, faults); }
  };
  CHECK_NOTHROW(check_source<int>([] { return Own(); }));
}

TEST_CASE("a source that breaks a promise is told which") {
  using Catch::Matchers::StartsWith;
  std::uint64_t made = 0;
  const auto make = [&](Fault fault) { return [&made, fault] { return Numbers{fault, made++}; }; };
  const std::string behind =
      "conformance: a source that begins at its own mark returns exactly the items after the mark";
  CHECK_THROWS_WITH(check_source<std::uint64_t>(make(Fault::MarksTooLate)), StartsWith(behind));
  CHECK_THROWS_WITH(check_source<std::uint64_t>(make(Fault::MarksTooEarly)), StartsWith(behind));
  CHECK_THROWS_WITH(check_source<std::uint64_t>(make(Fault::Deaf)),
                    StartsWith("conformance: extract returns when a push was refused (G11)"));
  CHECK_THROWS_WITH(check_source<std::uint64_t>(make(Fault::Forgetful)),
                    StartsWith("conformance: a source that is read again returns the same items"));
}

TEST_CASE("a good sink keeps the contract, and one that breaks it is told how") {
  using Catch::Matchers::StartsWith;
  const std::vector<int> rows{1, 2, 3, 4, 5, 6, 7};
  CHECK_NOTHROW(check_sink<int>([] { return Table(); }, rows, -1));
  CHECK_NOTHROW(check_sink<int>([] { return KeyedTable(); }, rows));
  CHECK_THROWS_WITH(check_sink<int>([] { return Table{.rows = {}, .doubles = true}; }, rows),
                    StartsWith("conformance: every row that load accepted is stored once (G2)"));
  CHECK_THROWS_WITH(check_sink<int>([] { return Table{.rows = {}, .all_or_nothing = true}; }, rows, -1),
                    StartsWith("conformance: the other rows of a batch with a bad row are stored (G6)"));
  CHECK_THROWS_WITH(check_sink<int>([] { return KeyedTable{.ignores_keys = true, .rows = {}}; }, rows),
                    StartsWith("conformance: a batch that is repeated with the same key changes nothing (G16)"));
}

}  // namespace pipeline_conformance_test

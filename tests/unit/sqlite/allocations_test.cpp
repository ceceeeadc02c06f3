// Rows go in and out without an allocation of ours. (SQLite's own, by malloc, are not counted.)
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <etl/sqlite/sink.hpp>
#include <etl/sqlite/source.hpp>

#include "support/catch.hpp"
#include "unit/sqlite/support.hpp"

// The sanitizers' runtimes have these operators for themselves.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ETLPIPE_TEST_SANITIZED
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define ETLPIPE_TEST_SANITIZED
#endif
#endif

#ifndef ETLPIPE_TEST_SANITIZED

namespace {
std::atomic<std::uint64_t> allocations = 0;
}

void* operator new(std::size_t size) {
  ++allocations;
  void* const p = std::malloc(size == 0 ? 1 : size);
  if (p == nullptr) throw std::bad_alloc();
  return p;
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }

TEST_CASE("sqlite: rows that are written and read in steady state allocate nothing") {
  struct Item {
    std::int64_t id = 0;
    std::string text{};
    std::optional<std::string> note{};
    std::vector<std::byte> raw{};
    double price = 0;
    [[nodiscard]] std::string_view part() const { return std::string_view(text).substr(0, 5); }
  };
  namespace sql = etl::sqlite;
  const auto items = sql::table<Item>("items", sql::key("id", &Item::id), sql::column("text", &Item::text),
                                      sql::column("note", &Item::note), sql::column("raw", &Item::raw),
                                      sql::column("price", &Item::price), sql::column("part", &Item::part));
  sql::Database db = test::open(":memory:");
  test::ok(sql::create_table(db, items));
  auto sink = test::ok(sql::sink(db, items));
  std::vector<Item> batch;
  for (int i = 0; i < 1000; ++i)
    batch.push_back({i, std::string(100, 'x'), std::string(50, 'y'), test::bytes(std::string(60, 'z')), i * 0.5});

  const std::uint64_t before_write = allocations;
  const bool written = sink.write(batch).has_value();
  const std::uint64_t by_write = allocations - before_write;
  CHECK(written);
  CHECK(by_write == 0);

  auto found = test::ok(sql::query(db, items));
  Item item;
  CHECK(test::ok(found.next(item)));
  const std::uint64_t before_read = allocations;
  int n = 1;
  while (found.next(item).value_or(false)) ++n;
  const std::uint64_t by_read = allocations - before_read;
  CHECK(n == 1000);
  CHECK(by_read == 0);
}

#endif

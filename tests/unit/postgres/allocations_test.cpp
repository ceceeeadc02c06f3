// Rows go in without an allocation of ours, and out with a few for each page. (libpq's own, by malloc, are not
// counted.)
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <etl/postgres/pool_sink.hpp>
#include <etl/postgres/sink.hpp>
#include <etl/postgres/source.hpp>

#include "support/catch.hpp"
#include "unit/postgres/support.hpp"

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

ETLPIPE_NOINLINE void* operator new(std::size_t size) {
  ++allocations;
  void* const p = std::malloc(size == 0 ? 1 : size);
  if (p == nullptr) throw std::bad_alloc();
  return p;
}
ETLPIPE_NOINLINE void operator delete(void* p) noexcept { std::free(p); }
ETLPIPE_NOINLINE void operator delete(void* p, std::size_t) noexcept { std::free(p); }

TEST_CASE("postgres: batches that are written in steady state allocate nothing, and rows that are read nothing each") {
  struct Item {
    std::int64_t id = 0;
    std::string text{};
    std::optional<std::string> note{};
    std::vector<std::byte> raw{};
    std::vector<int> numbers{};
    [[nodiscard]] std::string_view part() const { return std::string_view(text).substr(0, 5); }
  };
  namespace pg = etl::postgres;
  const auto items = pg::table<Item>("items", pg::column("id", &Item::id), pg::column("text", &Item::text),
                                     pg::column("note", &Item::note), pg::column("raw", &Item::raw),
                                     pg::column("numbers", &Item::numbers), pg::column("part", &Item::part));
  const test::Schema schema;
  pg::Connection db = schema.open();
  test::ok(pg::create_table(db, items));
  auto sink = test::ok(pg::sink(db, items));
  const auto pool = test::ok(pg::Pool::make(schema.url()));
  const auto pooled = test::ok(pg::sink(pool, items));
  std::vector<Item> batch;
  for (int i = 0; i < 1000; ++i)
    batch.push_back({i, std::string(100, 'x'), std::string(50, 'y'), test::bytes(std::string(60, 'z')), {1, 2, 3}});
  const auto write = [&] { return sink.write(batch).has_value() && pooled.write(batch).has_value(); };
  CHECK(write());

  const std::uint64_t before_write = allocations;
  const bool written = write();
  const std::uint64_t by_write = allocations - before_write;
  CHECK(written);
  CHECK(by_write == 0);

  auto found = test::ok(pg::query(db, items));
  Item item;
  CHECK(test::ok(found.next(item)));
  const std::uint64_t before_read = allocations;
  std::uint64_t rows = 0;
  for (auto more = found.next(item); more && *more; more = found.next(item)) ++rows;
  const std::uint64_t by_read = allocations - before_read;
  CHECK(rows == 3999);
  CHECK(by_read < 100);
}

#endif

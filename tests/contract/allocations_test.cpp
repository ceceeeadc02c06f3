// Steady state: no allocation per record and none per batch, on the library's own pool.
#include <malloc.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <etl/bucket.hpp>
#include <etl/run.hpp>

#include "support/allocations.hpp"
#include "support/catch.hpp"
#include "support/sanitized.hpp"
#include "support/scripted.hpp"

// The sanitizers' runtimes have the allocating operators for themselves: under them nothing is counted, and no test
// here asks.
namespace {

std::atomic<bool> counting = false;
std::atomic<std::uint64_t> allocations = 0;
std::atomic<std::int64_t> bytes = 0, peak = 0;

#ifndef ETLPIPE_TEST_SANITIZED
void count_in(void* p) noexcept {
  if (!counting.load(std::memory_order_relaxed)) return;
  allocations.fetch_add(1, std::memory_order_relaxed);
  const std::int64_t size = static_cast<std::int64_t>(::malloc_usable_size(p));
  const std::int64_t now = bytes.fetch_add(size, std::memory_order_relaxed) + size;
  std::int64_t most = peak.load(std::memory_order_relaxed);
  while (now > most && !peak.compare_exchange_weak(most, now, std::memory_order_relaxed)) {}
}
void count_out(void* p) noexcept {
  if (p != nullptr && counting.load(std::memory_order_relaxed))
    bytes.fetch_sub(static_cast<std::int64_t>(::malloc_usable_size(p)), std::memory_order_relaxed);
}
void* allocate(std::size_t size) {
  void* const p = std::malloc(size == 0 ? 1 : size);
  if (p == nullptr) throw std::bad_alloc();
  count_in(p);
  return p;
}
void* allocate(std::size_t size, std::align_val_t alignment) {
  const auto a = static_cast<std::size_t>(alignment);
  void* const p = std::aligned_alloc(a, (size + a - 1) / a * a);
  if (p == nullptr) throw std::bad_alloc();
  count_in(p);
  return p;
}
void release(void* p) noexcept {
  count_out(p);
  std::free(p);
}

#endif

}  // namespace

#ifndef ETLPIPE_TEST_SANITIZED
void* operator new(std::size_t n) { return allocate(n); }
void* operator new[](std::size_t n) { return allocate(n); }
void* operator new(std::size_t n, std::align_val_t a) { return allocate(n, a); }
void* operator new[](std::size_t n, std::align_val_t a) { return allocate(n, a); }
void operator delete(void* p) noexcept { release(p); }
void operator delete[](void* p) noexcept { release(p); }
void operator delete(void* p, std::size_t) noexcept { release(p); }
void operator delete[](void* p, std::size_t) noexcept { release(p); }
void operator delete(void* p, std::align_val_t) noexcept { release(p); }
void operator delete[](void* p, std::align_val_t) noexcept { release(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { release(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { release(p); }
#endif

test::CountAllocations::CountAllocations() {
  allocations = 0;
  bytes = peak = 0;
  counting = true;
}
test::CountAllocations::~CountAllocations() { counting = false; }
test::Allocations test::CountAllocations::so_far() const {
  return {.count = allocations, .bytes = bytes, .peak_bytes = peak};
}

#ifndef ETLPIPE_TEST_SANITIZED
namespace {

constexpr std::size_t batch_size = 50;
constexpr std::uint64_t slack =
    60;  // vectors that double, one more buffer in use at a time, a thread's first exception

struct Record {
  std::uint64_t id = 0;
  char payload[48] = {};
};
struct Named {
  std::uint64_t id = 0;
  std::string name{};
};

/// Trivial records, const E& in, slot out.
struct Plain {
  std::uint64_t items = 0;
  std::atomic<std::uint64_t>* sum = nullptr;
  void extract(etl::Emitter<Record>& out) {
    for (std::uint64_t i = 0; i < items; ++i)
      if (!out.push({.id = i})) return;
  }
  void transform(const Record& r, etl::Out<Record>& out) const { out.next().id = r.id + 1; }
  void load(std::span<const Record> batch) const { *sum += batch.size(); }
};

/// Records that own memory: filled in place, transformed into slots that own memory too.
struct Strings {
  std::uint64_t items = 0;
  std::atomic<std::uint64_t>* sum = nullptr;
  void extract(etl::Emitter<Named>& out) {
    static constexpr std::string_view text = "a text that is longer than what a string holds in itself";
    for (std::uint64_t i = 0; i < items; ++i)
      if (!out.fill([i](Named& n) {
            n.id = i;
            n.name.assign(text);
          }))
        return;
  }
  void transform(const Named& in, etl::Out<Named>& out) const {
    if (in.id % 10 == 3) return;  // filtered
    Named& n = out.next();
    n.id = in.id;
    n.name.assign(in.name);
  }
  void load(std::span<const Named> batch, etl::BatchContext&) { *sum += batch.size(); }
};

template <class P>
std::uint64_t allocations_of(std::uint64_t batches, const etl::Options& options) {
  std::atomic<std::uint64_t> sum = 0;
  P pipeline{.items = batches * batch_size, .sum = &sum};
  const test::CountAllocations counter;
  const etl::RunReport r = etl::run(pipeline, options);
  const std::uint64_t n = counter.so_far().count;
  if (!r.ok() || sum == 0) return ~std::uint64_t{0};
  return n;
}

template <class P>
void check_steady_state(const etl::Options& options) {
  allocations_of<P>(50, options);  // what the process allocates once
  const std::uint64_t few = allocations_of<P>(100, options);
  const std::uint64_t many = allocations_of<P>(2000, options);
  CAPTURE(few, many, options.workers);
  CHECK(many <= few + slack + options.effective_capacity() * 2 * batch_size * (std::is_same_v<P, Strings> ? 1 : 0));
}

}  // namespace

TEST_CASE("G2: the counter of this test counts") {
  const test::CountAllocations counter;
  {
    std::vector<std::uint64_t> v(1000);
    CHECK(counter.so_far().count >= 1);
    CHECK(counter.so_far().bytes >= 8000);
    v[3] = 1;
  }
  CHECK(counter.so_far().bytes < 8000);
  CHECK(counter.so_far().peak_bytes >= 8000);
}

TEST_CASE("G2: no allocation per record or batch in the steady state: plain records") {
  for (const std::size_t workers : {std::size_t{1}, std::size_t{2}, std::size_t{4}})
    for (const etl::Inline inline_batches : {etl::Inline::Adaptive, etl::Inline::Never}) {
      etl::Options o;
      o.batch_size = batch_size;
      o.workers = workers;
      o.inline_batches = inline_batches;
      check_steady_state<Plain>(o);
    }
  etl::Options ordered;
  ordered.batch_size = batch_size;
  ordered.workers = 3;
  ordered.order = etl::Order::Source;
  check_steady_state<Plain>(ordered);
  etl::Options fused;
  fused.mode = etl::Mode::Fused;
  fused.batch_size = batch_size;
  fused.workers = 1;
  check_steady_state<Plain>(fused);
}

TEST_CASE("G2: no allocation per batch in the steady state: records that own strings, non-const load") {
  for (const std::size_t workers : {std::size_t{1}, std::size_t{2}}) {
    etl::Options o;
    o.batch_size = batch_size;
    o.workers = workers;
    o.capacity = 2;
    check_steady_state<Strings>(o);
  }
}

TEST_CASE("G2: no allocation per record or batch in the steady state: a bucket with its own producer") {
  const auto measure = [](std::uint64_t batches) {
    std::atomic<std::uint64_t> sum = 0;
    const test::CountAllocations counter;
    etl::Bucket<Record> bucket([&sum](std::span<const Record> batch) { sum += batch.size(); },
                               {.batch_size = batch_size, .workers = 2, .capacity = 4});
    {
      auto producer = bucket.producer();
      for (std::uint64_t i = 0; i < batches * batch_size; ++i) producer.push({.id = i});
    }
    const bool ok = bucket.finish().ok() && sum == batches * batch_size;
    return ok ? counter.so_far().count : ~std::uint64_t{0};
  };
  measure(50);
  const std::uint64_t few = measure(100), many = measure(2000);
  CAPTURE(few, many);
  CHECK(many <= few + slack);
}

TEST_CASE("G2: no allocation per record in the steady state: the shared intake of a bucket") {
  const auto measure = [](std::uint64_t batches) {
    std::atomic<std::uint64_t> sum = 0;
    const test::CountAllocations counter;
    etl::Bucket<Record> bucket([&sum](std::span<const Record> batch) { sum += batch.size(); },
                               {.batch_size = batch_size, .workers = 2, .capacity = 4});
    for (std::uint64_t i = 0; i < batches * batch_size; ++i) bucket.push({.id = i});
    const bool ok = bucket.finish().ok() && sum == batches * batch_size;
    return ok ? counter.so_far().count : ~std::uint64_t{0};
  };
  measure(50);
  const std::uint64_t few = measure(100), many = measure(2000);
  CAPTURE(few, many);
  CHECK(many <= few + slack);
}
#endif

// Every form that a pipeline's members may have.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <iterator>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <ranges>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <etl/run.hpp>

#include "support/catch.hpp"
#include "support/scripted.hpp"
#include "support/sync.hpp"

namespace run_test {

namespace {

/// Runs in both modes and returns the sorted loaded values of the parallel run, which has to equal the fused one's.
template <class Make>
std::vector<int> loaded_by(Make&& make,
                           etl::Options o = {.batch_size = 3, .workers = 2, .errors = {.max_rejects = 100}}) {
  std::vector<int> results[2];
  int i = 0;
  for (const etl::Mode mode : {etl::Mode::Parallel, etl::Mode::Fused}) {
    o.mode = mode;
    std::mutex mutex;
    std::vector<int>& out = results[i++];
    auto pipeline = make([&](int n) {
      const std::lock_guard lock(mutex);
      out.push_back(n);
    });
    const etl::RunReport r = etl::run(pipeline, o);
    CHECK(test::unsound(r) == "");
    CHECK(r.ok());
    std::sort(out.begin(), out.end());
  }
  CHECK(results[0] == results[1]);
  return results[0];
}

using Put = std::function<void(int)>;
const std::vector<int> ten = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};

struct PutAll {
  Put put;
  void load(std::span<const int> batch) const {
    for (const int n : batch) put(n);
  }
};

struct PushesTen : PutAll {
  void extract(etl::Emitter<int>& out) {
    for (int i = 0; i < 10; ++i) out.push(i);
  }
};

}  // namespace

// --- extract ---------------------------------------------------------------------------------------

TEST_CASE("run: extract with an emitter: push of a value, of a constant, fill") {
  struct P : PutAll {
    void extract(etl::Emitter<int>& out) {
      const int zero = 0;
      int one = 1;
      out.push(zero);
      out.push(one);
      out.push(2);
      for (int i = 3; i < 10; ++i) out.fill([i](int& slot) { slot = i; });
    }
  };
  CHECK(loaded_by([](Put put) { return P{{put}}; }) == ten);
}

TEST_CASE("run: extract that returns a container, a view, or a generator-like range, read lazily") {
  struct Container : PutAll {
    std::vector<int> extract() { return ten; }
  };
  struct Reference : PutAll {
    std::list<int> items{ten.begin(), ten.end()};
    const std::list<int>& extract() const { return items; }
  };
  struct View : PutAll {
    auto extract() { return std::views::iota(0, 10); }
  };
  struct Stream : PutAll {
    std::istringstream text{"0 1 2 3 4 5 6 7 8 9"};
    Stream(Put p) : PutAll{std::move(p)} {}
    auto extract() { return std::ranges::istream_view<int>(text); }
  };
  CHECK(loaded_by([](Put put) { return Container{{put}}; }) == ten);
  CHECK(loaded_by([](Put put) { return Reference{{put}}; }) == ten);
  CHECK(loaded_by([](Put put) { return View{{put}}; }) == ten);
  CHECK(loaded_by([](Put put) { return Stream(put); }) == ten);
}

TEST_CASE("run: a range is read no further than needed after a failure") {
  struct Lazy {
    int& read;
    auto extract() {
      return std::views::iota(0) | std::views::transform([this](int n) { return ++read, n; });
    }
    void load(std::span<const int>) const { throw std::runtime_error("no"); }
  };
  int read = 0;
  const etl::RunReport r = etl::run(Lazy{read}, {.batch_size = 2, .workers = 1, .capacity = 1});
  CHECK(r.outcome == etl::Outcome::Failed);  // and it ended, though the range is endless
  CHECK(r.items.extracted <= static_cast<std::uint64_t>(read));
}

TEST_CASE("run: items of a range that are converted to what is pinned as extracted") {
  struct Row {
    explicit Row(int i) : n(i) {}
    int n;
  };
  struct P : PutAll {
    using extracted [[maybe_unused]] = Row;
    std::vector<int> extract() { return ten; }
    int transform(const Row& row) const { return row.n; }
  };
  CHECK(loaded_by([](Put put) { return P{{put}}; }) == ten);
}

TEST_CASE("run: partitions: by an emitter and by a range, one Seq each") {
  struct Emits : PutAll {
    std::vector<int> partitions() const { return {0, 5}; }
    void extract(int from, etl::Emitter<int>& out) const {
      for (int i = 0; i < 5; ++i) out.push(from + i);
    }
  };
  struct Ranges : PutAll {
    std::vector<std::string> partitions() const { return {"0", "5"}; }
    auto extract(const std::string& from) const { return std::views::iota(std::stoi(from), std::stoi(from) + 5); }
  };
  struct Seqs {
    std::atomic<bool>& right;
    std::vector<int> partitions() const { return {100, 200, 300}; }
    void extract(int base, etl::Emitter<int>& out) const {
      for (int i = 0; i < 7; ++i) out.push(base + i);
    }
    void load(std::span<const int> batch, etl::BatchContext& context) const {
      for (std::size_t i = 0; i < batch.size(); ++i)
        if (batch[i] != static_cast<int>((context.partition() + 1) * 100 + context.first_seq() + i)) right = false;
      if (context.last_seq() != context.first_seq() + batch.size() - 1) right = false;
    }
  };
  CHECK(loaded_by([](Put put) { return Emits{{put}}; }) == ten);
  CHECK(loaded_by([](Put put) { return Ranges{{put}}; }) == ten);
  std::atomic<bool> right = true;
  const etl::RunReport r = etl::run(Seqs{right}, {.batch_size = 3, .workers = 2, .extractors = 3});
  CHECK(right);
  CHECK(r.items.loaded == 21);
  CHECK(r.flushes.size == 6);
  CHECK(r.flushes.source == 3);
}

TEST_CASE("run: no partitions at all is a whole source") {
  struct None : PutAll {
    std::vector<int> partitions() const { return {}; }
    void extract(int n, etl::Emitter<int>& out) const { out.push(n); }
  };
  CHECK(loaded_by([](Put put) { return None{{put}}; }).empty());
}

TEST_CASE("run: many partitions with few extractors, and a failure in one of them") {
  struct Many {
    int bad;
    std::vector<int> partitions() const {
      std::vector<int> all(100);
      for (int i = 0; i < 100; ++i) all[static_cast<std::size_t>(i)] = i;
      return all;
    }
    void extract(int part, etl::Emitter<int>& out) const {
      for (int i = 0; i < 10; ++i) {
        if (part == bad && i == 5) throw std::runtime_error("partition is damaged");
        if (!out.push(i)) return;
      }
    }
    void load(std::span<const int>) const {}
  };
  const etl::RunReport good = etl::run(Many{-1}, {.batch_size = 4, .workers = 2, .extractors = 3});
  CHECK(good.outcome == etl::Outcome::Completed);
  CHECK(good.items.loaded == 1000);
  const etl::RunReport bad = etl::run(Many{40}, {.batch_size = 4, .workers = 2, .extractors = 3});
  CHECK(bad.outcome == etl::Outcome::Failed);
  CHECK(test::unsound(bad) == "");
  CHECK(bad.items.extracted < 1000);
  REQUIRE_FALSE(bad.errors.empty());
  CHECK(bad.errors[0].stage == etl::Stage::Extract);
  CHECK(bad.errors[0].partition == 40);
}

TEST_CASE("run: partitions() that throws is a failure of extraction") {
  struct Throws {
    std::vector<int> partitions() const { throw std::runtime_error("no directory"); }
    void extract(int n, etl::Emitter<int>& out) const { out.push(n); }
    void load(std::span<const int>) const {}
  };
  const etl::RunReport r = etl::run(Throws{}, {.workers = 1});
  CHECK(r.outcome == etl::Outcome::Failed);
  REQUIRE_FALSE(r.errors.empty());
  CHECK(r.errors[0].stage == etl::Stage::Extract);
  CHECK(r.errors[0].error.message() == "no directory");
}

// --- transform --------------------------------------------------------------------------------------

TEST_CASE("run: transform returns T, something T is made of, optional, Result, or writes to Out") {
  struct Value : PushesTen {
    int transform(const int& n) const { return n * 2; }
  };
  struct Convertible : PushesTen {
    short transform(const int& n) const { return static_cast<short>(n * 2); }
  };
  struct Optional : PushesTen {
    std::optional<int> transform(const int& n) const { return n % 2 == 0 ? std::optional(n * 2) : std::nullopt; }
  };
  struct Fallible : PushesTen {
    etl::Result<int> transform(const int& n) const {
      if (n % 2 != 0) return etl::failure(etl::rejected("odd"));
      return n * 2;
    }
  };
  struct Many : PushesTen {
    void transform(const int& n, etl::Out<int>& out) const {
      for (int k = 0; k < n % 3; ++k) out.push(n * 2);
    }
  };
  struct ManyFallible : PushesTen {
    etl::Result<void> transform(const int& n, etl::Out<int>& out) const {
      out.push(n * 2);
      if (n == 4) return etl::failure(etl::rejected("four"));
      return {};
    }
  };
  const std::vector<int> doubled = {0, 2, 4, 6, 8, 10, 12, 14, 16, 18}, even = {0, 4, 8, 12, 16};
  CHECK(loaded_by([](Put put) { return Value{{{put}}}; }) == doubled);
  CHECK(loaded_by([](Put put) { return Convertible{{{put}}}; }) == doubled);
  CHECK(loaded_by([](Put put) { return Optional{{{put}}}; }) == even);
  CHECK(loaded_by([](Put put) { return Fallible{{{put}}}; }) == even);
  CHECK(loaded_by([](Put put) { return Many{{{put}}}; }) == std::vector<int>{2, 4, 4, 8, 10, 10, 14, 16, 16});
  CHECK(loaded_by([](Put put) { return ManyFallible{{{put}}}; }) == std::vector<int>{0, 2, 4, 6, 10, 12, 14, 16, 18});
}

TEST_CASE("run: transform may take the item as its own: E& and E&&") {
  struct Strings {
    void extract(etl::Emitter<std::string>& out) {
      for (int i = 0; i < 10; ++i) out.push(std::string(100, static_cast<char>('0' + i)));
    }
  };
  struct Swaps : Strings, PutAll {
    using loaded [[maybe_unused]] = int;
    int transform(std::string& s) const {
      std::string taken;
      taken.swap(s);
      return taken[99] - '0';
    }
  };
  struct Moves : Strings, PutAll {
    using loaded [[maybe_unused]] = int;
    int transform(std::string&& s) const {
      const std::string taken = std::move(s);
      return taken[99] - '0';
    }
  };
  CHECK(loaded_by([](Put put) { return Swaps{{}, {put}}; }) == ten);
  CHECK(loaded_by([](Put put) { return Moves{{}, {put}}; }) == ten);
}

TEST_CASE("run: transform of a whole batch in place, and no transform at all") {
  struct InPlace : PushesTen {
    void transform(std::span<int> batch) const {
      for (int& n : batch) n += 100;
    }
  };
  struct InPlaceFallible : PushesTen {
    etl::Result<void> transform(std::span<int> batch) const {
      if (batch.front() == 3) return etl::failure(etl::rejected("the batch of 3"));
      return {};
    }
  };
  struct None : PushesTen {};
  const std::vector<int> moved = {100, 101, 102, 103, 104, 105, 106, 107, 108, 109};
  CHECK(loaded_by([](Put put) { return InPlace{{{put}}}; }) == moved);
  CHECK(loaded_by([](Put put) { return InPlaceFallible{{{put}}}; }) == std::vector<int>{0, 1, 2, 6, 7, 8, 9});
  CHECK(loaded_by([](Put put) { return None{{{put}}}; }) == ten);
}

TEST_CASE("run: a result type that is not the item's") {
  struct Texts {
    std::vector<std::string>& out;
    void extract(etl::Emitter<int>& e) {
      for (int i = 0; i < 5; ++i) e.push(i);
    }
    std::string transform(const int& n) const { return std::string(50, static_cast<char>('a' + n)); }
    void load(std::span<const std::string> batch) { out.insert(out.end(), batch.begin(), batch.end()); }
  };
  std::vector<std::string> out;
  CHECK(etl::run(Texts{out}, {.batch_size = 2, .workers = 1}).ok());
  REQUIRE(out.size() == 5);
  CHECK(out[4] == std::string(50, 'e'));
}

// --- load, worker, hooks --------------------------------------------------------------------------------

TEST_CASE("run: load with and without the batch's context and the worker's state, const or not, void or Result") {
  struct Context : PushesTen {
    void load(std::span<const int> batch, etl::BatchContext& context) const {
      if (context.stop_token().stop_requested()) throw std::logic_error("stopped");
      for (const int n : batch) put(n);
    }
  };
  struct Worker : PushesTen {
    Put worker() const { return put; }
    void load(std::span<const int> batch, Put& mine) const {
      for (const int n : batch) mine(n);
    }
  };
  struct Both : PushesTen {
    Put worker() const { return put; }
    int transform(const int& n, Put& mine) const { return mine ? n : -1; }
    void load(std::span<const int> batch, etl::BatchContext&, Put& mine) {
      for (const int n : batch) mine(n);
    }
  };
  struct Fallible : PushesTen {
    etl::Result<void> load(std::span<const int> batch) {
      for (const int n : batch) put(n);
      return {};
    }
  };
  CHECK(loaded_by([](Put put) { return Context{{{put}}}; }, {.batch_size = 3, .workers = 1}) == ten);
  CHECK(loaded_by([](Put put) { return Worker{{{put}}}; }) == ten);
  CHECK(loaded_by([](Put put) { return Both{{{put}}}; }) == ten);
  CHECK(loaded_by([](Put put) { return Fallible{{{put}}}; }) == ten);
}

TEST_CASE("run: a worker's state that can only be moved, or not even that after it is made") {
  struct Pinned {
    explicit Pinned(int n) : value(n) {}
    Pinned(const Pinned&) = delete;
    Pinned& operator=(const Pinned&) = delete;
    int value;
  };
  struct P : PushesTen {
    std::unique_ptr<int> worker() const { return std::make_unique<int>(1); }
    int transform(const int& n, std::unique_ptr<int>& one) const { return n * *one; }
  };
  struct Q : PushesTen {
    Pinned worker() const { return Pinned(1); }
    int transform(const int& n, Pinned& one) const { return n * one.value; }
  };
  CHECK(loaded_by([](Put put) { return P{{{put}}}; }) == ten);
  CHECK(loaded_by([](Put put) { return Q{{{put}}}; }) == ten);
}

TEST_CASE("run: the hooks in all forms, in order") {
  struct Plain {
    std::vector<std::string>& log;
    void pre_process() { log.push_back("pre"); }
    void extract(etl::Emitter<int>& out) {
      log.push_back("extract");
      out.push(1);
    }
    void load(std::span<const int>) { log.push_back("load"); }
    void post_process() { log.push_back("post"); }
  };
  struct Rich {
    std::vector<std::string>& log;
    etl::Result<void> pre_process(std::stop_token) {
      log.push_back("pre");
      return {};
    }
    void extract(etl::Emitter<int>& out) {
      log.push_back("extract");
      out.push(1);
    }
    void load(std::span<const int>) { log.push_back("load"); }
    etl::Result<void> post_process(const etl::RunReport& r) {
      log.push_back(r.items.loaded == 1 ? "post" : "post too early");
      return {};
    }
  };
  const std::vector<std::string> expected = {"pre", "extract", "load", "post"};
  std::vector<std::string> plain, rich;
  CHECK(etl::run(Plain{plain}, {.workers = 1}).ok());
  CHECK(etl::run(Rich{rich}, {.workers = 1}).ok());
  CHECK(plain == expected);
  CHECK(rich == expected);
}

TEST_CASE("run: a pipeline by reference, by value, constant, with static members") {
  struct Counts {
    int& destroyed;
    int loads = 0;
    void extract(etl::Emitter<int>& out) { out.push(1); }
    void load(std::span<const int>) { ++loads; }
  };
  int unused = 0;
  Counts lvalue{unused};
  CHECK(etl::run(lvalue, {.workers = 1}).ok());
  CHECK(lvalue.loads == 1);
  CHECK(etl::run(Counts{unused}, {.workers = 1}).ok());

  struct Constant {
    std::atomic<int>& sum;
    void extract(etl::Emitter<int>& out) const { out.push(5); }
    void load(std::span<const int> batch) const { sum += batch[0]; }
  };
  std::atomic<int> sum = 0;
  const Constant constant{sum};
  CHECK(etl::run(constant, {.workers = 1}).ok());
  CHECK(sum == 5);

  struct Static {
    static void extract(etl::Emitter<int>& out) { out.push(1); }
    static int transform(const int& n) { return n; }
    static void load(std::span<const int>) {}
  };
  CHECK(etl::run(Static{}, {.workers = 1}).ok());
}

TEST_CASE("run: noexcept members and batch_bytes without bytes()") {
  struct NoExcept {
    void extract(etl::Emitter<int>& out) noexcept { out.push(1); }
    int transform(const int& n) const noexcept { return n; }
    void load(std::span<const int>) const noexcept {}
  };
  CHECK(etl::run(NoExcept{}, {.workers = 1}).items.loaded == 1);
  const etl::RunReport r = etl::run(NoExcept{}, {.batch_bytes = 100, .workers = 1});
  CHECK(r.exit_code() == 2);  // it could not be honoured
  CHECK(r.items.extracted == 0);
}

TEST_CASE("run: again and again with the same pipeline and options") {
  const etl::Options shared{.batch_size = 3, .workers = 2, .executor = etl::Executor::pool(2)};
  test::Scripted<true> pipeline({.items = 50});
  for (int i = 1; i <= 5; ++i) {
    const etl::RunReport r = etl::run(pipeline, shared);
    CHECK(r.outcome == etl::Outcome::Completed);
    CHECK(r.items.loaded == 50);
  }
  CHECK(pipeline.books->post_calls == 5);
}

TEST_CASE("run: inside a pipeline of another run") {
  const test::Watchdog watchdog("a run inside a run");
  struct Inner {
    std::atomic<int>& n;
    void extract(etl::Emitter<int>& out) {
      for (int i = 0; i < 10; ++i) out.push(i);
    }
    void load(std::span<const int> batch) const { n += static_cast<int>(batch.size()); }
  };
  struct Outer {
    std::atomic<int>& n;
    const etl::Executor& pool;
    void extract(etl::Emitter<int>& out) {
      for (int i = 0; i < 10; ++i) out.push(i);
    }
    void load(std::span<const int>) const {
      etl::run(Inner{n}, {.batch_size = 3, .workers = 2, .executor = pool}).throw_if_failed();
    }
  };
  std::atomic<int> n = 0;
  const etl::Executor pool = etl::Executor::pool(1);  // its only thread waits in load for the inner run
  const etl::RunReport r = etl::run(Outer{n, pool}, {.batch_size = 1, .workers = 2, .executor = pool});
  CHECK(r.outcome == etl::Outcome::Completed);
  CHECK(n == 100);
}

// --- the emitter's other calls ----------------------------------------------------------------------------

TEST_CASE("emitter: flush hands the open batch over before a wait") {
  const test::Watchdog watchdog("flush before a wait");
  struct Waits {
    test::Gate& loaded;
    void extract(etl::Emitter<int>& out) {
      out.push(1);
      out.flush();
      loaded.wait();  // comes only if the open batch went
      out.push(2);
    }
    void load(std::span<const int>) const { loaded.open(); }
  };
  test::Gate loaded;
  const etl::RunReport r = etl::run(Waits{loaded}, {.batch_size = 100, .timeout = etl::Options::never, .workers = 1});
  CHECK(r.outcome == etl::Outcome::Completed);
  CHECK(r.flushes.source == 2);
}

TEST_CASE("emitter: fill finds a used slot with its memory") {
  struct Reuses {
    int& reused;
    void extract(etl::Emitter<std::string>& out) {
      for (int i = 0; i < 100; ++i)
        out.fill([this](std::string& s) {
          if (s.capacity() >= 500) ++reused;
          s.assign(500, 'x');
        });
    }
    void load(std::span<const std::string>) const {}
  };
  int reused = 0;
  const etl::RunReport r = etl::run(Reuses{reused}, {.mode = etl::Mode::Fused, .batch_size = 10});
  CHECK(r.items.loaded == 100);
  CHECK(reused >= 80);
}

TEST_CASE("emitter: a fill that throws leaves the slot unpublished, and fails the run") {
  struct Throws {
    void extract(etl::Emitter<std::string>& out) {
      for (int i = 0; i < 10; ++i)
        out.fill([i](std::string& s) {
          s = "half";
          if (i == 7) throw std::runtime_error("cannot read");
        });
    }
    void load(std::span<const std::string>) const {}
  };
  for (const etl::Mode mode : {etl::Mode::Parallel, etl::Mode::Fused}) {
    const etl::RunReport r = etl::run(Throws{}, {.mode = mode, .batch_size = 5, .workers = 1});
    CHECK(r.outcome == etl::Outcome::Failed);
    CHECK(test::unsound(r) == "");
    CHECK(r.items.extracted <= 8);
  }
}

TEST_CASE("emitter: what is held lives until all batches with items pointing into it are settled") {
  struct Holder {
    std::weak_ptr<std::vector<int>> chunks[3];
    bool alive_in_load = true, first_gone = false;
    void extract(etl::Emitter<const int*>& out) {
      for (auto& watch : chunks) {
        auto chunk = std::make_shared<std::vector<int>>(5, 7);
        watch = chunk;
        out.retain(chunk);
        for (const int& n : *chunk) out.push(&n);
      }
      first_gone = chunks[0].expired();  // its batches are settled in fused mode
    }
    void load(std::span<const int* const> batch) {
      for (const int* n : batch) alive_in_load = alive_in_load && *n == 7;
    }
  } holder;
  const etl::RunReport r = etl::run(holder, {.mode = etl::Mode::Fused, .batch_size = 4});
  CHECK(r.items.loaded == 15);
  CHECK(holder.alive_in_load);
  CHECK(holder.first_gone);
  for (const auto& watch : holder.chunks) CHECK(watch.expired());

  struct Parallel {
    std::vector<std::weak_ptr<std::vector<int>>>& chunks;
    std::atomic<bool>& right;
    void extract(etl::Emitter<const int*>& out) {
      for (int c = 0; c < 200; ++c) {
        auto chunk = std::make_shared<std::vector<int>>(11, c);
        chunks.push_back(chunk);
        out.retain(chunk);
        for (const int& n : *chunk)
          if (!out.push(&n)) return;
      }
    }
    void load(std::span<const int* const> batch) const {
      for (std::size_t i = 1; i < batch.size(); ++i)
        if (*batch[i] < *batch[i - 1])
          right = false;  // memory that went away would read as something else (ASan sees it)
    }
  };
  std::vector<std::weak_ptr<std::vector<int>>> chunks;
  std::atomic<bool> right = true;
  CHECK(etl::run(Parallel{chunks, right}, {.batch_size = 7, .workers = 3}).items.loaded == 2200);
  CHECK(right);
  for (const auto& watch : chunks) CHECK(watch.expired());
}

TEST_CASE("emitter: a mark reaches the batches behind it, a fresh start resumes from nowhere") {
  struct Marks {
    std::vector<std::pair<std::uint64_t, std::optional<std::uint64_t>>>& seen;
    bool fresh = false;
    void extract(etl::Emitter<int>& out) {
      fresh = !out.resume_from().has_value();
      for (int i = 0; i < 12; ++i) {
        out.push(i);
        if (i % 4 == 3) out.mark(etl::Position(static_cast<std::uint64_t>(i + 1)));
      }
    }
    void load(std::span<const int>, etl::BatchContext& context) {
      seen.emplace_back(context.last_seq(), context.position() ? context.position()->number() : std::nullopt);
    }
  };
  std::vector<std::pair<std::uint64_t, std::optional<std::uint64_t>>> seen;
  Marks p{seen};
  CHECK(etl::run(p, {.mode = etl::Mode::Fused, .batch_size = 3}).ok());
  CHECK(p.fresh);
  REQUIRE(seen.size() == 4);
  for (const auto& [last, position] : seen)
    if (position) CHECK(*position <= last + 1);  // never beyond what the batch ends with
  CHECK_FALSE(seen[0].second.has_value());       // items 0 to 2: no mark yet
  CHECK(seen[1].second == std::optional<std::uint64_t>(4));
}

TEST_CASE("run: expected_items shows in the status, by hook and by the size of a range") {
  struct Expects {
    std::uint64_t expected_items() const { return 123; }
    void extract(etl::Emitter<int>& out) { out.push(1); }
    void load(std::span<const int>) const {}
  };
  CHECK(etl::run(Expects{}, {.workers = 1}).ok());
  struct Throws {
    std::uint64_t expected_items() const { throw std::runtime_error("cannot count"); }
    void extract(etl::Emitter<int>& out) { out.push(1); }
    void load(std::span<const int>) const {}
  };
  const etl::RunReport r = etl::run(Throws{}, {.workers = 1});
  CHECK(test::unsound(r) == "");
  CHECK(r.outcome == etl::Outcome::Failed);
}

}  // namespace run_test

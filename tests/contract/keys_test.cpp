// G16: a key names the same results whenever they are loaded, and no others.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <latch>
#include <map>
#include <memory>
#include <optional>
#include <ranges>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <etl/delivery/replay.hpp>
#include <etl/run.hpp>
#include <etl/start.hpp>
#include <etl/testing/memory_stores.hpp>
#include <etl/testing/virtual_executor.hpp>

#include "support/catch.hpp"
#include "support/sync.hpp"

namespace keys_test {

using namespace std::chrono_literals;
using etl::testing::MemoryCheckpoints;
using etl::testing::MemoryDeadLetters;
using etl::testing::VirtualExecutor;

namespace {

/// Numbers below `count`; remembers under which key each call of `load` got which of them.
struct Keyed {
  using position = std::uint64_t;
  struct Call {
    std::string key;
    std::vector<int> items;
    friend bool operator==(const Call&, const Call&) = default;
  };
  std::vector<Call>* calls = nullptr;
  int count = 20;
  std::string data = "numbers";
  std::function<void(int, etl::Emitter<int>&)> before_push{};
  std::function<void(std::span<const int>)> before_load{};

  std::string fingerprint() const { return data; }
  std::uint64_t bytes(const int&) const { return 100; }
  void extract(etl::Emitter<int>& out) const {
    const int first = out.resume_from() ? static_cast<int>(out.resume_from()->number().value()) : 0;
    for (int i = first; i < count; ++i) {
      if (before_push) before_push(i, out);
      if (!out.push(i)) return;
      out.mark(etl::Position(static_cast<std::uint64_t>(i + 1)));
    }
  }
  void load(std::span<const int> batch, const etl::IdempotencyKey& key) {
    if (before_load) before_load(batch);
    calls->push_back({key.text(), {batch.begin(), batch.end()}});
  }
};

struct Run {
  std::vector<Keyed::Call> calls{};
  std::shared_ptr<VirtualExecutor> clock = std::make_shared<VirtualExecutor>(1);
  etl::Options options{.name = "numbers", .batch_size = 5, .workers = 1, .order = etl::Order::Source};
  Run() { options.executor = etl::Executor(clock); }

  std::vector<Keyed::Call> of(Keyed pipeline) {
    pipeline.calls = &calls;
    CHECK(etl::run(pipeline, options).ok());
    return calls;
  }
};

std::vector<Keyed::Call> undisturbed() { return Run().of({}); }

}  // namespace

TEST_CASE("G16: neither the timeout, nor bytes, nor the source cuts a keyed batch") {
  const auto whole = undisturbed();
  REQUIRE(whole.size() == 4);
  for (const auto& call : whole) CHECK(call.items.size() == 5);
  for (const etl::Mode mode : {etl::Mode::Parallel, etl::Mode::Fused})
    for (const std::string cut_by : {"timeout", "bytes", "flush", "wait_for"}) {
      CAPTURE(static_cast<int>(mode), cut_by);
      Run run;
      run.options.mode = mode;
      run.options.timeout = 1s;
      if (cut_by == "bytes") run.options.batch_bytes = 200;
      const auto calls = run.of({.before_push = [&](int, etl::Emitter<int>& out) {
        if (cut_by == "timeout") run.clock->advance(700ms);
        if (cut_by == "wait_for") out.wait_for(700ms);
        if (cut_by == "flush") out.flush();
      }});
      CHECK(calls == whole);
    }
}

TEST_CASE("G16: what a drain cuts off is left to the next run, which loads it under the key of the whole batch") {
  const auto whole = undisturbed();
  for (const etl::Mode mode : {etl::Mode::Parallel, etl::Mode::Fused})
    for (int at = 1; at < 20; ++at) {
      CAPTURE(static_cast<int>(mode), at);
      Run run;
      run.options.mode = mode;
      run.options.delivery = {.checkpoints = std::make_shared<MemoryCheckpoints>(), .save_every = {}};
      etl::StopSource stop;
      Keyed cut{.calls = &run.calls, .before_push = [&](int i, etl::Emitter<int>&) {
                  if (i == at) stop.request_drain();
                }};
      const auto report = etl::run(cut, run.options, stop.stop_token());
      CHECK(report.outcome == etl::Outcome::Cancelled);
      CHECK(run.calls.size() == static_cast<std::size_t>(at) / 5);
      CHECK(run.of({}) == whole);
    }
}

TEST_CASE("G16: keyed batches end at multiples of batch_size, also of a source that has grown") {
  Run run;
  run.options.delivery = {.checkpoints = std::make_shared<MemoryCheckpoints>(), .save_every = {}, .incremental = true};
  CHECK(run.of({.count = 12}).back().items == std::vector<int>{10, 11});
  run.calls.clear();
  const auto grown = run.of({.count = 22});
  REQUIRE(grown.size() == 3);
  CHECK(grown[0].items == std::vector<int>{12, 13, 14});
  CHECK(grown[1] == Run().of({.count = 22})[3]);
  CHECK(grown[2].items == std::vector<int>{20, 21});
}

TEST_CASE("G16: what a run has loaded when it dies is not loaded again, although the source has grown meanwhile") {
  struct Dying final : etl::CheckpointStore {
    MemoryCheckpoints kept;
    bool dead = false;
    etl::Result<std::optional<etl::Checkpoint>> find(const std::string& p) override { return kept.find(p); }
    etl::Result<std::optional<etl::Checkpoint>> claim(const std::string& p, const std::string& run) override {
      return kept.claim(p, run);
    }
    etl::Result<void> save(const std::string& p, const etl::Checkpoint& c) override {
      if (dead) return etl::failure(etl::fatal("dead"));
      return kept.save(p, c);
    }
    etl::Result<void> reset(const std::string& p) override { return kept.reset(p); }
  };
  for (const etl::Mode mode : {etl::Mode::Parallel, etl::Mode::Fused})
    for (int dies_at = 0; dies_at < 23; ++dies_at) {
      CAPTURE(static_cast<int>(mode), dies_at);
      const auto store = std::make_shared<Dying>();
      std::set<std::string> keys;
      std::multiset<int> rows;  // of a target that knows its keys
      for (const int count : {12, 13, 15, 18, 23}) {
        Run run;
        run.options.mode = mode;
        run.options.delivery = {.checkpoints = store, .save_every = {}, .incremental = true};
        store->dead = false;
        const auto dies = [&](std::span<const int> batch) {
          if (count < 23 && batch.back() >= dies_at) store->dead = true;  // no later save is durable
        };
        static_cast<void>(etl::run(Keyed{.calls = &run.calls, .count = count, .before_load = dies}, run.options));
        for (const Keyed::Call& call : run.calls)
          if (keys.insert(call.key).second) rows.insert(call.items.begin(), call.items.end());
      }
      CHECK(rows.size() == 23);
      CHECK(std::set<int>(rows.begin(), rows.end()).size() == 23);
      CHECK(store->find("numbers").value()->find(0)->ends.empty());  // all of them are settled
    }
}

TEST_CASE("G16: ends of many partitions are saved together, and each partition is loaded while another one waits") {
  struct Many {
    std::uint32_t count;
    std::vector<std::uint32_t>* loaded;
    std::function<void(etl::Emitter<std::uint32_t>&)> at_last{};
    std::string fingerprint() const { return "many"; }
    auto partitions() const { return std::views::iota(std::uint32_t{0}, count); }
    void extract(std::uint32_t n, etl::Emitter<std::uint32_t>& out) const {
      if (n + 1 == count && at_last) at_last(out);
      out.push(n);
    }
    void load(std::span<const std::uint32_t> batch, const etl::IdempotencyKey&) {
      loaded->insert(loaded->end(), batch.begin(), batch.end());
    }
  };
  const auto store = std::make_shared<MemoryCheckpoints>();
  Run run;
  run.options.delivery = {.checkpoints = store, .incremental = true};
  run.options.extractors = 1;
  std::vector<std::uint32_t> loaded;
  CHECK(etl::run(Many{1000, &loaded}, run.options).ok());
  CHECK(loaded.size() == 1000);
  CHECK(store->saves() < 30);

  loaded.clear();
  run.options.name = "others";
  std::size_t loaded_meanwhile = 0;
  const auto wait = [&](etl::Emitter<std::uint32_t>& out) {
    out.wait_for(50ms);
    loaded_meanwhile = loaded.size();
  };
  CHECK(etl::run(Many{10, &loaded, wait}, run.options).ok());
  CHECK(loaded_meanwhile == 9);
}

TEST_CASE("G16: a partition's last batch waits for a save that has its end, not for one that began before") {
  struct Slow final : etl::CheckpointStore {
    MemoryCheckpoints kept;
    std::latch begun{1}, go_on{1};
    std::atomic<bool> first = true;
    etl::Result<std::optional<etl::Checkpoint>> find(const std::string& p) override { return kept.find(p); }
    etl::Result<std::optional<etl::Checkpoint>> claim(const std::string& p, const std::string& run) override {
      return kept.claim(p, run);
    }
    etl::Result<void> save(const std::string& p, const etl::Checkpoint& c) override {
      if (c.partitions[0].watermark == 5 && first.exchange(false)) {
        begun.count_down();
        go_on.wait();
      }
      return kept.save(p, c);
    }
    etl::Result<void> reset(const std::string& p) override { return kept.reset(p); }
  };
  struct TwoParts {
    Slow* store;
    std::vector<std::uint64_t>* saved_ends;
    std::string fingerprint() const { return "two parts"; }
    std::vector<std::string> partitions() const { return {"a", "b"}; }
    void extract(const std::string& name, etl::Emitter<int>& out) const {
      if (name == "b") return store->go_on.count_down();  // "a" has ended
      for (int i = 0; i < 5; ++i) out.push(i);
      store->begun.wait();  // that save does not know yet where "a" ends
      for (int i = 5; i < 7; ++i) out.push(i);
    }
    void load(std::span<const int> batch, const etl::IdempotencyKey&) {
      if (batch.front() == 5) *saved_ends = store->kept.find("numbers").value()->find(0)->ends;
    }
  };
  const auto store = std::make_shared<Slow>();
  std::vector<std::uint64_t> saved_ends;
  etl::Options options{.name = "numbers", .batch_size = 5, .workers = 2, .extractors = 1};
  options.delivery = {.checkpoints = store, .save_every = {}, .incremental = true};
  CHECK(etl::run(TwoParts{store.get(), &saved_ends}, options).ok());
  CHECK(saved_ends == std::vector<std::uint64_t>{7});
}

namespace {

/// Partitions "a" and "b", whose ends are saved before their last batches are loaded.
struct AB {
  std::function<etl::Result<void>(const std::string&, etl::Emitter<int>&)> source;
  std::string fingerprint() const { return "a and b"; }
  std::vector<std::string> partitions() const { return {"a", "b"}; }
  etl::Result<void> extract(const std::string& name, etl::Emitter<int>& out) const { return source(name, out); }
  void load(std::span<const int>, const etl::IdempotencyKey&) const {}
};

/// Asks `before` about each save; the first one is that of the beginning.
struct Asked final : etl::CheckpointStore {
  MemoryCheckpoints kept;
  std::function<etl::Result<void>(int)> before;
  std::atomic<int> saves = 0;
  etl::Result<std::optional<etl::Checkpoint>> find(const std::string& p) override { return kept.find(p); }
  etl::Result<std::optional<etl::Checkpoint>> claim(const std::string& p, const std::string& run) override {
    return kept.claim(p, run);
  }
  etl::Result<void> save(const std::string& p, const etl::Checkpoint& c) override {
    if (auto may = before(++saves); !may) return may;
    return kept.save(p, c);
  }
  etl::Result<void> reset(const std::string& p) override { return kept.reset(p); }
};

}  // namespace

TEST_CASE("G4: a failure elsewhere ends the attempts to save where a partition ends") {
  const test::Watchdog watchdog("a save that is tried again in an hour");
  const auto store = std::make_shared<Asked>();
  store->before = [](int save) -> etl::Result<void> {
    if (save == 2) return etl::failure(etl::transient("server is away"));
    return {};
  };
  test::Gate waits;
  etl::Options options{.name = "numbers",
                       .batch_size = 10,
                       .workers = 1,
                       .extractors = 2,
                       .drain_deadline = etl::Options::never,
                       .retry = {.initial_delay = 1h, .max_delay = 1h, .jitter = false},
                       .on_retry = [&](const etl::FailedAttempt&) { waits.open(); },
                       .delivery = {.checkpoints = store, .incremental = true}};
  const auto report = etl::run(AB{[&](const std::string& name, etl::Emitter<int>& out) -> etl::Result<void> {
                                 if (name == "a") return out.push(1), etl::Result<void>();
                                 waits.wait();
                                 return etl::failure(etl::fatal("the source is broken"));
                               }},
                               options);
  CHECK(report.outcome == etl::Outcome::Failed);
  CHECK(report.errors.at(0).text().find("the source is broken") != std::string::npos);
}

TEST_CASE("G9: the deadline that begins with the last partition's end is never a Cancelled") {
  for (int i = 0; i < 200; ++i) {
    std::latch both{2};
    const auto report =
        etl::run(AB{[&](const std::string& name, etl::Emitter<int>& out) -> etl::Result<void> {
                   both.arrive_and_wait();  // so that both end at about the same time
                   if (name == "a") out.push(1);
                   return {};
                 }},
                 {.name = "numbers",
                  .batch_size = 10,
                  .workers = 1,
                  .extractors = 2,
                  .drain_deadline = 1us,
                  .delivery = {.checkpoints = std::make_shared<MemoryCheckpoints>(), .incremental = true}});
    CHECK((report.outcome == etl::Outcome::Completed || report.outcome == etl::Outcome::DrainTimeout));
  }
}

TEST_CASE("G3: status names a save that a run waits for") {
  const test::Watchdog watchdog("a save that status names");
  test::Gate saves, go_on;
  const auto store = std::make_shared<Asked>();
  store->before = [&](int save) -> etl::Result<void> {
    if (save == 2) saves.open(), go_on.wait();
    return {};
  };
  const AB pipeline{[](const std::string&, etl::Emitter<int>& out) { return out.push(1), etl::Result<void>(); }};
  etl::RunHandle run = etl::start(pipeline, {.name = "numbers",
                                             .batch_size = 10,
                                             .workers = 1,
                                             .extractors = 1,
                                             .delivery = {.checkpoints = store, .incremental = true}});
  saves.wait();
  const std::string waits_for = run.status().waiting_for;
  go_on.open();
  CHECK(waits_for.find("save") != std::string::npos);
  CHECK(run.wait().ok());
}

TEST_CASE("G16: a call that load asks to repeat as a whole has the same key, and so do its halves") {
  struct Throttled : Keyed {
    bool again;
    void load(std::span<const int> batch, etl::BatchContext& context, const etl::IdempotencyKey& key) {
      calls->push_back({key.text(), {batch.begin(), batch.end()}});
      if (std::exchange(again, false))
        for (std::size_t i = 0; i < batch.size(); ++i) context.retry(i, etl::transient("too many requests"));
    }
  };
  Run run;
  CHECK(etl::run(Throttled{{.calls = &run.calls, .count = 5}, true}, run.options).ok());
  REQUIRE(run.calls.size() == 2);
  CHECK(run.calls[0] == run.calls[1]);
}

TEST_CASE("G16: results of other items of a batch have another key") {
  struct Flaky : Keyed {
    int bad;
    int transform(const int& n) const {
      if (n == bad) throw etl::Exception(etl::rejected("not found"));
      return n;
    }
  };
  const auto key_without = [](int bad) {
    Run run;
    run.options.errors.max_rejects = 1;
    CHECK(etl::run(Flaky{{.calls = &run.calls, .count = 4}, bad}, run.options).ok());
    return run.calls.at(0).key;
  };
  CHECK(key_without(0) != key_without(3));
  CHECK(key_without(0) == key_without(0));
}

TEST_CASE("G16: other pipelines, data and parts of a batch have other keys") {
  const auto key_of = [](const std::string& name, const std::string& data) {
    Run run;
    run.options.name = name;
    return run.of({.count = 5, .data = data}).at(0).key;
  };
  const std::set<std::string> keys = {key_of("sales", "x"), key_of("returns", "x"), key_of("sales", "y"),
                                      key_of("ab", "c"), key_of("a", "bc")};
  CHECK(keys.size() == 5);

  Run run;
  run.options.batch_size = 8;
  run.options.errors = {.max_rejects = 8, .isolation = etl::Isolation::Bisect};
  std::map<std::vector<int>, std::string> parts;
  struct Choosy : Keyed {
    std::map<std::vector<int>, std::string>* parts;
    etl::Result<void> load(std::span<const int> batch, const etl::IdempotencyKey& key) {
      (*parts)[{batch.begin(), batch.end()}] = key.text();
      for (const int n : batch)
        if (n == 0 || n == 5) return etl::failure(etl::rejected("one of them"));
      return {};
    }
  };
  const auto report = etl::run(Choosy{{.count = 8}, &parts}, run.options);
  CHECK(report.items.rejected == 2);
  std::set<std::string> distinct;
  for (const auto& [items, key] : parts) distinct.insert(key);
  CHECK(parts.size() > 6);
  CHECK(distinct.size() == parts.size());
}

TEST_CASE("G7 G16: other data of a partition has other keys and letters, unless the partition may grow") {
  struct Daily {
    std::string today;
    std::vector<std::string>* keys;
    std::string fingerprint() const { return "orders"; }
    std::vector<std::string> partitions() const { return {"today.csv"}; }
    std::string partition_fingerprint(const std::string&) const { return today; }
    std::string describe(const int&) const { return "n/a"; }  // the same letter's text each day
    void extract(const std::string&, etl::Emitter<int>& out) const {
      for (int i = 0; i < 5; ++i)
        if (!out.push(i)) return;
    }
    etl::Result<void> load(std::span<const int>, etl::BatchContext& context, const etl::IdempotencyKey& key) {
      keys->push_back(key.text());
      context.reject(0, "not a number");
      return {};
    }
  };
  for (const bool grows : {false, true}) {
    CAPTURE(grows);
    std::vector<std::string> keys;
    const auto letters = std::make_shared<MemoryDeadLetters>();
    for (const std::string today : {"1st", "2nd", "2nd"}) {
      etl::Options options{.name = "orders", .workers = 1};
      options.delivery = {.checkpoints = std::make_shared<MemoryCheckpoints>(), .incremental = grows};
      options.errors = {.max_rejects = 1, .dead_letters = letters};
      CHECK(etl::run(Daily{today, &keys}, options).ok());
    }
    REQUIRE(keys.size() == 3);
    CHECK((keys[0] == keys[1]) == grows);  // and so are the letters
    CHECK(keys[1] == keys[2]);
    std::size_t count = 0;
    REQUIRE(letters->list("orders", [&](const etl::DeadLetter&) { return ++count > 0; }));
    CHECK(count == (grows ? 1 : 2));
  }
}

namespace {

/// A service that knows its keys: what comes under a key that it has had is not loaded again.
struct Service {
  std::set<std::string> keys{};
  std::multiset<std::string> loaded{};
  bool refuses = false;
  std::set<std::string> loses_answers{};  // to calls with one of these
};
struct Orders {
  Service* service = nullptr;
  std::vector<std::string> orders{};
  bool all_bad = false;
  std::string data = "orders";

  std::string fingerprint() const { return data; }
  std::vector<std::string> extract() const { return orders; }
  std::string transform(const std::string& order) const {
    if (all_bad) throw etl::Exception(etl::rejected("no such customer"));
    return order;
  }
  std::string describe(const std::string& order) const { return order; }
  std::string restore(std::string_view payload) const { return std::string(payload); }
  etl::Result<void> load(std::span<const std::string> batch, etl::BatchContext& context,
                         const etl::IdempotencyKey& key) {
    const bool is_new = service->keys.insert(key.text()).second;
    bool answers = true;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (is_new && service->refuses)
        context.reject(i, "closed today");
      else if (is_new)
        service->loaded.insert(batch[i]);
      answers = answers && !service->loses_answers.contains(batch[i]);
    }
    if (answers) return {};
    return etl::failure(etl::Error{.code = etl::Errc::OutcomeUnknown, .context = "connection lost"});
  }
};

}  // namespace

TEST_CASE("G7 G16: a replay of other letters, or a later one of the same, has other keys") {
  Service service;
  const auto letters = std::make_shared<MemoryDeadLetters>();
  etl::Options options{.name = "orders", .workers = 1};
  etl::Options first = options;
  first.errors.max_rejects = 10;
  first.errors.dead_letters = letters;
  Orders orders{.service = &service};
  for (const char* order : {"a", "b"}) {
    CAPTURE(order);
    orders.orders = {order};
    orders.all_bad = true;
    REQUIRE(etl::run(orders, first).outcome == etl::Outcome::CompletedWithRejects);
    orders.all_bad = false;
    service.refuses = true;
    REQUIRE(etl::replay(orders, *letters, options).outcome == etl::Outcome::CompletedWithRejects);
    REQUIRE(letters->letters().size() == 1);
    service.refuses = false;
    REQUIRE(etl::replay(orders, *letters, options).outcome == etl::Outcome::Completed);
    CHECK(letters->letters().empty());
  }
  CHECK(service.loaded == std::multiset<std::string>{"a", "b"});
}

TEST_CASE("G16: a replay that was cut off is repeated with the same keys") {
  Service service;
  const auto letters = std::make_shared<MemoryDeadLetters>();
  etl::Options options{.name = "orders", .workers = 1};
  options.errors.max_rejects = 10;
  options.errors.dead_letters = letters;
  Orders orders{.service = &service, .orders = {"a", "b"}, .all_bad = true};
  REQUIRE(etl::run(orders, options).outcome == etl::Outcome::CompletedWithRejects);
  const auto kept = letters->letters();
  orders.all_bad = false;
  REQUIRE(etl::replay(orders, *letters, options).ok());
  REQUIRE(letters->write(kept));  // as if the process had died before it forgot them
  REQUIRE(etl::replay(orders, *letters, options).ok());
  CHECK(service.loaded == std::multiset<std::string>{"a", "b"});
}

TEST_CASE("G16: a replay that has failed is repeated with the same keys, also if there are more letters then") {
  Service service;
  const auto letters = std::make_shared<MemoryDeadLetters>();
  etl::Options options{.name = "orders", .batch_size = 2, .workers = 1};
  options.errors.max_rejects = 10;
  options.errors.dead_letters = letters;
  options.retry.initial_delay = 1us;
  const auto reject = [&](std::vector<std::string> orders) {
    const Orders bad{.service = &service, .orders = std::move(orders), .all_bad = true};
    REQUIRE(etl::run(Orders(bad), options).outcome == etl::Outcome::CompletedWithRejects);
  };
  reject({"a", "b", "c"});
  service.loses_answers = {"b"};
  REQUIRE(etl::replay(Orders{.service = &service}, *letters, options).outcome == etl::Outcome::Failed);
  reject({"a", "b", "c", "d"});  // "a" once more, and "d"
  service.loses_answers.clear();
  REQUIRE(etl::replay(Orders{.service = &service}, *letters, options).outcome == etl::Outcome::Completed);
  CHECK(service.loaded == std::multiset<std::string>{"a", "b", "c", "d"});
}

TEST_CASE("G16: a replay is repeated with the same keys, also if the source has other data by then") {
  Service service;
  const auto letters = std::make_shared<MemoryDeadLetters>();
  etl::Options options{.name = "orders", .workers = 1};
  options.errors.max_rejects = 10;
  options.errors.dead_letters = letters;
  options.retry.initial_delay = 1us;
  Orders monday{.service = &service, .orders = {"a"}, .all_bad = true, .data = "Monday's orders"};
  REQUIRE(etl::run(monday, options).outcome == etl::Outcome::CompletedWithRejects);
  monday.all_bad = false;
  service.loses_answers = {"a"};
  REQUIRE(etl::replay(monday, *letters, options).outcome == etl::Outcome::Failed);
  service.loses_answers.clear();
  Orders tuesday{.service = &service, .data = "Tuesday's orders"};
  REQUIRE(etl::replay(tuesday, *letters, options).outcome == etl::Outcome::Completed);
  CHECK(service.loaded == std::multiset<std::string>{"a"});
}

}  // namespace keys_test

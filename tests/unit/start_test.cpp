#include <atomic>
#include <chrono>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <utility>

#include <etl/start.hpp>
#include <etl/stop.hpp>

#include "support/catch.hpp"
#include "support/sync.hpp"

namespace start_test {

namespace {

/// Extracts ten items, and then waits until it is let go or stopped.
struct Waits {
  test::Gate* extracted;
  test::Gate* go_on;
  std::shared_ptr<std::atomic<std::uint64_t>> sum = std::make_shared<std::atomic<std::uint64_t>>(0);
  void extract(etl::Emitter<int>& out) const {
    for (int i = 1; i <= 10; ++i) out.push(i);
    extracted->open();
    go_on->wait();
  }
  void load(std::span<const int> batch) const {
    for (const int n : batch) *sum += static_cast<std::uint64_t>(n);
  }
};

/// Has no end of its own. Tells when a stop has reached its source.
struct Endless {
  test::Gate* began;
  test::Gate* stopped;
  using extracted = int;
  void extract(etl::Emitter<int>& out) const {
    began->open();
    while (out.push(1)) {}
    stopped->open();
  }
  void load(std::span<const int>) const {}
};

}  // namespace

TEST_CASE("start: the run goes on in the background, and the handle tells its end") {
  const test::Watchdog watchdog("a run in the background");
  test::Gate extracted, go_on;
  Waits pipeline{&extracted, &go_on};
  etl::RunHandle run = etl::start(pipeline, {.name = "waits", .workers = 1});
  extracted.wait();
  CHECK(run.report() == nullptr);
  CHECK(run.wait_for(std::chrono::nanoseconds(1)) == nullptr);
  CHECK(run.status().items.extracted == 10);
  CHECK(run.status().waiting_for.find("extract") != std::string::npos);
  go_on.open();
  const etl::RunReport& report = run.wait();
  CHECK(report.outcome == etl::Outcome::Completed);
  CHECK(report.pipeline == "waits");
  CHECK(*pipeline.sum == 55);
  CHECK(run.report() == &report);
  CHECK(run.wait_for(std::chrono::nanoseconds::max()) == &report);
  CHECK(run.status().items == report.items);
}

TEST_CASE("start: the counts of the status never go back, also while a run is taken down") {
  const test::Watchdog watchdog("a status at the end of a run");
  struct Asks {
    const std::optional<etl::RunHandle>* run;
    std::uint64_t* extracted;
    Asks(const std::optional<etl::RunHandle>* r, std::uint64_t* e) : run(r), extracted(e) {}
    Asks(Asks&& other) noexcept : run(std::exchange(other.run, nullptr)), extracted(other.extracted) {}
    Asks& operator=(Asks&&) = delete;
    ~Asks() {
      if (run != nullptr) *extracted = (*run)->status().items.extracted;
    }
  };
  struct WithState : Waits {
    const std::optional<etl::RunHandle>* run;
    std::uint64_t* asked;
    Asks worker() const { return {run, asked}; }
    int transform(const int& n, Asks&) const { return n; }
  };
  test::Gate extracted, go_on;
  std::optional<etl::RunHandle> run;
  std::uint64_t asked = 0;
  WithState pipeline{{&extracted, &go_on}, &run, &asked};
  go_on.open();
  test::Gate kept;
  etl::Options options{.workers = 1};
  options.on_batch = [&](const etl::SettledBatch&) { kept.wait(); };
  run.emplace(etl::start(pipeline, options));
  kept.open();
  CHECK(run->wait().ok());
  CHECK(asked == 10);
}

TEST_CASE("start: a pipeline without a name is kept, and a future outlives the handle") {
  const test::Watchdog watchdog("a run that is kept");
  test::Gate extracted, go_on;
  go_on.open();
  auto sum = std::make_shared<std::atomic<std::uint64_t>>(0);
  std::shared_future<etl::RunReport> future;
  {
    etl::RunHandle first = etl::start(Waits{&extracted, &go_on, sum}, {.workers = 1});
    future = first.future();
    etl::RunHandle run = std::move(first);
    run.wait();
  }
  CHECK(sum.use_count() == 1);
  CHECK(*sum == 55);
  CHECK(future.get().outcome == etl::Outcome::Completed);
}

TEST_CASE("start: a drain asked of the handle, of the caller's stop, or by the handle's end (G10)") {
  const test::Watchdog watchdog("stops of a run in the background");
  for (const int by : {0, 1, 2}) {
    CAPTURE(by);
    test::Gate began, stopped;
    etl::StopSource stop;
    std::shared_future<etl::RunReport> future;
    {
      etl::RunHandle run = etl::start(Endless{&began, &stopped}, {.workers = 1}, stop.stop_token());
      future = run.future();
      began.wait();
      if (by == 0) {
        CHECK(run.request_drain());
        CHECK_FALSE(run.request_drain());
      }
      if (by == 1) stop.request_drain();
      if (by != 2) CHECK(run.wait().outcome == etl::Outcome::Cancelled);
    }
    CHECK(stopped.is_open());
    CHECK(future.get().outcome == etl::Outcome::Cancelled);
    CHECK(future.get().items.abandoned <= 1);  // the push that was refused
  }
}

TEST_CASE("start: abandoning drops what is queued (G10)") {
  const test::Watchdog watchdog("a run that is abandoned");
  struct Stuck {
    test::Gate* loading;
    void extract(etl::Emitter<int>& out) const {
      for (int i = 0; i < 5; ++i) out.push(i);
    }
    void load(std::span<const int>, etl::BatchContext& context) const {
      loading->open();
      test::Gate stopped;
      const std::stop_callback on_stop(context.stop_token(), [&stopped] { stopped.open(); });
      stopped.wait();
    }
  };
  test::Gate loading;
  etl::RunHandle run = etl::start(Stuck{&loading}, {.batch_size = 1, .workers = 1, .capacity = 10});
  loading.wait();
  CHECK(run.request_abandon());
  CHECK_FALSE(run.request_drain());  // it is part of the abandoning
  const etl::RunReport& report = run.wait();
  CHECK(report.outcome == etl::Outcome::Cancelled);
  CHECK(report.items.abandoned >= 3);
}

TEST_CASE("start: options that are invalid are told by the report") {
  test::Gate extracted, go_on;
  Waits pipeline{&extracted, &go_on};
  etl::RunHandle run = etl::start(pipeline, {.workers = 0});
  CHECK(run.wait().exit_code() == 2);
}

}  // namespace start_test

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include <etl/detail/intake/batcher.hpp>
#include <etl/detail/load/bucket_processor.hpp>
#include <etl/detail/run/environment.hpp>
#include <etl/detail/intake/shared_intake.hpp>
#include <etl/detail/load/stage.hpp>
#include <etl/executor.hpp>
#include <etl/options.hpp>

#include "support/catch.hpp"
#include "support/sync.hpp"

TEST_CASE("shared intake: a time-out seals one batch at most, though producers wait with more") {
  const test::Watchdog watchdog("shared intake");
  const etl::Options options{.batch_size = 2, .timeout = std::chrono::hours(1), .workers = 1};
  const etl::detail::Environment environment(options);
  const etl::Executor executor = etl::Executor::pool(1);
  std::vector<std::size_t> sizes;
  auto processor = [&sizes](std::span<const int> batch) { sizes.push_back(batch.size()); };
  etl::detail::TypedProcessor<int, decltype(processor)> typed(processor);
  etl::detail::PipelineStage stage(typed.calls(), options, environment, options.workers);
  const auto batcher = std::make_shared<etl::detail::Batcher>(
      options, environment, executor.backend(), executor.backend(), stage, etl::detail::item_type<int>, false);
  etl::detail::SharedIntake<int> intake(*batcher, options);
  engine.attach(*batcher, executor);
  batcher->set_source(&intake);

  int first = 0;
  REQUIRE(intake.push(first));  // starts the time
  std::vector<std::jthread> producers;
  {
    auto lock = batcher->lock();
    for (int i = 0; i < 3; ++i)
      producers.emplace_back([&intake, i] {
        int item = i;
        static_cast<void>(intake.push(item));  // sees a full batch, and waits for the lock
      });
    while (intake.open_items() < 4) std::this_thread::yield();
    etl::detail::BatchQueue sealed;
    intake.seal_due(etl::Clock::now() + std::chrono::hours(2), sealed);
    while (etl::detail::Batch* batch = sealed.pop()) {
      CHECK(batch->size() == 2);
      batcher->dispatch(lock, batch, nullptr);
    }
  }
  producers.clear();
  batcher->close();
  intake.seal_stragglers();
  const etl::detail::Tally tally = batcher->finish();
  CHECK(tally.ledger.items.loaded == 4);
  CHECK(sizes == std::vector<std::size_t>{2, 2});
}

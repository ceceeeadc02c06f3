#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include <etl/detail/intake/batcher.hpp>
#include <etl/detail/intake/intake_queue.hpp>
#include <etl/detail/intake/shared_intake.hpp>
#include <etl/detail/load/bucket_processor.hpp>
#include <etl/detail/load/stage.hpp>
#include <etl/detail/run/environment.hpp>
#include <etl/executor.hpp>
#include <etl/options.hpp>

#include "support/catch.hpp"
#include "support/sync.hpp"

namespace shared_intake_test {

namespace {

struct Queue final : etl::detail::ItemQueue {
  Taken take(etl::detail::Buffer& buffer, std::uint32_t at, std::uint32_t most) noexcept override {
    const auto got = static_cast<std::uint32_t>(items.dequeue(static_cast<int*>(buffer.data) + at, most));
    return {.out = got, .kept = got};
  }
  etl::detail::IntakeQueue<int> items;
};

}  // namespace

TEST_CASE("shared intake: a time-out seals one batch at most, though producers wait with more") {
  const test::Watchdog watchdog("shared intake");
  const etl::Options options{.batch_size = 2, .timeout = std::chrono::hours(1), .workers = 1};
  const etl::detail::Environment environment(options);
  const etl::Executor executor = etl::Executor::pool(1);
  std::vector<std::size_t> sizes;
  auto processor = [&sizes](std::span<const int> batch) { sizes.push_back(batch.size()); };
  etl::detail::TypedProcessor<int, decltype(processor)> typed(processor);
  const auto batcher = std::make_shared<etl::detail::Batcher>(options, environment, executor.backend(),
                                                              executor.backend(), etl::detail::item_type<int>, false);
  etl::detail::PipelineStage stage(typed.calls(), options, environment, options.workers, *batcher, executor);
  Queue queue;
  etl::detail::SharedIntake intake(*batcher, queue, etl::detail::item_type<int>, options);
  const auto push = [&](int item) {
    return intake.try_push([&] { queue.items.enqueue(std::move(item)); }) == etl::detail::Pushed::Yes;
  };
  batcher->set_source(&intake);

  REQUIRE(push(0));  // starts the time
  std::vector<std::jthread> producers;
  {
    auto lock = batcher->lock();
    for (int i = 0; i < 3; ++i)
      producers.emplace_back([&push, i] { static_cast<void>(push(i)); });  // sees a full batch, and waits for the lock
    while (intake.open_items() < 4) std::this_thread::yield();
    etl::detail::BatchQueue sealed;
    intake.seal_due(etl::Clock::now() + std::chrono::hours(2), sealed);
    while (etl::detail::Batch* batch = sealed.pop()) {
      CHECK(batch->size() == 2);
      batcher->dispatch(lock, batch, nullptr);
    }
  }
  producers.clear();
  batcher->control().close();
  intake.seal_stragglers();
  const etl::detail::Tally tally = batcher->finish();
  CHECK(tally.ledger.items.loaded == 4);
  CHECK(sizes == std::vector<std::size_t>{2, 2});
}

}  // namespace shared_intake_test

#include <memory>
#include <stop_token>
#include <thread>

#include <etl/stop.hpp>

#include "support/catch.hpp"

namespace stop_test {

TEST_CASE("stop: a default one never stops") {
  const etl::StopToken stop;
  CHECK_FALSE(stop.drain().stop_possible());
  CHECK_FALSE(stop.abandon().stop_possible());
}

TEST_CASE("stop: one std::stop_token drains and never abandons (G10)") {
  std::stop_source source;
  const etl::StopToken stop = source.get_token();  // implicitly
  CHECK_FALSE(stop.drain().stop_requested());
  source.request_stop();
  CHECK(stop.drain().stop_requested());
  CHECK_FALSE(stop.abandon().stop_possible());
}

TEST_CASE("stop: a jthread's token can be handed on as it is") {
  bool stopped = false;
  {
    std::jthread thread([&stopped](std::stop_token token) {
      const etl::StopToken stop(token);
      while (!stop.drain().stop_requested()) std::this_thread::yield();
      stopped = true;
    });
  }
  CHECK(stopped);
}

TEST_CASE("stop: the two levels of a StopSource") {
  etl::StopSource source;
  const etl::StopToken stop = source.stop_token();
  CHECK(source.request_drain());
  CHECK_FALSE(source.request_drain());
  CHECK(stop.drain().stop_requested());
  CHECK_FALSE(stop.abandon().stop_requested());
  CHECK(source.request_abandon());
  CHECK_FALSE(source.request_abandon());
  CHECK(stop.abandon().stop_requested());
}

TEST_CASE("stop: abandon includes drain, and is seen first") {
  etl::StopSource source;
  const etl::StopToken stop = source.stop_token();
  bool abandon_was_set = false;
  const std::stop_callback on_drain(stop.drain(), [&] { abandon_was_set = stop.abandon().stop_requested(); });
  source.request_abandon();
  CHECK(stop.drain().stop_requested());
  CHECK(abandon_was_set);
}

TEST_CASE("stop: copies share the state and what keeps it alive") {
  auto owner = std::make_shared<int>(1);
  const std::weak_ptr<int> watch = owner;
  {
    etl::StopSource source;
    etl::StopToken copy;
    {
      const etl::StopToken stop(source.stop_token().drain(), source.stop_token().abandon(), std::move(owner));
      copy = stop;
    }
    CHECK_FALSE(watch.expired());
    source.request_drain();
    CHECK(copy.drain().stop_requested());
  }
  CHECK(watch.expired());
}

}  // namespace stop_test

/// How long an item waits in a bucket. Two measurements, one line of JSON each:
///   bench-latency --mode rate --intake handle|shared --rate N --batch N --timeout-us N [--ms N]
///     items come at a steady low rate: time from `push` to the call of the processor
///   bench-latency --mode timeout --intake handle|shared --timeout-us N [--flushes N]
///     one item at a time into a large batch: how late after its timeout it is flushed

#include <algorithm>
#include <chrono>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include <etl/bucket.hpp>

#include <common/args.hpp>
#include <common/measure.hpp>

namespace {

using namespace bench;
using Clock = std::chrono::steady_clock;
using Micros = std::chrono::microseconds;

struct Item {
  Clock::time_point pushed;
};

/// Where the processor writes down how long its items waited.
class Waits {
 public:
  void operator()(std::span<const Item> batch) {
    const auto now = Clock::now();
    const std::lock_guard lock(mutex_);
    for (const Item& item : batch)
      waits_.push_back(std::chrono::duration<double, std::micro>(now - item.pushed).count());
    arrived_.notify_all();
  }
  /// False when not so many have come within ten seconds.
  bool wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    return arrived_.wait_for(lock, std::chrono::seconds(10), [&] { return waits_.size() >= count; });
  }
  [[nodiscard]] std::vector<double> sorted() {
    std::ranges::sort(waits_);
    return waits_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<double> waits_;
};

/// One way in: a handle of our own, or the intake that all threads share.
class Intake {
 public:
  Intake(etl::Bucket<Item>& bucket, const std::string& kind) : bucket_(&bucket) {
    if (kind == "handle")
      producer_.emplace(bucket.producer());
    else if (kind != "shared")
      throw std::invalid_argument("--intake is handle or shared");
  }
  void push() {
    const Item item{Clock::now()};
    if (!(producer_ ? producer_->push(item) : bucket_->push(item))) throw std::runtime_error("the bucket failed");
  }

 private:
  etl::Bucket<Item>* bucket_;
  std::optional<etl::Bucket<Item>::Producer> producer_;
};

void at_rate(const Args& args, etl::Bucket<Item>& bucket) {
  Intake intake(bucket, args.text("intake", "handle"));
  const auto rate = std::max<std::uint64_t>(1, args.number("rate", 1000));
  const auto count = std::max<std::uint64_t>(10, rate * args.number("ms", 2000) / 1000);
  const auto start = Clock::now();
  for (std::uint64_t i = 0; i < count; ++i) {
    std::this_thread::sleep_until(start + std::chrono::nanoseconds(1'000'000'000 * i / rate));
    intake.push();
  }
}

void one_by_one(const Args& args, etl::Bucket<Item>& bucket, Waits& waits) {
  Intake intake(bucket, args.text("intake", "handle"));
  const auto count = std::max<std::uint64_t>(1, args.number("flushes", 50));
  for (std::uint64_t i = 0; i < count; ++i) {
    intake.push();
    if (!waits.wait_for(i + 1)) throw std::runtime_error("an item was not flushed within ten seconds");
  }
}

int run(const Args& args) {
  if (args.has("describe")) {
    build_description().text("etl", ETLPIPE_VERSION).print();
    return 0;
  }
  const std::string mode = args.text("mode", "rate");
  const auto timeout = Micros(args.number("timeout-us", 1000));
  Waits waits;
  etl::Bucket<Item> bucket(
      [&waits](std::span<const Item> batch) { waits(batch); },
      {.batch_size = std::max<std::size_t>(1, args.number("batch", 1000)), .timeout = timeout, .workers = 2});
  const Moment start = Moment::now();
  if (mode == "rate")
    at_rate(args, bucket);
  else if (mode == "timeout")
    one_by_one(args, bucket, waits);
  else
    throw std::invalid_argument("--mode is rate or timeout");
  bucket.finish().throw_if_failed();
  const Moment used = Moment::now() - start;

  std::vector<double> values = waits.sorted();
  if (mode == "timeout")
    for (double& value : values) value -= static_cast<double>(timeout.count());
  const auto at = [&](double q) {
    return values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1))];
  };
  JsonLine line;
  line.number("count", std::uint64_t{values.size()}).number("min_us", values.front()).number("median_us", at(0.5));
  line.number("p99_us", at(0.99)).number("max_us", values.back());
  line.number("cpu_percent", 100.0 * static_cast<double>(used.cpu) / static_cast<double>(used.wall)).flag("ok", true);
  line.print();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(Args(argc, argv));
  } catch (const std::exception& e) {
    fmt::print(stderr, "bench-latency: {}\n", e.what());
    return 2;
  }
}

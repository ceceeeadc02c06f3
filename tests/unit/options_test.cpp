#include <chrono>
#include <cmath>
#include <cstddef>
#include <functional>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include <etl/options.hpp>

#include "support/catch.hpp"

namespace options_test {

using namespace std::chrono_literals;

TEST_CASE("options: the defaults are those of the guide, and valid") {
  const etl::Options o;
  CHECK(o.mode == etl::Mode::Parallel);
  CHECK(o.batch_size == 1000);
  CHECK_FALSE(o.batch_bytes.has_value());
  CHECK(o.timeout == 1s);
  CHECK(o.workers == std::max(1u, std::thread::hardware_concurrency()));
  CHECK(o.effective_capacity() == 2 * o.workers);
  CHECK(o.order == etl::Order::None);
  CHECK(o.drain_deadline == 25s);     // G9
  CHECK_FALSE(o.errors.max_rejects);  // G4: strict
  CHECK_FALSE(o.errors.max_reject_ratio);
  CHECK(o.errors.unclassified == etl::Unclassified::Fatal);
  CHECK(o.inline_batches == etl::Inline::Adaptive);
  CHECK(o.progress.show == etl::ProgressOptions::Show::Off);
  CHECK_FALSE(static_cast<bool>(o.executor));
  CHECK_FALSE(o.validate().has_value());
}

TEST_CASE("options: an aggregate whose fields are named in this order") {
  STATIC_REQUIRE(std::is_aggregate_v<etl::Options>);
  const etl::Options o{.name = "orders",
                       .mode = etl::Mode::Parallel,
                       .batch_size = 10,
                       .batch_bytes = 1 << 20,
                       .timeout = 20ms,
                       .workers = 3,
                       .capacity = 7,
                       .max_concurrent_loads = 2,
                       .extractors = 2,
                       .order = etl::Order::Source,
                       .drain_deadline = 5s,
                       .errors = {.max_rejects = 5, .max_reject_ratio = 0.1, .unclassified = etl::Unclassified::Reject},
                       .inline_batches = etl::Inline::Never,
                       .memory = std::make_shared<etl::MemoryBudget>(1000)};
  CHECK_FALSE(o.validate().has_value());
  CHECK(o.effective_capacity() == 7);
}

TEST_CASE("options: each bad value is named, and nothing else is") {
  struct Bad {
    const char* field;
    std::function<void(etl::Options&)> spoil;
  };
  const std::vector<Bad> all = {
      {"batch_size", [](etl::Options& o) { o.batch_size = 0; }},
      {"batch_size", [](etl::Options& o) { o.batch_size = (std::size_t{1} << 30) + 1; }},
      {"batch_bytes", [](etl::Options& o) { o.batch_bytes = 0; }},
      {"timeout", [](etl::Options& o) { o.timeout = 0s; }},
      {"timeout", [](etl::Options& o) { o.timeout = -1s; }},
      {"workers", [](etl::Options& o) { o.workers = 0, o.capacity = 1; }},
      {"workers", [](etl::Options& o) { o.workers = 4097; }},
      {"capacity", [](etl::Options& o) { o.capacity = 0; }},
      {"max_concurrent_loads", [](etl::Options& o) { o.max_concurrent_loads = 0; }},
      {"extractors", [](etl::Options& o) { o.extractors = 0; }},
      {"extractors", [](etl::Options& o) { o.extractors = 5000; }},
      {"drain_deadline", [](etl::Options& o) { o.drain_deadline = 0s; }},
      {"drain_deadline", [](etl::Options& o) { o.drain_deadline = -1ns; }},
      {"errors.max_reject_ratio", [](etl::Options& o) { o.errors.max_reject_ratio = 1.5; }},
      {"errors.max_reject_ratio", [](etl::Options& o) { o.errors.max_reject_ratio = -0.1; }},
      {"errors.max_reject_ratio", [](etl::Options& o) { o.errors.max_reject_ratio = std::nan(""); }},
      {"progress.stream",
       [](etl::Options& o) { o.progress = {.show = etl::ProgressOptions::Show::Lines, .stream = nullptr}; }},
      {"progress.interval", [](etl::Options& o) { o.progress.interval = -1ms; }},
  };
  for (const Bad& bad : all) {
    etl::Options o;
    bad.spoil(o);
    const auto problem = o.validate();
    CAPTURE(bad.field);
    REQUIRE(problem.has_value());
    CHECK(problem->code == etl::Errc::InvalidOptions);
    CHECK(problem->context.find(": " + std::string(bad.field) + " must") != std::string::npos);
    CHECK(problem->context.find(';') == std::string::npos);  // no other field is blamed
  }
}

TEST_CASE("options: several bad values come in one error") {
  etl::Options o;
  o.batch_size = 0;
  o.workers = 0;
  o.timeout = 0s;
  o.drain_deadline = 0s;
  const auto problem = o.validate();
  REQUIRE(problem.has_value());
  for (const char* field : {"batch_size", "workers", "timeout", "drain_deadline", "capacity"}) {
    CAPTURE(field, problem->context);
    CHECK(problem->context.find(field) != std::string::npos);
  }
  CHECK(problem->context.find("extractors") == std::string::npos);
}

TEST_CASE("options: the limits themselves are good") {
  etl::Options o;
  o.batch_size = 1;
  o.batch_bytes = 1;
  o.timeout = 1ns;
  o.workers = 1;
  o.capacity = 1;
  o.max_concurrent_loads = 1;
  o.extractors = 1;
  o.drain_deadline = 1ns;
  o.errors.max_reject_ratio = 0;
  CHECK_FALSE(o.validate().has_value());
  o.batch_size = std::size_t{1} << 30;
  o.workers = 4096;
  o.extractors = 4096;
  o.timeout = etl::Options::never;
  o.drain_deadline = etl::Options::never;
  o.errors.max_reject_ratio = 1;
  CHECK_FALSE(o.validate().has_value());
}

}  // namespace options_test

// G13, G14: chunks are acknowledged once, when they are complete and everything derived from them is settled;
// partitions keep their own progress.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <etl/run.hpp>
#include <etl/stop.hpp>
#include <etl/testing/memory_stores.hpp>
#include <etl/testing/virtual_executor.hpp>

#include "support/catch.hpp"

namespace acknowledgement_test {

using namespace etl::testing;

namespace {

/// Chunks of 5 numbers, as messages of a queue; what was acknowledged.
struct Messages {
  std::map<int, std::vector<bool>>* told = nullptr;
  std::optional<int> fail_at{};
  std::optional<int> reject{};
  int count = 40;

  void extract(etl::Emitter<int>& out) {
    for (int chunk = 0; chunk * 5 < count; ++chunk) {
      out.retain(std::make_shared<int>(chunk), [this, chunk](bool settled) { (*told)[chunk].push_back(settled); });
      for (int i = 0; i < 5; ++i)
        if (!out.push(chunk * 5 + i)) return;
    }
  }
  std::optional<int> transform(const int& n) const {
    if (n % 7 == 3) return std::nullopt;
    return n;
  }
  etl::Result<void> load(std::span<const int> batch, etl::BatchContext& context) {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (batch[i] == fail_at) return etl::failure(etl::fatal("broken"));
      if (batch[i] == reject) context.reject(i, "no");
    }
    return {};
  }
};

etl::Options options(std::uint64_t seed) {
  etl::Options options{.name = "messages", .batch_size = 3, .workers = 2, .order = etl::Order::Source};
  options.errors.max_rejects = 5;
  options.executor = etl::Executor(std::make_shared<VirtualExecutor>(seed));
  return options;
}

}  // namespace

TEST_CASE("G13: a chunk is acknowledged once, when all its items are settled, also filtered and rejected ones") {
  std::map<int, std::vector<bool>> told;
  Messages messages{.told = &told, .reject = 12};
  REQUIRE(etl::run(messages, options(1)).outcome == etl::Outcome::CompletedWithRejects);
  REQUIRE(told.size() == 8);
  for (const auto& [chunk, answers] : told) CHECK(answers == std::vector<bool>{true});
}

TEST_CASE("G13: what was lost is never acknowledged as settled: the worst outcome wins") {
  std::map<int, std::vector<bool>> told;
  Messages messages{.told = &told, .fail_at = 21};
  REQUIRE(etl::run(messages, options(2)).outcome == etl::Outcome::Failed);
  for (const auto& [chunk, answers] : told) {
    CAPTURE(chunk);
    REQUIRE(answers.size() == 1);
    if (chunk >= 4) CHECK_FALSE(answers[0]);
    if (chunk < 3) CHECK(answers[0]);
  }
}

TEST_CASE("G13: an incomplete chunk is lost, also when all that was pushed of it is settled") {
  enum class End { Throws, Stopped, ByItself, Marked, Deaf };
  for (const End end : {End::Throws, End::Stopped, End::ByItself, End::Marked, End::Deaf}) {
    struct Cut {
      End end;
      etl::StopSource* stop;
      std::map<int, std::vector<bool>>* told;
      void extract(etl::Emitter<int>& out) {
        for (int chunk = 0; chunk < 2; ++chunk) {
          out.retain(std::make_shared<int>(chunk), [this, chunk](bool settled) { (*told)[chunk].push_back(settled); });
          for (int i = 0; i < 5; ++i) out.push(chunk * 10 + i);
        }
        if (end == End::Marked) out.mark(etl::Position(10));
        out.flush();
        while (out.wait_for(std::chrono::seconds(1)) && !waited) waited = true;  // what was pushed is loaded now
        if (end == End::Throws) throw std::runtime_error("message 1 cannot be read on");
        if (end != End::ByItself) stop->request_drain();
        if (end != End::Deaf) return;
        out.push(20);  // refused, which it does not hear
        out.mark(etl::Position(11));
      }
      etl::Result<void> load(std::span<const int>) { return {}; }
      bool waited = false;
    };
    CAPTURE(static_cast<int>(end));
    std::map<int, std::vector<bool>> told;
    etl::StopSource stop;
    etl::Options own = options(4);
    own.batch_size = 10;
    const auto report = etl::run(Cut{.end = end, .stop = &stop, .told = &told}, own, stop.stop_token());
    CHECK(report.items.loaded == 10);
    CHECK(told[0] == std::vector<bool>{true});  // the next `retain` has said that it is complete
    CHECK(told[1] == std::vector<bool>{end == End::ByItself || end == End::Marked});
  }
}

TEST_CASE("G13: a chunk of which nothing was pushed yet is lost when the source fails") {
  struct Fails {
    std::map<int, std::vector<bool>>* told;
    void extract(etl::Emitter<int>& out) {
      for (int chunk = 0; chunk < 2; ++chunk) {
        out.retain(std::make_shared<int>(chunk), [this, chunk](bool settled) { (*told)[chunk].push_back(settled); });
        if (chunk == 1) throw std::runtime_error("message 1 cannot be read");
        out.push(1);
        out.mark(etl::Position(1));
        while (out.wait_for(std::chrono::seconds(1)) && told->empty() && waited++ < 5) {}
      }
    }
    void load(std::span<const int>) {}
    int waited = 0;
  };
  std::map<int, std::vector<bool>> told;
  CHECK(etl::run(Fails{.told = &told}, options(7)).outcome == etl::Outcome::Failed);
  CHECK(told[0] == std::vector<bool>{true});
  CHECK(told[1] == std::vector<bool>{false});
}

TEST_CASE("G13: nothing that waits keeps an acknowledgement back") {
  // The source waits for ever after its message; the message is acknowledged meanwhile.
  struct Waits {
    std::vector<bool>* told;
    bool* in_time;
    void extract(etl::Emitter<int>& out) {
      out.retain(std::make_shared<int>(0), [this](bool settled) { told->push_back(settled); });
      out.push(1);
      out.retain(std::shared_ptr<int>());
      while (out.wait_for(std::chrono::seconds(10)) && told->empty()) {}
      *in_time = !told->empty();
    }
    void load(std::span<const int>) {}
  };
  for (const etl::Mode mode : {etl::Mode::Parallel, etl::Mode::Fused}) {
    CAPTURE(static_cast<int>(mode));
    std::vector<bool> told;
    bool in_time = false;
    etl::Options own = options(5);
    own.mode = mode;
    CHECK(etl::run(Waits{&told, &in_time}, own).ok());
    CHECK(in_time);
    CHECK(told == std::vector<bool>{true});
  }
}

namespace {
struct NamedMessages : Messages {
  std::string fingerprint() const { return "messages"; }
};
struct DeclaredMessages : NamedMessages {  // refused before it begins
  static constexpr bool acknowledges = true;
};
}  // namespace

TEST_CASE("G13 G14: a source that acknowledges is refused where progress is kept, before it loses anything") {
  std::map<int, std::vector<bool>> told;
  const auto checkpoints = std::make_shared<MemoryCheckpoints>();
  etl::Options own = options(6);
  own.delivery.checkpoints = checkpoints;
  const auto report = etl::run(NamedMessages{{.told = &told}}, own);
  CHECK(report.outcome == etl::Outcome::Failed);
  CHECK(report.exit_code() == 2);
  CHECK(report.errors.at(0).error.code == etl::Errc::InvalidOptions);
  CHECK(report.items.loaded == 0);
  REQUIRE_FALSE(told.empty());
  for (const auto& [chunk, answers] : told) CHECK(answers == std::vector<bool>{false});

  told.clear();
  CHECK(etl::run(DeclaredMessages{{{.told = &told}}}, own).exit_code() == 2);
  CHECK(told.empty());

  own.delivery.dry_run = true;  // keeps no progress
  CHECK(etl::run(NamedMessages{{.told = &told}}, own).ok());
}

namespace {
struct Files {
  using position = std::uint64_t;
  std::vector<std::pair<std::uint32_t, std::uint64_t>>* loaded;
  std::optional<std::pair<std::uint32_t, std::uint64_t>> broken{};
  using Item = std::pair<std::uint32_t, std::uint64_t>;

  std::string fingerprint() const { return "three partitions"; }
  std::vector<std::uint32_t> partitions() const { return {0, 1, 2}; }
  void extract(std::uint32_t part, etl::Emitter<Item>& out) const {
    const std::uint64_t first = out.resume_from() ? out.resume_from()->number().value() : 0;
    for (std::uint64_t i = first; i < 30; ++i) {
      if (i % 4 == 0) out.mark(etl::Position(i));
      if (!out.push({part, i})) return;
    }
  }
  etl::Result<void> load(std::span<const Item> batch) {
    if (broken && std::ranges::find(batch, *broken) != batch.end()) return etl::failure(etl::fatal("broken"));
    loaded->insert(loaded->end(), batch.begin(), batch.end());
    return {};
  }
};
}  // namespace

TEST_CASE("G14: partitions keep their own progress") {
  std::vector<Files::Item> loaded;
  auto checkpoints = std::make_shared<MemoryCheckpoints>();
  etl::Options own = options(4);
  own.extractors = 1;
  own.delivery.checkpoints = checkpoints;
  REQUIRE_FALSE(etl::run(Files{.loaded = &loaded, .broken = Files::Item(1, 20)}, own).ok());
  const auto saved = checkpoints->find("messages").value();
  REQUIRE(saved);
  REQUIRE(saved->find(0) != nullptr);
  REQUIRE(saved->find(1) != nullptr);
  CHECK(saved->find(0)->watermark == 30);
  CHECK(saved->find(1)->watermark <= 18);
  REQUIRE(etl::run(Files{.loaded = &loaded}, own).ok());
  CHECK(loaded.size() == 90);
  CHECK(std::set<Files::Item>(loaded.begin(), loaded.end()).size() == 90);
}

TEST_CASE("G13 G17: a dry run acknowledges nothing, since it loads nothing") {
  std::map<int, std::vector<bool>> told;
  etl::Options own = options(7);
  own.delivery.dry_run = true;
  CHECK(etl::run(Messages{.told = &told}, own).ok());
  REQUIRE(told.size() == 8);
  for (const auto& [chunk, answers] : told) CHECK(answers == std::vector<bool>{false});
}

}  // namespace acknowledgement_test

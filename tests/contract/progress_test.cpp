// G14 to G17: progress belongs to a partition of a source, changes only while a run extracts, and never shrinks.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <ranges>
#include <set>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include <etl/manager.hpp>
#include <etl/run.hpp>
#include <etl/testing/memory_stores.hpp>
#include <etl/testing/virtual_executor.hpp>

#include "support/catch.hpp"
#include "support/sanitized.hpp"
#include "support/unfenced.hpp"

namespace progress_test {

using etl::testing::MemoryCheckpoints;
using etl::testing::MemoryStore;
using etl::testing::MemoryTransaction;

namespace {

/// Files of 20 lines, each line marked, with what a test wants to go wrong.
struct Files {
  using position = std::uint64_t;
  std::vector<std::string> files;
  std::multiset<std::string>* loaded;
  std::string poison{};  // a line that cannot be loaded
  std::string broken{};  // the hook that throws
  std::map<std::string, std::string> versions{};
  std::string settings = "files";
  etl::Outcome* heard = nullptr;

  void hook(const std::string& name) const {
    if (name == broken) throw std::runtime_error(name + " cannot go on");
  }
  std::string fingerprint() const { return hook("fingerprint"), settings; }
  void pre_process() const { hook("pre_process"); }
  std::uint64_t expected_items() const { return hook("expected_items"), 20 * files.size(); }
  const std::vector<std::string>& partitions() const { return hook("partitions"), files; }
  std::string partition_fingerprint(const std::string& file) const {
    const auto found = versions.find(file);
    return found == versions.end() ? "first" : found->second;
  }
  void extract(const std::string& file, etl::Emitter<std::string>& out) const {
    hook("extract");
    const std::uint64_t first = out.resume_from() ? out.resume_from()->number().value() : 0;
    for (std::uint64_t i = first; i < 20; ++i) {
      if (!out.push(file + ":" + std::to_string(i))) return;
      out.mark(etl::Position(i + 1));
    }
  }
  void load(std::span<const std::string> batch) {
    if (std::ranges::count(batch, poison) > 0) throw std::runtime_error("poison");
    loaded->insert(batch.begin(), batch.end());
  }
  void post_process(const etl::RunReport& report) const {
    if (heard != nullptr) *heard = report.outcome;
  }
};

struct World {
  std::shared_ptr<etl::CheckpointStore> store = std::make_shared<test::UnfencedCheckpoints>();
  std::multiset<std::string> loaded{};

  etl::Options options() const {
    etl::Options options{.name = "files", .batch_size = 5, .workers = 2, .extractors = 1, .order = etl::Order::Source};
    options.delivery = {.checkpoints = store, .save_every = {}};
    options.executor = etl::Executor(std::make_shared<etl::testing::VirtualExecutor>(1));
    return options;
  }
  std::optional<etl::Checkpoint> kept() const { return store->find("files").value(); }
  bool each_once(std::size_t lines) const {
    return loaded.size() == lines && std::set<std::string>(loaded.begin(), loaded.end()).size() == lines;
  }
};

}  // namespace

TEST_CASE("status says how far the source is, in bytes, and where a run goes on") {
  struct Bytes {
    etl::PipelineManager* manager = nullptr;
    std::vector<etl::RunStatus>* seen = nullptr;
    bool fails = false;
    std::string fingerprint() const { return "bytes"; }
    void extract(etl::Emitter<int>& out) const {
      const std::uint64_t first = out.resume_from() ? out.resume_from()->number().value() : 0;
      for (std::uint64_t i = first; i < 20; ++i) {
        out.progress(10 * (i + 1), 200);
        seen->push_back(manager->status().at(0).run);
        if (!out.push(static_cast<int>(i))) return;
        out.mark(etl::Position(i + 1));
      }
    }
    void load(std::span<const int> batch) const {
      if (fails && batch.front() >= 10) throw std::runtime_error("down");
    }
  };
  const World world;
  const etl::Options options = world.options();
  const auto run = [&](bool fails) {
    std::vector<etl::RunStatus> seen;
    etl::PipelineManager manager;
    manager.add("bytes", Bytes{.manager = &manager, .seen = &seen, .fails = fails}, {.options = options});
    static_cast<void>(manager.run_all());
    return seen;
  };
  const auto first = run(true);
  REQUIRE_FALSE(first.empty());
  CHECK(first[0].bytes_read == 10);
  CHECK(first[0].expected_bytes == 200);
  CHECK(first[0].earlier_items == 0);
  const auto second = run(false);
  REQUIRE(second.size() == 11);  // from the last mark before the end of the last batch that was loaded
  CHECK(second[0].earlier_items == 9);
  CHECK(second[0].items.extracted == 0);
  CHECK(second[0].bytes_read == 100);
  CHECK(second[0].earlier_bytes == 100);
  CHECK(second[10].bytes_read == 200);
}

TEST_CASE("G7: the report of a run that goes on says what earlier runs have rejected") {
  struct Rejects {
    int fail_at = -1;
    std::string fingerprint() const { return "rejects"; }
    void extract(etl::Emitter<int>& out) const {
      for (int i = 0; i < 20; ++i)
        if (!out.push(i)) return;
    }
    std::string describe(const int& i) const { return std::to_string(i); }
    etl::Result<int> transform(const int& i) const {
      if (i % 5 == 0) return etl::failure(etl::rejected("a fifth"));
      return i;
    }
    void load(std::span<const int> batch) const {
      if (std::ranges::count(batch, fail_at) > 0) throw std::runtime_error("down");
    }
  };
  const World world;
  etl::Options options = world.options();
  options.errors.max_rejects = 3;  // for each run
  options.errors.dead_letters = std::make_shared<etl::testing::MemoryDeadLetters>();
  const etl::RunReport first = etl::run(Rejects{.fail_at = 11}, options);
  CHECK(first.outcome == etl::Outcome::Failed);
  CHECK_FALSE(first.earlier_rejects);
  const etl::RunReport second = etl::run(Rejects{}, options);
  CHECK(second.outcome == etl::Outcome::CompletedWithRejects);
  CHECK(first.items.rejected == 2);
  CHECK(second.earlier_rejects == first.items.rejected);
  CHECK(second.items.rejected == 2);
  CHECK(second.text().find("2 rejected by earlier runs") != std::string::npos);
}

TEST_CASE("G14 G17: a run that does not come to extract anything leaves the earlier progress as it was") {
  for (const bool fenced : {false, true})
    for (const bool finished : {false, true})
      for (const char* const why : {"pre_process", "partitions", "fingerprint", "expected_items", "drain", "abandon"}) {
        CAPTURE(fenced, finished, why);
        World world;
        if (fenced) world.store = std::make_shared<MemoryCheckpoints>();
        Files files{.files = {"a", "b"}, .loaded = &world.loaded, .poison = finished ? "" : "b:12"};
        etl::Options options = world.options();
        options.delivery.incremental = finished;
        REQUIRE(etl::run(files, options).ok() == finished);
        const auto before = world.kept();
        REQUIRE(before.has_value());

        files.poison.clear();
        files.broken = why;
        etl::StopSource stop;
        const bool stopped = files.broken == "drain" || files.broken == "abandon";
        if (files.broken == "drain") stop.request_drain();
        if (files.broken == "abandon") stop.request_abandon();
        const auto report = etl::run(files, options, stop.stop_token());
        CHECK(report.outcome == (stopped ? etl::Outcome::Cancelled : etl::Outcome::Failed));
        CHECK(world.kept() == before);

        files.broken.clear();
        CHECK(etl::run(files, options).ok());
        CHECK(world.each_once(40));
      }
}

TEST_CASE("G14: a run whose source fails at once has not lost anything of the earlier progress") {
  World world;
  Files files{.files = {"a", "b"}, .loaded = &world.loaded, .poison = "b:12"};
  REQUIRE_FALSE(etl::run(files, world.options()).ok());
  files.broken = "extract";
  REQUIRE_FALSE(etl::run(files, world.options()).ok());
  files.broken.clear();
  files.poison.clear();
  CHECK(etl::run(files, world.options()).ok());
  CHECK(world.each_once(40));
}

TEST_CASE("G14: partitions that were reordered, added or removed keep their own progress") {
  World world;
  Files files{.files = {"a", "b"}, .loaded = &world.loaded, .poison = "b:12"};
  REQUIRE_FALSE(etl::run(files, world.options()).ok());
  REQUIRE(world.loaded.size() == 30);

  files.files = {"c", "b"};  // a is gone, c is new, and b stands elsewhere
  files.poison = "b:17";
  const auto second = etl::run(files, world.options());
  CHECK_FALSE(second.ok());
  CHECK(second.resumed);
  CHECK(second.missing_partitions == std::vector<std::string>{"a"});
  CHECK(second.text().find("missing  1 of the earlier run's partitions: a") != std::string::npos);
  CHECK(second.json().find(R"("missing_partitions":["a"])") != std::string::npos);

  files.files = {"b", "a", "d", "c"};
  files.poison.clear();
  const auto third = etl::run(files, world.options());
  CHECK(third.outcome == etl::Outcome::Completed);
  CHECK(third.missing_partitions.empty());
  CHECK(world.each_once(80));
}

TEST_CASE(
    "G14: a run that completes without a partition says what becomes of it, and an incremental run keeps its place") {
  for (const bool incremental : {false, true}) {
    CAPTURE(incremental);
    World world;
    etl::Options options = world.options();
    options.delivery.incremental = incremental;
    Files files{.files = {"b", "a"}, .loaded = &world.loaded, .poison = "a:12"};
    REQUIRE_FALSE(etl::run(files, options).ok());
    REQUIRE(world.loaded.size() == 30);
    files.poison.clear();
    files.files = {"b"};
    const auto second = etl::run(files, options);
    CHECK(second.outcome == etl::Outcome::Completed);
    CHECK(second.missing_partitions == std::vector<std::string>{"a"});
    CHECK(second.next_step.empty() == incremental);
    CHECK((second.text().find("a later run loads them from their start") == std::string::npos) == incremental);
    files.files = {"a", "b"};
    const auto third = etl::run(files, options);
    CHECK(third.outcome == etl::Outcome::Completed);
    CHECK(third.items.loaded == (incremental ? 10 : 40));
  }
}

TEST_CASE("G14: an empty list of partitions does not finish an unfinished run, as when a disk is not mounted") {
  World world;
  Files files{.files = {"a", "b"}, .loaded = &world.loaded, .poison = "b:12"};
  REQUIRE_FALSE(etl::run(files, world.options()).ok());
  files.poison.clear();
  files.files.clear();
  const auto second = etl::run(files, world.options());
  REQUIRE(second.outcome == etl::Outcome::Failed);
  CHECK(second.errors[0].error.code == etl::Errc::CheckpointMismatch);
  CHECK(second.errors[0].text().find("is the folder there, and its disk mounted?") != std::string::npos);
  files.files = {"a", "b"};
  CHECK(etl::run(files, world.options()).outcome == etl::Outcome::Completed);
  CHECK(world.each_once(40));
  files.files.clear();  // nothing is unfinished
  CHECK(etl::run(files, world.options()).outcome == etl::Outcome::Completed);
}

TEST_CASE("G15: the same with a store, whose ranges belong to partitions too") {
  struct Into : Files {
    void load(std::span<const std::string> batch, MemoryTransaction<std::string>& tx) const {
      if (std::ranges::count(batch, poison) > 0) throw std::runtime_error("poison");
      tx.write(batch);
    }
  };
  MemoryStore<std::string> store;
  World world;
  etl::Options options = world.options();
  options.delivery = {};
  Into files{{.files = {"a", "b", "c"}, .loaded = nullptr, .poison = "b:12"}};
  REQUIRE_FALSE(etl::run(etl::with_store(files, store), options).ok());
  files.files = {"d", "b", "a"};
  files.poison = "d:19";
  static_cast<void>(etl::run(etl::with_store(files, store), options));
  files.files = {"c", "a", "b", "d"};
  files.poison.clear();
  CHECK(etl::run(etl::with_store(files, store), options).ok());
  for (const std::string& row : store.rows()) world.loaded.insert(row);
  CHECK(world.each_once(80));
}

TEST_CASE("G14: an incremental run loads what a new partition has, and what has come to the others") {
  World world;
  etl::Options options = world.options();
  options.delivery.incremental = true;
  Files files{.files = {"a"}, .loaded = &world.loaded};
  REQUIRE(etl::run(files, options).ok());
  files.files = {"b", "a"};
  files.versions["a"] = "grown";
  const auto report = etl::run(files, options);
  CHECK(report.ok());
  CHECK(report.items.loaded == 20);
  CHECK(world.each_once(40));
}

TEST_CASE("G17: a partition whose data has changed is refused by name, and nothing is changed") {
  World world;
  Files files{.files = {"a", "b"}, .loaded = &world.loaded, .poison = "b:12"};
  REQUIRE_FALSE(etl::run(files, world.options()).ok());
  const auto before = world.kept();
  files.poison.clear();
  files.versions["b"] = "second";
  const auto report = etl::run(files, world.options());
  CHECK(report.outcome == etl::Outcome::Failed);
  CHECK(report.errors.at(0).error.code == etl::Errc::CheckpointMismatch);
  for (const char* const part : {"partition 'b'", "first", "second", "restart"})
    CHECK(report.errors.at(0).text().find(part) != std::string::npos);
  CHECK(world.kept() == before);
  CHECK(world.loaded.size() == 30);
}

TEST_CASE("G17: a path is its own id, and its file's size and time are its fingerprint") {
  struct Paths {
    std::vector<std::filesystem::path> paths;
    int* loaded;
    bool fail = false;
    std::string fingerprint() const { return "paths"; }
    const std::vector<std::filesystem::path>& partitions() const { return paths; }
    void extract(const std::filesystem::path&, etl::Emitter<int>& out) const { out.push(1); }
    void load(std::span<const int>) const {
      ++*loaded;
      if (fail && *loaded == 2) throw std::runtime_error("fails");
    }
  };
  const auto folder = std::filesystem::temp_directory_path() / ("etl_paths_" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  std::ofstream(folder / "a") << "one";
  std::ofstream(folder / "b") << "two";
  World world;
  int loaded = 0;
  REQUIRE_FALSE(etl::run(Paths{{folder / "a", folder / "b"}, &loaded, true}, world.options()).ok());
  CHECK(etl::run(Paths{{folder / "b", folder / "a"}, &loaded}, world.options()).items.skipped == 1);
  CHECK(loaded == 3);
  REQUIRE(world.kept()->partitions.size() == 2);
  CHECK(world.kept()->partitions[0].id == (folder / "a").generic_string());
  CHECK(world.kept()->partitions[0].fingerprint.starts_with("3 bytes, "));

  loaded = 0;
  REQUIRE_FALSE(etl::run(Paths{{folder / "a", folder / "b"}, &loaded, true}, world.options()).ok());
  std::ofstream(folder / "b") << "more";
  CHECK(etl::run(Paths{{folder / "b", folder / "a"}, &loaded}, world.options()).errors.at(0).error.code ==
        etl::Errc::CheckpointMismatch);
  std::filesystem::remove_all(folder);
}

TEST_CASE("G14: progress that would belong to nothing is refused before the run begins") {
  struct Nameless {
    void extract(etl::Emitter<int>& out) { out.push(1); }
    void load(std::span<const int>) {}
  };
  struct Range {
    int first, last;
  };
  struct Ranges {
    std::string fingerprint() const { return "ranges"; }
    std::vector<Range> partitions() const { return {{0, 9}}; }
    void extract(const Range&, etl::Emitter<int>& out) const { out.push(1); }
    void load(std::span<const int>) {}
  };
  World world;
  const auto refused = [](const etl::RunReport& report, const std::string& why) {
    CHECK(report.exit_code() == 2);
    CHECK(report.errors.at(0).text().find(why) != std::string::npos);
    CHECK(report.items.extracted == 0);
  };
  refused(etl::run(Nameless{}, world.options()), "fingerprint()");
  refused(etl::run(Ranges{}, world.options()), "partition_id(");
  refused(etl::run(Files{.files = {"a", "b", "a"}, .loaded = &world.loaded}, world.options()),
          "two partitions have the id 'a'");
  CHECK_FALSE(world.kept().has_value());
}

TEST_CASE("G16: keys name data and partition, whatever the partition's place, and differ when the data does") {
  struct Keyed {
    std::string day;
    std::vector<std::string> files;
    std::map<std::string, std::string>* keys;  // by the item that the batch begins with
    std::string fingerprint() const { return day; }
    const std::vector<std::string>& partitions() const { return files; }
    void extract(const std::string& file, etl::Emitter<std::string>& out) const {
      for (int i = 0; i < 10; ++i) out.push(file + std::to_string(i));
    }
    void load(std::span<const std::string> batch, const etl::IdempotencyKey& key) {
      (*keys)[batch.front()] = key.text();
    }
  };
  const auto run = [](const std::string& day, const std::vector<std::string>& files) {
    std::map<std::string, std::string> keys;
    REQUIRE(etl::run(Keyed{day, files, &keys}, {.name = "sales", .batch_size = 5, .workers = 1}).ok());
    return keys;
  };
  const auto monday = run("monday", {"a", "b"});
  CHECK(run("monday", {"b", "a"}) == monday);
  const auto tuesday = run("tuesday", {"a", "b"});
  std::set<std::string> distinct;
  for (const auto& keys : {monday, tuesday})
    for (const auto& [item, key] : keys) distinct.insert(key);
  CHECK(distinct.size() == 8);
}

TEST_CASE("G16: another batch size than that of the keys is refused, and both are told") {
  struct Keyed {
    bool fail;
    std::string fingerprint() const { return "numbers"; }
    void extract(etl::Emitter<int>& out) {
      for (int i = 0; i < 30; ++i)
        if (!out.push(i)) return;
    }
    void load(std::span<const int> batch, const etl::IdempotencyKey&) {
      if (fail && batch.front() >= 20) throw std::runtime_error("down");
    }
  };
  World world;
  REQUIRE_FALSE(etl::run(Keyed{true}, world.options()).ok());
  const auto before = world.kept();
  etl::Options other = world.options();
  other.batch_size = 7;
  const auto report = etl::run(Keyed{false}, other);
  CHECK(report.outcome == etl::Outcome::Failed);
  CHECK(report.errors.at(0).error.code == etl::Errc::CheckpointMismatch);
  CHECK(report.errors.at(0).text().find("batches of 5, and batch_size is 7") != std::string::npos);
  CHECK(world.kept() == before);
  CHECK(etl::run(Keyed{false}, world.options()).ok());
}

TEST_CASE("G7: letters of other data are other letters, and the same item rejected again is the same letter") {
  struct Daily {
    std::string day;
    std::string print{};
    void extract(etl::Emitter<std::string>& out) {
      for (int i = 0; i < 5; ++i) out.push(day + " row " + std::to_string(i));
    }
    void load(std::span<const std::string>, etl::BatchContext& context) { context.reject(2, "bad"); }
  };
  struct Described : Daily {
    std::string describe(const std::string& s) const { return s; }
  };
  struct Serialized : Daily {
    std::string serialize(const std::string& s) const { return s; }
  };
  struct Placed : Daily {
    std::string describe(const std::string& s) const { return "sales.csv:" + s.substr(s.rfind(' ')); }
  };
  struct Printed : Described {
    std::string fingerprint() const { return print; }
  };
  const auto letters_of = [](auto... runs) {
    const auto letters = std::make_shared<etl::testing::MemoryDeadLetters>();
    const auto once = [&](auto pipeline) {
      etl::Options options{.name = "sales", .workers = 1};
      options.errors = {.max_rejects = 10, .dead_letters = letters};
      CHECK(etl::run(pipeline, options).outcome == etl::Outcome::CompletedWithRejects);
    };
    (once(runs), ...);
    return letters->letters().size();
  };
  CHECK(letters_of(Serialized{{"monday"}}, Serialized{{"tuesday"}}, Serialized{{"monday"}}) == 2);
  CHECK(letters_of(Placed{{"monday"}}, Placed{{"tuesday"}}) == 2);             // a description may only be a place
  CHECK(letters_of(Daily{"monday"}, Daily{"tuesday"}, Daily{"monday"}) == 3);  // nothing tells the data of runs apart
  CHECK(letters_of(Printed{{{"monday", "a"}}}, Printed{{{"monday", "b"}}}, Printed{{{"monday", "a"}}}) == 2);
}

TEST_CASE("G8 G14: post_process hears the outcome that the report has, whichever save fails") {
  struct Failing final : etl::CheckpointStore {
    MemoryCheckpoints kept;
    int left = 0;  // saves that succeed
    etl::Result<std::optional<etl::Checkpoint>> find(const std::string& p) override { return kept.find(p); }
    etl::Result<void> save(const std::string& p, const etl::Checkpoint& c) override {
      if (left-- == 0) return etl::failure(etl::fatal("disk full"));
      return kept.save(p, c);
    }
    etl::Result<void> reset(const std::string& p) override { return kept.reset(p); }
  };
  bool failed_and_told = false, completed_and_noted = false;
  for (int left = 1; left < 12; ++left) {
    World world;
    const auto store = std::make_shared<Failing>();
    store->left = left;
    world.store = store;
    etl::Outcome heard = etl::Outcome::NotRun;
    const auto report = etl::run(Files{.files = {"a"}, .loaded = &world.loaded, .heard = &heard}, world.options());
    CAPTURE(left, report.text());
    CHECK(heard == report.outcome);
    CHECK((report.error_count > 0) == (store->left < 0));
    if (!report.ok()) failed_and_told = true;
    if (report.ok() && report.error_count > 0) completed_and_noted = true;
    if (!report.ok()) CHECK_FALSE(world.kept()->finished);
  }
  CHECK(failed_and_told);
  CHECK(completed_and_noted);
}

TEST_CASE("G15: what a filtered batch has settled is recorded by the next commit") {
  struct Some {
    int fail_at;
    std::string fingerprint() const { return "some"; }
    void extract(etl::Emitter<int>& out) {
      for (int i = 0; i < 40; ++i)
        if (!out.push(i)) return;
    }
    std::optional<int> transform(const int& n) const { return n >= 10 && n < 20 ? std::nullopt : std::optional(n); }
    void load(std::span<const int> batch, MemoryTransaction<int>& tx) {
      if (batch.front() >= fail_at) throw std::runtime_error("down");
      tx.write(batch);
    }
  };
  MemoryStore<int> store;
  World world;
  etl::Options options = world.options();
  options.delivery = {};
  REQUIRE_FALSE(etl::run(etl::with_store(Some{10}, store), options).ok());
  const auto watermark = [&] { return store.find("files").value()->find(0)->watermark; };
  CHECK(watermark() == 10);  // nothing was committed after the filtered batches
  MemoryStore<int> later;
  REQUIRE_FALSE(etl::run(etl::with_store(Some{25}, later), options).ok());
  CHECK(later.find("files").value()->find(0)->gaps.end_of(later.find("files").value()->find(0)->watermark) == 25);
  CHECK(etl::run(etl::with_store(Some{100}, later), options).items.skipped == 25);
}

TEST_CASE("a run of 100,000 partitions: the cost of each does not depend on their number") {
  struct Many {
    std::uint32_t count;
    std::string fingerprint() const { return "many"; }
    auto partitions() const { return std::views::iota(std::uint32_t{0}, count); }
    void extract(std::uint32_t n, etl::Emitter<std::uint32_t>& out) const { out.push(n); }
    void load(std::span<const std::uint32_t> batch, MemoryTransaction<std::uint32_t>& tx) { tx.write(batch); }
  };
  MemoryStore<std::uint32_t> store;
  const etl::Options options{.name = "many", .mode = etl::Mode::Fused};
  const std::uint32_t many = test::fewer_if_sanitized(100'000U);
  CHECK(etl::run(etl::with_store(Many{many}, store), options).ok());
  CHECK(store.rows().size() == many);
}

TEST_CASE("G15: a run with a store keeps progress and dead letters there, and nowhere else") {
  struct Into {
    std::string fingerprint() const { return "numbers"; }
    void extract(etl::Emitter<int>& out) { out.push(1); }
    void load(std::span<const int> batch, MemoryTransaction<int>& tx) { tx.write(batch); }
  };
  for (const bool letters : {false, true}) {
    CAPTURE(letters);
    MemoryStore<int> store;
    etl::Options options{.name = "numbers", .workers = 1};
    if (letters)
      options.errors.dead_letters = std::make_shared<etl::testing::MemoryDeadLetters>();
    else
      options.delivery.checkpoints = std::make_shared<MemoryCheckpoints>();
    Into into;
    const auto report = etl::run(etl::with_store(into, store), options);
    CHECK(report.exit_code() == 2);
    CHECK(store.rows().empty());
  }
}

namespace {

/// Numbers below 10. Its end is marked however the loop has ended.
struct MarksItsEnd {
  using position = std::uint64_t;
  std::multiset<int>* loaded = nullptr;
  etl::StopSource* stop = nullptr;

  std::string fingerprint() const { return "numbers"; }
  void extract(etl::Emitter<int>& out) {
    for (int i = out.resume_from() ? static_cast<int>(out.resume_from()->number().value()) : 0; i < 10; ++i) {
      if (i == 4 && stop != nullptr) stop->request_drain();
      if (!out.push(i)) break;
    }
    out.mark(etl::Position(std::uint64_t{10}));
  }
  void load(std::span<const int> batch) { loaded->insert(batch.begin(), batch.end()); }
};

}  // namespace

TEST_CASE("G11 G14: a mark after a refused push does not hide the item from the next run") {
  std::multiset<int> loaded;
  etl::Options options{.name = "numbers", .batch_size = 3, .workers = 1};
  options.delivery.checkpoints = std::make_shared<MemoryCheckpoints>();
  etl::StopSource stop;
  const auto first = etl::run(MarksItsEnd{.loaded = &loaded, .stop = &stop}, options, stop.stop_token());
  REQUIRE(first.outcome == etl::Outcome::Cancelled);
  CHECK(first.items.loaded == 4);
  CHECK(etl::run(MarksItsEnd{.loaded = &loaded}, options).outcome == etl::Outcome::Completed);
  CHECK(loaded == std::multiset<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
}

namespace {

/// A place in a table of rows and columns.
struct Cell {
  std::uint32_t row = 0;
  std::uint32_t column = 0;
  etl::Position position() const { return etl::Position(std::to_string(row) + "," + std::to_string(column)); }
  static std::optional<Cell> from(const etl::Position& position) {
    Cell cell;
    char comma = 0;
    std::istringstream text(position.text());
    return text >> cell.row >> comma >> cell.column && comma == ',' ? std::optional(cell) : std::nullopt;
  }
};

/// The cells of a table of 10 rows and 10 columns, each marked with a position of type P.
template <class P>
struct Table {
  using position = P;
  std::multiset<int>* loaded = nullptr;
  int breaks_at = -1;

  static P place(int i) {
    if constexpr (std::is_same_v<P, Cell>)
      return {static_cast<std::uint32_t>(i / 10), static_cast<std::uint32_t>(i % 10)};
    else if constexpr (std::is_same_v<P, std::string>)
      return "cell " + std::to_string(i);
    else
      return static_cast<P>(i);
  }
  static int index(const P& place) {
    if constexpr (std::is_same_v<P, Cell>)
      return static_cast<int>(place.row * 10 + place.column);
    else if constexpr (std::is_same_v<P, std::string>)
      return std::stoi(place.substr(5));
    else
      return static_cast<int>(place);
  }
  std::string fingerprint() const { return "table"; }
  void extract(etl::Emitter<int, P>& out) const {
    const std::optional<P> begin = out.resume_from();
    for (int i = begin ? index(*begin) : 0; i < 100; ++i) {
      out.mark(place(i));
      if (!out.push(i)) return;
    }
  }
  void load(std::span<const int> batch) {
    if (std::ranges::count(batch, breaks_at) > 0) throw std::runtime_error("broken");
    loaded->insert(batch.begin(), batch.end());
  }
};

template <class P>
void resumes_at_a_place_of_its_type() {
  std::multiset<int> loaded;
  etl::Options options{.name = "table", .mode = etl::Mode::Fused, .batch_size = 7};
  options.delivery.save_every = {};
  options.delivery.checkpoints = std::make_shared<MemoryCheckpoints>();
  REQUIRE(etl::run(Table<P>{.loaded = &loaded, .breaks_at = 60}, options).outcome == etl::Outcome::Failed);
  CHECK(loaded.size() == 56);
  const etl::RunReport second = etl::run(Table<P>{.loaded = &loaded}, options);
  REQUIRE(second.outcome == etl::Outcome::Completed);
  CHECK(second.items.extracted == 45);
  CHECK(second.items.skipped == 1);  // it stands before the mark of the first item that was not loaded
  CHECK(loaded.size() == 100);
  CHECK(std::set<int>(loaded.begin(), loaded.end()).size() == 100);
}

}  // namespace

TEST_CASE("G14: mark and resume_from take and return positions of the source's type") {
  resumes_at_a_place_of_its_type<std::uint64_t>();
  resumes_at_a_place_of_its_type<std::int8_t>();
  resumes_at_a_place_of_its_type<std::string>();
  resumes_at_a_place_of_its_type<Cell>();
}

TEST_CASE("G17: a saved position that is not of the source's type ends the run, and stays saved") {
  std::multiset<int> loaded;
  etl::Options options{.name = "table", .mode = etl::Mode::Fused, .batch_size = 7};
  options.delivery.save_every = {};
  const auto store = std::make_shared<MemoryCheckpoints>();
  options.delivery.checkpoints = store;
  REQUIRE(etl::run(Table<std::string>{.loaded = &loaded, .breaks_at = 60}, options).outcome == etl::Outcome::Failed);

  const etl::RunReport refused = etl::run(Table<Cell>{.loaded = &loaded}, options);
  CHECK(refused.outcome == etl::Outcome::Failed);
  REQUIRE_FALSE(refused.errors.empty());
  CHECK(refused.errors.front().error.code == etl::Errc::CheckpointMismatch);
  CHECK(refused.errors.front().error.context.find("'cell 55' is not a position of this source") != std::string::npos);
  CHECK(loaded.size() == 56);

  CHECK(etl::run(Table<std::string>{.loaded = &loaded}, options).outcome == etl::Outcome::Completed);
  CHECK(loaded.size() == 100);
}

}  // namespace progress_test

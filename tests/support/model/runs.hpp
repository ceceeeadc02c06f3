#pragma once
/// The pipelines of a model test, and how one of its cases is run and judged.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <etl/bucket.hpp>
#include <etl/delivery/replay.hpp>
#include <etl/run.hpp>

#include "support/model/stores.hpp"
#include "support/model/world.hpp"

namespace model {

struct Item {
  std::uint64_t id = 0;
  std::string text;
};
/// Moves only; a moved-from one is empty.
struct Single {
  std::uint64_t id = 0;
  std::unique_ptr<std::string> text;
};
inline void make(Item& item, std::uint64_t id) { item = {id, World::text_of(id)}; }
inline void make(Single& item, std::uint64_t id) { item = {id, std::make_unique<std::string>(World::text_of(id))}; }
inline void make(Row& row, std::uint64_t id) { row = {id, 0}; }
inline std::string describe(const Item& item) { return item.text; }
inline std::string describe(const Single& item) { return item.text ? *item.text : "moved from"; }
inline Row row_of(const Row& row) { return row; }
inline Row row_of(const Single& item) { return {item.id, 0}; }

// --- the source -----------------------------------------------------------------------------------------------------

/// Gives what is in one partition, in its order.
template <class E>
class Source {
 public:
  Source(World& world, std::string part, etl::Emitter<E>& out)
      : world_(world), run_(world.run), items_(world.parts.at(part)), out_(out) {}

  etl::Result<void> give() {
    struct End {
      World& world;
      ~End() { world.run.intake_ended = world.now(); }
    } const end{world_};
    ++run_.extracted_parts;
    return give_items();
  }

 private:
  etl::Result<void> give_items() {
    std::uint64_t seq = 0;
    if (!world_.c.acknowledges && run_.spec->asks_resume) {
      if (const auto& position = out_.resume_from()) {
        seq = position->number().value_or(UINT64_MAX);
        if (seq > items_.size()) return world_.complain("G14 resume: beyond the source"), etl::Result<void>();
        for (std::uint64_t i = 0; i < seq; ++i)
          if (!world_.settled(world_.items[items_[i]]))
            world_.complain("G14 resume: beyond what is settled: " + world_.name_of(items_[i]));
      }
    }
    for (bool first = true; seq < items_.size(); ++seq, first = false) {
      const ItemState& item = world_.items[items_[seq]];
      const bool begins = first || item.spec.chunk;
      if (begins) skip_ = world_.c.acknowledges && world_.acknowledged.contains(items_[seq]);
      if (skip_) continue;
      if (auto done = world_.call(Site::Extract); !done) return done;
      // Of a chunk that is to be acknowledged, a mark says that it is complete.
      if (item.spec.mark && (begins || !world_.c.acknowledges)) mark(seq);
      if (item.spec.flush) out_.flush();
      if (begins && item.spec.wait_ms > 0) end_chunk();
      if (item.spec.wait_ms > 0 && !wait(item.spec.wait_ms)) return {};
      if (begins) hold(seq);
      if (!push(items_[seq])) {
        if (item.spec.key == 1 && push(items_[seq])) world_.complain("G11 push: accepted after it was refused");
        return {};
      }
    }
    if (auto done = world_.call(Site::Extract); !done) return done;
    return world_.day->parts.empty() ? etl::Result<void>() : mark_end();
  }
  etl::Result<void> mark_end() {
    for (const PartSpec& part : world_.day->parts)
      if (!items_.empty() && part.id == world_.items[items_[0]].part && part.marks_end) mark(items_.size());
    return {};
  }
  void mark(std::uint64_t seq) { out_.mark(etl::Position(seq)); }
  void end_chunk() {
    if (chunk_ != nullptr) chunk_->ended = true;
    out_.retain(std::shared_ptr<void>());
  }
  bool wait(std::uint32_t ms) {
    if (!out_.wait_for(std::chrono::milliseconds(ms))) return false;
    world_.look_at_idle();
    return true;
  }
  void hold(std::uint64_t from) {
    auto chunk = std::make_unique<RunState::Chunk>();
    for (std::uint64_t i = from; i < items_.size(); ++i) {
      if (i > from && world_.items[items_[i]].spec.chunk) break;
      chunk->items.push_back(items_[i]);
    }
    if (chunk_ != nullptr) chunk_->ended = true;
    chunk_ = run_.chunks.emplace_back(std::move(chunk)).get();
    keep_ = std::make_shared<int>(0);
    if (!world_.c.acknowledges) {
      chunk_->answers = 1;
      out_.retain(std::shared_ptr<int>(keep_));
    } else {
      out_.retain(std::shared_ptr<int>(keep_),
                  [&world = world_, chunk = chunk_](bool good) { answer(world, *chunk, good); });
    }
    held_ = keep_;
    keep_.reset();
  }
  static void answer(World& world, RunState::Chunk& chunk, bool good) {
    ++chunk.answers;
    chunk.answer = good;
    world.trace(fmt::format("chunk from item {}: {}", chunk.items[0], good ? "settled" : "lost"));
    if (!good || world.run.killed) return;
    if (chunk.pushed < chunk.items.size())
      world.complain(fmt::format("G13 incomplete: acknowledged with {} of {} items", chunk.pushed, chunk.items.size()));
    for (const std::uint32_t id : chunk.items)
      if (!world.settled(world.items[id])) world.complain("G13 unsettled: acknowledged with " + world.name_of(id));
    world.acknowledged.insert(chunk.items[0]);
  }
  bool push(std::uint32_t id) {
    ItemState& item = world_.items[id];
    const bool stopped = world_.run.stop.stop_requested();
    E value;
    make(value, id);
    ++run_.pushes;
    item.keep = held_;  // before the push, which may load it
    const bool was = std::exchange(item.pushed, true);
    const std::size_t pushed = chunk_->pushed++;
    if (out_.push(std::move(value))) {
      if (stopped) world_.complain("G10 intake: a push was accepted after the stop");
      ++run_.accepted;
      return true;
    }
    world_.trace("refused: " + world_.name_of(id));
    item.pushed = was;
    chunk_->pushed = pushed;
    return false;
  }

  World& world_;
  RunState& run_;
  const std::vector<std::uint32_t>& items_;
  etl::Emitter<E>& out_;
  RunState::Chunk* chunk_ = nullptr;
  std::shared_ptr<int> keep_;
  std::weak_ptr<int> held_;
  bool skip_ = false;
};

// --- pipelines ------------------------------------------------------------------------------------------------------

template <class E>
struct Hooks {
  using position = std::uint64_t;
  World* world = nullptr;

  etl::Result<void> pre_process() { return world->pre_process(); }
  etl::Result<void> post_process(const etl::RunReport& report) { return world->post_process(report); }
  int worker() const { return world->must(Site::Worker), 0; }
  std::string describe(const E& item) const { return world->must(Site::Describe), model::describe(item); }
  E deserialize(std::string_view payload) const {
    E item;
    make(item, World::item_in(payload));
    return item;
  }
  std::size_t bytes(const E&) const { return world->must(Site::Bytes), 10; }
  std::uint64_t key(const E& item) const { return world->must(Site::Key), world->items.at(item.id).spec.key; }
};
struct Named : Hooks<Item> {
  std::string fingerprint() const {
    world->must(Site::Fingerprint);
    return world->c.incremental ? "the source" : fmt::format("the source of day {}", world->day_number);
  }
  etl::Result<void> transform(const Item& item, etl::Out<Row>& out) const {
    const auto id = static_cast<std::uint32_t>(item.id);
    const World::AtWork at_work(*world);
    world->transform(id);
    world->take_time(id);
    if (const FaultSpec* fault = world->step(Site::Transform)) {
      const bool rejects = fault->what == Do::Rejected ||
                           (fault->what == Do::Unclassified && world->run.spec->tuning.rejects_unclassified);
      if (rejects) world->rejected_by_transform(id);
      return etl::failure(world->error_of(Site::Transform, *fault));
    }
    const ItemState& state = world->items.at(id);
    if (item.text != World::text_of(id)) world->complain("item: not as it was extracted");
    if (state.spec.fate == Fate::RejectInTransform) {
      world->rejected_by_transform(id);
      return out.reject("no"), etl::Result<void>();
    }
    for (std::uint32_t i = 0; i < state.results.size(); ++i) out.push(Row{id, i});
    return {};
  }
};
struct Partitioned : Named {
  std::vector<std::string> partitions() const { return world->partitions(); }
  etl::Result<void> extract(const std::string& part, etl::Emitter<Item>& out) const {
    return Source<Item>(*world, part, out).give();
  }
};
struct Whole : Named {
  etl::Result<void> extract(etl::Emitter<Item>& out) {
    return Source<Item>(*world, world->day->parts[0].id, out).give();
  }
};

template <class T>
etl::Result<void> load_plainly(World& world, std::span<const T> batch, etl::BatchContext& context,
                               const etl::IdempotencyKey* key = nullptr) {
  std::vector<Row> rows;
  for (const T& item : batch) {
    if constexpr (std::is_same_v<T, Single>)
      if (!item.text) world.complain("G5 moved: load is given a moved-from result");
    rows.push_back(row_of(item));
  }
  return world.load(rows, context, key, false, [](const Row&) {});
}
inline etl::Result<void> load_within(World& world, std::span<const Row> batch, etl::BatchContext& context,
                                     ModelStore::Tx& tx) {
  return world.load({batch.begin(), batch.end()}, context, nullptr, true, [&](const Row& row) {
    tx.write(row);
    ModelStore::rows_of(world, tx).push_back(row);
  });
}
struct Plain : Partitioned {
  etl::Result<void> load(std::span<const Row> batch, etl::BatchContext& context) const {
    return load_plainly(*world, batch, context);
  }
};
struct Serial : Whole {
  etl::Result<void> load(std::span<const Row> batch, etl::BatchContext& context) {
    return load_plainly(*world, batch, context);
  }
};
struct Keyed : Partitioned {
  etl::Result<void> load(std::span<const Row> batch, etl::BatchContext& context, const etl::IdempotencyKey& key) const {
    return load_plainly(*world, batch, context, &key);
  }
};
struct Stored : Partitioned {
  etl::Result<void> load(std::span<const Row> batch, etl::BatchContext& context, ModelStore::Tx& tx) const {
    return load_within(*world, batch, context, tx);
  }
};
struct SerialStored : Whole {
  etl::Result<void> load(std::span<const Row> batch, etl::BatchContext& context, ModelStore::Tx& tx) {
    return load_within(*world, batch, context, tx);
  }
};
struct Solo : Hooks<Single> {
  etl::Result<void> extract(etl::Emitter<Single>& out) {
    return Source<Single>(*world, world->day->parts[0].id, out).give();
  }
  etl::Result<void> load(std::span<const Single> batch, etl::BatchContext& context) const {
    return load_plainly(*world, batch, context);
  }
};
struct Processor {
  World* world;
  etl::Result<void> operator()(std::span<const Row> batch, etl::BatchContext& context) const {
    return load_plainly(*world, batch, context);
  }
  std::size_t bytes(const Row&) const { return world->must(Site::Bytes), 10; }
};

// --- one run --------------------------------------------------------------------------------------------------------

class Play {
 public:
  explicit Play(World& world) : world_(world), c_(world.c) {}

  /// The first thing that is wrong with the case, or nothing.
  [[nodiscard]] std::string play() {
    for (const DaySpec& day : c_.days) {
      world_.begin_day(day);
      if (!play_day(day)) return world_.complaint();
    }
    if (!c_.replays.empty()) world_.begin_replays();
    for (std::size_t i = 0; i < c_.replays.size() && world_.complaint().empty(); ++i)
      replay_once(c_.replays[i], i + 1 == c_.replays.size());
    return world_.complaint();
  }

 private:
  /// False: no sense in going on.
  bool play_day(const DaySpec& day) {
    for (const RunSpec& run : day.runs) {
      if (!run_once(run)) return false;
      if (!over_ || c_.kind == Kind::Bucket) continue;
      if (!end_of_day(run)) return false;
      if (!day.unfinished) return true;
    }
    if (day.unfinished) return true;
    if (c_.kind == Kind::Bucket) return run_once(day.last);
    for (int tries = 0; tries < 2; ++tries) {
      if (!run_once(day.last)) return false;
      if (over_) return end_of_day(day.last);
    }
    world_.complain("resume: does not complete, undisturbed");
    return false;
  }
  bool run_once(const RunSpec& spec) {
    world_.begin_run(spec);
    over_ = false;
    try {
      const etl::RunReport report = start();
      world_.run.machine->inner().run_ready();  // tasks that came too late
      world_.trace(report.text());
      judge(report);
    } catch (const std::exception& e) {
      world_.complain(std::string("G4 exception out of run: ") + e.what());
    }
    if (!world_.complaint().empty()) return false;
    return !refused_;
  }
  [[nodiscard]] etl::RunReport start() {
    for (const StopSpec& stop : world_.run.spec->stops) plan(stop);
    switch (c_.kind) {
      case Kind::Plain: return run_one<Plain>();
      case Kind::Serial: return run_one<Serial>();
      case Kind::Keyed: return run_one<Keyed>();
      case Kind::Solo: return run_one<Solo>();
      case Kind::Bucket: return run_bucket();
      case Kind::Store: return run_stored<Stored>();
      case Kind::SerialStore: break;
    }
    return run_stored<SerialStored>();
  }
  // --- a replay
  void replay_once(const RunSpec& spec, bool undisturbed) {
    world_.begin_replay(spec);
    try {
      for (const StopSpec& stop : spec.stops) plan(stop);
      const etl::RunReport report = replay();
      world_.run.machine->inner().run_ready();
      world_.trace("replay: " + report.text());
      timers_.clear();
      for (const etl::ErrorRecord& record : report.errors)
        if (record.error.message().find("virtual executor") != std::string::npos)
          world_.complain("hang: " + record.error.message());
      if (report.outcome == etl::Outcome::Inconsistent || !report.items.balanced() || !report.results.balanced())
        world_.complain("G2 balance: the books of a replay do not balance");
      if (report.results.committed != world_.run.confirmed)
        world_.complain(
            fmt::format("G2 committed: a replay reports {}, seen {}", report.results.committed, world_.run.confirmed));
      if (undisturbed && !report.ok())
        world_.complain("replay: does not complete, undisturbed: " +
                        (report.errors.empty() ? "no error" : report.errors[0].error.message()));
      if (report.ok() && report.items.extracted != report.items.loaded + report.items.rejected + report.items.filtered)
        world_.complain("G1 outcome: a replay is complete, and has left items");
      judge_times();
      if (!world_.run.killed) judge_hooks(report);
      if (report.outcome == etl::Outcome::Failed && world_.may_not_fail() && !world_.run.post_failed)
        world_.complain("G1 outcome: a replay has failed without reason: " +
                        (report.errors.empty() ? "no error" : report.errors[0].error.message()));
      if (report.outcome == etl::Outcome::Cancelled && !world_.run.drained)
        world_.complain("G1 outcome: a replay is Cancelled without a stop");
      world_.look_at_letters(report.ok() && !world_.run.killed, undisturbed);
    } catch (const std::exception& e) {
      world_.complain(std::string("G4 exception out of replay: ") + e.what());
    }
  }
  [[nodiscard]] etl::RunReport replay() {
    switch (c_.kind) {
      case Kind::Plain: return replay_one<Plain>();
      case Kind::Serial: return replay_one<Serial>();
      case Kind::Keyed: return replay_one<Keyed>();
      case Kind::Store: return replay_stored<Stored>();
      default: return replay_stored<SerialStored>();
    }
  }
  template <class P>
  [[nodiscard]] etl::RunReport replay_one() {
    P pipeline;
    pipeline.world = &world_;
    ModelLetters letters(world_);
    return etl::replay(pipeline, letters, options(), world_.run.stop.stop_token());
  }
  template <class P>
  [[nodiscard]] etl::RunReport replay_stored() {
    P pipeline;
    pipeline.world = &world_;
    ModelStore store(world_);
    StoreLetters letters(world_);
    return etl::replay(etl::with_store(pipeline, store), letters, options(), world_.run.stop.stop_token());
  }

  template <class P>
  [[nodiscard]] etl::RunReport run_one() {
    P pipeline;
    pipeline.world = &world_;
    return etl::run(pipeline, options(), world_.run.stop.stop_token());
  }
  template <class P>
  [[nodiscard]] etl::RunReport run_stored() {
    P pipeline;
    pipeline.world = &world_;
    ModelStore store(world_);
    return etl::run(etl::with_store(pipeline, store), options(), world_.run.stop.stop_token());
  }
  [[nodiscard]] etl::RunReport run_bucket() {
    etl::RunReport report;
    {
      etl::Bucket<Row> bucket(etl::concurrent(Processor{&world_}), options(), world_.run.stop.stop_token());
      auto producer = std::make_optional(bucket.producer());
      world_.for_each_of_run([&](std::uint32_t id) {
        ItemState& item = world_.items[id];
        world_.run.busy += std::chrono::milliseconds(item.spec.wait_ms);
        world_.run.machine->inner().advance(std::chrono::milliseconds(item.spec.wait_ms));
        if (world_.step(Site::Extract) != nullptr) return;
        try {
          push_one(bucket, *producer, item, Row{id, 0});
        } catch (const std::exception&) {  // of `bytes`
          item.pushed = false;
        }
      });
      producer.reset();
      world_.run.intake_ended = world_.now();
      report = bucket.finish();
      try {
        if (bucket.push(Row{0, 0})) world_.complain("G11 push: accepted after finish");
      } catch (const std::exception&) {  // of `bytes`
      }
    }
    return report;
  }
  /// By one of the three ways. What throws was counted as refused, but by `try_push`.
  void push_one(etl::Bucket<Row>& bucket, etl::Bucket<Row>::Producer& producer, ItemState& item, Row row) {
    RunState& run = world_.run;
    item.pushed = true;
    if (item.spec.key == 0) {
      item.pushed = bucket.try_push(row);
      run.pushes += item.pushed ? 1 : 0;
    } else {
      ++run.pushes;
      if (item.spec.flush) producer.flush();
      item.pushed = item.spec.key == 1 ? producer.push(row) : bucket.push(row);
    }
    run.accepted += item.pushed ? 1 : 0;
  }
  void plan(const StopSpec& stop) {
    if (stop.ms == 0) return world_.request_stop(stop.abandon);
    struct Ask final : etl::Task {
      Ask(World& w, bool a) : world(w), abandon(a) {}
      void run() noexcept override { world.request_stop(abandon); }
      World& world;
      bool abandon;
    };
    timers_.push_back(world_.run.machine->make_timer());
    timers_.back()->arm(world_.now() + std::chrono::milliseconds(stop.ms), std::make_shared<Ask>(world_, stop.abandon));
  }
  [[nodiscard]] etl::Options options() {
    const Tuning& t = world_.run.spec->tuning;
    const auto ms = [](std::uint32_t n) { return std::chrono::nanoseconds(std::chrono::milliseconds(n)); };
    etl::Options o;
    o.mode = t.fused ? etl::Mode::Fused : etl::Mode::Parallel;
    o.batch_size = t.batch_size;
    if (t.weighs) o.batch_bytes = 25;
    o.timeout = t.timeout_ms == 0 ? etl::Options::never : ms(t.timeout_ms);
    o.workers = t.workers;
    o.capacity = t.capacity;
    if (t.max_loads > 0) o.max_concurrent_loads = t.max_loads;
    if (c_.kind != Kind::Bucket) o.extractors = 1;  // others would be real threads
    o.order = t.order;
    o.drain_deadline = ms(t.deadline_ms);
    o.errors.max_rejects = t.max_rejects;
    if (t.tight_ratio) o.errors.max_reject_ratio = 0.1;
    if (t.rejects_unclassified) o.errors.unclassified = etl::Unclassified::Reject;
    if (t.bisects) o.errors.isolation = etl::Isolation::Bisect;
    if (c_.letters) o.errors.dead_letters = std::make_shared<ModelLetters>(world_);
    if (t.on_reject) o.errors.on_reject = etl::RejectHandler();
    if (t.on_reject)
      static_cast<std::function<void(const etl::Rejection&)>&>(o.errors.on_reject) = [this](const etl::Rejection& r) {
        world_.on_reject(r.partition, r.seq);
      };
    o.retry = {.max_attempts = t.attempts, .initial_delay = ms(t.delay_ms), .max_delay = ms(4 * t.delay_ms)};
    if (t.max_elapsed_ms > 0) o.retry.max_elapsed = ms(t.max_elapsed_ms);
    o.retry_unknown_outcome = t.retries_unknown;
    if (t.rate > 0)
      o.rate_limit = std::make_shared<etl::RateLimiter>(
          etl::Rates{.items_per_second = static_cast<double>(t.rate), .burst = std::chrono::milliseconds(10)});
    if (t.breaker > 0)
      o.circuit_breaker = std::make_shared<etl::CircuitBreaker>(
          etl::BreakerPolicy{.failures = t.breaker, .reset = std::chrono::seconds(1)});
    if (c_.kept != Kept::Nothing)
      o.delivery.checkpoints = std::make_shared<ModelCheckpoints>(world_, c_.kept == Kept::Fenced);
    if (c_.kind != Kind::Bucket) o.delivery.save_every = ms(t.save_every_ms);
    o.delivery.incremental = c_.incremental;
    o.inline_batches = t.inline_batches;
    o.executor = etl::Executor(world_.run.machine);
    o.name = "model";
    return o;
  }

  // --- judgement ----------------------------------------------------------------------------------------------------
  void judge(const etl::RunReport& report) {
    timers_.clear();
    const RunState& run = world_.run;
    for (const etl::ErrorRecord& record : report.errors)
      if (record.error.message().find("virtual executor") != std::string::npos)
        world_.complain("hang: " + record.error.message());
    judge_ledgers(report);
    judge_times();
    for (const auto& chunk : run.chunks)
      if (chunk->answers != 1)
        world_.complain(fmt::format("G13 answers: a chunk was answered {} times", chunk->answers));
    refused_ = c_.contradicts() && report.outcome == etl::Outcome::Failed && !report.errors.empty() &&
               report.errors[0].error.code == etl::Errc::InvalidOptions;
    if (refused_) return;
    over_ = c_.keeps_progress() ? run.finished : report.ok();
    if (run.killed) {
      if (!c_.keeps_progress()) over_ = false;
      return;
    }
    if (run.finished && !report.ok() && !c_.incremental)
      world_.complain("G14 finished: stored as finished, and the run has failed");
    judge_outcome(report);
    judge_hooks(report);
    if (report.ok()) judge_success(report);
    if (c_.kind == Kind::Bucket) return;
    for (const std::string& letter_run : run.letter_runs)
      if (letter_run != report.run) world_.complain("G7 letter: of another run");
    judge_missing(report);
  }
  template <class Report>
  void judge_missing(const Report& report) {
    if constexpr (requires { report.missing_partitions; })
      for (const auto& id : report.missing_partitions)
        for (const std::uint8_t part : world_.run.spec->parts)
          if (world_.day->parts.at(part).id == id) world_.complain("G14 missing: named, and not missing: " + id);
  }
  void judge_ledgers(const etl::RunReport& report) {
    const RunState& run = world_.run;
    const auto equal = [&](const char* what, std::uint64_t reported, std::uint64_t seen) {
      if (reported != seen) world_.complain(fmt::format("G2 {}: reported {}, seen {}", what, reported, seen));
    };
    if (report.outcome == etl::Outcome::Inconsistent || !report.items.balanced() || !report.results.balanced())
      world_.complain("G2 balance: the books do not balance");
    equal("extracted", report.items.extracted, run.pushes);
    equal("committed", report.results.committed, run.confirmed);
    std::uint64_t doubtful = 0, unsure = 0, filtered = 0, skipped = 0;
    for (const ItemState& item : world_.items) {
      for (const ResultState& result : item.results)
        if (!result.confirmed && result.doubtful)
          ++(result.refused ? unsure : doubtful);
        else if (!result.confirmed && c_.transactional() && item.refused_in_run)
          ++unsure;  // with the transaction that refused it
      const auto id = static_cast<std::uint32_t>(&item - world_.items.data());
      const bool before = run.settled_before.contains(id);
      if (item.pushed && before) ++skipped;
      if (item.pushed && !before && item.spec.fate == Fate::Filter && !item.rejected_in_run) ++filtered;
    }
    if (report.results.in_doubt < doubtful || report.results.in_doubt > doubtful + unsure)
      world_.complain(
          fmt::format("G2 in doubt: reported {}, seen {} to {}", report.results.in_doubt, doubtful, doubtful + unsure));
    if (c_.keeps_letters()) equal("rejected", report.items.rejected, run.letters.size());
    // What was told of a batch that was then lost does not count; what counts was told.
    if (!c_.keeps_letters() && run.spec->tuning.on_reject &&
        (report.ok() ? report.items.rejected != run.told_rejects.size()
                     : report.items.rejected > run.told_rejects.size()))
      equal("rejected", report.items.rejected, run.told_rejects.size());
    if (c_.contradicts()) {  // what was loaded before is not what it thinks
      skipped = report.items.skipped;
      filtered = report.items.filtered;
    }
    if (report.items.skipped > skipped || (report.ok() && report.items.skipped != skipped))
      equal("skipped", report.items.skipped, skipped);
    if (report.items.filtered > filtered || (report.ok() && report.items.filtered != filtered))
      equal("filtered", report.items.filtered, filtered);
    if (report.ok() && report.items.rejected > run.spec->tuning.max_rejects) world_.complain("G7 budget: exceeded");
  }
  void judge_times() {
    using std::chrono::milliseconds;
    const RunState& run = world_.run;
    const TimePoint end = world_.now();
    const auto slack = milliseconds(120) + run.busy + run.saves_waited + run.finds_waited;
    const auto late = [&](const char* what, TimePoint since, std::chrono::nanoseconds allowed) {
      if (end - since > allowed)
        world_.complain(fmt::format("{}: {} ms, allowed are {}", what,
                                    std::chrono::duration_cast<milliseconds>(end - since).count(),
                                    std::chrono::duration_cast<milliseconds>(allowed).count()));
    };
    if (run.abandoned) late("G10 late: after abandon", *run.abandoned, slack);
    if (world_.replays > 0) {
      if (run.drained) late("G9 late: after drain", *run.drained, slack + milliseconds(run.spec->tuning.deadline_ms));
      return;
    }
    if (run.must_fail) late("G4 late: after a failure", *run.must_fail, slack + run.dawdled);
    std::optional<TimePoint> ended = run.drained;
    if (run.intake_ended && run.extracted_parts >= run.spec->parts.size())
      ended = std::min(ended.value_or(*run.intake_ended), *run.intake_ended);
    // Before anything is extracted there is nothing to wait for.
    if (run.drained && run.extracted_parts == 0 && !run.must_fail && c_.kind != Kind::Bucket)
      late("G10 late: stopped before extraction", *run.drained, milliseconds(120) + run.busy + run.saves_waited);
    if (ended) late("G9 late: after the end of intake", *ended, slack + milliseconds(run.spec->tuning.deadline_ms));
  }
  void judge_outcome(const etl::RunReport& report) {
    const RunState& run = world_.run;
    using etl::Outcome;
    const std::string said = std::string(etl::to_string(report.outcome));
    if (run.must_fail && report.outcome != Outcome::Failed)
      world_.complain("G1 outcome: " + said + " after " + run.because);
    if (run.post_failed && report.ok()) world_.complain("G8 outcome: " + said + " after post_process failed");
    if (report.outcome == Outcome::Failed && world_.may_not_fail() && !run.post_failed && !run.finish_failed)
      world_.complain("G1 failed without reason, " +
                      (report.errors.empty()
                           ? std::string("no error")
                           : report.errors[0].error.code.message() + ": " + report.errors[0].error.message()));
    const bool threw = c_.kind == Kind::Bucket && run.accepted < run.pushes;  // a push, of which the item is lost
    if (report.outcome == Outcome::Cancelled && !run.drained && !threw)
      world_.complain("G1 outcome: Cancelled without a stop");
    if (report.outcome == Outcome::CompletedWithRejects && report.items.rejected == 0)
      world_.complain("G1 outcome: CompletedWithRejects without rejects");
    if (report.outcome == Outcome::Completed && report.items.rejected > 0)
      world_.complain("G1 outcome: Completed with rejects");
    if (report.ok() && (report.items.abandoned > 0 || report.results.abandoned > 0 || report.results.in_doubt > 0))
      world_.complain("G1 outcome: " + said + " with something lost");
    if (report.outcome == Outcome::DrainTimeout) {
      const TimePoint since =
          std::min(run.drained.value_or(TimePoint::max()), run.intake_ended.value_or(TimePoint::max()));
      const std::chrono::milliseconds deadline(run.spec->tuning.deadline_ms);
      if (since == TimePoint::max() || world_.now() - since < deadline)
        world_.complain("G1 outcome: DrainTimeout before the deadline");
    }
  }
  void judge_hooks(const etl::RunReport& report) {
    if (c_.kind == Kind::Bucket) return;
    const RunState& run = world_.run;
    if (run.pre > 1) world_.complain("G8 pre_process: more than once");
    if (run.post != (run.pre_ok ? 1U : 0U)) world_.complain(fmt::format("G8 post_process: {} times", run.post));
    if (run.post == 1 && !run.post_failed && run.told != report.outcome)
      world_.complain(fmt::format("G8 post_process: was told {}, and the report says {}", etl::to_string(run.told),
                                  etl::to_string(report.outcome)));
  }
  void judge_success(const etl::RunReport& report) {
    const RunState& run = world_.run;
    if (run.accepted != run.pushes) world_.complain("G11 refused: completed, with refused pushes");
    for (const auto& chunk : run.chunks)
      if (c_.acknowledges && !chunk->answer) world_.complain("G13 lost: completed, and a chunk is said to be lost");
    world_.for_each_of_run([&](std::uint32_t id) {
      const ItemState& item = world_.items[id];
      if (c_.kind == Kind::Bucket ? item.pushed && !world_.settled(item) : !world_.settled(item))
        world_.complain(
            fmt::format("loss: {}, and not settled: {}", etl::to_string(report.outcome), world_.name_of(id)));
    });
  }
  bool end_of_day(const RunSpec& spec) {
    (void)spec;
    const bool once = c_.transactional() || c_.kind == Kind::Keyed;
    world_.for_each_of_run([&](std::uint32_t id) {
      const ItemState& item = world_.items[id];
      if (!world_.settled(item)) world_.complain("loss: at the end not settled: " + world_.name_of(id));
      if (item.lettered && letter_of(item) != World::text_of(id))
        world_.complain("G7 letter: gone: " + world_.name_of(id));
      std::size_t there = 0;
      for (const ResultState& result : item.results) {
        if (once && result.times > 1)
          world_.complain(fmt::format("double: {} times loaded: {}", result.times, world_.name_of(id)));
        there += result.times > 0 ? 1 : 0;
      }
      if (c_.transactional() && item.lettered && there == item.results.size() && there > 0)
        world_.complain("double: loaded, and a dead letter: " + world_.name_of(id));
    });
    return world_.complaint().empty();
  }
  [[nodiscard]] std::string letter_of(const ItemState& item) {
    const auto& letters = c_.transactional() ? world_.store.dead_letters() : world_.letters;
    for (const etl::DeadLetter& letter : letters.letters())
      if (letter.id == item.letter) return letter.payload.value_or("");
    return "";
  }

  World& world_;
  const Case& c_;
  bool over_ = false;
  bool refused_ = false;
  std::vector<std::unique_ptr<etl::Timer>> timers_;
};

}  // namespace model

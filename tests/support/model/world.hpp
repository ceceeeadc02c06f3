#pragma once
/// The world around the runs of a model test: what outlives a process, what one run is seen to do, and what the
/// delivery contract (G1 to G18) says about both.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <etl/batch_context.hpp>
#include <etl/delivery/checkpoint.hpp>
#include <etl/delivery/dead_letter.hpp>
#include <etl/delivery/idempotency_key.hpp>
#include <etl/error.hpp>
#include <etl/executor.hpp>
#include <etl/policy/waiter.hpp>
#include <etl/report.hpp>
#include <etl/stop.hpp>
#include <etl/testing/memory_stores.hpp>
#include <etl/testing/virtual_executor.hpp>

#include "support/model/case.hpp"

namespace model {

using etl::TimePoint;

/// What a load is given.
struct Row {
  std::uint64_t item = 0;
  std::uint32_t result = 0;
  friend bool operator==(const Row&, const Row&) = default;
};

/// Virtual time on one thread, which does not go round in circles for ever.
class Machine final : public etl::ExecutorBackend {
 public:
  explicit Machine(std::uint64_t seed) : inner_(seed) {}
  void post(std::shared_ptr<etl::Task> task) override { inner_.post(std::move(task)); }
  std::unique_ptr<etl::Timer> make_timer() override { return inner_.make_timer(); }
  [[nodiscard]] TimePoint now() const noexcept override { return inner_.now(); }
  void wait(std::unique_lock<std::mutex>& lock, std::condition_variable& signal, TimePoint until) override {
    if (++waits_ > 50'000) throw std::logic_error("virtual executor: livelock, waits without end");
    inner_.wait(lock, signal, until);
  }
  void notify(std::condition_variable& signal) noexcept override { inner_.notify(signal); }
  [[nodiscard]] std::chrono::nanoseconds slice() const noexcept override { return inner_.slice(); }
  [[nodiscard]] etl::testing::VirtualExecutor& inner() noexcept { return inner_; }

 private:
  etl::testing::VirtualExecutor inner_;
  std::uint64_t waits_ = 0;
};

/// One result of an item. What is below the line belongs to the run under way.
struct ResultState {
  std::uint32_t times = 0;   ///< how often it is in the sink
  bool refused = false;      ///< by load: it, or a whole batch where batches are not bisected
  std::uint32_t before = 0;  ///< how often it was in the sink before the replays
  // ---
  bool confirmed = false;  ///< the library has heard that it is in the sink
  bool doubtful = false;   ///< the last the library has heard is OutcomeUnknown
  std::uint32_t retries = 0;
};
struct ItemState {
  ItemSpec spec;
  std::string part;
  std::uint64_t seq = 0;
  std::vector<ResultState> results;
  bool lettered = false;  ///< its letter is durable
  bool rejected_by_transform = false;
  std::string letter;  ///< its id
  // ---
  bool pushed = false;
  bool refused_in_run = false;
  bool rejected_in_run = false;  ///< by transform
  std::uint32_t transforms = 0;
  std::weak_ptr<const void> keep;
};

/// Everything that is seen of one run.
struct RunState {
  const RunSpec* spec = nullptr;
  std::shared_ptr<Machine> machine;
  etl::StopSource stop;
  TimePoint began{};
  bool killed = false;
  bool dies_in_commit = false;  ///< and the commit lands later
  bool finished = false;        ///< it was stored that it has settled the whole source
  std::array<std::uint32_t, sites> calls{};

  // What is expected of its outcome.
  std::optional<TimePoint> must_fail;  ///< an error that the library has to fail for was given to it
  std::string because;
  std::uint32_t transients = 0;
  std::uint32_t rejects = 0;
  bool may_fail = false;
  bool post_failed = false;
  bool finish_failed = false;
  std::optional<TimePoint> drained, abandoned, intake_ended;
  TimePoint last_change{};  ///< the last time that anything came nearer to being settled, or a long call ended
  std::chrono::nanoseconds busy{}, dawdled{}, saves_waited{}, finds_waited{};

  // What it did.
  std::uint64_t pushes = 0, accepted = 0, confirmed = 0;
  std::set<std::uint32_t> settled_before;  ///< items that it has to skip
  std::uint32_t pre = 0, post = 0, extracted_parts = 0, parts_to_extract = 0;
  bool pre_ok = false;
  bool partitions_asked = false;
  etl::Outcome told = etl::Outcome::NotRun;
  std::set<std::uint32_t> letters;  ///< items whose letters were confirmed
  std::set<std::string> letter_runs;
  std::set<std::pair<std::uint32_t, std::uint64_t>> told_rejects;
  struct Chunk {
    std::vector<std::uint32_t> items;
    std::size_t pushed = 0;
    bool ended = false;  ///< its source has said that it is complete
    std::uint32_t answers = 0;
    bool answer = false;
  };
  std::vector<std::unique_ptr<Chunk>> chunks;
  struct Load {
    std::uint32_t partition = 0;
    std::uint64_t first = 0;
    std::vector<Row> rows;
  };
  std::vector<const Load*> loading;                   ///< at work now
  std::map<std::uint32_t, std::uint64_t> last_first;  ///< by partition: the batch that was loaded last
  std::map<std::pair<std::uint32_t, std::uint8_t>, std::uint64_t> last_of_key;
  std::uint32_t at_work = 0;
};

class World {
 public:
  explicit World(const Case& the_case) : c(the_case) {}
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  const Case& c;
  const DaySpec* day = nullptr;
  RunState run;
  std::size_t runs = 0;
  std::uint64_t day_number = 0;
  bool tracing = false;

  // What outlives a process.
  std::vector<ItemState> items;
  std::map<std::string, std::vector<std::uint32_t>> parts;  ///< the items of each partition of today's source
  etl::testing::MemoryCheckpoints fenced;
  etl::testing::MemoryDeadLetters letters;
  etl::testing::MemoryStore<Row> store;
  std::map<std::string, std::uint32_t> letter_ids;  ///< whose they are
  std::set<std::uint32_t> acknowledged;             ///< first items of messages
  std::set<std::uint32_t> kept;                     ///< items that the stored progress says are settled
  bool finished = false;                            ///< what the stored progress says
  std::function<void()> late;                       ///< lands the commit of a process that has died
  std::string late_pipeline;                        ///< whose commit that is
  bool landing_late = false;
  std::uint32_t replays = 0;  ///< begun so far, after all days
  bool all_replays_completed = true;
  std::set<std::uint32_t> owed;  ///< items that had a letter when the replays began
  struct Answer {
    std::vector<Row> rows;
    std::vector<std::size_t> rejects, retries;
  };
  std::map<std::string, Answer> answers;  ///< of the target that knows its keys

  // --- complaints -------------------------------------------------------------------------------------------------
  void complain(const std::string& what) {
    trace("!! " + what);
    if (complaint_.empty()) complaint_ = fmt::format("{}, in run {}", what, runs);
  }
  [[nodiscard]] const std::string& complaint() const noexcept { return complaint_; }
  void trace(const std::string& what) const {
    if (!tracing) return;
    const auto at = run.machine ? run.machine->now() - run.began : std::chrono::nanoseconds(0);
    std::fprintf(stderr, "  %8.3f ms  %s\n", std::chrono::duration<double, std::milli>(at).count(), what.c_str());
  }

  // --- the course of things -----------------------------------------------------------------------------------------
  void begin_day(const DaySpec& today) {
    day = &today;
    ++day_number;
    if (!c.incremental) {
      parts.clear();
      kept.clear();
      finished = false;
    }
    for (const PartSpec& part : today.parts) {
      auto& there = parts[part.id];
      for (std::size_t seq = there.size(); seq < part.items.size(); ++seq) {
        there.push_back(static_cast<std::uint32_t>(items.size()));
        ItemState item;
        item.spec = part.items[seq];
        item.part = part.id;
        item.seq = seq;
        item.results.resize(item.spec.fate == Fate::Filter ? 0 : item.spec.fate == Fate::Expand ? 3 : 1);
        items.push_back(std::move(item));
      }
    }
  }
  void begin_run(const RunSpec& spec) {
    run = RunState();
    saving_finished = false;
    run.spec = &spec;
    run.machine = std::make_shared<Machine>(spec.seed);
    run.began = run.machine->now();
    ++runs;
    for (ItemState& item : items) {
      item.pushed = item.refused_in_run = item.rejected_in_run = false;
      item.transforms = 0;
      item.keep.reset();
      for (ResultState& result : item.results) {
        result.confirmed = result.doubtful = false;
        result.retries = 0;
      }
    }
    if (c.keeps_progress() && !c.acknowledges && !(finished && !c.incremental)) run.settled_before = kept;
    if (finished && !c.incremental) kept.clear();
    trace(fmt::format("---- run {}", runs));
  }
  [[nodiscard]] TimePoint now() const noexcept { return run.machine->now(); }

  void request_stop(bool abandon) {
    trace(abandon ? "abandon" : "drain");
    if (abandon && !run.abandoned) run.abandoned = now();
    if (!run.drained) run.drained = now();
    abandon ? run.stop.request_abandon() : run.stop.request_drain();
  }

  // --- replays ------------------------------------------------------------------------------------------------------
  /// Before the first replay: the items that have a letter are owed.
  void begin_replays() {
    for (std::uint32_t id = 0; id < items.size(); ++id) {
      if (items[id].lettered) owed.insert(id);
      for (ResultState& result : items[id].results) result.before = c.transactional() ? 0 : result.times;
    }
  }
  /// A third of the items is good from the first replay on, a third from the second, and a third stays as it is.
  void begin_replay(const RunSpec& spec) {
    ++replays;
    begin_run(spec);
    run.settled_before.clear();
    for (std::uint32_t id = 0; id < items.size(); ++id) {
      Fate& fate = items[id].spec.fate;
      if (id % 3 == 0 || id % 3 > replays) continue;
      if (fate == Fate::RetryThenReject) fate = Fate::RetryThenLoad;
      if (fate == Fate::RejectInTransform || fate == Fate::RejectInLoad || fate == Fate::Poison) fate = Fate::Load;
    }
  }
  /// Whether load refuses this row, and not its batch. Some items have results of which one more is good in each
  /// replay.
  [[nodiscard]] bool refuses(const Row& row) const {
    const Fate fate = items.at(row.item).spec.fate;
    if (fate == Fate::Expand && row.item % 4 == 1) return row.result > replays;
    return fate == Fate::RejectInLoad || fate == Fate::RetryThenReject;
  }
  [[nodiscard]] bool is_good(std::uint32_t id) const {
    const ItemState& item = items[id];
    if (item.spec.fate == Fate::RejectInTransform || item.spec.fate == Fate::Poison) return false;
    for (std::uint32_t i = 0; i < item.results.size(); ++i)
      if (refuses({id, i})) return false;
    return true;
  }
  /// After a replay, however it ended (G7, G15, G16).
  void look_at_letters(bool completed, bool undisturbed) {
    std::set<std::string> there;
    for (const etl::DeadLetter& letter : (c.transactional() ? store.dead_letters() : letters).letters())
      there.insert(letter.id);
    for (const std::uint32_t id : owed) {
      const ItemState& item = items[id];
      const bool kept_letter = there.contains(item.letter);
      if (item.lettered != kept_letter) complain("G7 letter: gone, or back: " + name_of(id));
      if (!settled(item)) complain("loss: after a replay not settled: " + name_of(id));
      if (completed && kept_letter && !item.refused_in_run && !item.rejected_in_run)
        complain("G7 letter: kept, and the item is loaded: " + name_of(id));
      // Not if it was refused with others, or if the target still gives the answer of a replay that left no letter.
      const bool alone = c.kind == Kind::Keyed ? all_replays_completed : run.spec->tuning.bisects;
      if (completed && undisturbed && kept_letter && alone && is_good(id))
        complain("G7 letter: kept, and the item is good: " + name_of(id));
      const auto in_sink = [](const ResultState& r) { return r.times > 0; };
      if (c.transactional() && kept_letter && !item.results.empty() && std::ranges::all_of(item.results, in_sink))
        complain("double: loaded, and still a dead letter: " + name_of(id));
      for (const ResultState& result : item.results)
        if ((c.transactional() || c.kind == Kind::Keyed) && result.times > result.before + 1)
          complain(fmt::format("double: {} times loaded: {}", result.times, name_of(id)));
    }
    all_replays_completed = all_replays_completed && completed;
  }

  /// What is planned for this call, apart from what just happens meanwhile.
  [[nodiscard]] const FaultSpec* step(Site site) {
    const std::uint32_t call = ++run.calls[static_cast<std::size_t>(site)];
    if (yields(site)) run.machine->inner().yield();
    if (run.killed) return &dead_;
    for (const FaultSpec& fault : run.spec->faults) {
      if (fault.site != site || call < fault.nth || call >= fault.nth + fault.times) continue;
      trace(fmt::format("{} {}: {}", names_of_sites[static_cast<std::size_t>(site)], call,
                        names_of_deeds[static_cast<std::size_t>(fault.what)]));
      switch (fault.what) {
        case Do::Delay:
          if (!yields(site)) return nullptr;
          run.busy += std::chrono::milliseconds(fault.ms);
          run.machine->inner().advance(std::chrono::milliseconds(fault.ms));
          run.last_change = now();  // what was settled during a long save is saved after it
          return run.killed ? &dead_ : nullptr;
        case Do::Drain: request_stop(false); return nullptr;
        case Do::Abandon: request_stop(true); return nullptr;
        case Do::Kill:
          run.killed = true;
          run.dies_in_commit = site == Site::Commit && fault.thrown;
          return &dead_;
        default: return &fault;
      }
    }
    return nullptr;
  }
  /// The error of a plan, thrown if it says so.
  [[nodiscard]] etl::Error error_of(Site site, const FaultSpec& fault) {
    note_error(site, fault);
    const std::string what = fmt::format("planned: {} in {}", names_of_deeds[static_cast<std::size_t>(fault.what)],
                                         names_of_sites[static_cast<std::size_t>(site)]);
    if (fault.what == Do::Unclassified) throw std::runtime_error(what);
    etl::Error error = etl::fatal(what);
    if (fault.what == Do::Transient || fault.what == Do::TransientButDone) {
      error = etl::transient(what);
      error.retry_after = std::chrono::milliseconds(fault.ms);
    } else if (fault.what == Do::Rejected) {
      error = etl::rejected(what);
    } else if (fault.what == Do::Unknown || fault.what == Do::UnknownButDone) {
      error.code = etl::Errc::OutcomeUnknown;
    }
    if (fault.thrown) throw etl::Exception(error);
    return error;
  }
  [[nodiscard]] static bool done_first(const FaultSpec* fault) {
    return fault != nullptr && (fault->what == Do::UnknownButDone || fault->what == Do::FatalButDone ||
                                fault->what == Do::TransientButDone);
  }
  /// A call that returns a Result.
  [[nodiscard]] etl::Result<void> call(Site site) {
    if (const FaultSpec* fault = step(site)) return etl::failure(error_of(site, *fault));
    return {};
  }
  /// A call that can only throw.
  void must(Site site) {
    if (auto result = call(site); !result) throw etl::Exception(result.error());
  }
  /// A call of a store: `operation` is done before or after the error, if there is one.
  template <class F>
  [[nodiscard]] auto around(Site site, F&& operation) -> decltype(operation()) {
    const FaultSpec* const fault = step(site);
    if (fault != nullptr && !done_first(fault)) return etl::failure(error_of(site, *fault));
    auto result = operation();
    if (result && fault != nullptr) return etl::failure(error_of(site, *fault));
    return result;
  }

  // --- what is settled ----------------------------------------------------------------------------------------------
  [[nodiscard]] bool settled(const ItemState& item) const {
    if (item.spec.fate == Fate::Filter && !item.rejected_by_transform) return true;
    if (item.lettered) return true;
    const auto in_sink = [](const ResultState& r) { return r.times > 0; };
    if (!item.results.empty() && std::ranges::all_of(item.results, in_sink)) return true;
    if (c.keeps_letters()) return false;
    return item.rejected_by_transform ||
           (!item.results.empty() &&
            std::ranges::all_of(item.results, [](const ResultState& r) { return r.times > 0 || r.refused; }));
  }
  [[nodiscard]] static std::string text_of(std::uint64_t id) {
    return fmt::format("item {}, which needs more than a few bytes", id);
  }
  /// Which item has this text; UINT32_MAX if none has it.
  [[nodiscard]] static std::uint32_t item_in(std::string_view text) {
    std::uint32_t id = UINT32_MAX;
    (void)std::sscanf(std::string(text).c_str(), "item %u,", &id);
    return text == text_of(id) ? id : UINT32_MAX;
  }
  [[nodiscard]] std::string name_of(std::uint32_t id) const {
    return fmt::format("item {} ({} {}, {})", id, items.at(id).part, items.at(id).seq,
                       names_of_fates[static_cast<std::size_t>(items.at(id).spec.fate)]);
  }

  /// Progress was stored (G14).
  void progress_stored(const etl::Checkpoint& checkpoint) {
    finished = checkpoint.finished;
    if (saving_finished) run.finished = true;
    if (c.acknowledges) return;  // refused, and wrong if not; what gets lost then shows
    std::set<std::uint32_t> now_kept;
    for (const etl::PartitionProgress& progress : checkpoint.partitions) {
      const std::string id = part_of(progress);
      const auto there = parts.find(id);
      std::vector<etl::SeqRange> ranges = progress.gaps.ranges();
      ranges.push_back({0, progress.watermark});
      for (const etl::SeqRange& range : ranges)
        for (std::uint64_t seq = range.first; seq < range.end; ++seq) {
          if (there == parts.end() || seq >= there->second.size())
            return complain(fmt::format("G14 progress: '{}' {} is stored as settled, and does not exist", id, seq));
          now_kept.insert(there->second[seq]);
        }
    }
    trace(fmt::format("stored: {} settled{}", now_kept.size(), checkpoint.finished ? ", finished" : ""));
    for (const std::uint32_t id : now_kept)
      if (!settled(items[id])) complain("G14 unsettled: stored as settled, but is not: " + name_of(id));
    for (const std::uint32_t id : kept)
      if (!now_kept.contains(id)) {
        complain("G14 shrinks: was stored as settled, and no longer is: " + name_of(id));
        break;
      }
    kept = std::move(now_kept);
    if (finished)
      for_each_of_run([&](std::uint32_t id) {
        if (!settled(items[id])) complain("G14 finished: stored as finished, but there is left " + name_of(id));
      });
  }
  /// Letters became durable (G7).
  void letters_stored(std::span<const etl::DeadLetter> written) {
    for (const etl::DeadLetter& letter : written) {
      const std::uint32_t id = item_in(letter.payload.value_or(""));
      if (id >= items.size()) {
        complain("G7 payload: a letter says '" + letter.payload.value_or("nothing") + "'");
        continue;
      }
      ItemState& item = items[id];
      trace("letter of " + name_of(id));
      if (const auto [there, fresh] = letter_ids.emplace(letter.id, id); !fresh && there->second != id)
        complain(fmt::format("G7 letter id: {} has that of {}", name_of(id), name_of(there->second)));
      // Without a fingerprint a description does not tell the data of two runs apart.
      if (!c.acknowledges && c.kind != Kind::Solo && !item.letter.empty() && item.letter != letter.id)
        complain("G7 letter id: one for each rejection of " + name_of(id));
      if (letter.pipeline != "model" || letter.errors.empty() || letter.attempts == 0)
        complain("G7 letter: incomplete, of " + name_of(id));
      if (!c.acknowledges && c.kind != Kind::Bucket && letter.seq != item.seq)
        complain(fmt::format("G7 letter: seq {} of {}", letter.seq, name_of(id)));
      if (!letter.partition_id.empty() && letter.partition_id != item.part)
        complain(fmt::format("G7 letter: partition '{}' of {}", letter.partition_id, name_of(id)));
      if (landing_late) {
        item.lettered = true;
        item.letter = letter.id;
        continue;
      }
      if (letter.stage == etl::Stage::Transform ? !item.rejected_by_transform : !item.refused_in_run)
        complain("G7 letter: nobody rejected " + name_of(id));
      item.lettered = true;
      run.last_change = now();
      item.letter = letter.id;
      run.letter_runs.insert(letter.run);
    }
  }
  /// Letters were deleted, because a replay has settled their items.
  void letters_purged(std::span<const std::string> ids) {
    for (const std::string& letter : ids) {
      ItemState& item = items.at(letter_ids.at(letter));
      item.lettered = false;
      trace("purged: letter of " + name_of(letter_ids.at(letter)));
      if (!settled(item)) complain("G7 purged: a letter is gone, and not loaded is " + name_of(letter_ids.at(letter)));
    }
  }
  void letters_confirmed(std::span<const etl::DeadLetter> written) {
    for (const etl::DeadLetter& letter : written)
      if (const auto whose = letter_ids.find(letter.id); whose != letter_ids.end()) run.letters.insert(whose->second);
  }

  // --- the source ---------------------------------------------------------------------------------------------------
  [[nodiscard]] std::vector<std::string> partitions() {
    run.partitions_asked = true;
    must(Site::Partitions);
    std::vector<std::string> ids;
    for (const std::uint8_t part : run.spec->parts) ids.push_back(day->parts.at(part).id);
    return ids;
  }
  /// Calls `call(item)` for every item that this run is to settle.
  template <class F>
  void for_each_of_run(F&& call_each) const {
    for (const std::uint8_t part : run.spec->parts)
      for (const std::uint32_t id : parts.at(day->parts.at(part).id)) call_each(id);
  }

  /// The source has waited. What was settled before is saved and acknowledged by now (G13, G16).
  void look_at_idle() {
    using std::chrono::milliseconds;
    const Tuning& t = run.spec->tuning;
    if (c.transactional() || c.contradicts() || !may_not_fail() || run.transients > 0 || run.drained) return;
    const auto seen = [&](const ItemState& item) {  // by transform or load, in this run
      return item.transforms > 0 || item.refused_in_run ||
             std::ranges::any_of(item.results, [](const ResultState& r) { return r.confirmed; });
    };
    if (now() - run.last_change < milliseconds(t.save_every_ms + 10)) return;
    for (const ItemState& item : items)
      if (item.pushed && (!settled(item) || !seen(item))) return;
    for (std::uint32_t id = 0; id < items.size(); ++id)
      if (c.keeps_progress() && items[id].pushed && !kept.contains(id))
        complain("G16 idle: the source waits, and not stored is " + name_of(id));
    for (const auto& chunk : run.chunks)
      if (c.acknowledges && chunk->ended && chunk->answers == 0)
        complain("G13 idle: the source waits, and not acknowledged is the chunk from item " +
                 std::to_string(chunk->items[0]));
  }

  // --- the sink -----------------------------------------------------------------------------------------------------
  /// `tx`: rows become durable with its transaction.
  [[nodiscard]] etl::Result<void> load(const std::vector<Row>& rows, etl::BatchContext& context,
                                       const etl::IdempotencyKey* key, bool within_transaction,
                                       const std::function<void(const Row&)>& write) {
    const RunState::Load now_loading{context.partition(), context.first_seq(), rows};
    begin_load(now_loading, context);
    struct End {
      World& world;
      const RunState::Load* what;
      ~End() {
        std::erase(world.run.loading, what);
        --world.run.at_work;
      }
    } const end{*this, &now_loading};
    const FaultSpec* fault = step(Site::Load);
    if (fault != nullptr && fault->what == Do::Dawdle) {
      dawdle(*fault, context);
      fault = run.killed ? &dead_ : nullptr;
    }
    if (fault != nullptr && !done_first(fault)) {
      hear(rows, *fault);
      return etl::failure(error_of(Site::Load, *fault));
    }
    if (key != nullptr)
      if (const auto known = answers.find(key->text()); known != answers.end()) {
        if (known->second.rows != rows)
          complain("G16 key: one key for two different calls, the second " + text_of(rows));
        const Answer again = known->second;
        return answer(rows, again, context, fault);
      }
    Answer fresh{rows, {}, {}};
    if (std::ranges::any_of(rows, [&](const Row& r) { return item_of(r).spec.fate == Fate::Poison; })) {
      FaultSpec refusal{.site = Site::Load, .what = Do::Rejected};
      hear(rows, refusal);
      return etl::failure(error_of(Site::Load, refusal));
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const ItemState& item = item_of(rows[i]);
      ResultState& result = result_of(rows[i]);
      const bool retries = item.spec.fate == Fate::RetryThenLoad || item.spec.fate == Fate::RetryThenReject;
      if (retries && result.retries < item.spec.retries) {
        ++result.retries;
        fresh.retries.push_back(i);
      } else if (refuses(rows[i])) {
        fresh.rejects.push_back(i);
      }
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (std::ranges::count(fresh.rejects, i) + std::ranges::count(fresh.retries, i) > 0) continue;
      write(rows[i]);
      if (!within_transaction && !(c.defective && rows[i].item % 5 == 4)) land(rows[i]);
    }
    // What was not done at all the target forgets: the key may come again with it.
    if (key != nullptr && fresh.retries.size() < rows.size()) answers.emplace(key->text(), fresh);
    return answer(rows, fresh, context, fault, within_transaction);
  }
  /// A row is in the sink.
  void land(const Row& row) {
    ++result_of(row).times;
    run.last_change = now();
    trace("landed: " + name_of(static_cast<std::uint32_t>(row.item)));
  }
  /// The library knows.
  void confirm(const Row& row) {
    ResultState& result = result_of(row);
    result.doubtful = false;
    if (!std::exchange(result.confirmed, true))
      ++run.confirmed;
    else
      complain("G2 loaded again: confirmed in this run already, and loaded again: " + text_of({row}));
  }
  [[nodiscard]] ItemState& item_of(const Row& row) { return items.at(row.item); }
  [[nodiscard]] ResultState& result_of(const Row& row) { return items.at(row.item).results.at(row.result); }
  [[nodiscard]] static std::string text_of(const std::vector<Row>& rows) {
    std::string out;
    for (const Row& r : rows) out += fmt::format("{}{}.{}", out.empty() ? "" : " ", r.item, r.result);
    return out;
  }
  void doubt(const Row& row, bool doubtful) { result_of(row).doubtful = doubtful; }

  // --- hooks --------------------------------------------------------------------------------------------------------
  [[nodiscard]] etl::Result<void> pre_process() {
    ++run.pre;
    if (run.calls[static_cast<std::size_t>(Site::Extract)] > 0) complain("G8 pre_process: after extraction began");
    auto done = call(Site::Pre);
    run.pre_ok = done.has_value();
    return done;
  }
  [[nodiscard]] etl::Result<void> post_process(const etl::RunReport& report) {
    ++run.post;
    run.told = report.outcome;
    trace("post_process: " + std::string(etl::to_string(report.outcome)));
    return call(Site::Post);
  }
  void transform(std::uint32_t id) {
    ItemState& item = items.at(id);
    run.last_change = now();
    item.rejected_by_transform = false;  // an earlier run may have done so, and lost it
    if (++item.transforms > 1) complain("G5 transform: called twice for " + name_of(id));
    if (run.settled_before.contains(id)) complain("G14 repeated: transformed, and settled before: " + name_of(id));
  }
  /// In every other run transforms take so long that idle workers share those of a batch.
  void take_time(std::uint32_t id) {
    const std::uint64_t seed = run.spec->seed;
    if (seed % 2 != 0 || run.killed) return;
    const std::chrono::microseconds time((id * 7919 + seed / 2) % (seed % 4 == 0 ? 6000 : 1500));
    run.busy += time;
    run.machine->inner().advance(time);
  }
  void rejected_by_transform(std::uint32_t id) {
    items.at(id).rejected_by_transform = items.at(id).rejected_in_run = true;
    ++run.rejects;
  }
  void on_reject(std::uint32_t partition, std::uint64_t seq) {
    must(Site::OnReject);
    if (!run.told_rejects.emplace(partition, seq).second)
      complain(fmt::format("G7 on_reject: told twice of {} in partition {}", seq, partition));
  }
  /// At most `workers` callables at once (design, section 3).
  struct AtWork {
    World& world;
    explicit AtWork(World& w) : world(w) { world.count_work(); }
    AtWork(const AtWork&) = delete;
    AtWork& operator=(const AtWork&) = delete;
    ~AtWork() { --world.run.at_work; }
  };

 private:
  friend struct AtWork;
  void count_work() {
    if (++run.at_work > (run.spec->tuning.fused ? 1 : run.spec->tuning.workers))
      complain("workers: more callables at once than workers");
  }
  [[nodiscard]] bool yields(Site site) const {
    // Under a lock of the library's, or, with a breaker, while another call could wait for the end of this one.
    if (site == Site::Bytes || site == Site::OnReject || site == Site::Worker) return false;
    return run.spec->tuning.breaker == 0 || site == Site::Extract || site == Site::Transform;
  }
  [[nodiscard]] std::string part_of(const etl::PartitionProgress& progress) const {
    if (!c.partitioned()) return day->parts.at(0).id;
    if (!progress.id.empty()) return progress.id;
    return progress.partition < run.spec->parts.size() ? day->parts.at(run.spec->parts[progress.partition]).id : "";
  }
  void begin_load(const RunState::Load& what, const etl::BatchContext& context) {
    const Tuning& t = run.spec->tuning;
    const std::uint32_t partition = context.partition();
    trace(fmt::format("load {} of partition {}: {}", context.first_seq(), partition, text_of(what.rows)));
    count_work();
    if (what.rows.empty() || what.rows.size() > t.batch_size) complain("load: a call of a wrong size");
    const bool serial = c.kind == Kind::Serial || c.kind == Kind::SerialStore;
    const std::size_t most = serial ? 1 : t.max_loads > 0 ? t.max_loads : t.workers;
    if (run.loading.size() >= most) complain("concurrency: more loads at once than allowed");
    if (context.stop_token().stop_requested() && may_not_fail() && !run.abandoned && !run.drained &&
        !run.intake_ended && replays == 0)
      complain("G10 token: stopped without reason");
    for (const Row& row : what.rows) {
      const auto id = static_cast<std::uint32_t>(row.item);
      const ItemState& item = item_of(row);
      if (row.result >= item.results.size()) complain("load: a result that does not exist, of " + name_of(id));
      if (run.settled_before.contains(id)) complain("G14 repeated: loaded, and settled before: " + name_of(id));
      if (item.keep.expired() && c.kind != Kind::Bucket && replays == 0)
        complain("G13 hold: released before it is loaded: " + name_of(id));
    }
    const bool by_key = t.order == etl::Order::ByKey && (c.kind == Kind::Plain || c.kind == Kind::Solo);
    if (t.order != etl::Order::None && !by_key) {
      for (const RunState::Load* other : run.loading)
        if (other->partition == partition) complain("G18 order: two loads of one partition at once");
      auto& last = run.last_first[partition];
      if (what.first < last) complain(fmt::format("G18 order: {} is loaded after {}", what.first, last));
      last = std::max(last, what.first);
    }
    if (by_key) {
      for (const Row& row : what.rows) {
        for (const RunState::Load* other : run.loading)
          for (const Row& there : other->rows)
            if (other->partition == partition && item_of(there).spec.key == item_of(row).spec.key)
              complain("G18 key: two loads of one key at once");
        auto& last = run.last_of_key[{partition, item_of(row).spec.key}];
        if (what.first < last) complain(fmt::format("G18 key: {} is loaded after {}", what.first, last));
        last = std::max(last, what.first);
      }
    }
    run.loading.push_back(&what);
  }
  void dawdle(const FaultSpec& fault, const etl::BatchContext& context) {
    if (!yields(Site::Load)) return;
    const TimePoint from = now();
    (void)etl::Waiter(context.stop_token(), etl::Executor(run.machine)).wait_for(std::chrono::milliseconds(fault.ms));
    run.dawdled += now() - from;
  }
  [[nodiscard]] etl::Result<void> answer(const std::vector<Row>& rows, const Answer& with, etl::BatchContext& context,
                                         const FaultSpec* fault, bool within_transaction = false) {
    if (fault != nullptr) {
      hear(rows, *fault);
      return etl::failure(error_of(Site::Load, *fault));
    }
    for (const std::size_t i : with.rejects) {
      context.reject(i, "no");
      refuse(rows[i]);
    }
    for (const std::size_t i : with.retries) {
      context.retry(i, "later");
      doubt(rows[i], false);  // that was not loaded, says the sink
    }
    if (!with.retries.empty()) ++run.transients;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (std::ranges::count(with.rejects, i) + std::ranges::count(with.retries, i) > 0) continue;
      if (!within_transaction) confirm(rows[i]);
    }
    return {};
  }
  void refuse(const Row& row) {
    ResultState& result = result_of(row);
    result.refused = true;
    run.last_change = now();
    result.doubtful = false;
    item_of(row).refused_in_run = true;
    ++run.rejects;
  }
  /// What the library hears of these results.
  void hear(const std::vector<Row>& rows, const FaultSpec& fault) {
    const bool rejected =
        fault.what == Do::Rejected || (fault.what == Do::Unclassified && run.spec->tuning.rejects_unclassified);
    if (rejected && (!run.spec->tuning.bisects || rows.size() == 1))
      for (const Row& row : rows) refuse(row);
    if (fault.what == Do::Unknown || fault.what == Do::UnknownButDone)
      for (const Row& row : rows) doubt(row, true);
  }
  void note_error(Site site, const FaultSpec& fault) {
    const Tuning& t = run.spec->tuning;
    if (site == Site::Post) {
      run.post_failed = true;
      return;
    }
    if (site == Site::Bytes && c.kind == Kind::Bucket) return void(run.may_fail = true);  // push may throw it
    if (&fault == &dead_) return fail_for(site, fault);
    const bool of_store = site >= Site::Letters;
    switch (fault.what) {
      case Do::Transient:
      case Do::TransientButDone:
        if (site == Site::Describe) return void(run.may_fail = true);  // for a letter it is tried again, for a hook not
        // What may come of the stop is no failure of its own.
        if (site != Site::Load && !of_store && run.drained) return void(run.may_fail = true);
        if (site != Site::Load && !of_store) return fail_for(site, fault);
        ++run.transients;
        if (site == Site::Save || site == Site::Find || site == Site::Claim)
          (site == Site::Save ? run.saves_waited : run.finds_waited) +=
              std::chrono::milliseconds(4 * t.delay_ms + fault.ms);
        return;
      case Do::Rejected:
        if (site == Site::Load || site == Site::Transform) return;
        return fail_for(site, fault);
      case Do::Unclassified:
        if ((site == Site::Load || site == Site::Transform) && t.rejects_unclassified) return;
        return fail_for(site, fault);
      case Do::Unknown:
      case Do::UnknownButDone:
        if (of_store || c.kind == Kind::Keyed || t.retries_unknown) return void(++run.transients);
        return fail_for(site, fault);
      default: return fail_for(site, fault);
    }
  }
  void fail_for(Site site, const FaultSpec& fault) {
    if (site == Site::Save && saving_finished) {
      run.finish_failed = true;
      return;
    }
    if (run.must_fail) return;
    run.must_fail = now();
    run.because = fmt::format("{} in {}", names_of_deeds[static_cast<std::size_t>(fault.what)],
                              names_of_sites[static_cast<std::size_t>(site)]);
  }

 public:
  /// Whether the run has no reason to fail so far.
  [[nodiscard]] bool may_not_fail() const {
    const Tuning& t = run.spec->tuning;
    if (run.must_fail || run.may_fail || run.killed) return false;
    if (run.transients >= t.attempts || (run.transients > 0 && t.max_elapsed_ms > 0)) return false;
    if (run.transients > 0 && (run.drained || run.abandoned || t.deadline_ms < 25'000)) return false;
    return run.rejects <= t.max_rejects && !(t.tight_ratio && run.rejects > 0);
  }
  bool saving_finished = false;

 private:
  static constexpr FaultSpec dead_{.what = Do::Fatal};
  std::string complaint_;
};

}  // namespace model

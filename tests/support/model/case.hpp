#pragma once
/// What a model test runs: plain data, so that it can be printed and made smaller.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <etl/options.hpp>

#include "support/random.hpp"

namespace model {

/// The pipeline under test.
enum class Kind : std::uint8_t {
  Plain,        ///< partitions, a constant load
  Serial,       ///< no partitions, one load at a time
  Keyed,        ///< partitions, a load with an idempotency key, into a target that knows its keys
  Store,        ///< partitions, a load with a store's transaction
  SerialStore,  ///< the same without partitions, one load at a time
  Solo,         ///< items that only move, no transform, no fingerprint
  Bucket,       ///< a bucket used alone
};
constexpr std::string_view names_of_kinds[] = {"Plain", "Serial", "Keyed", "Store", "SerialStore", "Solo", "Bucket"};

/// Where progress is kept.
enum class Kept : std::uint8_t { Nothing, Unfenced, Fenced };
constexpr std::string_view names_of_kept[] = {"nothing", "unfenced checkpoints", "fenced checkpoints"};

/// What becomes of an item when nothing else goes wrong.
enum class Fate : std::uint8_t {
  Load,
  Filter,
  Expand,             ///< three results
  RejectInTransform,  ///< by `out.reject`
  RejectInLoad,       ///< by `BatchContext::reject`
  Poison,             ///< load refuses every batch that has it
  RetryThenLoad,      ///< by `BatchContext::retry`, a few times
  RetryThenReject,
};
constexpr std::string_view names_of_fates[] = {"load",           "filter", "expand",          "reject in transform",
                                               "reject in load", "poison", "retry then load", "retry then reject"};

struct ItemSpec {
  Fate fate = Fate::Load;
  std::uint8_t key = 0;       ///< for Order::ByKey
  std::uint8_t retries = 0;   ///< of RetryThenLoad and RetryThenReject
  bool mark = false;          ///< the source marks its position before the item
  bool chunk = false;         ///< a chunk begins with it
  bool flush = false;         ///< the source flushes before it
  std::uint16_t wait_ms = 0;  ///< the source waits before it
};
struct PartSpec {
  std::string id;
  std::vector<ItemSpec> items;
  bool marks_end = false;
};

/// A call of user code, or of a store.
enum class Site : std::uint8_t {
  Pre,
  Post,
  Partitions,
  Fingerprint,
  Extract,
  Transform,
  Worker,
  Bytes,
  Key,
  Describe,
  OnReject,
  Load,  // user code
  Letters,
  Find,
  Claim,
  Save,  // stores
  Connect,
  Begin,
  Savepoint,
  UndoToSavepoint,
  Record,
  Commit,
  IsSettled,
};
constexpr std::string_view names_of_sites[] = {
    "pre_process", "post_process", "partitions", "fingerprint", "extract",   "transform",         "worker",
    "bytes",       "key",          "describe",   "on_reject",   "load",      "letters",           "find",
    "claim",       "save",         "connect",    "begin",       "savepoint", "undo to savepoint", "record",
    "commit",      "is settled"};
constexpr std::size_t sites = std::size(names_of_sites);

/// What happens there.
enum class Do : std::uint8_t {
  Fatal,
  Unclassified,  ///< throws a std::runtime_error
  Transient,
  Rejected,
  Unknown,         ///< not done, and the caller hears Errc::OutcomeUnknown
  UnknownButDone,  ///< the same after it was done
  FatalButDone,
  TransientButDone,
  Delay,    ///< it takes long, whatever is asked of it
  Dawdle,   ///< it takes long, unless its stop token says so (load only)
  Drain,    ///< the first stop level is asked for
  Abandon,  ///< the second
  Kill,     ///< the process dies: all that follows fails, and what is kept stays as it is
};
constexpr std::string_view names_of_deeds[] = {"fatal",
                                               "unclassified exception",
                                               "transient",
                                               "rejected",
                                               "unknown",
                                               "unknown but done",
                                               "fatal but done",
                                               "transient but done",
                                               "delay",
                                               "dawdle",
                                               "drain",
                                               "abandon",
                                               "kill"};

struct FaultSpec {
  Site site = Site::Load;
  std::uint32_t nth = 1;    ///< which call of this run, counted from 1
  std::uint32_t times = 1;  ///< and how many from there on
  Do what = Do::Fatal;
  bool thrown = false;   ///< as an etl::Exception; of a Kill in a commit: the commit lands later
  std::uint32_t ms = 0;  ///< of Delay and Dawdle; of Transient, the server's retry_after
};
struct StopSpec {
  std::uint32_t ms = 0;  ///< after the run began; 0: before it begins
  bool abandon = false;
};

/// Options of one run. 0 means "none" where none is possible.
struct Tuning {
  bool fused = false;
  std::size_t batch_size = 4;
  std::uint32_t timeout_ms = 1000;
  std::size_t workers = 2;
  std::size_t capacity = 4;
  std::size_t max_loads = 0;
  etl::Order order = etl::Order::None;
  std::uint32_t deadline_ms = 25'000;
  std::uint64_t max_rejects = 100'000;
  bool tight_ratio = false;
  bool rejects_unclassified = false;
  bool bisects = false;
  std::size_t attempts = 3;
  std::uint32_t delay_ms = 10;
  std::uint32_t max_elapsed_ms = 0;
  bool retries_unknown = false;
  std::uint32_t rate = 0;     ///< items per second
  std::uint32_t breaker = 0;  ///< failures in a row
  std::uint32_t save_every_ms = 0;
  etl::Inline inline_batches = etl::Inline::Never;
  bool weighs = false;  ///< batch_bytes
  bool on_reject = false;
  friend bool operator==(const Tuning&, const Tuning&) = default;
};

struct RunSpec {
  std::uint64_t seed = 0;  ///< of the schedule
  Tuning tuning{};
  std::vector<std::uint8_t> parts{};  ///< which partitions there are, in their order
  bool asks_resume = true;
  std::vector<FaultSpec> faults{};
  std::vector<StopSpec> stops{};
};

/// A source until it is settled: the runs in `runs`, which may go wrong, and then undisturbed ones.
struct DaySpec {
  std::vector<PartSpec> parts;
  std::vector<RunSpec> runs;
  RunSpec last;             ///< undisturbed
  bool unfinished = false;  ///< the next day comes after `runs`, whatever they have left
};

struct Case {
  Kind kind = Kind::Plain;
  Kept kept = Kept::Nothing;
  bool letters = false;       ///< dead letters are kept
  bool acknowledges = false;  ///< a queue: what is acknowledged does not come again
  bool incremental = false;   ///< each day has what the day before had, and more
  bool defective = false;     ///< its sink loses a row in five: to test the test
  std::vector<DaySpec> days;
  std::vector<RunSpec> replays;  ///< of the dead letters, after all days; the last one is undisturbed

  [[nodiscard]] bool transactional() const noexcept { return kind == Kind::Store || kind == Kind::SerialStore; }
  [[nodiscard]] bool partitioned() const noexcept {
    return kind == Kind::Plain || kind == Kind::Keyed || kind == Kind::Store;
  }
  [[nodiscard]] bool keeps_progress() const noexcept { return kept != Kept::Nothing || transactional(); }
  /// Consumed by acknowledgement, and counted from the beginning too: that is to be refused.
  [[nodiscard]] bool contradicts() const noexcept { return acknowledges && (keeps_progress() || kind == Kind::Keyed); }
  [[nodiscard]] bool keeps_letters() const noexcept { return letters || transactional(); }
};

// --- made of a seed -------------------------------------------------------------------------------------------------

class Maker {
 public:
  explicit Maker(std::uint64_t seed) : random_(seed) {}

  [[nodiscard]] Case make() {
    Case c;
    constexpr Kind kinds[] = {Kind::Plain, Kind::Plain, Kind::Plain, Kind::Serial,      Kind::Keyed, Kind::Keyed,
                              Kind::Store, Kind::Store, Kind::Store, Kind::SerialStore, Kind::Solo,  Kind::Bucket};
    c.kind = random_.of(kinds);
    if (c.kind == Kind::Plain || c.kind == Kind::Serial || c.kind == Kind::Keyed) {
      c.kept = static_cast<Kept>(random_.below(3));
      c.acknowledges = random_.chance(c.kept == Kept::Nothing && c.kind != Kind::Keyed ? 2 : 16);
    }
    if (c.kind == Kind::Solo) c.acknowledges = random_.chance(3);
    if (c.transactional()) c.acknowledges = random_.chance(24);
    c.letters = !c.transactional() && c.kind != Kind::Bucket && random_.chance(2);
    c.incremental = c.keeps_progress() && !c.acknowledges && random_.chance(4);
    batch_size_ = 1 + random_.below(5);
    std::uint64_t days = c.kind == Kind::Bucket || random_.chance(2) ? 1 : 2;
    if (c.incremental) days = 2 + random_.below(4);
    for (std::uint64_t day = 0; day < days; ++day) {
      add_day(c);
      c.days.back().unfinished = c.incremental && day + 1 < days && !random_.chance(4);
    }
    // Last, so that each seed keeps its days. Without a fingerprint an item has a letter for each run that rejects it.
    if (c.keeps_letters() && !c.acknowledges && c.kind != Kind::Solo) add_replays(c);
    return c;
  }

 private:
  void add_day(Case& c) {
    DaySpec day;
    if (c.incremental && !c.days.empty()) day.parts = c.days.back().parts;
    const std::uint64_t most = c.partitioned() ? random_.below(5) : 1;
    while (day.parts.size() < most)
      day.parts.push_back({"p" + std::to_string(day.parts.size()), {}, random_.chance(3)});
    const bool plain = random_.chance(3);  // nothing is rejected
    for (PartSpec& part : day.parts)
      for (std::uint64_t n = random_.below(random_.chance(4) ? 20 : 9); n > 0; --n)
        part.items.push_back(item(c, plain, part.items.empty()));
    for (std::uint64_t n = random_.below(4); n > 0; --n) day.runs.push_back(disturbed(c, day));
    day.last = run(c, day, true);
    c.days.push_back(std::move(day));
  }
  void add_replays(Case& c) {
    for (std::uint64_t n = random_.below(4); n > 0; --n) {
      c.replays.push_back(disturbed(c, {}));
      for (FaultSpec& f : c.replays.back().faults)
        if (random_.chance(6)) f.site = Site::Letters, f.what = deed(c, f.site);
    }
    c.replays.push_back(run(c, {}, true));
    // The source ends at once, and the loads of all letters may take long.
    c.replays.back().tuning.deadline_ms = 100'000'000;
  }
  [[nodiscard]] ItemSpec item(const Case& c, bool plain, bool first) {
    constexpr Fate fates[] = {Fate::Load,           Fate::Load,   Fate::Load,
                              Fate::Load,           Fate::Load,   Fate::Filter,
                              Fate::Filter,         Fate::Expand, Fate::RejectInTransform,
                              Fate::RejectInLoad,   Fate::Poison, Fate::RetryThenLoad,
                              Fate::RetryThenReject};
    ItemSpec item;
    item.fate = random_.of(fates);
    if (plain && item.fate >= Fate::RejectInTransform) item.fate = Fate::Load;
    const bool transforms = c.kind != Kind::Solo && c.kind != Kind::Bucket;
    if (!transforms && (item.fate == Fate::Filter || item.fate == Fate::Expand || item.fate == Fate::RejectInTransform))
      item.fate = Fate::Load;
    item.key = static_cast<std::uint8_t>(random_.below(4));
    item.retries = static_cast<std::uint8_t>(1 + random_.below(2));
    item.mark = random_.chance(4);
    item.chunk = first || random_.chance(4);
    item.flush = random_.chance(20);
    if (random_.chance(12)) item.wait_ms = static_cast<std::uint16_t>(1 + random_.below(random_.chance(3) ? 300 : 30));
    return item;
  }
  [[nodiscard]] RunSpec disturbed(const Case& c, const DaySpec& day) {
    RunSpec r = run(c, day, false);
    for (std::uint64_t n = random_.below(4); n > 0; --n) r.faults.push_back(fault(c));
    if (random_.chance(3)) {
      r.stops.push_back(
          {static_cast<std::uint32_t>(random_.chance(4) ? 0 : random_.below(random_.chance(4) ? 2000 : 60)),
           random_.chance(3)});
      if (random_.chance(3))
        r.stops.push_back(
            {r.stops[0].ms + static_cast<std::uint32_t>(random_.below(random_.chance(4) ? 2000 : 40)), true});
    }
    return r;
  }
  [[nodiscard]] RunSpec run(const Case& c, const DaySpec& day, bool last) {
    RunSpec r;
    r.seed = random_.next();
    r.asks_resume = !random_.chance(4);
    for (std::size_t i = 0; i < day.parts.size(); ++i) {
      if (c.partitioned() && !last && random_.chance(10)) continue;
      r.parts.push_back(static_cast<std::uint8_t>(i));
    }
    // An empty list is refused while an unfinished run has progress.
    if (r.parts.empty() && !day.parts.empty()) r.parts.push_back(0);
    if (c.partitioned() && last && r.parts.size() > 1 && random_.chance(12)) r.parts.pop_back();
    if (random_.chance(3))
      for (std::size_t i = r.parts.size(); i > 1; --i) std::swap(r.parts[i - 1], r.parts[random_.below(i)]);
    tune(c, r.tuning, last);
    return r;
  }
  void tune(const Case& c, Tuning& t, bool last) {
    constexpr std::uint32_t timeouts[] = {0, 1, 20, 1000};
    constexpr etl::Order orders[] = {etl::Order::None, etl::Order::Source, etl::Order::ByKey};
    constexpr etl::Inline inlines[] = {etl::Inline::Never, etl::Inline::WhenWaiting, etl::Inline::Adaptive};
    t.fused = c.kind != Kind::Bucket && random_.chance(6);
    t.batch_size = c.kind == Kind::Keyed ? batch_size_ : 1 + random_.below(5);
    t.timeout_ms = random_.of(timeouts);
    t.workers = 1 + random_.below(3);
    t.capacity = 1 + random_.below(5);
    if (random_.chance(4)) t.max_loads = 1 + random_.below(2);
    t.order = random_.of(orders);
    if (c.kind == Kind::Bucket && t.order == etl::Order::ByKey) t.order = etl::Order::Source;
    t.bisects = random_.chance(2);
    t.inline_batches = random_.of(inlines);
    t.weighs = c.kind != Kind::Keyed && random_.chance(6);
    t.on_reject = random_.chance(3);
    t.save_every_ms = random_.chance(2) ? 0 : static_cast<std::uint32_t>(random_.below(50));
    t.delay_ms = 1 + static_cast<std::uint32_t>(random_.below(!last && random_.chance(4) ? 3000 : 50));
    if (random_.chance(8)) t.rate = 5 + static_cast<std::uint32_t>(random_.below(1000));
    if (random_.chance(8)) t.breaker = 1 + static_cast<std::uint32_t>(random_.below(3));
    t.retries_unknown = random_.chance(3);
    if (last) {
      t.attempts = 60;
      return;
    }
    constexpr std::uint32_t deadlines[] = {5, 50, 1000, 25'000};
    t.deadline_ms = random_.of(deadlines);
    t.attempts = 1 + random_.below(4);
    if (random_.chance(6)) t.max_elapsed_ms = 1 + static_cast<std::uint32_t>(random_.below(60));
    if (random_.chance(5)) t.max_rejects = random_.below(3);
    if (random_.chance(12)) t.tight_ratio = true;
    t.rejects_unclassified = c.kind != Kind::Keyed && random_.chance(4);
  }
  [[nodiscard]] FaultSpec fault(const Case& c) {
    constexpr Site user[] = {Site::Pre,     Site::Post,      Site::Partitions, Site::Fingerprint, Site::Extract,
                             Site::Extract, Site::Transform, Site::Transform,  Site::Worker,      Site::Bytes,
                             Site::Key,     Site::Describe,  Site::OnReject,   Site::Load,        Site::Load,
                             Site::Load,    Site::Load};
    constexpr Site kept[] = {Site::Letters, Site::Find, Site::Claim, Site::Save, Site::Save};
    constexpr Site store[] = {Site::Find,      Site::Claim,           Site::Save,   Site::Connect, Site::Begin,
                              Site::Savepoint, Site::UndoToSavepoint, Site::Record, Site::Commit,  Site::Commit,
                              Site::Commit,    Site::IsSettled};
    FaultSpec f;
    f.site = random_.of(user);
    if (random_.chance(2)) {
      if (c.transactional())
        f.site = random_.of(store);
      else if (c.keeps_progress() || c.letters)
        f.site = random_.of(kept);
    }
    const bool often =
        f.site == Site::Extract || f.site == Site::Transform || f.site == Site::Bytes || f.site == Site::Key;
    const bool once = f.site == Site::Pre || f.site == Site::Post || f.site == Site::Partitions ||
                      f.site == Site::Fingerprint || f.site == Site::Find || f.site == Site::Claim;
    f.nth = 1 + static_cast<std::uint32_t>(random_.below(once ? 1 : often ? 24 : 6));
    f.what = deed(c, f.site);
    if (random_.chance(4)) f.times = 2 + static_cast<std::uint32_t>(random_.below(4));
    f.thrown = random_.chance(2);
    if (f.what == Do::Delay || f.what == Do::Dawdle || random_.chance(8))
      f.ms = 1 + static_cast<std::uint32_t>(random_.below(random_.chance(3) ? 3000 : 60));
    return f;
  }
  [[nodiscard]] Do deed(const Case& c, Site site) {
    constexpr Do anywhere[] = {Do::Fatal, Do::Unclassified, Do::Transient, Do::Transient, Do::Transient,
                               Do::Delay, Do::Drain,        Do::Abandon,   Do::Kill,      Do::Kill};
    constexpr Do in_load[] = {Do::Rejected,     Do::Unknown,          Do::UnknownButDone,
                              Do::FatalButDone, Do::TransientButDone, Do::Dawdle};
    constexpr Do in_stores[] = {Do::FatalButDone, Do::TransientButDone};
    constexpr Do in_commit[] = {Do::Unknown, Do::UnknownButDone};
    if (site == Site::Bytes || site == Site::OnReject) return random_.chance(2) ? Do::Fatal : Do::Unclassified;
    Do what = random_.of(anywhere);
    if (site == Site::Load && random_.chance(2)) what = random_.of(in_load);
    if (site == Site::Commit && random_.chance(2)) what = random_.of(in_commit);
    if ((site == Site::Letters || site == Site::Save) && random_.chance(3)) what = random_.of(in_stores);
    // Into a target that knows its keys a batch is refused always or never; within a transaction nothing is done yet.
    if (site == Site::Load && c.kind == Kind::Keyed && what == Do::Rejected) what = Do::Transient;
    if (site == Site::Load && c.transactional() && what != Do::Rejected && what != Do::Dawdle && what >= Do::Rejected &&
        what <= Do::TransientButDone)
      what = Do::Transient;
    return what;
  }

  test::Random random_;
  std::size_t batch_size_ = 1;
};

// --- for people -----------------------------------------------------------------------------------------------------

[[nodiscard]] inline std::string to_text(const Tuning& t) {
  const Tuning usual;
  std::string out;
  const auto say = [&out](bool differs, std::string what) {
    if (differs) out.append(out.empty() ? "" : ", ").append(what);
  };
  say(t.fused, "fused");
  say(t.batch_size != usual.batch_size, fmt::format("batches of {}", t.batch_size));
  say(t.timeout_ms != usual.timeout_ms, t.timeout_ms == 0 ? "no timeout" : fmt::format("timeout {} ms", t.timeout_ms));
  say(t.workers != usual.workers, fmt::format("{} workers", t.workers));
  say(t.capacity != usual.capacity, fmt::format("capacity {}", t.capacity));
  say(t.max_loads != usual.max_loads, fmt::format("{} loads at most", t.max_loads));
  say(t.order != usual.order, t.order == etl::Order::Source ? "source order" : "order by key");
  say(t.deadline_ms != usual.deadline_ms, fmt::format("deadline {} ms", t.deadline_ms));
  say(t.max_rejects != usual.max_rejects, fmt::format("{} rejects at most", t.max_rejects));
  say(t.tight_ratio, "reject ratio 0.1");
  say(t.rejects_unclassified, "unclassified exceptions reject");
  say(t.bisects, "bisection");
  say(t.attempts != usual.attempts, fmt::format("{} attempts", t.attempts));
  say(t.delay_ms != usual.delay_ms, fmt::format("back-off {} ms", t.delay_ms));
  say(t.max_elapsed_ms != usual.max_elapsed_ms, fmt::format("at most {} ms of attempts", t.max_elapsed_ms));
  say(t.retries_unknown, "retries unknown outcomes");
  say(t.rate != usual.rate, fmt::format("{} results per second", t.rate));
  say(t.breaker != usual.breaker, fmt::format("breaker of {}", t.breaker));
  say(t.save_every_ms != usual.save_every_ms, fmt::format("saves every {} ms", t.save_every_ms));
  say(t.inline_batches != usual.inline_batches,
      t.inline_batches == etl::Inline::Adaptive ? "inline adaptive" : "inline when waiting");
  say(t.weighs, "batch_bytes");
  say(t.on_reject, "on_reject");
  return out.empty() ? "usual options" : out;
}

[[nodiscard]] inline std::string to_text(const Case& c, const DaySpec& day, const RunSpec& run) {
  std::string out = to_text(run.tuning);
  if (c.partitioned() && !run.parts.empty()) {
    out += "; partitions";
    for (const std::uint8_t part : run.parts) out += " " + day.parts.at(part).id;
  }
  if (!run.asks_resume) out += "; does not ask where to resume";
  out += fmt::format("; schedule {:#x}", run.seed);
  for (const FaultSpec& f : run.faults) {
    out += fmt::format("\n      {} {}", names_of_sites[static_cast<std::size_t>(f.site)], f.nth);
    if (f.times > 1) out += fmt::format(" to {}", f.nth + f.times - 1);
    out += fmt::format(": {}{}", names_of_deeds[static_cast<std::size_t>(f.what)],
                       !f.thrown                                      ? ""
                       : f.what == Do::Kill && f.site == Site::Commit ? ", and the commit lands later"
                                                                      : ", thrown");
    if (f.ms > 0) out += fmt::format(", {} ms", f.ms);
  }
  for (const StopSpec& s : run.stops) {
    out += fmt::format("\n      {} ", s.abandon ? "abandon" : "drain");
    out += s.ms == 0 ? "before the run" : fmt::format("at {} ms", s.ms);
  }
  return out;
}

[[nodiscard]] inline std::string to_text(const Case& c) {
  std::string out = fmt::format("{}, {}{}{}{}\n", names_of_kinds[static_cast<std::size_t>(c.kind)],
                                names_of_kept[static_cast<std::size_t>(c.kept)], c.letters ? ", dead letters" : "",
                                c.acknowledges ? ", acknowledging" : "", c.incremental ? ", incremental" : "");
  for (std::size_t d = 0; d < c.days.size(); ++d) {
    const DaySpec& day = c.days[d];
    out += fmt::format("  day {}{}\n", d, day.unfinished ? ", left unfinished" : "");
    for (const PartSpec& part : day.parts) {
      out += fmt::format("    {}:", part.id);
      for (std::size_t i = 0; i < part.items.size(); ++i) {
        const ItemSpec& item = part.items[i];
        out += fmt::format("{} {}", i == 0 ? "" : ",", names_of_fates[static_cast<std::size_t>(item.fate)]);
        if (item.fate >= Fate::RetryThenLoad) out += fmt::format(" ({})", item.retries);
        if (item.key != 0) out += fmt::format(" key {}", item.key);
        if (item.chunk) out += " [chunk]";
        if (item.mark) out += " [mark]";
        if (item.flush) out += " [flush]";
        if (item.wait_ms > 0) out += fmt::format(" [after {} ms]", item.wait_ms);
      }
      out += part.marks_end ? " [mark]\n" : "\n";
    }
    for (const RunSpec& run : day.runs) out += "    run: " + to_text(c, day, run) + "\n";
    out += "    undisturbed: " + to_text(c, day, day.last) + "\n";
  }
  for (const RunSpec& run : c.replays) out += "  replay: " + to_text(c, {}, run) + "\n";
  return out;
}

// --- made smaller ---------------------------------------------------------------------------------------------------

/// The cases that are a little smaller than `c`, the boldest first.
[[nodiscard]] inline std::vector<Case> smaller(const Case& c) {
  std::vector<Case> all;
  const auto add = [&](const std::function<void(Case&)>& change) {
    Case less = c;
    change(less);
    all.push_back(std::move(less));
  };
  for (std::size_t d = 0; d < c.days.size() && c.days.size() > 1; ++d)
    add([d](Case& s) { s.days.erase(s.days.begin() + static_cast<std::ptrdiff_t>(d)); });
  for (std::size_t d = 0; d < c.days.size(); ++d)
    for (std::size_t r = 0; r < c.days[d].runs.size(); ++r)
      add([d, r](Case& s) { s.days[d].runs.erase(s.days[d].runs.begin() + static_cast<std::ptrdiff_t>(r)); });
  if (!c.replays.empty()) add([](Case& s) { s.replays.clear(); });
  for (std::size_t r = 0; r + 1 < c.replays.size(); ++r)
    add([r](Case& s) { s.replays.erase(s.replays.begin() + static_cast<std::ptrdiff_t>(r)); });
  // Partitions lose their items, from the last on; an empty one that nobody lists is gone.
  for (std::size_t d = 0; d < c.days.size(); ++d)
    for (std::size_t p = 0; p < c.days[d].parts.size(); ++p) {
      add([d, p](Case& s) {
        for (std::size_t later = s.incremental ? d : d; later < (s.incremental ? s.days.size() : d + 1); ++later) {
          if (s.days[later].parts.size() <= p) continue;
          const bool whole = !s.partitioned();
          if (whole) continue;
          s.days[later].parts.erase(s.days[later].parts.begin() + static_cast<std::ptrdiff_t>(p));
          const auto forget = [p](RunSpec& run) {
            std::erase(run.parts, static_cast<std::uint8_t>(p));
            for (std::uint8_t& part : run.parts)
              if (part > p) --part;
          };
          for (RunSpec& run : s.days[later].runs) forget(run);
          forget(s.days[later].last);
        }
      });
    }
  for (std::size_t d = 0; d < c.days.size(); ++d) {
    if (c.incremental && d > 0) continue;
    for (std::size_t p = 0; p < c.days[d].parts.size(); ++p)
      for (std::size_t i = c.days[d].parts[p].items.size(); i-- > 0;)
        add([d, p, i](Case& s) {
          for (std::size_t later = d; later < (s.incremental ? s.days.size() : d + 1); ++later) {
            auto& items = s.days[later].parts[p].items;
            items.erase(items.begin() + static_cast<std::ptrdiff_t>(i));
          }
        });
  }
  const auto each_run = [&](const std::function<void(std::size_t, std::size_t, const RunSpec&)>& call) {
    for (std::size_t d = 0; d < c.days.size(); ++d) {
      for (std::size_t r = 0; r < c.days[d].runs.size(); ++r) call(d, r, c.days[d].runs[r]);
      call(d, SIZE_MAX, c.days[d].last);
    }
    for (std::size_t r = 0; r < c.replays.size(); ++r) call(c.days.size(), r, c.replays[r]);
  };
  const auto run_of = [](Case& s, std::size_t d, std::size_t r) -> RunSpec& {
    if (d == s.days.size()) return s.replays[r];
    return r == SIZE_MAX ? s.days[d].last : s.days[d].runs[r];
  };
  each_run([&](std::size_t d, std::size_t r, const RunSpec& run) {
    for (std::size_t f = 0; f < run.faults.size(); ++f)
      add([&, d, r, f](Case& s) {
        auto& faults = run_of(s, d, r).faults;
        faults.erase(faults.begin() + static_cast<std::ptrdiff_t>(f));
      });
    for (std::size_t f = 0; f < run.stops.size(); ++f)
      add([&, d, r, f](Case& s) {
        auto& stops = run_of(s, d, r).stops;
        stops.erase(stops.begin() + static_cast<std::ptrdiff_t>(f));
      });
    for (std::size_t f = 0; f < run.faults.size(); ++f)
      if (run.faults[f].times > 1) add([&, d, r, f](Case& s) { run_of(s, d, r).faults[f].times = 1; });
    using Reset = std::pair<bool, std::function<void(Tuning&)>>;
    const Tuning& t = run.tuning;
    const Tuning usual;
    const Reset resets[] = {
        {t.fused, [](Tuning& x) { x.fused = false; }},
        {t.rate != 0, [](Tuning& x) { x.rate = 0; }},
        {t.breaker != 0, [](Tuning& x) { x.breaker = 0; }},
        {t.weighs, [](Tuning& x) { x.weighs = false; }},
        {t.on_reject, [](Tuning& x) { x.on_reject = false; }},
        {t.bisects, [](Tuning& x) { x.bisects = false; }},
        {t.tight_ratio, [](Tuning& x) { x.tight_ratio = false; }},
        {t.rejects_unclassified, [](Tuning& x) { x.rejects_unclassified = false; }},
        {t.retries_unknown, [](Tuning& x) { x.retries_unknown = false; }},
        {t.max_rejects != usual.max_rejects, [](Tuning& x) { x.max_rejects = Tuning().max_rejects; }},
        {t.max_elapsed_ms != 0, [](Tuning& x) { x.max_elapsed_ms = 0; }},
        {t.order != etl::Order::None, [](Tuning& x) { x.order = etl::Order::None; }},
        {t.max_loads != 0, [](Tuning& x) { x.max_loads = 0; }},
        {t.inline_batches != usual.inline_batches, [](Tuning& x) { x.inline_batches = Tuning().inline_batches; }},
        {t.save_every_ms != 0, [](Tuning& x) { x.save_every_ms = 0; }},
        {t.deadline_ms != usual.deadline_ms, [](Tuning& x) { x.deadline_ms = Tuning().deadline_ms; }},
        {t.timeout_ms != usual.timeout_ms, [](Tuning& x) { x.timeout_ms = Tuning().timeout_ms; }},
        {t.attempts != usual.attempts, [](Tuning& x) { x.attempts = Tuning().attempts; }},
        {t.delay_ms != usual.delay_ms, [](Tuning& x) { x.delay_ms = Tuning().delay_ms; }},
        {t.capacity != usual.capacity, [](Tuning& x) { x.capacity = Tuning().capacity; }},
        {t.workers != 1, [](Tuning& x) { x.workers = 1; }},
    };
    for (const auto& [differs, reset] : resets)
      if (differs) add([&, d, r, reset](Case& s) { reset(run_of(s, d, r).tuning); });
    if (!run.asks_resume) add([&, d, r](Case& s) { run_of(s, d, r).asks_resume = true; });
    if (run.seed > 3)
      for (const std::uint64_t simple : {0U, 1U, 2U, 3U})
        add([&, d, r, simple](Case& s) { run_of(s, d, r).seed = simple; });
    for (std::size_t i = 0; i + 1 < run.parts.size(); ++i)
      if (run.parts[i] > run.parts[i + 1])
        add([&, d, r, i](Case& s) {
          auto& parts = run_of(s, d, r).parts;
          std::swap(parts[i], parts[i + 1]);
        });
  });
  for (std::size_t d = 0; d < c.days.size(); ++d)
    for (std::size_t p = 0; p < c.days[d].parts.size(); ++p) {
      const auto& items = c.days[d].parts[p].items;
      for (std::size_t i = 0; i < items.size(); ++i) {
        const auto change = [&, d, p, i](bool differs, const std::function<void(ItemSpec&)>& call) {
          if (!differs || (c.incremental && d > 0)) return;
          add([&](Case& s) {
            for (std::size_t later = d; later < (s.incremental ? s.days.size() : d + 1); ++later)
              call(s.days[later].parts[p].items[i]);
          });
        };
        change(items[i].fate != Fate::Load, [](ItemSpec& x) { x.fate = Fate::Load; });
        change(items[i].key != 0, [](ItemSpec& x) { x.key = 0; });
        change(items[i].mark, [](ItemSpec& x) { x.mark = false; });
        change(items[i].chunk && i > 0, [](ItemSpec& x) { x.chunk = false; });
        change(items[i].flush, [](ItemSpec& x) { x.flush = false; });
        change(items[i].wait_ms > 0, [](ItemSpec& x) { x.wait_ms = 0; });
      }
      if (c.days[d].parts[p].marks_end) add([d, p](Case& s) { s.days[d].parts[p].marks_end = false; });
    }
  if (c.letters) add([](Case& s) { s.letters = false; });
  if (c.kept == Kept::Fenced) add([](Case& s) { s.kept = Kept::Unfenced; });
  return all;
}

}  // namespace model

#pragma once
/// One pipeline type whose behaviour is data, its own books, and an audit of a report against them (contract G2).

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <etl/run.hpp>

#include "support/sync.hpp"

namespace test {

/// Where the pipeline is when it asks its script what to do.
enum class Site { PreProcess, Worker, Extract, Transform, Load, PostProcess };

constexpr std::string_view to_string(Site s) {
  constexpr std::string_view names[] = {"pre_process", "worker", "extract", "transform", "load", "post_process"};
  return names[static_cast<unsigned>(s)];
}

struct Source {
  std::uint64_t id = 0;
};
struct Target {
  std::uint64_t id = 0;
  std::uint32_t part = 0;  // which of the item's results
};

/// What really happened, written by the pipeline itself. All counters are safe from any thread.
struct Books {
  explicit Books(std::uint64_t items)
      : accepted(items), transformed(items), made(items), loaded(items), refused_by_load(items) {}

  std::deque<std::atomic<std::uint32_t>> accepted, transformed, made, loaded, refused_by_load;  // by item
  std::atomic<std::uint64_t> offered = 0, refused = 0;
  std::atomic<std::uint64_t> load_calls = 0;
  std::atomic<int> pre_calls = 0, post_calls = 0, pre_failed = 0;
  std::atomic<int> workers_made = 0, workers_alive = 0;
  std::atomic<std::uint64_t> largest_load = 0;
  Crowd extracting, calls, loads;
  etl::Outcome told_outcome = etl::Outcome::NotRun;  // what post_process heard

  std::mutex mutex;
  std::vector<std::string> complaints;  // what should never happen
  void complain(std::string text) {
    const std::lock_guard lock(mutex);
    if (complaints.size() < 20) complaints.push_back(std::move(text));
  }
};

/// What an item shall become.
enum class Fate { Load, Filter, RejectByTransform, RejectByLoad };

/// The behaviour, shared by all stages. `at` is asked before each step (each item of each stage) and may throw, return
/// an error, or do anything else; the others say what becomes of an item.
struct Script {
  std::uint64_t items = 20;
  std::function<etl::Result<void>(Site, std::uint64_t)> at{};
  std::function<Fate(std::uint64_t)> fate{};
  std::function<std::uint32_t(std::uint64_t)> results{};  // of an item that is loaded; 1 if not given
  bool insist = false;                                    // keeps pushing after a refused push

  [[nodiscard]] etl::Result<void> ask(Site s, std::uint64_t n) const {
    if (at) return at(s, n);
    return {};
  }
  [[nodiscard]] Fate fate_of(std::uint64_t id) const { return fate ? fate(id) : Fate::Load; }
  [[nodiscard]] std::uint32_t results_of(std::uint64_t id) const { return results ? results(id) : 1; }
};

/// State of one worker; knows when two calls use it at once.
class Desk {
 public:
  explicit Desk(Books& books) : books_(&books) {
    ++books.workers_made;
    ++books.workers_alive;
  }
  ~Desk() {
    if (books_ != nullptr) --books_->workers_alive;
  }
  Desk(Desk&& other) noexcept : books_(std::exchange(other.books_, nullptr)) {}
  Desk& operator=(Desk&&) = delete;
  std::atomic<bool> in_use = false;

 private:
  Books* books_;
};

/// The pipeline. `concurrent`: load is const.
template <bool concurrent>
class Scripted {
 public:
  using extracted = Source;
  using loaded = Target;

  explicit Scripted(Script s) : script(std::move(s)), books(std::make_shared<Books>(script.items)) {}

  etl::Result<void> pre_process(std::stop_token) {
    ++books->pre_calls;
    ++books->pre_failed;  // unless it gets past the script
    auto result = script.ask(Site::PreProcess, 0);
    if (result) --books->pre_failed;
    return result;
  }
  Desk worker() const {
    if (auto result = script.ask(Site::Worker, 0); !result) throw etl::Exception(result.error());
    return Desk(*books);
  }
  etl::Result<void> extract(etl::Emitter<Source>& out) {
    const Crowd::Visit visit(books->extracting);
    if (books->pre_calls != 1 || books->pre_failed != 0)
      books->complain("extract ran without a successful pre_process");
    for (std::uint64_t i = 0; i < script.items; ++i) {
      if (auto result = script.ask(Site::Extract, i); !result) return result;
      ++books->offered;
      if (out.push(Source{i})) {
        ++books->accepted[i];
      } else {
        ++books->refused;
        if (!script.insist) return {};
      }
    }
    return {};
  }
  etl::Result<void> transform(const Source& item, etl::Out<Target>& out, Desk& desk) const {
    const Use use(*books, desk);
    ++books->transformed[item.id];
    if (auto result = script.ask(Site::Transform, item.id); !result) return result;
    const Fate fate = script.fate_of(item.id);
    if (fate == Fate::Filter) return {};
    const std::uint32_t n = script.results_of(item.id);
    for (std::uint32_t part = 0; part < n; ++part) {
      ++books->made[item.id];
      if (part % 2 == 0) {
        Target& t = out.next();
        t.id = item.id;
        t.part = part;
      } else {
        out.push(Target{item.id, part});
      }
    }
    if (fate == Fate::RejectByTransform) out.reject("transform does not like item " + std::to_string(item.id));
    return {};
  }
  etl::Result<void> load(std::span<const Target> batch, etl::BatchContext& context, Desk& desk) const
    requires concurrent
  {
    return put(batch, context, desk);
  }
  etl::Result<void> load(std::span<const Target> batch, etl::BatchContext& context, Desk& desk)
    requires(!concurrent)
  {
    if (books->loads.inside() != 0) books->complain("a non-const load ran twice at once");
    return put(batch, context, desk);
  }
  etl::Result<void> post_process(const etl::RunReport& report) {
    ++books->post_calls;
    books->told_outcome = report.outcome;
    if (books->calls.inside() != 0 || books->extracting.inside() != 0)
      books->complain("post_process ran beside other callables");
    return script.ask(Site::PostProcess, 0);
  }

  Script script;
  std::shared_ptr<Books> books;

 private:
  class Use {
   public:
    Use(Books& books, Desk& desk) : visit_(books.calls), desk_(&desk) {
      if (desk.in_use.exchange(true)) books.complain("two calls shared one worker's state");
    }
    ~Use() { desk_->in_use = false; }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    Crowd::Visit visit_;
    Desk* desk_;
  };

  etl::Result<void> put(std::span<const Target> batch, etl::BatchContext& context, Desk& desk) const {
    const Use use(*books, desk);
    const Crowd::Visit visit(books->loads);
    ++books->load_calls;
    if (batch.empty()) books->complain("load was called with nothing");
    for (std::uint64_t most = books->largest_load;
         batch.size() > most && !books->largest_load.compare_exchange_weak(most, batch.size());) {}
    for (const Target& t : batch)
      if (auto result = script.ask(Site::Load, t.id); !result) return result;
    // From here on nothing fails: this is the commit.
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const Target& t = batch[i];
      if (t.id < context.first_seq() || t.id > context.last_seq())
        books->complain("a result lies outside of its batch's Seq range");
      if (script.fate_of(t.id) == Fate::RejectByLoad) {
        ++books->refused_by_load[t.id];
        context.reject(i, "load does not like item " + std::to_string(t.id));
      } else {
        ++books->loaded[t.id];
      }
    }
    return {};
  }
};

/// What is wrong with a report by itself: empty for a sound one.
inline std::string unsound(const etl::RunReport& r) {
  std::string wrong;
  const auto require = [&wrong](bool ok, std::string_view what) {
    if (!ok) wrong.append(what).append("; ");
  };
  require(r.items.balanced(), "items do not balance");
  require(r.results.balanced(), "results do not balance");
  require(r.outcome != etl::Outcome::Inconsistent, "Inconsistent");
  if (r.outcome == etl::Outcome::Completed)
    require(r.items.abandoned == 0 && r.items.rejected == 0 && r.results.abandoned == 0 && r.results.in_doubt == 0,
            "Completed with losses");
  if (r.outcome == etl::Outcome::CompletedWithRejects)
    require(r.items.abandoned == 0 && r.items.rejected > 0 && r.results.abandoned == 0 && r.results.in_doubt == 0,
            "CompletedWithRejects with losses, or without rejects");
  if (r.outcome == etl::Outcome::Failed) require(!r.errors.empty(), "Failed without an error");
  require(r.error_count >= r.errors.size(), "fewer errors counted than kept");
  require(r.items.skipped == 0, "skipped items without a checkpoint");
  if (!wrong.empty()) wrong += "\n" + r.text();
  return wrong;
}

/// Compares a report with what the pipeline saw: empty when they agree. To be called when the run has returned.
inline std::string audit(const etl::RunReport& r, const Books& b, const etl::Options& options) {
  std::string wrong = unsound(r);
  const auto same = [&wrong](std::uint64_t reported, std::uint64_t seen, std::string_view what) {
    if (reported != seen)
      wrong.append(what)
          .append(": reported ")
          .append(std::to_string(reported))
          .append(", seen ")
          .append(std::to_string(seen))
          .append("; ");
  };
  const auto require = [&wrong](bool ok, std::string_view what) {
    if (!ok) wrong.append(what).append("; ");
  };
  std::uint64_t committed = 0, fully_loaded = 0, refused_results = 0, made = 0, touched_by_rejection = 0;
  for (std::size_t i = 0; i < b.accepted.size(); ++i) {
    const std::uint32_t n = b.made[i];
    committed += b.loaded[i];
    made += n;
    refused_results += b.refused_by_load[i];
    if (b.refused_by_load[i] != 0) ++touched_by_rejection;
    if (n > 0 && b.loaded[i] == n) ++fully_loaded;
    require(b.accepted[i] <= 1, "an item was accepted twice");
    require(b.transformed[i] <= b.accepted[i], "an item was transformed that was not accepted, or twice");
    require(b.loaded[i] + b.refused_by_load[i] <= n, "a result was loaded twice, or never made");
  }
  same(r.items.extracted, b.offered, "items.extracted");
  same(r.results.committed, committed, "results.committed");
  // A reject of a batch that failed, such as one beyond the budget, is lost with it and comes again in the next run.
  require(r.results.rejected + (r.ok() ? 0 : r.results.abandoned) >= refused_results,
          "results.rejected below what load rejected");
  require(r.results.produced <= made, "results.produced above what transform made");
  require(r.items.loaded <= fully_loaded, "items.loaded above what was loaded whole");
  // An item of which another result was abandoned is abandoned: the worst counts.
  require(r.items.rejected + r.items.abandoned >= touched_by_rejection,
          "items.rejected below the items that load rejected");
  require(r.items.abandoned >= b.refused, "items.abandoned below the refused pushes");
  if (r.ok()) {
    same(r.items.loaded, fully_loaded, "items.loaded");
    same(b.offered, b.accepted.size(), "items offered of a whole source");
    for (std::size_t i = 0; i < b.transformed.size(); ++i)
      if (b.transformed[i] != 1) require(false, "ok() although an item was not transformed");
  }
  same(static_cast<std::uint64_t>(b.workers_alive), 0, "workers' states left behind");
  same(static_cast<std::uint64_t>(b.calls.inside() + b.extracting.inside()), 0, "callables still at work");
  const std::uint64_t tokens = options.mode == etl::Mode::Fused ? 1 : options.workers;
  require(static_cast<std::uint64_t>(b.calls.most()) <= tokens, "more calls at once than workers");
  require(static_cast<std::uint64_t>(b.loads.most()) <= options.max_concurrent_loads.value_or(tokens),
          "too many loads at once");
  require(static_cast<std::uint64_t>(b.workers_made) <= tokens, "more workers' states than workers");
  require(b.largest_load <= options.batch_size, "a load of more than batch_size results");
  const int pre_calls = b.pre_calls, post_calls = b.post_calls;
  const bool stopped_before = r.outcome == etl::Outcome::Cancelled && b.offered == 0 && pre_calls == 0;
  if (!stopped_before) same(static_cast<std::uint64_t>(pre_calls), 1, "calls of pre_process");
  same(static_cast<std::uint64_t>(post_calls), pre_calls == 1 && b.pre_failed == 0 ? 1 : 0, "calls of post_process");
  for (const std::string& c : b.complaints) wrong.append(c).append("; ");
  if (!wrong.empty()) wrong += "\n" + r.text();
  return wrong;
}

/// Where a run takes its threads from.
enum class Place { OwnPool, OneThread, TwoThreads, InsideItsOwnThread, SharedPool };
inline constexpr Place all_places[] = {Place::OwnPool, Place::OneThread, Place::TwoThreads, Place::InsideItsOwnThread,
                                       Place::SharedPool};
constexpr std::string_view to_string(Place p) {
  constexpr std::string_view names[] = {"own pool", "io_context with 1 thread", "io_context with 2 threads",
                                        "inside the only thread of its io_context", "a pool shared by runs"};
  return names[static_cast<unsigned>(p)];
}

}  // namespace test

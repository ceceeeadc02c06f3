#pragma once
/// Checks that a source or a sink keeps the contract (contract G2, G6, G11, G14, G16).

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <etl/batch_context.hpp>
#include <etl/config.hpp>
#include <etl/delivery/idempotency_key.hpp>
#include <etl/emitter.hpp>
#include <etl/error.hpp>
#include <etl/options.hpp>
#include <etl/report.hpp>
#include <etl/run.hpp>
#include <etl/testing/conformance.hpp>
#include <etl/testing/memory_stores.hpp>

namespace etl::inline v0::testing {
namespace detail {

/// Loads the items of a source one by one, until it fails at a given item.
template <class E, class Source>
struct SourceProbe {
  using position = typename etl::detail::PositionOf<Source>::type;
  Source& source;
  std::vector<E>& items;
  std::size_t breaks_at = SIZE_MAX;  // after so many

  std::string fingerprint() const { return "conformance"; }
  decltype(auto) extract(Emitter<E, position>& out) { return source.extract(out); }
  Result<void> load(std::span<const E> batch) {
    if (items.size() == breaks_at) return failure(fatal("broken by the conformance check"));
    items.push_back(batch.front());
    return {};
  }
};

template <class T, class Sink>
struct SinkProbe {
  using position = std::string;
  using loaded = T;
  const std::vector<T>& rows;
  Sink& sink;

  std::string fingerprint() const { return "conformance"; }
  void extract(Emitter<T>& out) {
    for (const T& row : rows)
      if (!out.push(row)) return;
  }
  auto load(std::span<const T> batch, BatchContext& context)
    requires requires { sink.load(batch, context); }
  {
    return sink.load(batch, context);
  }
  auto load(std::span<const T> batch, BatchContext& context, const IdempotencyKey& key)
    requires requires { sink.load(batch, context, key); }
  {
    return sink.load(batch, context, key);
  }
};

inline void completed(const RunReport& report, const std::string& doing) {
  require(report.ok(), doing + " did not end well:\n" + report.text());
}

}  // namespace detail

/// Checks a source. Throws `std::runtime_error` that names the first broken promise. `make()` returns the source as a
/// new process would make it: an object with `extract(Emitter<E>&)`, or with `using position = P;` and
/// `extract(Emitter<E, P>&)`. The source is run once to the end. Then it is ended after some of its items, at no more
/// than `cuts` places, and started again with its progress. E is copied and compared.
template <class E, class Make>
void check_source(Make&& make, std::size_t cuts = 20) {
  using detail::completed, detail::require, detail::value_of;
  Options options{.name = "conformance", .mode = Mode::Fused, .batch_size = 1};
  options.delivery.save_every = {};
  const auto run_once = [&](MemoryCheckpoints& kept, std::vector<E>& items, std::size_t breaks_at = SIZE_MAX) {
    auto source = make();
    options.delivery.checkpoints = std::shared_ptr<CheckpointStore>(std::shared_ptr<void>(), &kept);
    return run(detail::SourceProbe<E, decltype(source)>{source, items, breaks_at}, options);
  };

  std::vector<E> all, twice;
  MemoryCheckpoints first, second;
  completed(run_once(first, all), "the first run");
  completed(run_once(second, twice), "the second run");
  require(all == twice, "a source that is read again returns the same items in the same order (G14)");

  const std::size_t step = std::max<std::size_t>(1, all.size() / std::max<std::size_t>(1, cuts));
  for (std::size_t cut = 0; cut < all.size(); cut += step) {
    const std::string place = ", cut off after " + std::to_string(cut) + " items";
    MemoryCheckpoints kept;
    std::vector<E> before, after;
    const RunReport broken = run_once(kept, before, cut);
    require(broken.outcome == Outcome::Failed, "a failing load fails the run" + place + ":\n" + broken.text());
    require(broken.items.abandoned <= 2, "extract returns when a push was refused (G11)" + place);
    const auto checkpoint = value_of(kept.find(options.name), "find");
    const PartitionProgress* const progress = checkpoint ? checkpoint->find(0) : nullptr;
    const std::size_t settled = progress == nullptr ? 0 : static_cast<std::size_t>(progress->watermark);
    completed(run_once(kept, after), "the resumed run" + place);
    require(after == std::vector<E>(all.begin() + static_cast<std::ptrdiff_t>(settled), all.end()),
            "a source that begins at its own mark returns exactly the items after the mark (G14)" + place);
  }
}

/// Checks a sink in the same way. `make()` returns an empty sink: an object with `load(std::span<const T>,
/// BatchContext&)`, perhaps with an `IdempotencyKey` as third argument, and with `stored()`, which returns its rows in
/// any order. The sink must accept `rows`, and reject `bad`, if given, alone. T is copied and compared.
template <class T, class Make>
void check_sink(Make&& make, const std::vector<T>& rows, const std::optional<T>& bad = std::nullopt) {
  using detail::completed, detail::require;
  Options options{.name = "conformance", .mode = Mode::Fused};
  const auto run_once = [&]<class Sink>(Sink& sink, const std::vector<T>& input, std::size_t batch_size) {
    options.batch_size = batch_size;
    return run(detail::SinkProbe<T, Sink>{input, sink}, options);
  };
  const auto same = [](const std::vector<T>& a, const std::vector<T>& b) { return std::ranges::is_permutation(a, b); };
  constexpr bool keyed = requires(decltype(make())& sink, BatchContext& context, const IdempotencyKey& key) {
    sink.load(std::span<const T>(), context, key);
  };
  for (const std::size_t batch_size : {std::size_t{1}, std::size_t{3}, rows.size() + 1}) {
    const std::string place = ", in batches of " + std::to_string(batch_size);
    auto sink = make();
    completed(run_once(sink, rows, batch_size), "a run" + place);
    require(same(sink.stored(), rows), "every row that load accepted is stored once (G2)" + place);
    if constexpr (keyed) {
      completed(run_once(sink, rows, batch_size), "the same run again" + place);
      require(same(sink.stored(), rows), "a batch that is repeated with the same key changes nothing (G16)" + place);
    }
    if (!bad) continue;
    auto another = make();
    std::vector<T> mixed = rows;
    mixed.insert(mixed.begin() + static_cast<std::ptrdiff_t>(rows.size() / 2), *bad);
    options.errors.max_rejects = 1;
    const RunReport report = run_once(another, mixed, batch_size);
    options.errors.max_rejects = 0;
    completed(report, "a run with a bad row" + place);
    require(report.items.rejected == 1, "a bad row is rejected alone (G6)" + place);
    require(same(another.stored(), rows), "the other rows of a batch with a bad row are stored (G6)" + place);
  }
}

}  // namespace etl::inline v0::testing

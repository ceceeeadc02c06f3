#pragma once
/// A sink for pipelines: rows are staged as compressed NDJSON in an object store, and one task of Druid loads them.
///
///     struct Orders {
///       etl::druid::Staging& staging;
///       etl::Result<void> load(std::span<const Order> batch, const etl::IdempotencyKey& key) const {
///         return staging.write(batch, [](const Order& o, std::string& out) { ... }, key);
///       }
///       etl::Result<void> post_process(const etl::RunReport& report, std::stop_token stop) const {
///         return staging.finish(report, stop);
///       }
///     };

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <etl/config.hpp>
#include <etl/delivery/dead_letter.hpp>
#include <etl/delivery/idempotency_key.hpp>
#include <etl/delivery/level.hpp>
#include <etl/druid/ingest.hpp>
#include <etl/error.hpp>
#include <etl/io/object_store.hpp>
#include <etl/report.hpp>

namespace etl::inline v0::druid {

/// How Druid reads the objects with these keys.
using InputOf = std::function<Input(const std::vector<std::string>& keys)>;
/// Objects of a `io::FolderStore`, which Druid's tasks see under `folder`, an absolute path.
[[nodiscard]] InputOf read_from_folder(std::string folder);
/// Objects of a bucket, as s3://BUCKET/KEY. `how` has the other settings of the input; its `uris` and `prefixes` are
/// not used.
[[nodiscard]] InputOf read_from_s3(std::string bucket, S3Input how = {});

/// Settings of a `Staging`. An aggregate; `spec` and `input` must be given.
struct StagingOptions {
  /// The spec of the load. Its mode says whether a repeated load adds rows (`Append`: at least once) or replaces
  /// them
  /// (`Replace`: exactly once). Its input and format are those of the staging, and are ignored.
  Spec spec;
  InputOf input{};  ///< how Druid reads the objects
  /// The beginning of the keys of all objects, such as "staging/orders/". It must belong to this pipeline alone:
  /// objects that other loads have left under it are removed.
  std::string prefix{};
  /// Identity of the source: the pipeline's `fingerprint()`. Objects of other sources are not loaded.
  std::string source{};
  /// Deletes the rows that earlier runs have staged. Set it together with `DeliveryOptions::restart`.
  bool restart = false;
  IngestOptions ingest{};  ///< `content` and `watch.rows_sent` are ignored
  /// Gets the texts of rows that Druid could not parse, before they are removed (G7). Null: such rows, which
  /// `Tuning::max_parse_exceptions` allows, make the load fail.
  std::shared_ptr<DeadLetterStore> dead_letters{};
};

/// The result of a `Staging`. A value.
struct Loaded {
  std::uint64_t rows = 0;              ///< staged rows
  std::size_t objects = 0;             ///< objects with these rows
  std::size_t letters = 0;             ///< dead letters that were written
  std::optional<TaskResult> result{};  ///< result of the task; nothing if there was no row, and so no task
};

/// Stages batches, and loads them at the end. A cheap copy is the same staging. Thread-safe.
///
/// Each batch becomes one object, named by its idempotency key and its number of rows. So a batch that is repeated, by
/// a retry or by the next run after a kill, replaces its own object (G16), and together with the run's checkpoint no
/// row is lost or stored twice in the object store. Batches of about 10,000 rows are best, because the task's spec
/// names every object.
///
/// `finish` submits one task for all objects, under an id made of the keys: a killed process finds its task again.
/// Before the task is submitted, and after it has loaded the rows, the key "PREFIXmanifest.json" says which objects
/// belong to it and what has become of them. So objects that are half removed are never loaded again. When the rows are
/// loaded, objects and manifest are removed; when the run or the task failed, they stay for the next run.
class Staging {
 public:
  /// Fails if the spec is wrong or the store does not answer. Removes objects that belong to no load any more.
  [[nodiscard]] static Result<Staging> open(io::AnyObjectStore store, Client client, StagingOptions options,
                                            const std::stop_token& stop = {});

  /// Stages a batch. `to_json(row, out)` appends the JSON of a row, one object without line breaks, to a std::string.
  template <class T, std::invocable<const T&, std::string&> F>
  [[nodiscard]] Result<void> write(std::span<const T> batch, F&& to_json, const IdempotencyKey& key,
                                   const std::stop_token& stop = {}) const {
    std::string lines;
    for (const T& row : batch) {
      to_json(row, lines);
      lines += '\n';
    }
    return put(lines, batch.size(), key, stop);
  }

  /// Loads the staged rows, if the run has completed. An error says why the rows are not, or not all, loaded.
  [[nodiscard]] Result<void> finish(const RunReport& report, const std::stop_token& stop = {}) const;
  /// The same without a run, for a caller that has written all rows.
  [[nodiscard]] Result<Loaded> ingest(const std::stop_token& stop = {}) const;
  /// The result of `finish`; nothing before it.
  [[nodiscard]] std::optional<Loaded> loaded() const;

  /// `EffectivelyOnce` for `Replace`, `AtLeastOnce` for `Append`: Druid forgets tasks after some time, and would then
  /// add the same rows again.
  [[nodiscard]] Delivery delivery() const noexcept;

 private:
  struct State;
  explicit Staging(std::shared_ptr<State> state) : state_(std::move(state)) {}
  [[nodiscard]] Result<void> put(const std::string& lines, std::size_t rows, const IdempotencyKey& key,
                                 const std::stop_token& stop) const;
  std::shared_ptr<State> state_;
};

/// A staging whose mode, `Append` or `Replace`, is a part of its type. A pipeline declares the level of the mode, and
/// so `etl::require_delivery<etl::Delivery::EffectivelyOnce>` does not compile for a pipeline that appends:
///
///     struct Orders {
///       using Target = etl::druid::StagingOf<etl::druid::Append>;
///       static constexpr etl::Delivery delivery = Target::level;
///       Target& staging;
template <class M>
  requires std::same_as<M, Append> || std::same_as<M, Replace>
class StagingOf : public Staging {
 public:
  /// The same as `delivery()`, known when the program is compiled.
  static constexpr Delivery level = std::same_as<M, Replace> ? Delivery::EffectivelyOnce : Delivery::AtLeastOnce;

  /// As `Staging::open`. Fails also if the mode of `options.spec` is not an `M`.
  [[nodiscard]] static Result<StagingOf> open(io::AnyObjectStore store, Client client, StagingOptions options,
                                              const std::stop_token& stop = {}) {
    if ((options.spec.mode.replace() != nullptr) != std::same_as<M, Replace>)
      return failure(Error{.code = Errc::InvalidOptions,
                           .context = std::same_as<M, Replace>
                                          ? "staging: spec.mode is Append; give Replace, or use StagingOf<Append>"
                                          : "staging: spec.mode is Replace; give Append, or use StagingOf<Replace>"});
    Result<Staging> opened = Staging::open(std::move(store), std::move(client), std::move(options), stop);
    if (!opened) return failure(std::move(opened.error()));
    return StagingOf(std::move(*opened));
  }

 private:
  explicit StagingOf(Staging opened) : Staging(std::move(opened)) {}
};

}  // namespace etl::inline v0::druid

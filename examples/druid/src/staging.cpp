#include <algorithm>
#include <map>
#include <mutex>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <etl/druid/dead_letters.hpp>
#include <etl/druid/staging.hpp>
#include <etl/io/digest.hpp>
#include <etl/io/gzip.hpp>
#include <etl/io/object_store_stream.hpp>

#include "manifest.hpp"

namespace etl::inline v0::druid {
namespace {

/// A sink that appends to a text.
class ToText final : public io::ByteSink {
 public:
  explicit ToText(std::string& to) : to_(to) {}
  Result<void> write(std::string_view bytes) override {
    to_.append(bytes);
    return {};
  }
  Result<void> finish() override { return {}; }

 private:
  std::string& to_;
};

Result<std::string> compressed(std::string_view text) {
  constexpr int fast = 1;  // Druid reads the object only once, so fast compression is enough
  std::string made;
  io::Sink sink = io::deflate(std::make_unique<ToText>(made), fast);
  if (auto written = sink->write(text); !written) return failure(std::move(written.error()));
  if (auto finished = sink->finish(); !finished) return failure(std::move(finished.error()));
  return made;
}

constexpr std::string_view object_suffix = ".json.gz";

/// Reads the number of rows in "PREFIXKEY-ROWS.json.gz". Nothing if the object does not belong to a batch.
std::optional<StagedObject> object_of(const std::string& key) {
  if (!key.ends_with(object_suffix)) return std::nullopt;
  const std::string_view name = std::string_view(key).substr(0, key.size() - object_suffix.size());
  const std::size_t dash = name.rfind('-');
  if (dash == std::string_view::npos || dash + 1 == name.size()) return std::nullopt;
  StagedObject made{.key = key};
  for (const char digit : name.substr(dash + 1)) {
    if (digit < '0' || digit > '9') return std::nullopt;
    made.rows = made.rows * 10 + static_cast<std::uint64_t>(digit - '0');
  }
  return made;
}

/// The part "PREFIXKEY" of "PREFIXKEY-ROWS.json.gz".
std::string_view batch_of(const StagedObject& object) {
  const std::string_view key = object.key;
  return key.substr(0, key.rfind('-'));
}

}  // namespace

InputOf read_from_folder(std::string folder) {
  while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
  return [folder = std::move(folder)](const std::vector<std::string>& keys) -> Input {
    LocalInput input{.filter = ""};
    for (const std::string& key : keys) input.files.push_back(fmt::format("{}/{}", folder, key));
    return input;
  };
}

InputOf read_from_s3(std::string bucket, S3Input how) {
  how.uris.clear();
  how.prefixes.clear();
  return [bucket = std::move(bucket), how = std::move(how)](const std::vector<std::string>& keys) -> Input {
    S3Input input = how;
    for (const std::string& key : keys) input.uris.push_back(fmt::format("s3://{}/{}", bucket, key));
    return input;
  };
}

struct Staging::State {
  io::AnyObjectStore store;
  Client client;
  StagingOptions options;
  std::string folder;  ///< PREFIX and the part for the source
  std::mutex mutex{};
  std::optional<Loaded> loaded{};

  [[nodiscard]] std::string manifest_key() const { return options.prefix + "manifest.json"; }

  Result<void> remove(const std::vector<StagedObject>& objects, const std::stop_token& stop) const {
    for (const StagedObject& object : objects)
      if (auto removed = store.remove(object.key, stop); !removed) return removed;
    return {};
  }
  [[nodiscard]] Result<std::optional<Manifest>> read_manifest(const std::stop_token& stop) const {
    auto opened = io::open_object(store, manifest_key(), {}, stop);
    if (!opened && opened.error().code == io::StoreProblem::Missing) return std::optional<Manifest>();
    if (!opened) return failure(std::move(opened.error()));
    const auto text = io::read_all(*opened->bytes);
    if (!text) return failure(text.error());
    auto parsed = parse_manifest(*text, store.name() + manifest_key());
    if (!parsed) return failure(std::move(parsed.error()));
    return std::optional<Manifest>(std::move(*parsed));
  }
  Result<void> write_manifest(const Manifest& manifest, const std::stop_token& stop) const {
    const auto done = store.put(manifest_key(), to_json(manifest), {.content_type = "application/json"}, stop);
    return done ? Result<void>() : failure(done.error());
  }

  /// Removes what a finished load has left, and objects of other sources.
  Result<void> clean(const std::stop_token& stop) const {
    auto manifest = read_manifest(stop);
    if (!manifest) return failure(std::move(manifest.error()));
    std::vector<StagedObject> old;
    const bool ended = *manifest && (*manifest)->loaded;
    if (ended) old = (*manifest)->objects;
    auto listed = io::for_each_object(
        store, options.prefix,
        [&](const io::ObjectInfo& object) -> Result<void> {
          if (object.key == manifest_key()) return {};
          if (options.restart || !object.key.starts_with(folder)) old.push_back({.key = object.key});
          return {};
        },
        stop);
    if (!listed) return listed;
    if (auto removed = remove(old, stop); !removed) return removed;
    return ended || options.restart ? store.remove(manifest_key(), stop) : Result<void>();
  }

  /// The objects that batches have staged, sorted by key.
  [[nodiscard]] Result<std::vector<StagedObject>> objects(const std::stop_token& stop) const {
    std::vector<StagedObject> found;
    auto listed = io::for_each_object(
        store, folder,
        [&](const io::ObjectInfo& info) -> Result<void> {
          if (auto object = object_of(info.key)) found.push_back(std::move(*object));
          return {};
        },
        stop);
    if (!listed) return failure(listed.error());
    for (std::size_t i = 1; i < found.size(); ++i)
      if (batch_of(found[i - 1]) == batch_of(found[i]))
        return fatal(
            fmt::format("{}{} and {} are the same batch with other rows: the pipeline's transform gives different "
                        "results for the same source; delete the staged rows with StagingOptions::restart",
                        store.name(), found[i - 1].key, found[i].key));
    return found;
  }

  Result<Loaded> ingest(const std::stop_token& stop) {
    auto staged = objects(stop);
    if (!staged) return failure(std::move(staged.error()));
    Loaded made{.objects = staged->size()};
    std::vector<std::string> keys;
    io::Digest digest(io::DigestKind::Sha256);
    for (const StagedObject& object : *staged) {
      made.rows += object.rows;
      keys.push_back(object.key);
      digest.update(object.key + "\n");
    }
    if (made.rows == 0) return made;
    Spec spec = options.spec;
    spec.input = options.input(keys);
    spec.format = JsonFormat{};
    IngestOptions how = options.ingest;
    how.content = digest.finish();
    how.watch.rows_sent = made.rows;
    Manifest manifest{.objects = std::move(*staged), .content = how.content};
    if (auto id = task_id(spec, how.content, 0)) manifest.task = std::move(*id);
    if (auto written = write_manifest(manifest, stop); !written) return failure(std::move(written.error()));
    auto result = druid::ingest(client, spec, how, stop);
    if (!result) return failure(std::move(result.error()));
    if (!result->loaded())
      return fatal(fmt::format("task {} is {}: {}; its rows stay staged in {}{}", result->id,
                               to_string(result->outcome), result->reason, store.name(), options.prefix));
    auto letters = write_letters(*result, stop);
    if (!letters) return failure(std::move(letters.error()));
    made.letters = *letters;
    manifest.task = result->id;
    manifest.loaded = true;
    made.result = std::move(*result);
    // The rows are loaded from here on. What cannot be removed now is removed by the next `open`.
    if (auto written = write_manifest(manifest, stop); !written) return failure(std::move(written.error()));
    if (auto removed = remove(manifest.objects, stop); !removed) return failure(std::move(removed.error()));
    if (auto removed = store.remove(manifest_key(), stop); !removed) return failure(std::move(removed.error()));
    return made;
  }

  [[nodiscard]] Result<std::size_t> write_letters(const TaskResult& result, const std::stop_token& stop) const {
    const std::uint64_t lost = rows_without_letter(result);
    const bool any = result.report && result.report->rows.unparseable > 0;
    if (!any) return std::size_t{0};
    if (!options.dead_letters || lost > 0)
      return fatal(
          fmt::format("task {}: {} rows could not be parsed, and {}", result.id, result.report->rows.unparseable,
                      !options.dead_letters ? "StagingOptions::dead_letters is not set"
                                            : fmt::format("Druid does not report the texts of {} of them; raise "
                                                          "Tuning::max_saved_parse_exceptions",
                                                          lost)));
    // Lines of files with bad rows, by the end of the file's URI.
    std::map<std::string, std::vector<std::string>> lines;
    const auto text = [&](const BadRow& row) -> std::optional<std::string> {
      const std::size_t at = row.file.rfind(folder);
      if (row.line == 0 || at == std::string::npos) return std::nullopt;
      auto [found, added] = lines.try_emplace(row.file.substr(at));
      if (added) found->second = lines_of(found->first, stop);
      if (row.line > found->second.size()) return std::nullopt;
      return found->second[row.line - 1];
    };
    const auto letters = dead_letters(result, {.pipeline = options.spec.data_source, .text = text});
    if (auto written = options.dead_letters->write(letters); !written) return failure(std::move(written.error()));
    return letters.size();
  }
  /// The rows of an object; none if the object cannot be read.
  [[nodiscard]] std::vector<std::string> lines_of(const std::string& key, const std::stop_token& stop) const {
    auto opened = io::open_object(store, key, {}, stop);
    if (!opened) return {};
    const auto text = io::read_all(*io::inflate(std::move(opened->bytes)));
    std::vector<std::string> made;
    if (!text) return made;
    for (std::string_view rest = *text; !rest.empty();) {
      const std::size_t end = std::min(rest.find('\n'), rest.size() - 1);
      made.emplace_back(rest.substr(0, end));
      rest.remove_prefix(end + 1);
    }
    return made;
  }
};

Result<Staging> Staging::open(io::AnyObjectStore store, Client client, StagingOptions options,
                              const std::stop_token& stop) {
  if (!options.input)
    return Error{.code = Errc::InvalidOptions,
                 .context = "staging: input is not set; give read_from_folder(...) or read_from_s3(...)"};
  if (!options.prefix.empty() && !options.prefix.ends_with('/'))
    return Error{.code = Errc::InvalidOptions,
                 .context = fmt::format("staging: prefix '{}' does not end with '/'", options.prefix)};
  Spec spec = options.spec;
  spec.format = JsonFormat{};
  spec.input = options.input({options.prefix + "rows.json.gz"});
  if (auto json = to_json(spec); !json) return failure(std::move(json.error()));
  const std::string source = io::digest(io::DigestKind::Sha256, options.source).substr(0, 16);
  auto state = std::make_shared<State>(std::move(store), std::move(client), std::move(options));
  state->folder = state->options.prefix + source + "/";
  if (auto cleaned = state->clean(stop); !cleaned) return failure(std::move(cleaned.error()));
  return Staging(std::move(state));
}

Result<void> Staging::put(const std::string& lines, std::size_t rows, const IdempotencyKey& key,
                          const std::stop_token& stop) const {
  if (rows == 0) return {};
  auto bytes = compressed(lines);
  if (!bytes) return failure(std::move(bytes.error()));
  const std::string name = fmt::format("{}{}-{}{}", state_->folder, key.text(), rows, object_suffix);
  const auto done = state_->store.put(name, *bytes, {}, stop);
  return done ? Result<void>() : failure(done.error());
}

Result<Loaded> Staging::ingest(const std::stop_token& stop) const {
  auto made = state_->ingest(stop);
  if (made) {
    const std::lock_guard lock(state_->mutex);
    state_->loaded = *made;
  }
  return made;
}

Result<void> Staging::finish(const RunReport& report, const std::stop_token& stop) const {
  if (report.outcome != Outcome::Completed && report.outcome != Outcome::CompletedWithRejects) return {};
  const auto made = ingest(stop);
  return made ? Result<void>() : failure(made.error());
}

std::optional<Loaded> Staging::loaded() const {
  const std::lock_guard lock(state_->mutex);
  return state_->loaded;
}

Delivery Staging::delivery() const noexcept {
  return state_->options.spec.mode.replace() != nullptr ? Delivery::EffectivelyOnce : Delivery::AtLeastOnce;
}

}  // namespace etl::inline v0::druid

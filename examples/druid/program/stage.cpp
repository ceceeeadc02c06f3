#include "stage.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <string_view>
#include <system_error>
#include <utility>

#include <unistd.h>

#include <fmt/format.h>

#include <etl/csv/ndjson.hpp>
#include <etl/io/digest.hpp>
#include <etl/io/gzip.hpp>
#include <etl/io/object_store_stream.hpp>
#include <etl/io/object_store_url.hpp>
#include <etl/io/sink.hpp>

#include "common/standard_streams.hpp"

namespace program {
namespace {

namespace fs = std::filesystem;
constexpr const char* rows_file = "rows.json.gz";

/// The begin of a name such as ".SALES-HOST-PID.part.json.gz", up to the PID.
std::string part_prefix(const std::string& data_source) {
  char host[256] = "unknown";
  static_cast<void>(::gethostname(host, sizeof host - 1));
  return fmt::format(".{}-{}-", data_source, host);
}
constexpr std::string_view part_suffix = ".part.json.gz";

void remove_parts_of_the_dead(const fs::path& folder, const std::string& prefix) {
  std::error_code failed;
  for (fs::directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed)) {
    const std::string name = at->path().filename().string();
    if (!name.starts_with(prefix) || !name.ends_with(part_suffix)) continue;
    const std::string_view number =
        std::string_view(name).substr(prefix.size(), name.size() - prefix.size() - part_suffix.size());
    int pid = 0;
    const auto parsed = std::from_chars(number.data(), number.data() + number.size(), pid);
    if (parsed.ec != std::errc() || pid <= 0 || parsed.ptr != number.data() + number.size()) continue;
    std::error_code ignored;
    if (::kill(pid, 0) != 0 && errno == ESRCH) fs::remove(at->path(), ignored);
  }
}

/// Writes whole blocks, because a call for each row would cost more than the row itself.
class Rows {
 public:
  explicit Rows(etl::io::Sink sink) : sink_(std::move(sink)) {}
  etl::Result<void> add(std::string_view row) {
    text_.append(row).append(1, '\n');
    ++count_;
    return text_.size() < block ? etl::Result<void>() : flush();
  }
  etl::Result<void> finish() {
    auto flushed = flush();
    auto finished = sink_->finish();
    return flushed ? finished : flushed;
  }
  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  [[nodiscard]] std::string digest() { return digest_.finish(); }

 private:
  static constexpr std::size_t block = 256 << 10;
  etl::Result<void> flush() {
    digest_.update(text_);
    auto written = sink_->write(text_);
    text_.clear();
    return written;
  }
  etl::io::Sink sink_;
  etl::io::Digest digest_{etl::io::DigestKind::Sha256};
  std::string text_{};
  std::uint64_t count_ = 0;
};

/// The folder for files in progress: the place itself, or the folder for temporary files.
fs::path folder_of(const std::string& place) {
  return etl::io::is_store_url(place) ? fs::temp_directory_path() / "etl-druid-parts" : fs::absolute(place);
}

/// "PLACE/NAME".
std::string below(std::string place, std::string_view name) {
  while (place.size() > 1 && place.ends_with('/')) place.pop_back();
  return place.append("/").append(name);
}

/// Aborts uploads that killed processes have left in the bucket. Those of a day ago can no longer be running. A user
/// may have the right to write and not to list uploads: then they stay.
void abort_uploads_of_the_dead(const std::string& place, const std::string& data_source, const std::stop_token& stop) {
  const auto object = etl::io::open_store(below(place, data_source + "-"));
  if (!object) return;
  const auto before = std::chrono::system_clock::now() - std::chrono::hours(24);
  static_cast<void>(etl::io::abort_old_uploads(object->store, object->key, before, stop));
}

/// Gives a file a second name, or copies it where the file system has no second names.
std::error_code link_or_copy(const fs::path& from, const fs::path& to) {
  std::error_code failed;
  fs::create_hard_link(from, to, failed);
  if (failed && failed != std::errc::no_such_file_or_directory)
    fs::copy_file(from, to, fs::copy_options::overwrite_existing, failed);
  return failed;
}

}  // namespace

Staged& Staged::operator=(Staged&& other) noexcept {
  std::swap(part, other.part);
  std::swap(base, other.base);
  std::swap(digest, other.digest);
  std::swap(rows, other.rows);
  std::swap(files, other.files);
  return *this;
}

Staged::~Staged() {
  std::error_code ignored;
  if (!part.empty()) fs::remove(part, ignored);
}

std::string Staged::place(unsigned attempt) const { return fmt::format("{}-{}", base, attempt); }

etl::Result<void> Staged::publish(unsigned attempt, const std::stop_token& stop) const {
  const std::string to = place(attempt);
  if (etl::io::is_store_url(to)) {
    const auto target = etl::io::open_store(below(to, rows_file));
    if (!target) return etl::failure(target.error());
    return etl::io::put_file(target->store, target->key, part, {}, stop);
  }
  const fs::path own = fs::path(to) / part.filename();
  std::error_code failed;
  for (int tries = 0; tries < 100; ++tries) {
    fs::create_directories(to, failed);
    if (!failed) failed = link_or_copy(part, own);
    if (!failed) fs::rename(own, fs::path(to) / rows_file, failed);
    // A process that has loaded the same rows has removed the folder meanwhile.
    if (failed != std::errc::no_such_file_or_directory) break;
  }
  std::error_code ignored;
  fs::remove(own, ignored);  // two names of one file stay when one replaces the other
  if (failed) return etl::fatal(fmt::format("cannot write to '{}': {}", to, failed.message()));
  return {};
}

bool Staged::valid() const noexcept {
  return std::ranges::all_of(files, [](const etl::csv::Validation& one) { return one.ok(); });
}

std::optional<std::string> Staged::row(std::uint64_t line) const {
  auto reader = etl::csv::ndjson::Reader::open(part);
  while (reader) {
    auto chunk = reader->next();
    if (!chunk || !*chunk) break;
    for (const auto& one : **chunk)
      if (one.number == line) return std::string(one.text);
  }
  return std::nullopt;
}

void Staged::remove(unsigned attempt) const {
  const std::string from = place(attempt);
  if (!etl::io::is_store_url(from)) {
    std::error_code ignored;
    fs::remove_all(from, ignored);
    return;
  }
  const auto object = etl::io::open_store(below(from, rows_file));
  auto removed = object ? object->store.remove(object->key) : etl::failure(object.error());
  if (!removed) say("etl-druid: {} could not be removed: {}\n", from, removed.error().message());
}

bool Staged::move(unsigned from, unsigned to, const std::stop_token& stop) const {
  if (!etl::io::is_store_url(base)) return false;
  const auto old = etl::io::open_store(below(place(from), rows_file)),
             made = etl::io::open_store(below(place(to), rows_file));
  if (!old || !made || !old->store.copy(old->key, made->key, stop)) return false;
  remove(from);
  return true;
}

etl::druid::Input input_of(const std::string& place) {
  if (etl::io::is_store_url(place)) return etl::druid::S3Input{.uris = {below(place, rows_file)}};
  return etl::druid::LocalInput{.base_dir = fs::absolute(place).string(), .filter = rows_file};
}

etl::Result<Staged> stage(const std::vector<fs::path>& files, const std::vector<std::string>& names,
                          const StageOptions& options, const std::stop_token& stop) {
  std::error_code failed;
  const fs::path folder = folder_of(options.place);
  fs::create_directories(folder, failed);
  if (failed) return etl::fatal(fmt::format("cannot make the folder '{}': {}", folder.string(), failed.message()));
  const std::string prefix = part_prefix(options.data_source);
  remove_parts_of_the_dead(folder, prefix);
  if (etl::io::is_store_url(options.place)) abort_uploads_of_the_dead(options.place, options.data_source, stop);
  Staged staged;
  staged.part = folder / fmt::format("{}{}{}", prefix, ::getpid(), part_suffix);
  auto sink = etl::io::create_file(staged.part);
  if (!sink) return etl::failure(std::move(sink.error()));
  constexpr int fast = 1;  // Druid reads the file only once, so fast compression is enough
  Rows rows(etl::io::deflate(std::move(*sink), fast));
  etl::Result<void> done;
  for (const fs::path& file : files) {
    auto found = read_rows(
        file, options.input, names, options.limits, options.auto_time,
        [&](std::string_view row) { return rows.add(row); }, stop);
    if (!found) {
      done = etl::failure(std::move(found.error()));
      break;
    }
    staged.files.push_back(std::move(*found));
  }
  if (auto finished = rows.finish(); done && !finished) done = std::move(finished);
  staged.digest = rows.digest();
  staged.rows = rows.count();
  const std::string load = etl::io::digest(etl::io::DigestKind::Sha256, staged.digest + "\n" + options.load);
  const std::string own = fmt::format("{}-{}", options.data_source, load.substr(0, 20));
  staged.base = etl::io::is_store_url(options.place) ? below(options.place, own) : (folder / own).string();
  if (!done) return etl::failure(std::move(done.error()));
  return staged;
}

}  // namespace program

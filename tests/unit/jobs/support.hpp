#pragma once
/// What the tests of jobs share: a database of either kind, and a pipeline that lands numbered lines in it.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <etl/etl.hpp>
#include <etl/io/chunk_reader.hpp>
#include <etl/jobs/coordinator.hpp>
#include <etl/jobs/postgres.hpp>
#include <etl/jobs/sqlite.hpp>
#include <etl/jobs/store.hpp>
#include <etl/jobs/worker.hpp>

#include "support/catch.hpp"
#include "unit/postgres/support.hpp"

namespace test {

namespace jobs = etl::jobs;

/// A folder of its own, removed at the end.
class TempFolder {
 public:
  TempFolder() {
    const std::filesystem::path memory = "/dev/shm";  // thousands of small commits are quicker there
    const auto base = std::filesystem::exists(memory) ? memory : std::filesystem::temp_directory_path();
    std::string name = (base / "etlpipe-jobs-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp: " + name);
    path_ = name;
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

class OnSqlite {
 public:
  using Store = etl::sqlite::Store;
  [[nodiscard]] std::string url() const { return "sqlite:" + path(); }
  [[nodiscard]] std::shared_ptr<Store> data() const {
    return ok(Store::open(path(), {.busy_timeout = std::chrono::seconds(30)}));
  }
  void execute(const std::string& sql) const { ok(open().execute(sql)); }
  [[nodiscard]] std::string value(const std::string& sql) const {
    etl::sqlite::Database database = open();
    etl::sqlite::Statement statement = ok(database.prepare(sql));
    return ok(statement.step()) ? std::string(statement.text(0)) : "no row";
  }

 private:
  [[nodiscard]] std::string path() const { return (folder_ / "jobs.db").string(); }
  [[nodiscard]] etl::sqlite::Database open() const {
    return ok(etl::sqlite::Database::open(path(), {.busy_timeout = std::chrono::seconds(30)}));
  }
  TempFolder folder_;
};

class OnPostgres {
 public:
  using Store = etl::postgres::Store;
  [[nodiscard]] std::string url() const { return schema_.url(); }
  [[nodiscard]] std::shared_ptr<Store> data() const { return ok(Store::open(url())); }
  void execute(const std::string& sql) const { ok(schema_.open().execute(sql)); }
  [[nodiscard]] std::string value(const std::string& sql) const {
    auto connection = schema_.open();
    return test::value(connection, sql);
  }

 private:
  Schema schema_;
};

inline std::unique_ptr<jobs::JobStore> open_jobs(const std::string& url, const jobs::StoreOptions& options = {}) {
  return ok(jobs::open(url, options));
}

/// A job with units that have places but no file.
inline jobs::Job make_job(jobs::JobStore& store, std::uint64_t units, const std::string& version = "v1") {
  const std::vector<jobs::Input> inputs{{"/data/file", "fingerprint", 1000}};
  const jobs::Job job = ok(store.create({"org", "line", version}, "spec", inputs, 100));
  std::vector<jobs::UnitPlace> places;
  for (std::uint64_t i = 0; i < units; ++i)
    places.push_back({.input = 0, .begin = 100 * i, .end = 100 * (i + 1), .first_line = 1 + 10 * i});
  ok(store.add_units(job.id, 0, places));
  ok(store.start(job.id));
  return ok(store.find(std::to_string(job.id)));
}

/// One unit for `worker`.
inline std::vector<jobs::Claimed> claim(jobs::JobStore& store, const std::string& worker, std::size_t most = 1) {
  return ok(store.claim({.worker = worker, .most = most}));
}
/// As time would do.
template <class Place>
void expire_all(const Place& place) {
  place.execute("UPDATE etl_job_units SET lease_until=1 WHERE state='running'");
}

/// "line 0\nline 1\n..."
inline std::string numbered_lines(std::uint64_t count) {
  std::string text;
  for (std::uint64_t i = 0; i < count; ++i) text += fmt::format("line {}\n", i);
  return text;
}
inline void write_file(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

/// Lands the lines of a unit in the table lines(text). A line "poison" is rejected, unless it was mended.
template <class Store>
struct Lines {
  using position = std::uint64_t;
  using Tx = typename Store::Transaction;
  jobs::Work work;
  bool mended = false;

  [[nodiscard]] std::string fingerprint() const { return work.fingerprint(); }
  [[nodiscard]] std::string_view describe(const std::string& line) const { return line; }
  void extract(etl::Emitter<std::string>& out) const {
    const std::uint64_t from = out.resume_from() ? out.resume_from()->number().value() : 0;
    etl::io::ChunkReader reader(etl::value(work.open()), {}, {.chunk_size = 256, .offset = from});
    while (const auto chunk = etl::value(reader.next(out.stop_token()))) {
      out.mark(etl::Position(chunk->offset));
      for (std::string_view text = chunk->text; !text.empty();) {
        const std::size_t end = text.find('\n');
        if (!out.push(std::string(text.substr(0, end)))) return;
        text.remove_prefix(end == text.npos ? text.size() : end + 1);
      }
    }
  }
  void transform(const std::string& line, etl::Out<std::string>& out) const {
    if (line == "poison" && !mended) return out.reject("poison");
    out.next() = line;
  }
  etl::Result<void> load(std::span<const std::string> batch, Tx& tx) {
    std::string sql;
    for (const std::string& line : batch) sql += fmt::format("{}('{}')", sql.empty() ? "" : ",", line);
    return tx.execute("INSERT INTO lines(text) VALUES " + sql);
  }
};

template <class Place>
void make_lines_table(const Place& place) {
  place.execute("CREATE TABLE lines(text TEXT NOT NULL)");
}
/// How many lines are there, and how many different ones: "100 100".
template <class Place>
std::string lines_landed(const Place& place) {
  return place.value("SELECT count(*) || ' ' || count(DISTINCT text) FROM lines");
}

/// A job of a file with lines, cut into units of about 1 MiB, and the table in which they land.
template <class Place>
struct Ingestion {
  using Store = typename Place::Store;
  TempFolder folder{};
  Place place{};
  std::unique_ptr<jobs::JobStore> store{};
  std::shared_ptr<Store> data{};
  jobs::Job job{};

  explicit Ingestion(const std::string& text, std::uint32_t max_attempts = 3) {
    write_file(folder / "lines", text);
    store = open_jobs(place.url(), {.max_attempts = max_attempts});
    data = place.data();
    make_lines_table(place);
    job = ok(coordinate());
  }
  etl::Result<jobs::Job> coordinate() {
    return jobs::coordinate(*store, {"org", "line", "v1"}, "", std::vector{folder / "lines"}, {.unit_bytes = 1 << 20});
  }
  jobs::WorkerOptions options(const std::string& name = "w") const {
    using std::chrono::milliseconds;
    jobs::WorkerOptions made{.name = name, .poll = milliseconds(5), .pause = milliseconds(1)};
    made.run.batch_size = 10;
    made.run.workers = 2;
    return made;
  }
  jobs::WorkerReport work(const jobs::WorkerOptions& with, bool mended = false) {
    return jobs::work(*store, *data, [&](const jobs::Work& one) { return Lines<Store>{one, mended}; }, with);
  }
  std::string state() { return std::string(to_string(ok(store->find("v1")).state)); }
};

}  // namespace test

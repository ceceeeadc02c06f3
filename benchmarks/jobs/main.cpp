// What coordination costs. Each case prints one line of JSON; units.py and bench.py run them.
//   --case noop --store URL --workers 4 --units 20000    workers of the library land units in which there is nothing to
//   do
//   --case latency --store URL --workers 4 --units 1000  such units appear one by one, and the workers wait
//   --case make --store URL --units 8                    makes such units for the next two
//   --case hold --store URL --lease MS                   begins a unit and never ends it
//   --case heirs --store URL --workers 4 --lease MS      waits for the units of workers that were killed
//   --case size --store URL --sizes 10000,1000000        claims in tables of these sizes in turn
//   --case split --file FILE                             cutting into units beside reading
//   --case cut --store URL --file FILE                   makes a job of a UniProt release
//   --case parse --store URL                             parses the entries of its units and drops them
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <functional>
#include <latch>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <etl/error.hpp>
#include <etl/io/chunk_reader.hpp>
#include <etl/io/fingerprint.hpp>
#include <etl/io/source.hpp>
#include <etl/jobs/coordinator.hpp>
#include <etl/jobs/split.hpp>
#include <etl/jobs/store.hpp>
#include <etl/jobs/worker.hpp>
#include <etl/postgres/connection.hpp>
#include <etl/report.hpp>
#include <etl/sqlite/database.hpp>

#include "../common/args.hpp"
#include "../common/measure.hpp"
#ifdef ETLPIPE_BENCH_UNIPROT
#include <etl/uniprot/parse.hpp>
#endif

namespace jobs = etl::jobs;
using Clock = std::chrono::steady_clock;

namespace {

double ms_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}
double quantile(std::vector<double> values, double part) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  return values[std::min(values.size() - 1, static_cast<std::size_t>(part * static_cast<double>(values.size())))];
}

std::vector<jobs::UnitPlace> places(std::uint64_t first, std::uint64_t count) {
  std::vector<jobs::UnitPlace> all;
  for (std::uint64_t i = first; i < first + count; ++i) all.push_back({.begin = 100 * i, .end = 100 * (i + 1)});
  return all;
}
jobs::Job new_job(jobs::JobStore& store, std::span<const jobs::Input> inputs = {}) {
  const auto name = std::to_string(std::chrono::system_clock::now().time_since_epoch().count());
  return etl::value(store.create({"bench", "none", name}, "", inputs, 100));
}

/// `work(store, worker)` on so many threads, each with its own connection. Returns the time until all have ended.
double on_threads(const std::string& url, std::uint64_t workers,
                  const std::function<void(jobs::JobStore&, const std::string&)>& work) {
  std::latch ready(static_cast<std::ptrdiff_t>(workers) + 1);
  std::vector<std::jthread> threads;
  for (std::uint64_t i = 0; i < workers; ++i)
    threads.emplace_back([&, i] {
      const auto store = etl::value(jobs::open(url));
      ready.arrive_and_wait();
      work(*store, "w" + std::to_string(i));
    });
  ready.arrive_and_wait();
  const auto begin = Clock::now();
  threads.clear();
  return ms_since(begin);
}

/// Runs that do nothing.
etl::RunReport nothing(const jobs::Work&, const std::function<etl::Result<void>()>&, const etl::Options& run,
                       const etl::StopToken&) {
  return {.pipeline = run.name};
}
/// Works on a job until it has ended.
jobs::WorkerReport work(jobs::JobStore& store, const jobs::detail::RunUnit& unit, jobs::WorkerOptions options) {
  auto report = jobs::detail::work(store, unit, [](const std::string&) { return etl::Result<void>(); }, options, {});
  if (report.error) throw std::runtime_error(report.error->message());
  return report;
}
jobs::Input any_file() {
  const std::string file = std::filesystem::canonical("/proc/self/exe");
  return {file, etl::value(etl::io::fingerprint(file)), std::filesystem::file_size(file)};
}

/// Makes a job of units that do nothing.
jobs::Job units_of(jobs::JobStore& store, std::uint64_t units) {
  const jobs::Input input = any_file();
  const jobs::Job job = new_job(store, {&input, 1});
  for (std::uint64_t first = 0; first < units; first += 1000)
    etl::value(store.add_units(job.id, first, places(first, std::min<std::uint64_t>(1000, units - first))));
  etl::value(store.start(job.id));
  return job;
}

void noop(const std::string& url, std::uint64_t workers, std::uint64_t units) {
  const auto store = etl::value(jobs::open(url));
  const auto begin = Clock::now();
  const jobs::Job job = units_of(*store, units);
  const double creating = ms_since(begin);
  const double ms = on_threads(url, workers, [&](jobs::JobStore& own, const std::string& name) {
    work(own, nothing, {.name = name, .job = job.id});
  });
  if (etl::value(store->progress(job.id)).done != units) throw std::logic_error("not all units are done");
  fmt::print(R"({{"case":"noop","workers":{},"units":{},"units_per_second":{:.0f},"created_per_second":{:.0f}}})"
             "\n",
             workers, units, 1000.0 * static_cast<double>(units) / ms, 1000.0 * static_cast<double>(units) / creating);
}

void latency(const std::string& url, std::uint64_t workers, std::uint64_t units, std::uint64_t interval_ms) {
  const auto store = etl::value(jobs::open(url));
  const jobs::Input input = any_file();
  const jobs::Job job = new_job(*store, {&input, 1});
  std::jthread producer([&] {
    const auto own = etl::value(jobs::open(url));
    auto next = Clock::now() + std::chrono::seconds(1);
    for (std::uint64_t i = 0; i < units; ++i, next += std::chrono::milliseconds(interval_ms)) {
      std::this_thread::sleep_until(next);
      etl::value(own->add_units(job.id, i, places(i, 1)));
    }
    etl::value(own->start(job.id));
  });
  on_threads(url, workers,
             [&](jobs::JobStore& own, const std::string& name) { work(own, nothing, {.name = name, .job = job.id}); });
  auto connection = etl::value(etl::postgres::Connection::open(url));
  const auto rows = etl::value(connection.query(
      "SELECT percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY claimed_at-created_at) FROM etl_job_units WHERE "
      "job=$1",
      job.id));
  std::string both(rows.text(0, 0));  // "{1,9}"
  std::ranges::replace(both, '{', '[');
  std::ranges::replace(both, '}', ']');
  fmt::print(R"({{"case":"latency","workers":{},"units":{},"interval_ms":{},"creation_to_claim_p50_p99_ms":{}}})"
             "\n",
             workers, units, interval_ms, both);
}

/// A worker that says when it has begun a unit, and never ends it.
void hold(const std::string& url, std::chrono::milliseconds lease) {
  const auto store = etl::value(jobs::open(url));
  const jobs::detail::RunUnit never = [](const jobs::Work&, const std::function<etl::Result<void>()>&,
                                         const etl::Options&, const etl::StopToken&) -> etl::RunReport {
    fmt::print("begun\n");
    std::fflush(stdout);
    for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
  };
  work(*store, never, {.lease = lease});
}
/// Workers that wait until all units are done. Says when those were claimed that another worker had before, in seconds.
void heirs(const std::string& url, std::uint64_t workers, std::chrono::milliseconds lease) {
  on_threads(url, workers,
             [&](jobs::JobStore& own, const std::string& name) { work(own, nothing, {.name = name, .lease = lease}); });
  auto connection = etl::value(etl::postgres::Connection::open(url));
  const auto rows = etl::value(connection.query(
      "SELECT coalesce(json_agg(claimed_at/1000.0 ORDER BY claimed_at), '[]') FROM etl_job_units WHERE epoch>1"));
  fmt::print(R"({{"claimed":{}}})"
             "\n",
             rows.text(0, 0));
}

/// A table of units, half of them done, as in the middle of a job.
class TableOfUnits {
 public:
  TableOfUnits(const std::string& url, std::uint64_t units) : units_(units) {
    const std::string rows =
        "INSERT INTO etl_job_units(job, number, input, begin_at, end_at, first_line, restart, "
        "created_at, state) SELECT {}, i, 0, i*100, i*100+100, 1, '', 0, CASE WHEN i<{} THEN "
        "'done' ELSE 'pending' END FROM ";
    if (url.starts_with("sqlite:")) {
      url_ = fmt::format("{}-{}", url, units);
      open();
      auto database = etl::value(etl::sqlite::Database::open(jobs::sqlite_path(url_)));
      etl::value(database.execute(
          fmt::format(fmt::runtime("WITH RECURSIVE every(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM every WHERE i<{}) " +
                                   rows + "every"),
                      units - 1, job_.id, units / 2)));
      etl::value(database.execute("PRAGMA wal_checkpoint(TRUNCATE)"));
    } else {
      const std::string schema = fmt::format("size_{}", units);
      server_ = etl::value(etl::postgres::Connection::open(url));
      etl::value(server_->execute("CREATE SCHEMA " + schema));
      url_ = fmt::format("{}?options=-csearch_path%3D{}", url, schema);
      open();
      auto connection = etl::value(etl::postgres::Connection::open(url_));
      etl::value(connection.execute(
          fmt::format(fmt::runtime(rows + "generate_series(0,{}) i"), job_.id, units / 2, units - 1)));
      etl::value(connection.execute("VACUUM ANALYZE etl_job_units"));
      etl::value(connection.execute("CHECKPOINT"));
      (void)etl::value(connection.query("SELECT pg_stat_force_next_flush()"));
      before_ = blocks();
    }
    etl::value(store_->start(job_.id));
  }
  void claim_and_finish() {
    auto begin = Clock::now();
    const auto claimed = etl::value(store_->claim({.worker = "w", .job = job_.id}));
    claiming_.push_back(ms_since(begin));
    begin = Clock::now();
    (void)etl::value(store_->finish(std::vector{claimed.at(0).lease}));
    finishing_.push_back(ms_since(begin));
  }
  /// As JSON.
  std::string figures() {
    std::string read = "null";
    if (server_) {
      store_.reset();  // so that the session reports to the server's statistics
      while (number("n_tup_upd", "pg_stat_all_tables") < 2 * claiming_.size())
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
      read = fmt::format("{:.1f}", static_cast<double>(blocks() - before_) / static_cast<double>(claiming_.size()));
    }
    return fmt::format(
        R"({{"units":{},"claims":{},"claim_p50_ms":{:.3f},"claim_p99_ms":{:.3f},"finish_p50_ms":{:.3f},"finish_p99_ms":{:.3f},"blocks_per_claim_and_finish":{}}})",
        units_, claiming_.size(), quantile(claiming_, 0.5), quantile(claiming_, 0.99), quantile(finishing_, 0.5),
        quantile(finishing_, 0.99), read);
  }

 private:
  void open() {
    store_ = etl::value(jobs::open(url_));
    job_ = new_job(*store_);
  }
  std::uint64_t number(std::string_view what, std::string_view view) {
    const auto rows = etl::value(server_->query(
        fmt::format("SELECT {} FROM {} WHERE schemaname='size_{}' AND relname='etl_job_units'", what, view, units_)));
    return std::stoull(std::string(rows.text(0, 0)));
  }
  /// Blocks of the table and its indexes that were asked for.
  std::uint64_t blocks() {
    return number("heap_blks_read+heap_blks_hit+idx_blks_read+idx_blks_hit", "pg_statio_all_tables");
  }

  std::uint64_t units_;
  std::string url_;
  std::unique_ptr<jobs::JobStore> store_;
  jobs::Job job_;
  std::optional<etl::postgres::Connection> server_;
  std::uint64_t before_ = 0;
  std::vector<double> claiming_, finishing_;
};

/// Claims in tables of several sizes in turn, so that whatever else the machine does meets all of them alike.
void size(const std::string& url, const std::string& sizes, std::uint64_t claims) {
  std::vector<std::unique_ptr<TableOfUnits>> tables;
  for (std::size_t at = 0; at < sizes.size(); at = sizes.find_first_of("0123456789", sizes.find(',', at)))
    tables.push_back(std::make_unique<TableOfUnits>(url, std::stoull(sizes.substr(at))));
  for (std::uint64_t i = 0; i < claims; ++i)
    for (std::size_t j = 0; j < tables.size(); ++j) tables[(i + j) % tables.size()]->claim_and_finish();
  std::string all;
  for (const auto& one : tables) all += (all.empty() ? "" : ",") + one->figures();
  fmt::print(R"({{"case":"size","store":"{}","tables":[{}]}})"
             "\n",
             url.substr(0, url.find(':')), all);
}

/// CPU time of this process, which others that use the machine change little.
double cpu_ms() { return 1000.0 * static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

#ifdef ETLPIPE_BENCH_UNIPROT
/// Cuts a release into the units of a job.
void cut(const std::string& url, const std::string& file) {
  const auto store = etl::value(jobs::open(url));
  (void)etl::value(jobs::coordinate(*store, {"bench", "protein", "parse"}, "", std::vector<std::filesystem::path>{file},
                                    {.records = etl::io::RecordSplitter("//")}));
}
/// A worker on one thread that parses the entries of its units and drops them.
void parse(const std::string& url) {
  std::uint64_t entries = 0, bytes = 0;
  etl::uniprot::Entry entry;
  const jobs::detail::RunUnit unit = [&](const jobs::Work& one, const std::function<etl::Result<void>()>&,
                                         const etl::Options& run, const etl::StopToken&) -> etl::RunReport {
    etl::io::ChunkReader reader(etl::value(one.open()), etl::io::RecordSplitter("//"));
    while (const auto chunk = etl::value(reader.next())) {
      bytes += chunk->text.size();
      for (std::string_view text = chunk->text; !text.empty();) {
        const std::size_t end = text.find("\n//\n");
        const std::size_t length = end == text.npos ? text.size() : end + 4;
        if (etl::uniprot::parse(text.substr(0, length), entry, etl::uniprot::Parse::Owning))
          throw std::runtime_error("an entry cannot be parsed");
        text.remove_prefix(length);
        ++entries;
      }
    }
    return {.pipeline = run.name};
  };
  const auto store = etl::value(jobs::open(url));
  const auto begin = Clock::now();
  double last = 0;  // without the time in which the worker waits for the units of others
  const auto report = work(*store, unit, {.on_unit = [&](const jobs::UnitEvent&) { last = ms_since(begin); }});
  fmt::print(R"({{"case":"parse","units":{},"entries":{},"bytes":{},"seconds":{:.3f},"cpu_seconds":{:.3f}}})"
             "\n",
             report.done, entries, bytes, last / 1000, cpu_ms() / 1000);
}
#endif

void split(const std::string& file, std::uint64_t rounds) {
  std::vector<double> reading, splitting;
  std::uint64_t bytes = 0, units = 0;
  std::vector<char> buffer(1 << 20);
  for (std::uint64_t i = 0; i < rounds; ++i) {
    double begin = cpu_ms();
    const auto source = etl::value(etl::io::open_input(file));
    bytes = 0;
    while (const std::size_t got = etl::value(source->read(buffer))) bytes += got;
    reading.push_back(cpu_ms() - begin);
    begin = cpu_ms();
    units = 0;
    etl::value(jobs::split(file, 0, {.records = etl::io::RecordSplitter("//")}, [&](const jobs::UnitPlace&) {
      ++units;
      return etl::Result<void>();
    }));
    splitting.push_back(cpu_ms() - begin);
  }
  const auto speed = [&](const std::vector<double>& ms) {
    return static_cast<double>(bytes) / 1000 / quantile(ms, 0.5);
  };
  fmt::print(
      R"({{"case":"split","file":"{}","bytes":{},"units":{},"read_mb_per_cpu_second":{:.0f},"split_mb_per_cpu_second":{:.0f},"ratio":{:.2f}}})"
      "\n",
      file.substr(file.rfind('/') + 1), bytes, units, speed(reading), speed(splitting),
      speed(splitting) / speed(reading));
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const bench::Args args(argc, argv);
    const std::string which = args.text("case", ""), url = args.text("store", ""), file = args.text("file", "");
    const std::uint64_t workers = args.number("workers", 4), units = args.number("units", 10'000);
    const std::chrono::milliseconds lease(args.number("lease", 60'000));
    if (args.has("describe"))
      bench::build_description().print();
    else if (which == "noop")
      noop(url, workers, units);
    else if (which == "latency")
      latency(url, workers, units, args.number("interval", 5));
    else if (which == "make")
      (void)units_of(*etl::value(jobs::open(url)), units);
    else if (which == "hold")
      hold(url, lease);
    else if (which == "heirs")
      heirs(url, workers, lease);
    else if (which == "size")
      size(url, args.text("sizes", "10000,100000"), args.number("claims", 1000));
    else if (which == "split")
      split(file, args.number("rounds", 5));
#ifdef ETLPIPE_BENCH_UNIPROT
    else if (which == "cut")
      cut(url, file);
    else if (which == "parse")
      parse(url);
#endif
    else
      throw std::invalid_argument("--case noop, latency, make, hold, heirs, size, split, cut or parse");
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench-jobs: {}\n", error.what());
    return 1;
  }
  return 0;
}

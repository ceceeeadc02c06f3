// What coordination costs, without any work in the units. Prints one line of JSON.
//   bench-jobs --case noop --store URL --workers 4 --units 20000 --most 16    units that exist are claimed and finished
//   bench-jobs --case latency --store URL --workers 4 --units 1000            units appear one by one, workers wait
//   bench-jobs --case size --store postgresql://... --units 1000000           claims in a table of this size
//   bench-jobs --case split --file FILE                                       cutting into units beside reading
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <filesystem>
#include <functional>
#include <latch>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <etl/error.hpp>
#include <etl/io/fingerprint.hpp>
#include <etl/io/source.hpp>
#include <etl/jobs/split.hpp>
#include <etl/jobs/store.hpp>
#include <etl/jobs/worker.hpp>
#include <etl/postgres/connection.hpp>
#include <etl/report.hpp>

#include "../common/args.hpp"

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

std::vector<jobs::Lease> leases_of(const std::vector<jobs::Claimed>& units) {
  std::vector<jobs::Lease> leases;
  for (const auto& unit : units) leases.push_back(unit.lease);
  return leases;
}

void noop(const std::string& url, std::uint64_t workers, std::uint64_t units, std::uint64_t most) {
  const auto store = etl::value(jobs::open(url));
  const jobs::Job job = new_job(*store);
  const auto created = Clock::now();
  for (std::uint64_t first = 0; first < units; first += 1000)
    etl::value(store->add_units(job.id, first, places(first, std::min<std::uint64_t>(1000, units - first))));
  etl::value(store->start(job.id));
  const double creating = ms_since(created);
  const double ms = on_threads(url, workers, [&](jobs::JobStore& own, const std::string& name) {
    const jobs::ClaimOptions options{.worker = name, .most = most, .job = job.id};
    auto claimed = etl::value(own.claim(options));
    while (!claimed.empty()) {
      auto both = etl::value(own.finish_and_claim(leases_of(claimed), options));
      if (!both.lost.empty()) throw std::logic_error("a lease was lost");
      claimed = std::move(both.claimed);
    }
  });
  (void)etl::value(store->settle());
  if (etl::value(store->progress(job.id)).done != units) throw std::logic_error("not all units are done");
  fmt::print(
      R"({{"case":"noop","workers":{},"units":{},"most":{},"units_per_second":{:.0f},"created_per_second":{:.0f}}})"
      "\n",
      workers, units, most, 1000.0 * static_cast<double>(units) / ms, 1000.0 * static_cast<double>(units) / creating);
}

void latency(const std::string& url, std::uint64_t workers, std::uint64_t units, std::uint64_t interval_ms) {
  const auto store = etl::value(jobs::open(url));
  const std::string file = std::filesystem::canonical("/proc/self/exe");  // any file
  const jobs::Input input{file, etl::value(etl::io::fingerprint(file)), std::filesystem::file_size(file)};
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
  // The workers of the library, with runs that do nothing.
  const jobs::detail::RunUnit nothing = [](const jobs::Work&, const std::function<etl::Result<void>()>&, etl::Options,
                                           etl::StopToken) { return etl::RunReport{}; };
  on_threads(url, workers, [&](jobs::JobStore& own, const std::string& name) {
    const auto report = jobs::detail::work(own, nothing, [](const std::string&) { return etl::Result<void>(); },
                                           {.name = name, .job = job.id}, {});
    if (report.error) throw std::runtime_error(report.error->message());
  });
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

void size(const std::string& url, std::uint64_t units) {
  constexpr int claims = 2000;
  const auto store = etl::value(jobs::open(url));
  const jobs::Job job = new_job(*store);
  auto connection = etl::value(etl::postgres::Connection::open(url));
  // Half of them are done, as in the middle of a job.
  (void)etl::value(connection.query(
      "INSERT INTO etl_job_units(job, number, input, begin_at, end_at, first_line, restart, created_at, state) SELECT "
      "$1, i, 0, i*100, i*100+100, 1, '', 0, CASE WHEN i<$2::bigint/2 THEN 'done' ELSE 'pending' END FROM "
      "generate_series(0,$2::bigint-1) i",
      job.id, units));
  etl::value(connection.execute("VACUUM ANALYZE etl_job_units"));
  etl::value(connection.execute("CHECKPOINT"));
  etl::value(store->start(job.id));
  std::vector<double> claiming, finishing;
  for (int i = 0; i < claims; ++i) {
    auto begin = Clock::now();
    const auto claimed = etl::value(store->claim({.worker = "w", .job = job.id}));
    claiming.push_back(ms_since(begin));
    begin = Clock::now();
    (void)etl::value(store->finish(leases_of(claimed)));
    finishing.push_back(ms_since(begin));
  }
  (void)etl::value(connection.query("DELETE FROM etl_jobs WHERE id=$1", job.id));
  fmt::print(
      R"({{"case":"size","units":{},"claim_p50_ms":{:.3f},"claim_p99_ms":{:.3f},"finish_p50_ms":{:.3f},"finish_p99_ms":{:.3f}}})"
      "\n",
      units, quantile(claiming, 0.5), quantile(claiming, 0.99), quantile(finishing, 0.5), quantile(finishing, 0.99));
}

/// CPU time of this process, which others that use the machine change little.
double cpu_ms() { return 1000.0 * static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

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
    const std::string which = args.text("case", ""), url = args.text("store", "");
    const std::uint64_t workers = args.number("workers", 4), units = args.number("units", 10'000);
    if (which == "noop")
      noop(url, workers, units, args.number("most", 1));
    else if (which == "latency")
      latency(url, workers, units, args.number("interval", 5));
    else if (which == "size")
      size(url, units);
    else if (which == "split")
      split(args.text("file", ""), args.number("rounds", 5));
    else
      throw std::invalid_argument("--case noop, latency, size or split");
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench-jobs: {}\n", error.what());
    return 1;
  }
  return 0;
}

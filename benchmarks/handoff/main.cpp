/// Measures one way of handing records over, once: `bench-handoff --impl X --workload Y [--batch N]
/// [--records N] [--workers N]` prints one line of JSON. `benchmarks/run.py` calls it many times.

#include <algorithm>
#include <exception>

#include <asio/version.hpp>
#include <oneapi/tbb/version.h>

#include <etl/config.hpp>

#include <common/args.hpp>
#include <handoff/impl.hpp>

namespace {

using namespace bench;

std::vector<Impl> all_impls() {
  std::vector<Impl> impls;
  add_bare_loop(impls);
  add_spsc_ring(impls);
  add_mutex_queue(impls);
  add_concurrentqueue(impls);
  add_asio_post(impls);
  add_tbb_pipeline(impls);
  add_etl_run(impls);
  return impls;
}

std::uint64_t expected(const std::string& workload, std::uint64_t records) {
  if (workload == "pod") return expected_checksum<PodWork>(records);
  if (workload == "str") return expected_checksum<StrWork>(records);
  if (workload == "cpu") return expected_checksum<CpuWork>(records);
  return expected_checksum<ConvertWork>(records);
}

int measure(const Impl& impl, const Job& job) {
  JsonLine line;
  line.text("impl", impl.name).text("workload", impl.workload).number("batch", std::uint64_t{job.batch});
  line.number("records", job.records).number("workers", std::uint64_t{job.workers});
  warm_up();
  const Moment start = Moment::now();
  const std::uint64_t sum = impl.run(job, line);
  const Moment used = Moment::now() - start;
  const auto records = static_cast<double>(job.records);
  const bool ok = sum == expected(impl.workload, job.records);
  line.number("ns", static_cast<double>(used.wall) / records).number("cpu_ns", static_cast<double>(used.cpu) / records);
  line.number("switches", static_cast<std::uint64_t>(used.switches)).flag("ok", ok).print();
  return ok ? 0 : 1;
}

int run(const Args& args) {
  const std::vector<Impl> impls = all_impls();
  if (args.has("describe")) {
    JsonLine line = build_description();
    line.text("etl", ETLPIPE_VERSION)
        .text("asio", fmt::format("{}.{}.{}", ASIO_VERSION / 100000, ASIO_VERSION / 100 % 1000, ASIO_VERSION % 100));
    line.text("tbb", fmt::format("{}.{}", TBB_VERSION_MAJOR, TBB_VERSION_MINOR)).print();
    return 0;
  }
  if (args.has("list") || !args.has("impl")) {
    for (const Impl& impl : impls) fmt::print("{} {}\n", impl.workload, impl.name);
    return 0;
  }
  Job job;
  job.records = std::max<std::uint64_t>(1, args.number("records", job.records));
  job.batch = std::max<std::size_t>(1, args.number("batch", job.batch));
  job.workers = std::max<std::size_t>(1, args.number("workers", job.workers));
  const std::string name = args.text("impl", ""), workload = args.text("workload", "pod");
  const auto found =
      std::ranges::find_if(impls, [&](const Impl& impl) { return impl.name == name && impl.workload == workload; });
  if (found == impls.end())
    throw std::invalid_argument(fmt::format("no such case: {} {}; --list shows all", workload, name));
  return measure(*found, job);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(Args(argc, argv));
  } catch (const std::exception& e) {
    fmt::print(stderr, "bench-handoff: {}\n", e.what());
    return 2;
  }
}

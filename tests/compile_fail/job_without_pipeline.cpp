// expect: etl: jobs::work needs a callable that takes a const etl::jobs::Work& and returns the pipeline of that unit
#include <span>
#include <string>
#include <utility>

#include <etl/etl.hpp>
#include <etl/jobs/sqlite.hpp>
#include <etl/jobs/worker.hpp>

struct Lines {
  etl::jobs::Work work;
  std::string fingerprint() const { return work.fingerprint(); }
  void extract(etl::Emitter<std::string>& out) const { out.push(work.input.path); }
  etl::Result<void> load(std::span<const std::string>, etl::sqlite::Tx&) { return {}; }
};

etl::jobs::WorkerReport run(etl::jobs::JobStore& jobs, etl::sqlite::Store& data) {
#ifdef ETLPIPE_FIX
  const auto make = [](const etl::jobs::Work& work) { return Lines{work}; };
#else
  const auto make = [](const std::string& file) { return Lines{{.input = {file}}}; };
#endif
  return etl::jobs::work(jobs, data, make);
}

// Any number of processes land one file of chemical compounds (JSON lines), each compound once.
//   20_jobs FILE sqlite:PATH     start it as often as you like, at the same time: each process takes units
// Without arguments it makes a small file, and works on it twice.
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <etl/csv/ndjson.hpp>
#include <etl/etl.hpp>
#include <etl/io/digest.hpp>
#include <etl/jobs/coordinator.hpp>
#include <etl/jobs/sqlite.hpp>
#include <etl/jobs/worker.hpp>
#include <etl/signals.hpp>
#include <etl/sqlite/store.hpp>

namespace fs = std::filesystem;
namespace jobs = etl::jobs;
namespace ndjson = etl::csv::ndjson;
namespace sqlite = etl::sqlite;

struct Compound {
  std::string id;
  std::string formula;
  double mass = 0;
  std::string md5{};  // of the line
};
const auto members =
    etl::csv::columns<Compound>(etl::csv::column("id", &Compound::id), etl::csv::column("formula", &Compound::formula),
                                etl::csv::column("mass", &Compound::mass));
const auto compounds = sqlite::table<Compound>(
    "compounds", sqlite::key("id", &Compound::id), sqlite::column("formula", &Compound::formula),
    sqlite::column("mass", &Compound::mass), sqlite::column("md5", &Compound::md5));
using Decoder = decltype(ndjson::bind(members))::value_type;

/// Lands one unit. Rows, dead letters, progress and the check of the lease are one transaction.
struct Compounds {
  using position = std::uint64_t;
  jobs::Work work;

  std::string fingerprint() const { return work.fingerprint(); }
  std::string_view describe(const ndjson::Line& line) const { return line.text; }

  // It begins at the unit's first byte, also after a crash: lines that are settled already are skipped by the library.
  void extract(etl::Emitter<ndjson::Line>& out) const {
    ndjson::Reader reader(etl::value(work.open()), {.first_line = work.unit.place.first_line});
    while (auto chunk = etl::value(reader.next(out.stop_token()))) {
      out.retain(chunk->keep());
      for (const ndjson::Line& line : *chunk)
        if (!out.push(line)) return;
    }
  }
  Decoder worker() const { return etl::value(ndjson::bind(members, work.input.path)); }
  etl::Result<Compound> transform(const ndjson::Line& line, Decoder& decoder) const {
    Compound compound;
    if (auto decoded = decoder.decode(line, compound); !decoded) return etl::failure(decoded.error());
    compound.md5 = etl::io::digest(etl::io::DigestKind::Md5, line.text);
    return compound;
  }
  etl::Result<void> load(std::span<const Compound> batch, etl::BatchContext& context, sqlite::Tx& tx) {
    return tx.write(compounds, batch, context, sqlite::OnConflict::Update);
  }
};

int work_on(const fs::path& file, const std::string& url) {
  auto store = etl::value(jobs::open(url));
  auto data = etl::value(sqlite::Store::open(jobs::sqlite_path(url)));
  etl::value(sqlite::create_table(data->database(), compounds));
  const jobs::Job job =
      etl::value(jobs::coordinate(*store, {.type = "compound", .version = file.filename().string()}, "", {{file}}, {}));
  jobs::WorkerOptions options{.job = job.id};
  options.run.errors.max_rejects = 100;  // bad lines become dead letters
  const auto report = jobs::work(
      *store, *data, [](const jobs::Work& work) { return Compounds{work}; }, options, etl::stop_on_signals());
  if (report.error) fmt::print(stderr, "{}\n", report.error->message());
  const jobs::Progress now = etl::value(store->progress(job.id));
  fmt::print("{} units by this process; {} is {}: {} compounds, {} rejected\n", report.done, now.job.key.version,
             to_string(now.job.state), now.records - now.rejected, now.rejected);
  return report.exit_code();
}

int main(int argc, char** argv) {
  if (argc == 3) return work_on(argv[1], argv[2]);
  const fs::path folder = fs::temp_directory_path() / "etlpipe_compounds";
  fs::remove_all(folder);
  fs::create_directories(folder);
  std::ofstream file(folder / "compounds.ndjson");
  for (int i = 0; i < 1000; ++i) file << fmt::format("{{\"id\":\"C{}\",\"formula\":\"C{}H4\",\"mass\":{}}}\n", i, i, i);
  file.close();
  const std::string url = "sqlite:" + (folder / "compounds.db").string();
  return work_on(folder / "compounds.ndjson", url) + work_on(folder / "compounds.ndjson", url);
}

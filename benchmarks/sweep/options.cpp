/// The command line of etl-sweep.

#include <cstdlib>
#include <stdexcept>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <sweep/sweep.hpp>

namespace sweep {
namespace {

constexpr const char* about =
    "etl-sweep: which batch size, how many workers, which timeout?\n\n"
    "Runs a workload with every combination and shows the result as a table, as CSV, and as a\n"
    "heat map that can be read at a glance.";

constexpr const char* examples =
    "Examples:\n"
    "  etl-sweep                                         a sink that costs nothing: the library alone\n"
    "  etl-sweep --workload sleep --load-us 5000         a database that takes 5 ms per call\n"
    "  etl-sweep --workload cpu --transform-ns 500 --svg cpu.svg\n"
    "  etl-sweep --workload sleep --rate 20000 --timeout 1ms,10ms,100ms --metric latency\n"
    "  etl-sweep --workload user --items 1000000 --csv mine.csv --svg mine.svg\n\n"
    "Your own pipeline: configure with -DETLPIPE_SWEEP_HEADER=/path/to/header.hpp, where the header defines\n"
    "  auto sweep_pipeline(std::uint64_t items);   // a new pipeline that extracts that many items\n"
    "benchmarks/sweep/example_workload.hpp shows one.";

std::chrono::nanoseconds duration(const std::string& text) {
  if (text == "never") return etl::Options::never;
  std::size_t used = 0;
  double number = 0;
  try {
    number = std::stod(text, &used);
  } catch (const std::exception&) {
    used = 0;
  }
  const std::string unit = text.substr(used);
  const double ns = unit == "us" ? 1e3 : unit == "ms" ? 1e6 : unit == "s" ? 1e9 : 0;
  if (used == 0 || ns == 0 || number <= 0 || number * ns > 1e15)
    throw CLI::ValidationError("--timeout", fmt::format("'{}' is not a time: write 500us, 10ms, 2s or never", text));
  return std::chrono::nanoseconds(static_cast<std::int64_t>(number * ns));
}

/// What a named workload costs where the command line does not say.
void fill_costs(Workload& workload) {
  const bool sleep = workload.name == "sleep", cpu = workload.name == "cpu";
  if (workload.transform_ns < 0) workload.transform_ns = cpu ? 1000 : 0;
  if (workload.load_us < 0) workload.load_us = sleep ? 2000 : 0;
  if (workload.load_item_ns < 0) workload.load_item_ns = sleep ? 500 : 0;
}

#ifdef ETLPIPE_SWEEP_HEADER
constexpr bool has_user_workload = true;
#else
constexpr bool has_user_workload = false;
#endif

void check(const Settings& settings) {
  if (settings.workload.name != "user") return;
  if (!has_user_workload)
    throw CLI::ValidationError(
        "--workload", "this etl-sweep was built without -DETLPIPE_SWEEP_HEADER=..., so it has no user workload");
  if (settings.metric == Metric::Latency)
    throw CLI::ValidationError("--metric", "latency is not known for a user workload: its items carry no time");
}

/// What the command line says in words.
struct Words {
  std::vector<std::string> timeouts{"1s"};
  std::string inline_batches = "adaptive";
  std::string metric = "throughput";
  std::uint64_t cell_ms = 200;
};

template <class Number>
CLI::Validator between(Number low, Number high) {
  return CLI::Range(low, high).description("");
}
const auto not_negative = between(0.0, 1e15);

void add_grid(CLI::App& app, Settings& s, Words& words) {
  const std::string group = "What to try";
  app.add_option("-b,--batch", s.batch_sizes, "Batch sizes (default 1,10,100,1000,10000)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(between(1, 1 << 30))
      ->type_name("N,N,...")
      ->group(group);
  app.add_option("-w,--workers", s.workers, "Numbers of workers (default 1,2,4,8)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(between(1, 4096))
      ->type_name("N,N,...")
      ->group(group);
  app.add_option("-t,--timeout", words.timeouts, "Timeouts with unit us, ms or s, or 'never' (default 1s)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("T,T,...")
      ->group(group);
  app.add_option("--inline", words.inline_batches,
                 "May batches run on the extracting thread: adaptive (default), waiting, never")
      ->check(CLI::IsMember({"adaptive", "waiting", "never"}).description(""))
      ->type_name("WHEN")
      ->group(group);
}

void add_workload(CLI::App& app, Settings& s) {
  const std::string group = "Workload";
  app.add_option("-W,--workload", s.workload.name,
                 "noop (default), sleep: a slow sink, cpu: a costly transform, user: your own")
      ->check(CLI::IsMember({"noop", "sleep", "cpu", "user"}).description(""))
      ->type_name("NAME")
      ->group(group);
  app.add_option("--transform-ns", s.workload.transform_ns, "CPU time of transform per item (cpu: 1000)")
      ->check(not_negative)
      ->type_name("NS")
      ->group(group);
  app.add_option("--load-us", s.workload.load_us, "Sleep per load call (sleep: 2000)")
      ->check(not_negative)
      ->type_name("US")
      ->group(group);
  app.add_option("--load-item-ns", s.workload.load_item_ns, "More sleep per item of a load call (sleep: 500)")
      ->check(not_negative)
      ->type_name("NS")
      ->group(group);
  app.add_option("--rate", s.workload.rate, "Items per second of the source (default: as fast as they are taken)")
      ->check(not_negative)
      ->type_name("N")
      ->group(group);
  app.add_option("--items", s.items, "Items per measurement of a user workload (default 200000)")
      ->check(between(1.0, 1e15))
      ->type_name("N")
      ->group(group);
}

void add_measurement(CLI::App& app, Settings& s, Words& words) {
  const std::string group = "Measurement";
  app.add_option("-m,--metric", words.metric,
                 "throughput (default), cpu: CPU time per item, latency: p99 from extraction to load")
      ->check(CLI::IsMember({"throughput", "cpu", "latency"}).description(""))
      ->type_name("NAME")
      ->group(group);
  app.add_option("-r,--rounds", s.rounds, "Measurements per combination, of which the median is shown (default 3)")
      ->check(between(1, 1000))
      ->type_name("N")
      ->group(group);
  app.add_option("--time", words.cell_ms, "Milliseconds per measurement, but for user (default 200)")
      ->check(between(1, 3'600'000))
      ->type_name("MS")
      ->group(group);
}

void add_output(CLI::App& app, Settings& s) {
  const std::string group = "Output";
  app.add_option("--csv", s.csv, "Write all numbers to this file; '-' is standard output")
      ->type_name("FILE")
      ->group(group);
  app.add_option("--svg", s.svg, "Write a heat map to this file")->type_name("FILE")->group(group);
  app.add_option("--title", s.title, "Title of the heat map")->type_name("TEXT")->group(group);
  app.add_flag("-q,--quiet", s.quiet, "No progress")->group(group);
}

void finish(Settings& s, const Words& words) {
  s.timeouts.clear();
  for (const std::string& text : words.timeouts) s.timeouts.push_back(duration(text));
  s.metric = words.metric == "cpu" ? Metric::Cpu : words.metric == "latency" ? Metric::Latency : Metric::Throughput;
  s.inline_batches = words.inline_batches == "never"     ? etl::Inline::Never
                     : words.inline_batches == "waiting" ? etl::Inline::WhenWaiting
                                                         : etl::Inline::Adaptive;
  s.cell_time = std::chrono::milliseconds(words.cell_ms);
  fill_costs(s.workload);
  check(s);
}

}  // namespace

Settings parse(int argc, char** argv) {
  Settings settings;
  Words words;
  CLI::App app(about, "etl-sweep");
  app.footer(examples);
  app.get_formatter()->column_width(30);
  add_grid(app, settings, words);
  add_workload(app, settings);
  add_measurement(app, settings, words);
  add_output(app, settings);
  try {
    app.parse(argc, argv);
    finish(settings, words);
  } catch (const CLI::ParseError& e) {
    std::exit(app.exit(e));
  }
  return settings;
}

}  // namespace sweep

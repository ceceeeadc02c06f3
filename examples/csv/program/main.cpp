// etl-csv: looks into files of delimited text, and loads them, and files of JSON, into databases.
#include "common/main.hpp"
#include "command.hpp"
#include "common/environment.hpp"
#include "common/stop.hpp"

namespace {

constexpr program::About about{
    .name = "etl-csv",
    .description = "Loads CSV files, JSON files and workbooks into SQLite or PostgreSQL, and shows what is in them.",
    .example = "etl-csv load 'data/*.csv' --store sqlite:orders.db --table orders --create",
    .records = "rows",
    .stopped = program::stopped_and_loaded,
    .drains = true};

int run(int argc, char** argv) {
  program::Chosen chosen;
  const auto app = program::make_app(about);
#ifdef ETLPIPE_CSV_LOAD
  program::add_load(*app, chosen);
#endif
  program::add_cat(*app, chosen);
  program::add_sniff(*app, chosen);
  program::add_digest(*app, chosen);
  program::finish_help(*app, about, program::environment_help, {"load"});
  if (const auto code = program::parse(*app, argc, argv)) return *code;
  return program::printed(about.name, chosen(program::stop_on_signals()));
}

}  // namespace

int main(int argc, char** argv) {
  return program::run_main(about.name, [=] { return run(argc, argv); });
}

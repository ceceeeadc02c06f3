// etl-csv: looks into files of delimited text, and loads them, and files of JSON, into databases.
#include <algorithm>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <etl/config.hpp>
#include <etl/signals.hpp>

#include "command.hpp"
#include "common/environment.hpp"
#include "common/main.hpp"

namespace {

constexpr const char* exit_codes =
    "Exit codes:\n"
    "  0  done\n"
    "  1  failed: the last lines say why; what was committed before is in the database\n"
    "  2  wrong usage, or an input or the database cannot be opened: nothing was begun\n"
    "  3  done, but some rows were rejected\n"
    "  4  stopped by a signal: the rows read so far are loaded (a second signal does not wait for that)\n"
    "  5  as 4, and the rest did not make it within the drain deadline\n";

int run(int argc, char** argv) {
  program::Chosen chosen;
  CLI::App app{"Files of delimited text (CSV), and of JSON."};
  app.footer(exit_codes);
  app.set_version_flag("--version", fmt::format("etl-csv {}.{}.{}", ETLPIPE_VERSION_MAJOR, ETLPIPE_VERSION_MINOR,
                                                ETLPIPE_VERSION_PATCH));
  app.require_subcommand(1);
#ifdef ETLPIPE_CSV_LOAD
  program::add_load(app, chosen);
#endif
  program::add_cat(app, chosen);
  program::add_sniff(app, chosen);
  program::add_digest(app, chosen);
  std::vector<std::string> names;
  for (CLI::App* const command : app.get_subcommands({})) {
    const bool loads = command->get_name() == "load";
    command->footer(std::string(exit_codes) + (loads ? program::environment_help : ""));
    names.push_back(command->get_name());
  }
  if (argc > 1 && argv[1][0] != '-' && std::ranges::find(names, argv[1]) == names.end())
    return program::fail(
        etl::fatal(fmt::format("there is no subcommand '{}'; there are {}", argv[1], fmt::join(names, ", "))),
        program::exit_usage);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : program::exit_usage;
  }
  return program::printed(chosen(etl::stop_on_signals()));
}

}  // namespace

int main(int argc, char** argv) {
  return program::run_main("etl-csv", [=] { return run(argc, argv); });
}

// etl-druid: loads files into Apache Druid, and asks for its tasks and rows.
#include <cstdio>
#include <cstdlib>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <etl/config.hpp>
#include <etl/http/auth.hpp>
#include <etl/signals.hpp>

#include "command.hpp"
#include "common/main.hpp"

namespace program {

void add_connection(CLI::App& command, Connection& connection) {
  command.add_option("--druid", connection.url, "URL of the router, or of the overlord")
      ->envname("DRUID_URL")
      ->capture_default_str();
  command.add_option(
      "--user", connection.user,
      "User of basic authentication; the password is in DRUID_PASSWORD. Without a user, DRUID_TOKEN is a "
      "bearer token");
  command.add_option("--ca-file", connection.ca_file, "Certificates (PEM) to trust, in place of the system's");
}

etl::Result<etl::druid::Client> connect(const Connection& connection) {
  const auto variable = [](const char* name) {
    const char* const value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  etl::druid::ClientOptions options{.url = connection.url};
  options.tls.ca_file = connection.ca_file;
  if (!connection.user.empty())
    options.auth = etl::http::Auth::basic(connection.user, variable("DRUID_PASSWORD"));
  else if (const std::string token = variable("DRUID_TOKEN"); !token.empty())
    options.auth = etl::http::Auth::bearer(token);
  return etl::druid::Client::make(std::move(options));
}

std::string seconds(std::chrono::nanoseconds span) {
  return fmt::format("{:.1f} s", std::chrono::duration<double>(span).count());
}

}  // namespace program

namespace {

constexpr const char* exit_codes =
    "Exit codes:\n"
    "  0  done: all rows are loaded and can be queried\n"
    "  1  failed: the last lines say why\n"
    "  2  wrong usage, or an input cannot be opened: nothing was sent\n"
    "  3  done, but some rows were thrown away or could not be parsed\n"
    "  4  stopped by a signal\n";

int run(int argc, char** argv) {
  program::Chosen chosen;
  CLI::App app{"Files into Apache Druid."};
  app.footer(exit_codes);
  app.set_version_flag("--version", fmt::format("etl-druid {}.{}.{}", ETLPIPE_VERSION_MAJOR, ETLPIPE_VERSION_MINOR,
                                                ETLPIPE_VERSION_PATCH));
  app.require_subcommand(1);
  program::add_load(app, chosen);
  program::add_validate(app, chosen);
  program::add_status(app, chosen);
  program::add_cancel(app, chosen);
  program::add_query(app, chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : program::exit_usage;
  }
  const int code = chosen(etl::stop_on_signals());
  if (std::fflush(stdout) == 0) return code;
  program::say("etl-druid: cannot write to standard output\n");
  return program::exit_failed;
}

}  // namespace

int main(int argc, char** argv) {
  return program::run_main("etl-druid", [=] { return run(argc, argv); });
}

// etl-druid: loads files into Apache Druid, and asks for its tasks and rows.
#include <cstdlib>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <etl/http/auth.hpp>
#include "command.hpp"
#include "common/main.hpp"
#include "common/stop.hpp"

namespace program {

void add_connection(CLI::App& command, Connection& connection) {
  command
      .add_option("--druid", connection.url, "URL of the router or of the overlord; $DRUID_URL sets another default")
      ->envname("DRUID_URL")
      ->capture_default_str();
  command.add_option(
      "--user", connection.user,
      "User of basic authentication, with the password in $DRUID_PASSWORD. Without a user, $DRUID_TOKEN is sent as a "
      "bearer token");
  command.add_option("--ca-file", connection.ca_file, "File of certificates (PEM) to trust instead of the system's");
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
  return etl::druid::Client::make(options);
}

std::string seconds(std::chrono::nanoseconds span) {
  return fmt::format("{:.1f} s", std::chrono::duration<double>(span).count());
}

}  // namespace program

namespace {

constexpr program::About about{
    .name = "etl-druid",
    .description = "Loads CSV files, JSON files and workbooks into Apache Druid, and shows its tasks and rows.",
    .example = "etl-druid load sales.csv --datasource sales --mode replace",
    .records = "rows",
    .stopped = "stopped by a signal, or the task was shut down: nothing was loaded, unless a task was left running"};

constexpr const char* environment_help =
    "Environment variables:\n"
    "  DRUID_URL       --druid\n"
    "  DRUID_PASSWORD  password of --user\n"
    "  DRUID_TOKEN     bearer token, if there is no --user\n"
    "  S3_BUCKET_NAME  bucket of --stage; AWS_ACCESS_KEY_ID and the other variables\n"
    "                  of AWS give access to it\n"
    "ETLPIPE_WORKERS, ETLPIPE_BATCH_SIZE and so on have no effect: one thread reads\n"
    "the files, and settings of Druid say how its tasks load.\n";

int run(int argc, char** argv) {
  program::Chosen chosen;
  const auto app = program::make_app(about);
  program::add_load(*app, chosen);
  program::add_validate(*app, chosen);
  program::add_status(*app, chosen);
  program::add_cancel(*app, chosen);
  program::add_query(*app, chosen);
  program::finish_help(*app, about, environment_help, {"load"});
  if (const auto code = program::parse(*app, argc, argv)) return *code;
  return program::printed(about.name, chosen(program::stop_on_signals()));
}

}  // namespace

int main(int argc, char** argv) {
  return program::run_main(about.name, [=] { return run(argc, argv); });
}

#pragma once
// What the subcommands share.

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <system_error>

#include <CLI/CLI.hpp>
#include <etl/druid/client.hpp>
#include <etl/error.hpp>
#include <etl/stop.hpp>

#include "common/command_line.hpp"
#include "common/standard_streams.hpp"

namespace program {

/// The subcommand that the command line chose. Returns the exit code.
using Chosen = std::function<int(const etl::StopToken&)>;

// Each function adds its subcommand, which sets `chosen` when the command line names it.
void add_load(CLI::App& app, Chosen& chosen);
void add_validate(CLI::App& app, Chosen& chosen);
void add_status(CLI::App& app, Chosen& chosen);
void add_cancel(CLI::App& app, Chosen& chosen);
void add_query(CLI::App& app, Chosen& chosen);

/// Says what is wrong; returns the exit code for it. A stop has its own code.
inline int fail(const etl::Error& error, int code = exit_failed) {
  say("etl-druid: {}\n", error.message());
  return error.code == std::errc::operation_canceled ? exit_stopped : code;
}

/// The URL of Druid and the user.
struct Connection {
  std::string url = "http://localhost:8888";
  std::string user{};
  std::string ca_file{};
};
void add_connection(CLI::App& command, Connection& connection);
/// The password is in the environment variable DRUID_PASSWORD; without a user, DRUID_TOKEN is a bearer token.
[[nodiscard]] etl::Result<etl::druid::Client> connect(const Connection& connection);

/// A duration such as "1.2 s".
[[nodiscard]] std::string seconds(std::chrono::nanoseconds span);

}  // namespace program

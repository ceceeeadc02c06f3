// etl-druid status, cancel and query.
#include <array>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include <etl/druid/watch.hpp>
#include <etl/text.hpp>

#include "command.hpp"

namespace program {
namespace {

namespace druid = etl::druid;

struct TaskOptions {
  Connection connection{};
  std::string id{};
  bool watch = false;
  bool json = false;
  std::string sql{};
};

std::string_view name_of(druid::TaskState state) {
  return state == druid::TaskState::Running ? "RUNNING" : state == druid::TaskState::Success ? "SUCCESS" : "FAILED";
}

void tell(const TaskOptions& options, std::string_view state, std::string_view reason) {
  if (options.json)
    fmt::print(R"({{"task":{},"state":{},"reason":{}}})"
               "\n",
               etl::json_string(options.id), etl::json_string(state), etl::json_string(reason));
  else
    fmt::print("{} {}{}{}\n", options.id, state, reason.empty() ? "" : ": ", reason);
}

int print_status(const TaskOptions& options, const etl::StopToken& stop) {
  const auto client = connect(options.connection);
  if (!client) return fail(client.error(), exit_usage);
  const auto status = client->status(options.id, stop.drain());
  // A wrong id would be watched for a while, because an overlord that has just started may not know its tasks yet.
  const bool watched = options.watch && (status || status.error().code != druid::Problem::NoTask);
  if (watched) {
    const auto result = druid::watch(*client, options.id, {.leave_running = true}, stop.drain());
    tell(options, to_string(result.outcome), result.reason);
    if (result.outcome == druid::TaskOutcome::LeftRunning) return exit_stopped;
    if (result.outcome == druid::TaskOutcome::CompleteWithRejects) return exit_rejects;
    return result.loaded() ? 0 : exit_failed;
  }
  if (!status) return fail(status.error());
  tell(options, name_of(status->state), druid::first_sentence(status->error));
  return status->state == druid::TaskState::Failed ? exit_failed : 0;
}

int cancel(const TaskOptions& options, const etl::StopToken& stop) {
  const auto client = connect(options.connection);
  if (!client) return fail(client.error(), exit_usage);
  const auto done = client->shut_down(options.id, stop.drain());
  if (!done) return fail(done.error());
  fmt::print("{}: shutdown requested\n", options.id);
  return 0;
}

int query(const TaskOptions& options, const etl::StopToken& stop) {
  const auto client = connect(options.connection);
  if (!client) return fail(client.error(), exit_usage);
  const auto rows = client->open_sql({.sql = options.sql}, stop.drain());
  if (!rows) return fail(rows.error());
  std::array<char, 65536> buffer{};
  for (bool line_end = true;;) {
    const auto size = (*rows)->read(buffer);
    if (!size) return fail(size.error());
    if (*size == 0) return 0;
    // Druid ends the result with an empty line, which is not a row.
    for (const char c : std::string_view(buffer.data(), *size)) {
      if (c != '\n' || !line_end) std::putchar(c);
      line_end = c == '\n';
    }
  }
}

/// An empty id would ask for all tasks.
std::string not_empty(const std::string& id) { return id.empty() ? "the id is empty: give the id of a task" : ""; }

CLI::App* add(CLI::App& app, const char* name, const char* what, const std::shared_ptr<TaskOptions>& options,
              int (*run)(const TaskOptions&, const etl::StopToken&), Chosen& chosen) {
  CLI::App* const command = app.add_subcommand(name, what);
  add_connection(*command, options->connection);
  command->callback([=, &chosen] { chosen = [=](const etl::StopToken& stop) { return run(*options, stop); }; });
  return command;
}

}  // namespace

void add_status(CLI::App& app, Chosen& chosen) {
  const auto options = std::make_shared<TaskOptions>();
  CLI::App* const command = add(app, "status", "Print the state of a task", options, print_status, chosen);
  command->add_option("ID", options->id, "Id of the task")->required()->check(not_empty);
  command->add_flag("--json", options->json, "Print one JSON object on standard output");
  command->add_flag("--watch", options->watch, "Wait until the task has ended and its rows can be queried");
}

void add_cancel(CLI::App& app, Chosen& chosen) {
  const auto options = std::make_shared<TaskOptions>();
  CLI::App* const command = add(app, "cancel", "Shut a task down", options, cancel, chosen);
  command->add_option("ID", options->id, "Id of the task")->required()->check(not_empty);
}

void add_query(CLI::App& app, Chosen& chosen) {
  const auto options = std::make_shared<TaskOptions>();
  CLI::App* const command =
      add(app, "query", "Print the rows of an SQL query, one JSON object per line", options, query, chosen);
  command->add_option("SQL", options->sql, "Query")->required();
}

}  // namespace program

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <etl/druid/client.hpp>
#include <etl/http/error.hpp>
#include <etl/http/url.hpp>

#include "answers.hpp"
#include "lines_source.hpp"

namespace etl::inline v0::druid {
namespace {

constexpr std::string_view json_type = "application/json";
/// The interval of all time, as Druid writes it.
constexpr std::string_view eternity = "-146136543-09-08T08:23:32.096Z/146140482-04-24T15:36:27.903Z";

Error with_code(Error error, Problem problem, ErrorClass error_class) {
  error.code = problem;
  error.error_class = error_class;
  return error;
}

/// Replaces BODY in "POST URL: 400 Bad Request: BODY" by the first sentence of the body.
Error with_first_sentence(Error error) {
  for (const std::string_view begin : {": {", ": <"})
    if (const std::size_t at = error.context.find(begin); at != std::string::npos)
      error.context.replace(at + 2, std::string::npos, first_sentence(std::string_view(error.context).substr(at + 2)));
  return error;
}

bool says(const http::Response& response, std::string_view text) {
  return response.body.find(text) != std::string::npos;
}

std::string task_path(std::string_view id, std::string_view what) {
  return fmt::format("/druid/indexer/v1/task/{}/{}", http::percent_encoded(id), what);
}

/// The URL of a server without a "/" at its end and without the user. The user's credentials go to `auth`.
std::string base_of(std::string_view name, const std::string& text, http::Auth& auth,
                    std::vector<std::string>& problems) {
  const Result<http::Url> url = http::Url::parse(text);
  if (!url) {
    problems.push_back(text.empty() ? fmt::format("{} is empty; give one such as http://localhost:8888", name)
                                    : fmt::format("{} '{}': {}", name, http::shown_url(text), url.error().message()));
    return {};
  }
  if (!url->query().empty()) problems.push_back(fmt::format("{} '{}' has a query; leave it out", name, url->shown()));
  if (!url->user().empty() && auth.kind() == http::Auth::Kind::None)
    auth = http::Auth::basic(url->user(), url->password());
  std::string base = url->text();
  while (base.ends_with('/')) base.pop_back();
  return base;
}

}  // namespace

/// The servers of one cluster.
struct Client::State {
  http::Client http;
  std::string overlord;
  std::string coordinator;
  std::string broker;
  unsigned max_redirects;

  /// The answer of the leading server, whatever its status.
  [[nodiscard]] Result<http::Response> ask(http::Request& request, std::string_view path,
                                           const std::stop_token& stop) const {
    request.max_redirects = 0;
    for (unsigned left = max_redirects;; --left) {
      Result<http::Response> response = http.exchange(request, stop);
      if (!response) return response;
      const auto place = response->headers.find("Location");
      const bool redirect = response->status == 307 || response->status == 302 || response->status == 308;
      if (!redirect || !place) return response;
      Result<std::string> leader = leader_of(request, *place, path);
      if (!leader) return failure(std::move(leader.error()));
      // If servers do not agree on their leader, an election is in progress.
      if (left == 0)
        return Error{.code = http::Problem::Redirect,
                     .error_class = ErrorClass::Transient,
                     .context = fmt::format("{} {}: the servers of Druid name one another as leader; try again soon",
                                            request.method, http::shown_url(request.url))};
      request.url = std::move(*leader);
    }
  }

  /// The URL of the leader. A redirect that changes more than the server is not followed, because the request carries
  /// credentials.
  [[nodiscard]] Result<std::string> leader_of(const http::Request& request, std::string_view place,
                                              std::string_view path) const {
    const Result<http::Url> here = http::Url::parse(request.url);
    if (!here) return failure(here.error());
    const Result<http::Url> there = here->resolve(place);
    std::string_view target;
    if (there) target = std::string_view(there->text()).substr(there->text().find(there->path()));
    const bool weaker = there && here->scheme() == "https" && there->scheme() == "http";
    if (!there || weaker || !target.ends_with(path))
      return Error{
          .code = http::Problem::Redirect,
          .error_class = ErrorClass::Fatal,
          .context = fmt::format("{} {}: a redirect to {} does not lead to another server of Druid; check the URL",
                                 request.method, here->shown(), http::shown_url(place))};
    return there->text();
  }

  /// The error of an answer that is not 2xx.
  [[nodiscard]] Error error_of(const http::Request& request, const http::Response& response) const {
    const std::string said = first_sentence(response.body);
    Error error = http.error_of(request, response, said.empty() ? " " : said);
    const bool java = response.status == 500 && says(response, "Exception") && !says(response, "TimeoutException");
    if (java) error.error_class = ErrorClass::Rejected;
    // Other servers of Druid answer with an empty body, or with the error page of their web server.
    const bool no_page = response.body.empty() || says(response, "<title>Error 404 Not Found</title>");
    if (response.status == 404 && no_page)
      return with_code(
          {.context = error.message() + ": this server does not answer for that part of Druid; give the URL of "
                                        "the router with druid.router.managementProxy.enabled=true, or those "
                                        "of overlord, coordinator and broker"},
          Problem::NotForwarded, ErrorClass::Fatal);
    return error;
  }

  /// What was parsed of an answer. If that is not an answer of Druid, the error names the request, and has no secret
  /// that the server repeats.
  template <class R>
  [[nodiscard]] R understood(const http::Request& request, const http::Response& response, R parsed) const {
    if (parsed || parsed.error().code != Problem::Answer) return parsed;
    return failure(
        with_code(http.error_of(request, response, parsed.error().message()), Problem::Answer, ErrorClass::Fatal));
  }
  /// Parses the body of the answer by `parse`.
  template <class F>
  [[nodiscard]] std::invoke_result_t<F, std::string_view> call(http::Request request, std::string_view path,
                                                               const std::stop_token& stop, F parse) const {
    const Result<http::Response> response = ask(request, path, stop);
    if (!response) return failure(response.error());
    if (!response->ok()) return failure(error_of(request, *response));
    return understood(request, *response, parse(std::string_view(response->body)));
  }
  /// Calls for a task. A missing task has its own error code.
  template <class F>
  [[nodiscard]] std::invoke_result_t<F, std::string_view> call_task(http::Request request, std::string_view path,
                                                                    Problem missing, const std::stop_token& stop,
                                                                    F parse) const {
    const Result<http::Response> response = ask(request, path, stop);
    if (!response) return failure(response.error());
    if (response->ok()) return understood(request, *response, parse(std::string_view(response->body)));
    Error error = error_of(request, *response);
    if (response->status == 404 && error.code != Problem::NotForwarded)
      return failure(with_code(std::move(error), missing,
                               missing == Problem::NoReport ? ErrorClass::Transient : ErrorClass::Fatal));
    return failure(std::move(error));
  }
  [[nodiscard]] http::Request get(const std::string& base, std::string_view path) const {
    return {.url = base + std::string(path)};
  }
  [[nodiscard]] http::Request post(const std::string& base, std::string_view path, std::string body) const {
    // A task that is submitted twice is refused the second time, and the other requests change nothing.
    http::Request request{
        .method = "POST", .url = base + std::string(path), .body = std::move(body), .repeatable = true};
    request.headers.add("Content-Type", std::string(json_type));
    return request;
  }
};

Result<Client> Client::make(const ClientOptions& options) {
  std::vector<std::string> problems;
  http::Auth auth = options.auth;
  const std::string url = base_of("url", options.url, auth, problems);
  const std::string coordinator =
      options.coordinator_url.empty() ? url : base_of("coordinator_url", options.coordinator_url, auth, problems);
  const std::string broker =
      options.broker_url.empty() ? url : base_of("broker_url", options.broker_url, auth, problems);
  if (!problems.empty())
    return Error{.code = Errc::InvalidOptions,
                 .context = fmt::format("client of Druid: {}", fmt::join(problems, "; "))};
  Result<http::Client> http =
      http::Client::make({.auth = auth, .tls = options.tls, .timeouts = options.timeouts, .proxy = options.proxy});
  if (!http) return failure(std::move(http.error()));
  return Client(
      std::make_shared<const State>(std::move(*http), url, coordinator, broker, options.max_leader_redirects));
}

Result<std::string> Client::submit(const Spec& spec, const std::stop_token& stop) const {
  const Result<std::string> json = to_json(spec);
  return json ? submit_json(*json, stop) : failure(json.error());
}

Result<std::string> Client::submit_json(std::string_view json, const std::stop_token& stop) const {
  constexpr std::string_view path = "/druid/indexer/v1/task";
  http::Request request = state_->post(state_->overlord, path, std::string(json));
  Result<http::Response> response = state_->ask(request, path, stop);
  if (!response) return failure(std::move(response.error()));
  if (response->ok()) return state_->understood(request, *response, parse_submitted(response->body));
  Error error = state_->error_of(request, *response);
  const bool exists = says(*response, "entryAlreadyExists") || says(*response, "already exists");
  if (exists && (response->status == 400 || response->status == 500))
    return with_code(std::move(error), Problem::TaskExists, ErrorClass::Rejected);
  return error;
}

Result<TaskStatus> Client::status(std::string_view id, const std::stop_token& stop) const {
  const std::string path = task_path(id, "status");
  return state_->call_task(state_->get(state_->overlord, path), path, Problem::NoTask, stop, parse_status);
}

Result<std::vector<TaskStatus>> Client::statuses(std::span<const std::string> ids, const std::stop_token& stop) const {
  constexpr std::string_view path = "/druid/indexer/v1/taskStatus";
  if (ids.empty()) return std::vector<TaskStatus>();
  return state_->call(state_->post(state_->overlord, path, array_json(ids)), path, stop,
                      [&](std::string_view body) { return parse_statuses(body, ids); });
}

Result<TaskReport> Client::report(std::string_view id, const std::stop_token& stop) const {
  const std::string path = task_path(id, "reports");
  return state_->call_task(state_->get(state_->overlord, path), path, Problem::NoReport, stop,
                           [&](std::string_view body) { return parse_report(body, id); });
}

Result<void> Client::shut_down(std::string_view id, const std::stop_token& stop) const {
  const std::string path = task_path(id, "shutdown");
  return state_->call_task(state_->post(state_->overlord, path, {}), path, Problem::NoTask, stop,
                           [](std::string_view) { return Result<void>(); });
}

Result<bool> Client::has_data_source(std::string_view name, const std::stop_token& stop) const {
  constexpr std::string_view path = "/druid/coordinator/v1/metadata/datasources";
  return state_->call(state_->get(state_->coordinator, path), path, stop,
                      [&](std::string_view body) { return parse_contains(body, name); });
}

Result<std::optional<double>> Client::load_status(std::string_view name, std::string_view interval,
                                                  const std::stop_token& stop) const {
  const std::string path =
      fmt::format("/druid/coordinator/v1/datasources/{}/loadstatus?forceMetadataRefresh=true&interval={}",
                  http::percent_encoded(name), http::percent_encoded(interval.empty() ? eternity : interval));
  http::Request request = state_->get(state_->coordinator, path);
  const auto response = state_->ask(request, path, stop);
  if (!response) return failure(response.error());
  if (response->status == 204 || (response->ok() && response->body.empty())) return std::optional<double>();
  if (!response->ok()) return state_->error_of(request, *response);
  const auto percent = state_->understood(request, *response, parse_load_status(response->body, name));
  if (!percent) return failure(percent.error());
  return std::optional<double>(*percent);
}

Result<Table> Client::sql(const Query& query, const std::stop_token& stop) const {
  constexpr std::string_view path = "/druid/v2/sql";
  return state_->call(state_->post(state_->broker, path, query_json(query, false)), path, stop, parse_table);
}

Result<std::vector<Table::Column>> Client::columns(std::string_view name, const std::stop_token& stop) const {
  const Query query{.sql =
                        "SELECT COLUMN_NAME, DATA_TYPE FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = 'druid' "
                        "AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION",
                    .parameters = {std::string(name)}};
  Result<Table> table = sql(query, stop);
  if (!table) return failure(std::move(table.error()));
  std::vector<Table::Column> columns;
  for (auto& row : table->rows)
    if (row.size() == 2) columns.push_back({.name = row[0].value_or(""), .type = row[1].value_or("")});
  return columns;
}

Result<io::Source> Client::open_sql(const Query& query, std::stop_token stop) const {
  constexpr std::string_view path = "/druid/v2/sql";
  Result<http::Opened> opened =
      state_->http.open(state_->post(state_->broker, path, query_json(query, true)), std::move(stop));
  if (!opened) return failure(with_first_sentence(std::move(opened.error())));
  return complete_lines(std::move(opened->body));
}

Result<std::string> Client::version(const std::stop_token& stop) const {
  constexpr std::string_view path = "/status";
  return state_->call(state_->get(state_->overlord, path), path, stop, parse_version);
}

}  // namespace etl::inline v0::druid

#pragma once
/// A client for the tasks, datasources and SQL of Apache Druid, versions 27 to 37.
///
///     auto druid = etl::druid::Client::make({.url = "http://localhost:8888"});
///     auto id = druid->submit(spec);
///     auto status = druid->status(*id);

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <etl/config.hpp>
#include <etl/druid/error.hpp>
#include <etl/druid/spec.hpp>
#include <etl/druid/task.hpp>
#include <etl/error.hpp>
#include <etl/http/auth.hpp>
#include <etl/http/client.hpp>
#include <etl/io/source.hpp>

namespace etl::inline v0::druid {

/// URLs and credentials of a cluster. An aggregate.
struct ClientOptions {
  /// The router, or the overlord. User and password in it are sent by basic authentication.
  std::string url{};
  std::string coordinator_url{};  ///< empty: `url`
  std::string broker_url{};       ///< for SQL; empty: `url`
  http::Auth auth{};              ///< basic or bearer; servers of one cluster all get it
  http::TlsOptions tls{};         ///< certificates to trust and to show
  http::Timeouts timeouts{.total = std::chrono::milliseconds(60'000)};  ///< time limits of each request
  std::optional<std::string> proxy{};                                   ///< as in `http::ClientOptions`
  unsigned max_leader_redirects = 5;  ///< how often a request follows to another server that leads the cluster
};

/// A query of SQL. An aggregate.
struct Query {
  /// A value for a question mark.
  using Parameter = std::variant<std::string, std::int64_t, double, bool>;
  std::string sql{};                    ///< the statement
  std::vector<Parameter> parameters{};  ///< for the question marks of `sql`
};

/// The rows of a query, in memory. A value.
struct Table {
  /// A column of the result.
  struct Column {
    std::string name{};  ///< its name or alias
    std::string type{};  ///< of SQL, such as "VARCHAR" or "BIGINT"
  };
  std::vector<Column> columns{};  ///< in the order of the query

  /// Numbers and arrays as JSON writes them; nothing for NULL.
  std::vector<std::vector<std::optional<std::string>>> rows{};
};

/// Asks a cluster. A cheap copy is the same client. Thread-safe. Nothing is retried, and a stop token ends each call at
/// once.
///
/// A server that does not lead the cluster answers with a redirect to the one that leads. The client follows if path
/// and query stay the same and https does not become http, and authenticates there, too.
///
/// Errors have the codes and classes of `etl::http`, or of `Problem`, and the first sentence of what Druid said. A 500
/// with a page about a Java exception means that Druid could not use the request: it is rejected, not transient.
class Client {
 public:
  /// Makes a client. Fails with `Errc::InvalidOptions` if a URL or an option is wrong.
  [[nodiscard]] static Result<Client> make(const ClientOptions& options);

  /// Submits a task and returns its id. The error is `Problem::TaskExists` if Druid has the id already, perhaps from a
  /// submission whose answer was lost. After an error for which `http::is_in_doubt` holds, the task may exist.
  [[nodiscard]] Result<std::string> submit(const Spec& spec, const std::stop_token& stop = {}) const;
  /// The same with the caller's own JSON.
  [[nodiscard]] Result<std::string> submit_json(std::string_view json, const std::stop_token& stop = {}) const;

  /// The status of a task. The error is `Problem::NoTask` if no task has this id.
  [[nodiscard]] Result<TaskStatus> status(std::string_view id, const std::stop_token& stop = {}) const;
  /// The states of many tasks with one request. Tasks that Druid does not know are left out, and a state may be older
  /// than that of `status`.
  [[nodiscard]] Result<std::vector<TaskStatus>> statuses(std::span<const std::string> ids,
                                                         const std::stop_token& stop = {}) const;
  /// The report of a task. The error is `Problem::NoReport` if the task writes none, or has not written it yet.
  [[nodiscard]] Result<TaskReport> report(std::string_view id, const std::stop_token& stop = {}) const;
  /// Requests a shutdown; the task then shows as failed. A task that has ended stays as it is.
  [[nodiscard]] Result<void> shut_down(std::string_view id, const std::stop_token& stop = {}) const;

  /// Whether the cluster has published a segment of this name.
  [[nodiscard]] Result<bool> has_data_source(std::string_view name, const std::stop_token& stop = {}) const;
  /// The columns of a datasource that can be queried, with their types of SQL; "__time" is the first. Empty if the
  /// datasource does not exist. Needs a broker.
  [[nodiscard]] Result<std::vector<Table::Column>> columns(std::string_view name,
                                                           const std::stop_token& stop = {}) const;
  /// Percentage of the published segments in an interval (ISO 8601; empty: of all time) that can be queried. Nothing if
  /// there is no segment.
  [[nodiscard]] Result<std::optional<double>> load_status(std::string_view name, std::string_view interval = {},
                                                          const std::stop_token& stop = {}) const;

  /// All rows of a query.
  [[nodiscard]] Result<Table> sql(const Query& query, const std::stop_token& stop = {}) const;
  /// The rows of a query while they arrive: one JSON object per line. Reading fails if the server ends before the last
  /// row.
  [[nodiscard]] Result<io::Source> open_sql(const Query& query, std::stop_token stop = {}) const;

  /// The version of the server at `ClientOptions::url`, such as "33.0.0".
  [[nodiscard]] Result<std::string> version(const std::stop_token& stop = {}) const;

 private:
  struct State;
  explicit Client(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

}  // namespace etl::inline v0::druid

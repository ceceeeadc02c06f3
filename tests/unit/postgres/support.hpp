#pragma once
/// What the PostgreSQL tests share.

#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <etl/postgres/connection.hpp>

#include "support/catch.hpp"
#include "support/postgres_server.hpp"

namespace test {

/// The value, or a failed test that shows the error.
template <class T>
T ok(etl::Result<T> result) {
  if (!result) FAIL(result.error().message());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

/// The error, or a failed test.
template <class T>
etl::Error error_of(const etl::Result<T>& result) {
  if (result) FAIL("there is no error");
  return result.error();
}

inline bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

/// All parts, or the text for the test's output.
inline std::string lacks(const std::string& text, std::initializer_list<std::string_view> parts) {
  for (const std::string_view part : parts)
    if (!has(text, part)) return "'" + std::string(part) + "' is not in: " + text;
  return "";
}

inline etl::postgres::Connection open(const std::string& url, const etl::postgres::ConnectionOptions& options = {}) {
  return ok(etl::postgres::Connection::open(url, options));
}

/// A schema of one's own on a server that others use too, dropped at the end.
class Schema {
 public:
  explicit Schema(std::string server = postgres_url()) : server_(std::move(server)) {
    static std::atomic<int> count = 0;
    name_ = "t" + std::to_string(::getpid()) + "_" + std::to_string(count++);
    ok(test::open(server_).execute("CREATE SCHEMA " + name_));
  }
  Schema(const Schema&) = delete;
  Schema& operator=(const Schema&) = delete;
  ~Schema() {
    auto connection = etl::postgres::Connection::open(server_);
    if (connection) (void)connection->execute("DROP SCHEMA " + name_ + " CASCADE").has_value();
  }
  /// Of the server, with the schema in front of the search path.
  [[nodiscard]] std::string url() const { return server_ + "?options=-csearch_path%3D" + name_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] etl::postgres::Connection open(const etl::postgres::ConnectionOptions& options = {}) const {
    return test::open(url(), options);
  }

 private:
  std::string server_;
  std::string name_;
};

/// The first value of a query as text, "NULL" if it is so.
inline std::string value(etl::postgres::Connection& connection, std::string_view sql) {
  const etl::postgres::Rows rows = ok(connection.query(sql));
  if (rows.size() == 0) return "no row";
  return rows.is_null(0, 0) ? "NULL" : std::string(rows.text(0, 0));
}
inline std::int64_t count(etl::postgres::Connection& connection, const std::string& table) {
  return std::stoll(value(connection, "SELECT count(*) FROM " + table));
}
inline std::string pid(etl::postgres::Connection& connection) { return value(connection, "SELECT pg_backend_pid()"); }
/// Ends the server's process of a connection, and waits until it is gone.
inline void terminate(etl::postgres::Connection& by, const std::string& pid) {
  CHECK(value(by, "SELECT pg_terminate_backend(" + pid + ", 60000)") == "t");
}

inline std::vector<std::byte> bytes(std::string_view text) {
  const auto all = std::as_bytes(std::span(text));
  return {all.begin(), all.end()};
}

}  // namespace test

#pragma once
/// The SQL that a store sends to the server.

#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <etl/delivery/checkpoint.hpp>
#include <etl/delivery/dead_letter.hpp>
#include <etl/error.hpp>
#include <etl/position.hpp>
#include <etl/postgres/connection.hpp>

#include "store_tables.hpp"

namespace etl::inline v0::postgres::detail {

/// The text as the tables of the store hold it. A database that is not UTF-8 lacks most characters.
[[nodiscard]] std::string stored(Connection& connection, std::string_view text);

/// Statements that are sent to the server as one message.
class Script {
 public:
  Script(Connection& connection, const Names& names) : connection_(&connection), names_(&names) {}
  [[nodiscard]] std::string literal(std::string_view text) const;
  template <class... A>
  void add(fmt::format_string<A...> text, A&&... a) {
    fmt::format_to(std::back_inserter(sql_), text, std::forward<A>(a)...);
    sql_ += ';';
  }
  void head(const std::string& pipeline, const Checkpoint& c);
  void owner(const std::string& pipeline);
  /// Like `owner`, and prevents another run from taking over before the transaction ends.
  void share(const std::string& pipeline);
  /// Waits for the transactions that called `share`. Transactions that call `share` later wait for this one, so that
  /// its turn comes at last.
  void exclude(const std::string& pipeline);
  /// Limits the time that the rest of the transaction waits for a lock to 10 s, or to ConnectionOptions::lock_timeout.
  void limit_waits();
  /// Updates the progress of a partition that exists. Its id and fingerprint stay.
  void progress(const std::string& pipeline, const PartitionProgress& p);
  /// Writes these partitions and removes all others.
  void partitions(const std::string& pipeline, std::span<const PartitionProgress> all);
  void letter(const DeadLetter& l);
  void purge(std::span<const std::string> ids);
  void claim(const std::string& pipeline, const std::string& run);
  void forget(const std::string& pipeline);
  /// Runs the script and returns the last result. If the store's own tables refuse a value, the error does not concern
  /// a row of the user's.
  [[nodiscard]] Result<Rows> run(std::string_view doing) const;

 private:
  [[nodiscard]] std::string place(const std::optional<Position>& position) const;
  Connection* connection_;
  const Names* names_;
  std::string sql_;
};

}  // namespace etl::inline v0::postgres::detail

#pragma once
/// What a store has the server do, as SQL.

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

/// Statements that go to the server as one message.
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
  /// The same, and nobody else takes over before the transaction has ended.
  void share(const std::string& pipeline);
  /// Waits for the transactions that `share`. Those that come later wait in turn: else there might always be one.
  void exclude(const std::string& pipeline);
  /// For a lock the rest of the transaction waits 10 s, or for ConnectionOptions::lock_timeout.
  void limit_waits();
  /// Of a partition that is there. Its id and fingerprint stay.
  void progress(const std::string& pipeline, const PartitionProgress& p);
  /// These, and no others.
  void partitions(const std::string& pipeline, std::span<const PartitionProgress> all);
  void letter(const DeadLetter& l);
  void purge(std::span<const std::string> ids);
  void claim(const std::string& pipeline, const std::string& run);
  void forget(const std::string& pipeline);
  /// The last result. What this store's own tables do not take concerns no row of the user's.
  [[nodiscard]] Result<Rows> run(std::string_view doing) const;

 private:
  [[nodiscard]] std::string place(const std::optional<Position>& position) const;
  Connection* connection_;
  const Names* names_;
  std::string sql_;
};

}  // namespace etl::inline v0::postgres::detail

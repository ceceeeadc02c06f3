#pragma once
// Where rows go to: the same questions to either kind of database.

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <etl/csv/value.hpp>
#include <etl/delivery/dead_letter.hpp>
#include <etl/error.hpp>
#include <etl/postgres/store.hpp>
#include <etl/postgres/table.hpp>
#include <etl/sqlite/dynamic_table.hpp>
#include <etl/sqlite/store.hpp>

#include "load.hpp"

namespace program {

/// A column of the table, as it is or as it is to be made.
struct TargetColumn {
  std::string name;
  etl::csv::Kind kind = etl::csv::Kind::Text;
  bool nullable = true;
  bool key = false;
  bool required = false;               ///< it takes no NULL and has no default
  std::string type{};                  ///< as the database calls it; empty: of a column to be made
  std::vector<etl::csv::Kind> also{};  ///< kinds beside it that the column keeps as they are, when a mapping says so
  std::optional<int> decimals{};       ///< of an exact type that rounds: its digits after the point, or of a second
  bool verbatim = false;               ///< it keeps every value as it is: ANY of a STRICT table of SQLite
  std::string cast{};                  ///< the type that the database makes of texts; empty: it is written as it is
  bool inferred = false;               ///< the kind was found out when the table was made, not said
};
using TargetColumns = std::vector<TargetColumn>;

/// Which table it is: another one when it was dropped and made again under its name.
struct TableIdentity {
  std::string table{};
  std::string store{};  ///< the tables of progress beside it, which are others in a restored copy of a database
  friend bool operator==(const TableIdentity&, const TableIdentity&) = default;
};

/// Gives the values of a record to a table's columns.
struct ValueOf {
  const etl::csv::Value& operator()(const etl::csv::Record& record, std::size_t column) const { return record[column]; }
};

class IntoSqlite {
 public:
  using Tx = etl::sqlite::Tx;
  using Table = etl::sqlite::DynamicTable<etl::csv::Record, ValueOf>;
  [[nodiscard]] static etl::Result<IntoSqlite> open(const std::string& path, std::size_t connections = 1);
  /// Nothing: there is no such table. Writes nothing, and makes no database.
  [[nodiscard]] static etl::Result<std::optional<TargetColumns>> columns(const std::string& path,
                                                                         const std::string& table);
  [[nodiscard]] etl::sqlite::Store& store() noexcept { return *store_; }
  /// The name by which progress is kept: the same for each way to write it. A table need not be there.
  [[nodiscard]] etl::Result<std::string> name_of(const std::string& table);
  [[nodiscard]] static Table table(const std::string& name, const TargetColumns& columns);
  [[nodiscard]] static etl::sqlite::OnConflict on_conflict(Duplicate duplicate) noexcept;
  [[nodiscard]] etl::Result<void> create(const std::string& table, const TargetColumns& columns);
  /// Nothing: there is no such table.
  [[nodiscard]] etl::Result<std::optional<TableIdentity>> identity(const std::string& table);
  /// False also when it cannot be read.
  [[nodiscard]] bool is_empty(const std::string& table);
  /// Each statement must give no row, or one that is true.
  [[nodiscard]] etl::Result<void> check(const std::vector<std::string>& statements);
  /// All or nothing.
  [[nodiscard]] etl::Result<void> run_script(const std::filesystem::path& script);
  /// Rows that the transaction's connection was given so far and has not kept.
  [[nodiscard]] static std::uint64_t dropped(Tx& tx) noexcept { return tx.database().dropped(); }
  /// An error of class Rejected: with what was written the commit would fail.
  [[nodiscard]] static etl::Result<void> check_deferred(Tx& tx);
  static constexpr bool one_writer = true;  ///< at a time

 private:
  explicit IntoSqlite(std::shared_ptr<etl::sqlite::Store> store) : store_(std::move(store)) {}
  std::shared_ptr<etl::sqlite::Store> store_;
};

class IntoPostgres {
 public:
  using Tx = etl::postgres::Tx;
  using Table = etl::postgres::DynamicTable<etl::csv::Record, ValueOf>;
  [[nodiscard]] static etl::Result<IntoPostgres> open(const std::string& url, std::size_t connections);
  [[nodiscard]] static etl::Result<std::optional<TargetColumns>> columns(const std::string& url,
                                                                         const std::string& table);
  [[nodiscard]] etl::postgres::Store& store() noexcept { return *store_; }
  /// The name by which progress is kept: without its schema where it is found without. A table need not be there.
  [[nodiscard]] etl::Result<std::string> name_of(const std::string& table);
  [[nodiscard]] static Table table(const std::string& name, const TargetColumns& columns);
  [[nodiscard]] static etl::postgres::OnConflict on_conflict(Duplicate duplicate) noexcept;
  [[nodiscard]] etl::Result<void> create(const std::string& table, const TargetColumns& columns);
  /// Nothing: there is no such table.
  [[nodiscard]] etl::Result<std::optional<TableIdentity>> identity(const std::string& table);
  /// False also when it cannot be read.
  [[nodiscard]] bool is_empty(const std::string& table);
  [[nodiscard]] etl::Result<void> check(const std::vector<std::string>& statements);
  [[nodiscard]] etl::Result<void> run_script(const std::filesystem::path& script);
  [[nodiscard]] static std::uint64_t dropped(Tx& tx) noexcept { return tx.connection().dropped(); }
  /// Nothing to do: rows are checked as they are written.
  [[nodiscard]] static etl::Result<void> check_deferred(Tx& /*tx*/) { return {}; }
  static constexpr bool one_writer = false;

 private:
  IntoPostgres(etl::postgres::Pool pool, std::shared_ptr<etl::postgres::Store> store)
      : pool_(std::move(pool)), store_(std::move(store)) {}
  etl::postgres::Pool pool_;
  std::shared_ptr<etl::postgres::Store> store_;
};

}  // namespace program

#pragma once
// The target of rows, with the same interface for both kinds of databases.

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

#include "limits.hpp"
#include "load.hpp"

namespace program {

/// A column of an existing table, or of a table to be made.
struct TargetColumn {
  std::string name;
  etl::csv::Kind kind = etl::csv::Kind::Text;
  bool nullable = true;
  bool key = false;
  bool required = false;               ///< the column accepts no NULL and has no default
  std::string type{};                  ///< the database's name of the type; empty for a table to be made
  std::vector<etl::csv::Kind> also{};  ///< further kinds that the column keeps unchanged if a mapping says so
  TypeLimits holds{};                  ///< values that it keeps
  bool verbatim = false;               ///< keeps every value unchanged: ANY in a STRICT table of SQLite
  std::string cast{};                  ///< the type to which the database casts texts; empty: no cast
  bool inferred = false;               ///< the kind was inferred when the table was made
  bool generated = false;              ///< the table computes it; such columns come after all others
};
using TargetColumns = std::vector<TargetColumn>;

/// Identifies a table. If the table was dropped and made again under its name, its identity differs.
struct TableIdentity {
  std::string table{};
  std::string store{};  ///< identifies the tables of progress, which differ in a restored copy of a database
  bool unique = false;  ///< no other table has it
  friend bool operator==(const TableIdentity& a, const TableIdentity& b) {
    return a.table == b.table && a.store == b.store;
  }
};

/// Gives the values of a record to the columns of a table.
struct ValueOf {
  const etl::csv::Value& operator()(const etl::csv::Record& record, std::size_t column) const { return record[column]; }
};

class IntoSqlite {
 public:
  using Tx = etl::sqlite::Tx;
  using Table = etl::sqlite::DynamicTable<etl::csv::Record, ValueOf>;
  [[nodiscard]] static etl::Result<IntoSqlite> open(const std::string& path, std::size_t connections = 1);
  /// The columns of a table, or nothing if the table does not exist. Writes nothing, and creates no database.
  [[nodiscard]] static etl::Result<std::optional<TargetColumns>> columns(const std::string& path,
                                                                         const std::string& table);
  [[nodiscard]] etl::sqlite::Store& store() noexcept { return *store_; }
  /// The name under which progress is kept. Different spellings of a table's name give the same name. The table need
  /// not exist.
  [[nodiscard]] etl::Result<std::string> name_of(const std::string& table);
  [[nodiscard]] static Table table(const std::string& name, const TargetColumns& columns);
  [[nodiscard]] static etl::sqlite::OnConflict on_conflict(Duplicate duplicate) noexcept;
  [[nodiscard]] etl::Result<void> create(const std::string& table, const TargetColumns& columns);
  /// Nothing if the table does not exist.
  [[nodiscard]] etl::Result<std::optional<TableIdentity>> identity(const std::string& table);
  /// Returns false also if the table cannot be read.
  [[nodiscard]] bool is_empty(const std::string& table);
  /// Runs the statements. Each must return no row, or one row that is true.
  [[nodiscard]] etl::Result<void> check(const std::vector<std::string>& statements);
  /// Runs all of the script or nothing.
  [[nodiscard]] etl::Result<void> run_script(const std::filesystem::path& script);
  /// Number of rows that the transaction's connection has received so far and not kept.
  [[nodiscard]] static std::uint64_t dropped(Tx& tx) noexcept { return tx.database().dropped(); }
  /// Returns an error of class Rejected if the commit would fail because of the rows written.
  [[nodiscard]] static etl::Result<void> check_deferred(Tx& tx);
  static constexpr bool one_writer = true;  ///< only one connection can write at a time

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
  /// The name under which progress is kept, without its schema if the table is found without it. The table need not
  /// exist.
  [[nodiscard]] etl::Result<std::string> name_of(const std::string& table);
  [[nodiscard]] static Table table(const std::string& name, const TargetColumns& columns);
  [[nodiscard]] static etl::postgres::OnConflict on_conflict(Duplicate duplicate) noexcept;
  [[nodiscard]] etl::Result<void> create(const std::string& table, const TargetColumns& columns);
  /// Nothing if the table does not exist.
  [[nodiscard]] etl::Result<std::optional<TableIdentity>> identity(const std::string& table);
  /// Returns false also if the table cannot be read.
  [[nodiscard]] bool is_empty(const std::string& table);
  [[nodiscard]] etl::Result<void> check(const std::vector<std::string>& statements);
  [[nodiscard]] etl::Result<void> run_script(const std::filesystem::path& script);
  [[nodiscard]] static std::uint64_t dropped(Tx& tx) noexcept { return tx.connection().dropped(); }
  /// Does nothing, because rows are checked when they are written.
  [[nodiscard]] static etl::Result<void> check_deferred(Tx& /*tx*/) { return {}; }
  static constexpr bool one_writer = false;

 private:
  IntoPostgres(etl::postgres::Pool pool, std::shared_ptr<etl::postgres::Store> store)
      : pool_(std::move(pool)), store_(std::move(store)) {}
  etl::postgres::Pool pool_;
  std::shared_ptr<etl::postgres::Store> store_;
};

}  // namespace program

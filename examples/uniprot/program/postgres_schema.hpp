#pragma once
// The tables in PostgreSQL.

#include <memory>
#include <span>
#include <string>

#include <etl/error.hpp>
#include <etl/postgres/store.hpp>

#include "options.hpp"
#include "schema.hpp"

namespace program {

/// Options with time limits in seconds: for a statement, and between two statements of a transaction.
[[nodiscard]] etl::postgres::ConnectionOptions connection_options(double statement, double idle);

/// Writes rows to PostgreSQL with COPY. Used by one thread at a time.
class PostgresWriter {
 public:
  /// Makes the missing tables.
  [[nodiscard]] static etl::Result<PostgresWriter> make(etl::postgres::Store& store, Tables tables);
  PostgresWriter(PostgresWriter&&) noexcept;
  PostgresWriter& operator=(PostgresWriter&&) noexcept;
  ~PostgresWriter();
  /// From now on, an entry whose text equals that of the entry in the table is not written again.
  void skip_unchanged() noexcept { skip_unchanged_ = true; }
  /// Writes rows. Entries that already exist are updated.
  [[nodiscard]] etl::Result<void> write(std::span<const Row> rows, etl::postgres::Tx& tx);
  /// Forgets what was rejected when this file was loaded before.
  [[nodiscard]] etl::Result<void> forget_rejects(const std::string& file);

 private:
  struct State;
  explicit PostgresWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
  bool skip_unchanged_ = false;
};

}  // namespace program

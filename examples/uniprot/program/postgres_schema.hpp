#pragma once
// The same tables in PostgreSQL.

#include <memory>
#include <span>
#include <string>

#include <etl/error.hpp>
#include <etl/postgres/store.hpp>

#include "options.hpp"
#include "schema.hpp"

namespace program {

/// Writes rows to PostgreSQL by COPY. Used by one thread at a time.
class PostgresWriter {
 public:
  /// Makes the tables that are missing.
  [[nodiscard]] static etl::Result<PostgresWriter> make(etl::postgres::Store& store, Tables tables);
  PostgresWriter(PostgresWriter&&) noexcept;
  PostgresWriter& operator=(PostgresWriter&&) noexcept;
  ~PostgresWriter();
  /// Entries that are there already are updated.
  [[nodiscard]] etl::Result<void> write(std::span<const Row> rows, etl::postgres::Tx& tx);
  /// Forgets what was rejected when this file was loaded before.
  [[nodiscard]] etl::Result<void> forget_rejects(const std::string& file);

 private:
  struct State;
  explicit PostgresWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace program

#pragma once
// The database's tables, and how an entry becomes their rows.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <etl/error.hpp>
#include <etl/sqlite/store.hpp>
#include <etl/uniprot/entry.hpp>

#include "inputs.hpp"
#include "options.hpp"

namespace program {

/// What a worker makes of one entry: all that the single writer needs. Reusable.
struct Row {
  etl::uniprot::Entry entry{};
  std::string sequence_md5{};
  std::string json{};
  std::string created{}, sequence_update{}, annotation_update{};  // ISO 8601, or empty
  std::string source{};                                           // the file
  std::uint64_t line = 1;                                         // where the entry begins in it
  std::optional<Reject> reject{};                                 // instead of all that
};

/// Fills the row of an entry that was parsed into it.
void complete(Row& row);

/// Writes rows to SQLite, within the transaction that is open. Belongs to the connection's thread.
class Writer {
 public:
  /// Makes the tables that are missing.
  [[nodiscard]] static etl::Result<Writer> make(etl::sqlite::Database& database, Tables tables);
  /// The same for the store in the database.
  [[nodiscard]] static etl::Result<Writer> make(etl::sqlite::Store& store, Tables tables) {
    return make(store.database(), tables);
  }
  Writer(Writer&&) noexcept;
  Writer& operator=(Writer&&) noexcept;
  ~Writer();
  /// An entry that is there already is updated.
  [[nodiscard]] etl::Result<void> write(const Row& row);
  /// The same for a batch, in the transaction of the store.
  [[nodiscard]] etl::Result<void> write(std::span<const Row> rows, etl::sqlite::Tx& tx);
  /// Forgets what was rejected when this file was loaded before.
  [[nodiscard]] etl::Result<void> forget_rejects(const std::string& file);

 private:
  struct Statements;
  explicit Writer(std::unique_ptr<Statements> statements);
  std::unique_ptr<Statements> statements_;
};

}  // namespace program

#pragma once
// The database's tables, and how an entry becomes rows.

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

/// The result of a worker for one entry: everything that the writing thread needs. May be used again.
struct Row {
  etl::uniprot::Entry entry{};
  std::string sequence_md5{};
  std::string content_md5{};  // MD5 of the entry's text
  std::string json{};
  std::string created{}, sequence_update{}, annotation_update{};  // ISO 8601, or empty
  std::string source{};                                           // name of the file
  std::uint64_t line = 1;                                         // line of the file in which the entry begins
  std::optional<Reject> reject{};  // set in place of the other members if the entry is bad
};

/// Completes the row of an entry that was parsed from `text` into the row.
void complete(Row& row, std::string_view text);

/// Writes rows to SQLite within the open transaction. Belongs to the connection's thread.
class Writer {
 public:
  /// Makes the missing tables. A database that has the further tables keeps them up to date, whatever `tables` is.
  [[nodiscard]] static etl::Result<Writer> make(etl::sqlite::Database& database, Tables tables);
  /// Makes the missing tables in the database of the store.
  [[nodiscard]] static etl::Result<Writer> make(etl::sqlite::Store& store, Tables tables) {
    return make(store.database(), tables);
  }
  Writer(Writer&&) noexcept;
  Writer& operator=(Writer&&) noexcept;
  ~Writer();
  /// Writes a row. An entry that already exists is updated.
  [[nodiscard]] etl::Result<void> write(const Row& row);
  /// From now on, an entry whose text equals that of the entry in the table is not written again.
  void skip_unchanged() noexcept { skip_unchanged_ = true; }
  /// Writes a batch, in the transaction of the store.
  [[nodiscard]] etl::Result<void> write(std::span<const Row> rows, etl::sqlite::Tx& tx);
  /// Forgets what was rejected when this file was loaded before.
  [[nodiscard]] etl::Result<void> forget_rejects(const std::string& file);

 private:
  struct Statements;
  explicit Writer(std::unique_ptr<Statements> statements);
  std::unique_ptr<Statements> statements_;
  bool skip_unchanged_ = false;
};

}  // namespace program

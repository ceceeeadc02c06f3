#pragma once
/// The rows that both sides insert: 8 columns of mixed types.

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace bench {

struct Trade {
  std::int64_t id;
  std::int32_t account;
  double price;
  double amount;
  std::string day;
  bool settled;
  std::string reference;
  std::string note;
};

inline constexpr const char* create_sql =
    R"(CREATE TABLE "trades"("id" INTEGER PRIMARY KEY, "account" INTEGER NOT NULL, "price" REAL NOT NULL, )"
    R"("amount" REAL NOT NULL, "day" TEXT NOT NULL, "settled" INTEGER NOT NULL, "reference" TEXT NOT NULL, )"
    R"("note" TEXT NOT NULL))";

/// Inserts batches into an open, empty table, each in one transaction; throws on an error.
class Writer {
 public:
  virtual ~Writer() = default;
  virtual void write(std::span<const Trade> batch) = 0;
};
/// With nothing but SQLite's C interface, as one writes it by hand; or one SQL text per row.
[[nodiscard]] std::unique_ptr<Writer> raw_writer(const std::string& file);
[[nodiscard]] std::unique_ptr<Writer> text_writer(const std::string& file);

}  // namespace bench

#pragma once
/// The rows that all sides insert: 8 columns of mixed types.

#include <chrono>
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
  std::chrono::local_time<std::chrono::microseconds> at;
  std::chrono::sys_days day;
  bool settled;
  std::string reference;
};

inline constexpr const char* create_sql =
    R"(CREATE TABLE IF NOT EXISTS "trades"("id" bigint NOT NULL, "account" integer NOT NULL, )"
    R"("price" double precision NOT NULL, "amount" double precision NOT NULL, "at" timestamp NOT NULL, )"
    R"("day" date NOT NULL, "settled" boolean NOT NULL, "reference" text NOT NULL))";

/// Inserts batches, each in one transaction; throws on an error.
class Writer {
 public:
  virtual ~Writer() = default;
  virtual void write(std::span<const Trade> batch) = 0;
};
/// With nothing but libpq, as one writes it by hand: binary COPY, text COPY, INSERT with 1000 rows of literals.
[[nodiscard]] std::unique_ptr<Writer> raw_writer(const std::string& url);
[[nodiscard]] std::unique_ptr<Writer> text_writer(const std::string& url);
[[nodiscard]] std::unique_ptr<Writer> insert_writer(const std::string& url);

}  // namespace bench

#include <endian.h>

#include <bit>
#include <chrono>
#include <cstring>
#include <iterator>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <libpq-fe.h>

#include <postgres/row.hpp>

namespace bench {
namespace {

constexpr std::size_t piece = 65'536;
constexpr std::chrono::sys_days epoch{std::chrono::days(10'957)};  // of PostgreSQL: 2000-01-01

std::int64_t microseconds_of(const Trade& t) {
  return t.at.time_since_epoch().count() - std::chrono::microseconds(epoch.time_since_epoch()).count();
}

class Raw : public Writer {
 public:
  explicit Raw(const std::string& url) : db_(PQconnectdb(url.c_str())) {
    if (PQstatus(db_) != CONNECTION_OK) throw std::runtime_error(PQerrorMessage(db_));
  }
  Raw(const Raw&) = delete;
  Raw& operator=(const Raw&) = delete;
  ~Raw() override { PQfinish(db_); }

 protected:
  void execute(const char* sql, ExecStatusType expected) { check(PQexec(db_, sql), expected); }
  void send(const char* data, std::size_t size) {
    if (PQputCopyData(db_, data, static_cast<int>(size)) != 1) throw std::runtime_error(PQerrorMessage(db_));
  }
  void finish() {
    if (PQputCopyEnd(db_, nullptr) != 1) throw std::runtime_error(PQerrorMessage(db_));
    check(PQgetResult(db_), PGRES_COMMAND_OK);
    while (PGresult* const rest = PQgetResult(db_)) PQclear(rest);
  }

 private:
  void check(PGresult* result, ExecStatusType expected) {
    const bool ok = PQresultStatus(result) == expected;
    PQclear(result);
    if (!ok) throw std::runtime_error(PQerrorMessage(db_));
  }
  PGconn* db_;
};

class Binary final : public Raw {
 public:
  using Raw::Raw;
  void write(std::span<const Trade> batch) override {
    execute("COPY trades FROM STDIN WITH (FORMAT binary)", PGRES_COPY_IN);
    put("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
    for (const Trade& t : batch) {
      if (used_ + 128 + t.reference.size() > sizeof buffer_) flush();
      put16(8);
      put64(static_cast<std::uint64_t>(t.id));
      put32(4), put32(static_cast<std::uint32_t>(t.account));
      put64(std::bit_cast<std::uint64_t>(t.price));
      put64(std::bit_cast<std::uint64_t>(t.amount));
      put64(static_cast<std::uint64_t>(microseconds_of(t)));
      put32(4), put32(static_cast<std::uint32_t>((t.day - epoch).count()));
      put32(1), buffer_[used_++] = t.settled ? 1 : 0;
      put32(static_cast<std::uint32_t>(t.reference.size()));
      put(t.reference.data(), t.reference.size());
    }
    put16(0xffff);
    flush();
    finish();
  }

 private:
  void put(const void* data, std::size_t size) {
    std::memcpy(buffer_ + used_, data, size);
    used_ += size;
  }
  void put16(std::uint16_t v) { v = htobe16(v), put(&v, sizeof v); }
  void put32(std::uint32_t v) { v = htobe32(v), put(&v, sizeof v); }
  void put64(std::uint64_t v) { put32(8), v = htobe64(v), put(&v, sizeof v); }
  void flush() { send(buffer_, std::exchange(used_, 0)); }
  char buffer_[piece];
  std::size_t used_ = 0;
};

/// `day` and `at` as PostgreSQL reads them.
void append_times(std::string& to, const Trade& t) {
  const std::chrono::year_month_day day(t.day);
  const auto at_day = std::chrono::floor<std::chrono::days>(t.at);
  const std::chrono::year_month_day at(at_day);
  const std::chrono::hh_mm_ss time(t.at - at_day);
  fmt::format_to(std::back_inserter(to), "{}-{:02}-{:02} {:02}:{:02}:{:02}.{:06}", static_cast<int>(at.year()),
                 static_cast<unsigned>(at.month()), static_cast<unsigned>(at.day()), time.hours().count(),
                 time.minutes().count(), time.seconds().count(), time.subseconds().count());
  fmt::format_to(std::back_inserter(to), "\t{}-{:02}-{:02}", static_cast<int>(day.year()),
                 static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day()));
}

class Text final : public Raw {
 public:
  using Raw::Raw;
  void write(std::span<const Trade> batch) override {
    execute("COPY trades FROM STDIN", PGRES_COPY_IN);
    for (const Trade& t : batch) {
      fmt::format_to(std::back_inserter(text_), "{}\t{}\t{}\t{}\t", t.id, t.account, t.price, t.amount);
      append_times(text_, t);
      fmt::format_to(std::back_inserter(text_), "\t{}\t{}\n", t.settled ? 't' : 'f', t.reference);
      if (text_.size() > piece) flush();
    }
    flush();
    finish();
  }

 private:
  void flush() {
    send(text_.data(), text_.size());
    text_.clear();
  }
  std::string text_;
};

class Insert final : public Raw {
 public:
  using Raw::Raw;
  void write(std::span<const Trade> batch) override {
    execute("BEGIN", PGRES_COMMAND_OK);
    for (std::size_t i = 0; i < batch.size(); i += 1000)
      insert(batch.subspan(i, std::min<std::size_t>(1000, batch.size() - i)));
    execute("COMMIT", PGRES_COMMAND_OK);
  }

 private:
  void insert(std::span<const Trade> rows) {
    sql_ = "INSERT INTO trades VALUES";
    for (const Trade& t : rows) {
      std::string times = "'";
      append_times(times, t);
      times.replace(times.find('\t'), 1, "','");
      fmt::format_to(std::back_inserter(sql_), "{}({},{},{},{},{}',{},'{}')", &t == rows.data() ? "" : ",", t.id,
                     t.account, t.price, t.amount, times, t.settled, t.reference);
    }
    execute(sql_.c_str(), PGRES_COMMAND_OK);
  }
  std::string sql_;
};

}  // namespace

std::unique_ptr<Writer> raw_writer(const std::string& url) { return std::make_unique<Binary>(url); }
std::unique_ptr<Writer> text_writer(const std::string& url) { return std::make_unique<Text>(url); }
std::unique_ptr<Writer> insert_writer(const std::string& url) { return std::make_unique<Insert>(url); }

}  // namespace bench

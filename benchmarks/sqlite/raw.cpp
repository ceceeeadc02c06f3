#include <stdexcept>

#include <fmt/format.h>
#include <sqlite3.h>

#include <sqlite/row.hpp>

namespace bench {
namespace {

class Raw : public Writer {
 public:
  explicit Raw(const std::string& file) {
    check(
        sqlite3_open_v2(file.c_str(), &db_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr));
    execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL");
    execute(create_sql);
    check(sqlite3_prepare_v3(db_, "INSERT INTO trades VALUES(?,?,?,?,?,?,?,?)", -1, SQLITE_PREPARE_PERSISTENT, &insert_,
                             nullptr));
  }
  Raw(const Raw&) = delete;
  Raw& operator=(const Raw&) = delete;
  ~Raw() override {
    sqlite3_finalize(insert_);
    sqlite3_close(db_);
  }
  void write(std::span<const Trade> batch) override {
    execute("BEGIN IMMEDIATE");
    for (const Trade& t : batch) insert(t);
    execute("COMMIT");
  }

 protected:
  virtual void insert(const Trade& t) {
    int bad = sqlite3_bind_int64(insert_, 1, t.id);
    bad |= sqlite3_bind_int(insert_, 2, t.account);
    bad |= sqlite3_bind_double(insert_, 3, t.price);
    bad |= sqlite3_bind_double(insert_, 4, t.amount);
    bad |= sqlite3_bind_text(insert_, 5, t.day.data(), static_cast<int>(t.day.size()), SQLITE_STATIC);
    bad |= sqlite3_bind_int(insert_, 6, t.settled ? 1 : 0);
    bad |= sqlite3_bind_text(insert_, 7, t.reference.data(), static_cast<int>(t.reference.size()), SQLITE_STATIC);
    bad |= sqlite3_bind_text(insert_, 8, t.note.data(), static_cast<int>(t.note.size()), SQLITE_STATIC);
    check(bad);
    if (sqlite3_step(insert_) != SQLITE_DONE) check(SQLITE_ERROR);
    check(sqlite3_reset(insert_));
  }
  void execute(const char* sql) { check(sqlite3_exec(db_, sql, nullptr, nullptr, nullptr)); }
  void check(int code) {
    if (code != SQLITE_OK) throw std::runtime_error(sqlite3_errmsg(db_));
  }

 private:
  sqlite3* db_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
};

class Text final : public Raw {
 public:
  using Raw::Raw;

 private:
  void insert(const Trade& t) override {
    sql_.clear();
    fmt::format_to(std::back_inserter(sql_), "INSERT INTO trades VALUES({},{},{},{},'{}',{},'{}','{}')", t.id,
                   t.account, t.price, t.amount, t.day, t.settled ? 1 : 0, t.reference, t.note);
    execute(sql_.c_str());
  }
  std::string sql_;
};

}  // namespace

std::unique_ptr<Writer> raw_writer(const std::string& file) { return std::make_unique<Raw>(file); }
std::unique_ptr<Writer> text_writer(const std::string& file) { return std::make_unique<Text>(file); }

}  // namespace bench

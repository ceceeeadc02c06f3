#pragma once
/// What the SQLite tests share.

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <etl/sqlite/database.hpp>

#include "support/catch.hpp"

namespace test {

/// A folder of its own for each test, removed at the end.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "etlpipe-sqlite-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp: " + name);
    path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// The value, or a failed test that shows the error.
template <class T>
T ok(etl::Result<T> result) {
  if (!result) FAIL(result.error().message());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

/// The error, or a failed test.
template <class T>
etl::Error error_of(const etl::Result<T>& result) {
  if (result) FAIL("there is no error");
  return result.error();
}

inline bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

/// All parts, or the text for the test's output.
inline std::string lacks(const std::string& text, std::initializer_list<std::string_view> parts) {
  for (const std::string_view part : parts)
    if (!has(text, part)) return "'" + std::string(part) + "' is not in: " + text;
  return "";
}

inline etl::sqlite::Database open(const std::filesystem::path& path, etl::sqlite::DatabaseOptions options = {}) {
  return ok(etl::sqlite::Database::open(path, options));
}

/// The first value of a query as text, "NULL" if it is so.
inline std::string value(etl::sqlite::Database& database, std::string_view sql) {
  etl::sqlite::Statement statement = ok(database.prepare(sql));
  if (!ok(statement.step())) return "no row";
  return statement.is_null(0) ? "NULL" : std::string(statement.text(0));
}
inline std::int64_t count(etl::sqlite::Database& database, const std::string& table) {
  return std::stoll(value(database, "SELECT count(*) FROM " + table));
}

inline void write_file(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline std::vector<std::byte> bytes(std::string_view text) {
  const auto all = std::as_bytes(std::span(text));
  return {all.begin(), all.end()};
}

}  // namespace test

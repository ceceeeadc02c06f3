#include <sqlite/shared.hpp>

#include <algorithm>

#include <fmt/format.h>
#include <etl/sqlite/database.hpp>

#include <common/measure.hpp>

namespace bench {

namespace fs = std::filesystem;

std::vector<Trade> make_trades(std::size_t rows) {
  std::vector<Trade> all;
  all.reserve(rows);
  for (std::size_t i = 0; i < rows; ++i) {
    const auto n = static_cast<std::int64_t>(i);
    all.push_back({n, static_cast<std::int32_t>(i * 7919 % 100'000), static_cast<double>(i % 9973) / 7.0,
                   static_cast<double>(i % 101) * 1.25, fmt::format("2026-{:02}-{:02}", i % 12 + 1, i % 28 + 1),
                   i % 3 == 0, fmt::format("REF-{:015}", i * 2'654'435'761 % 1'000'000'000),
                   fmt::format("note {}", i % 1000)});
  }
  return all;
}

std::string contents(const std::string& file) {
  auto database = checked(etl::sqlite::Database::open(file, {.read_only = true}));
  auto sums = checked(database.prepare(
      "SELECT count(*) || ' ' || sum(id + account) || ' ' || sum(price + amount) || ' ' || sum(settled) || ' ' || "
      "sum(length(day) + length(reference) + length(note)) || ' ' || max(reference) FROM trades"));
  checked(sums.step());
  return std::string(sums.text(0));
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

Folder::Folder(const Args& args)
    : path_(fs::path(args.text("folder", fs::temp_directory_path().string())) /
            fmt::format("bench-sqlite-{}", Moment::now().wall)) {
  fs::create_directories(path_);
}

std::string Folder::fresh(const std::string& name) const {
  std::string file = (path_ / (name + ".db")).string();
  for (const char* end : {"", "-wal", "-shm"}) fs::remove(file + end);
  return file;
}

}  // namespace bench

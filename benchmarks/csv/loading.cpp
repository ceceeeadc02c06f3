#include "loading.hpp"

#include <filesystem>
#include <stdexcept>

#include <fmt/format.h>
#include <etl/sqlite/database.hpp>

#include "load.hpp"

namespace bench {

void load(const std::string& file, const std::string& database) {
  for (const char* end : {"", "-wal", "-shm"}) std::filesystem::remove(database + end);
  program::Load options;
  options.patterns = {file};
  options.into = "sqlite:" + database;
  options.table = "items";
  options.create = true;
  options.log = program::Log(program::LogLevel::Warn);
  if (const int code = program::load(options, etl::StopToken()); code != 0)
    throw std::runtime_error(fmt::format("the load of {} ended with exit code {}", file, code));
}

std::uint64_t take_loaded(const std::string& database) {
  std::int64_t rows = 0;
  {
    auto opened = etl::sqlite::Database::open(database).value();
    auto count = opened.prepare("SELECT count(*) FROM items").value();
    if (count.step().value()) rows = count.integer(0);
  }
  std::filesystem::remove(database);
  return static_cast<std::uint64_t>(rows);
}

}  // namespace bench

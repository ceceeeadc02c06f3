#pragma once
/// PostgreSQL servers for tests: the one that ctest has started, and servers of a test's own to stop and start.

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <system_error>

#include "support/source_tree.hpp"

namespace test {

/// A server of one's own, with the script that ctest uses too. It ends with this object, or with this process.
class PostgresServer {
 public:
  explicit PostgresServer(bool small_tablespace = false) {
    std::string name = (std::filesystem::temp_directory_path() / "etlpipe-server-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp: " + name);
    folder_ = name;
    run("start", small_tablespace ? "ETLPIPE_SMALL_TABLESPACE=1 " : "");
    std::ifstream(folder_ / "url") >> url_;
    std::ifstream(folder_ / "data") >> data_;
  }
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;
  ~PostgresServer() { (void)std::system(command("stop", "").c_str()); }

  void halt() { run("halt", ""); }
  void resume() { run("resume", ""); }
  [[nodiscard]] const std::string& url() const { return url_; }
  /// Where a tablespace would be of 8 MB; nothing where mounting is not allowed.
  [[nodiscard]] std::string small_disk() const {
    const auto disk = data_ / "small" / "disk";
    std::error_code ignored;
    return std::filesystem::exists(disk, ignored) ? disk.string() : "";
  }

 private:
  [[nodiscard]] std::string command(const std::string& what, const std::string& environment) const {
    return environment + "exec " + (source_tree() / "scripts" / "postgres_for_tests.sh").string() + " " + what + " " +
           folder_.string();
  }
  void run(const std::string& what, const std::string& environment) {
    if (std::system(command(what, environment).c_str()) != 0) throw std::runtime_error("the server: " + what);
  }
  std::filesystem::path folder_;
  std::filesystem::path data_;
  std::string url_;
};

/// The URL of the server that ctest has started for all tests; without ctest, of one of this process.
inline const std::string& postgres_url() {
  static const std::string url = [] {
    std::string text;
    if (const char* folder = std::getenv("ETLPIPE_POSTGRES"); folder != nullptr) {
      std::ifstream(std::filesystem::path(folder) / "url") >> text;
      if (text.empty()) throw std::runtime_error(std::string("no PostgreSQL server was started in ") + folder);
    } else {
      static const PostgresServer server;
      text = server.url();
    }
    return text;
  }();
  return url;
}

}  // namespace test

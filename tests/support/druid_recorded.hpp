#pragma once
/// Exchanges with real servers of Druid that were recorded to files.

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/http_server.hpp"
#include "support/json.hpp"
#include "support/source_tree.hpp"

namespace test {

/// The single answers of one version of Druid, as tests/druid/record.py writes them.
class DruidAnswers {
 public:
  /// Of all recorded versions.
  static std::vector<DruidAnswers> all() {
    std::vector<DruidAnswers> made;
    for (const auto& folder : std::filesystem::directory_iterator(source_tree() / "tests" / "druid" / "recorded"))
      made.push_back(DruidAnswers(folder.path()));
    return made;
  }
  [[nodiscard]] const std::string& version() const { return version_; }
  [[nodiscard]] int status(std::string_view name) const { return std::atoi(part(name, "status").c_str()); }
  [[nodiscard]] HttpServer::Reply reply(std::string_view name) const {
    return HttpServer::answer(status(name), part(name, "body"), "Content-Type: " + part(name, "type") + "\r\n");
  }

 private:
  explicit DruidAnswers(const std::filesystem::path& folder) : version_(folder.filename().string()) {
    std::ifstream file(folder / "client.json");
    auto answers = Json::parse(std::string{std::istreambuf_iterator<char>(file), {}});
    if (!answers) throw std::runtime_error("no recorded answers in " + folder.string());
    answers_ = std::move(*answers);
  }
  [[nodiscard]] const std::string& part(std::string_view name, std::string_view what) const {
    const auto found = answers_.find(std::string(name) + "." + std::string(what));
    if (found == answers_.end()) throw std::runtime_error(version_ + ": there is no recorded " + std::string(name));
    return found->second;
  }
  std::string version_;
  Json::Leaves answers_{};
};

/// One file: a comment, the request line and its body, "--- STATUS", the headers and body of the answer.
struct DruidExchange {
  std::string method{};
  std::string target{};
  std::string request_body{};
  int status = 0;
  std::string headers{};  ///< those that matter for a client
  std::string body{};

  static DruidExchange read(const std::filesystem::path& path) {
    std::ifstream file(path);
    if (!file) throw std::runtime_error("cannot read " + path.string());
    std::string text{std::istreambuf_iterator<char>(file), {}};
    while (text.starts_with('#')) text.erase(0, text.find('\n') + 1);
    const std::string_view all(text);
    const std::size_t answer = all.find("\n--- ");
    if (answer == std::string_view::npos) throw std::runtime_error("no answer in " + path.string());
    const std::size_t line = all.find('\n');
    const std::size_t space = all.find(' ');
    DruidExchange made{.method = text.substr(0, space), .target = text.substr(space + 1, line - space - 1)};
    made.request_body = text.substr(line + 1, answer - line);
    made.status = std::atoi(text.c_str() + answer + 5);
    const std::size_t headers = all.find('\n', answer + 5) + 1;
    const std::size_t end = headers < text.size() && text[headers] == '\n' ? headers : all.find("\n\n", headers) + 1;
    for (std::size_t at = headers; at < end; at = all.find('\n', at) + 1) {
      const std::string_view header = all.substr(at, all.find('\n', at) - at);
      for (const std::string_view kept : {"Content-Type:", "Location:", "WWW-Authenticate:", "Retry-After:"})
        if (header.starts_with(kept)) made.headers += std::string(header) + "\r\n";
    }
    made.body = text.substr(std::min(end + 1, text.size()));
    if (made.body.ends_with('\n')) made.body.pop_back();  // the end of the file
    return made;
  }
  [[nodiscard]] HttpServer::Reply reply() const { return HttpServer::answer(status, body, headers); }
};

}  // namespace test

#pragma once
/// `--name value` command lines of the measuring executables, which only the runner calls.

#include <charconv>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace bench {

class Args {
 public:
  Args(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
      const std::string_view name = argv[i];
      if (!name.starts_with("--")) throw std::invalid_argument(fmt::format("expected --name value, found {}", name));
      const bool alone = i + 1 == argc || std::string_view(argv[i + 1]).starts_with("--");
      values_[std::string(name.substr(2))] = alone ? "" : argv[++i];
    }
  }
  [[nodiscard]] bool has(const std::string& name) const { return values_.contains(name); }
  [[nodiscard]] std::string text(const std::string& name, std::string fallback) const {
    const auto found = values_.find(name);
    return found == values_.end() ? fallback : found->second;
  }
  [[nodiscard]] std::uint64_t number(const std::string& name, std::uint64_t fallback) const {
    const auto found = values_.find(name);
    if (found == values_.end()) return fallback;
    std::uint64_t value = 0;
    const std::string& text = found->second;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size())
      throw std::invalid_argument(fmt::format("--{} needs a whole number, not '{}'", name, text));
    return value;
  }

 private:
  std::map<std::string, std::string> values_;
};

}  // namespace bench

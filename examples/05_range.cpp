// A lazily read range as the source: the pipeline reads words from a stream as it needs them.
#include <algorithm>
#include <cctype>
#include <cstddef>
#include <istream>
#include <map>
#include <optional>
#include <ranges>
#include <span>
#include <sstream>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <etl/etl.hpp>

struct WordCount {
  std::istream& input;

  // Any input range works. About one batch of it is in memory at a time.
  auto extract() { return std::ranges::istream_view<std::string>(input); }

  // If there is nothing to return, the word is filtered; the report counts it as filtered.
  std::optional<std::string> transform(const std::string& word) const {
    std::string plain;
    for (const char c : word)
      if (std::isalpha(static_cast<unsigned char>(c)) != 0)
        plain += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (plain.size() < 3) return std::nullopt;
    return plain;
  }
  void load(std::span<const std::string> batch) {
    for (const std::string& word : batch) ++counts[word];
  }
  std::map<std::string, int> counts{};
};

int main() {
  std::stringstream text;
  for (int i = 0; i < 20'000; ++i) text << "The owl and the pussy-cat went to sea, in a beautiful pea-green boat. ";

  WordCount words{.input = text};
  const etl::RunReport report = etl::run(words, {.workers = 2});
  fmt::print("{}\n", report.text());
  for (const auto& [word, count] : words.counts) fmt::print("{:>8} {}\n", count, word);
  return report.exit_code();
}

#include "generate.hpp"

#include <random>
#include <stdexcept>

#include <fmt/format.h>
#include <etl/io/sink.hpp>

namespace bench {
namespace {

using Random = std::mt19937_64;

void num(std::string& to, Random& random, std::uint64_t row) {
  fmt::format_to(std::back_inserter(to), "{},{:.3f},{},{:.6f},{},{:.2f},{},{:.5f}\n", row,
                 static_cast<double>(random() % 1'000'000) / 1000, random() % 10'000,
                 static_cast<double>(random() % 1'000'000'000) / 1e6, random() % 1'000'000'000,
                 static_cast<double>(random() % 100'000) / 100, random() % 100,
                 static_cast<double>(random() % 10'000'000) / 1e5);
}

void mixed(std::string& to, Random& random, std::uint64_t row) {
  static constexpr const char* words[] = {"steel",           "bolt",       "large",     "blue",
                                          "for outdoor use", "set of ten", "spare part"};
  std::string text;
  for (std::uint64_t i = 2 + random() % 5; i > 0; --i) text.append(text.empty() ? "" : " ").append(words[random() % 7]);
  const std::uint64_t kind = random() % 10;
  if (kind < 6) {
    text.insert(text.size() / 2, ", ");
    if (kind == 0) text.insert(text.size() / 3, "\"\"big\"\"");
    if (kind == 1) text.insert(text.size() / 4, "\n");
    text = '"' + text + '"';
  }
  fmt::format_to(std::back_inserter(to), "{},{},20{:02}-{:02}-{:02},{},{:.2f},{},{},{:.4f},{},item-{}\n", row,
                 random() % 100'000, random() % 25, 1 + random() % 12, 1 + random() % 28, text,
                 static_cast<double>(random() % 1'000'000) / 100, random() % 1000, random() % 2 != 0 ? "true" : "false",
                 static_cast<double>(random() % 10'000'000) / 1e4, random() % 1'000'000, random() % 50'000);
}

}  // namespace

void generate(const std::string& kind, const std::string& path, std::uint64_t bytes) {
  auto sink = etl::io::create_file(path);
  if (!sink) throw std::runtime_error(sink.error().message());
  Random random(1);  // NOLINT(cert-msc32-c, cert-msc51-cpp)
  std::string text =
      kind == "num" ? "id,a,b,c,d,e,f,g\n" : "id,code,day,description,price,count,active,ratio,key,name\n";
  std::uint64_t written = 0;
  for (std::uint64_t row = 1; written < bytes; ++row) {
    kind == "num" ? num(text, random, row) : mixed(text, random, row);
    if (text.size() < 1 << 20) continue;
    written += text.size();
    if (auto done = (*sink)->write(text); !done) throw std::runtime_error(done.error().message());
    text.clear();
  }
  if (auto done = (*sink)->finish(); !done) throw std::runtime_error(done.error().message());
}

}  // namespace bench

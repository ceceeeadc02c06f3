// Checks source and sink against the delivery contract. Throws, and so fails, at the first broken promise.
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <etl/testing/pipeline_conformance.hpp>

#include "settings.hpp"

namespace fs = std::filesystem;
using settings::Setting;

/// A sink that can also read its file.
struct Stored : settings::Sink {
  explicit Stored(fs::path its_file) : Sink(its_file), file(std::move(its_file)) {}
  std::vector<Setting> stored() const {
    std::vector<Setting> all;
    std::ifstream lines(file);
    for (std::string line; std::getline(lines, line);) all.push_back(settings::parse({line, all.size() + 1}).value());
    return all;
  }
  fs::path file;
};

int main() {
  const fs::path folder = fs::temp_directory_path() / "settings-test";
  fs::remove_all(folder);
  fs::create_directory(folder);
  std::ofstream(folder / "in") << "colour = blue\r\n\nsize = 3\nno value\nlast = 1";
  etl::testing::check_source<settings::Line>([&] { return settings::Source(folder / "in"); });

  int sinks = 0;
  const std::vector<Setting> rows{{"colour", "blue"}, {"size", "3"}, {"empty", ""}};
  etl::testing::check_sink<Setting>([&] { return Stored(folder / std::to_string(++sinks)); }, rows,
                                    Setting{"two\nlines", "x"});
  fs::remove_all(folder);
}

// Whatever is in a file of dead letters: reading ends, and the letters that are found come back when they are written.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <vector>

#include <etl/io/dead_letter_file.hpp>

#include "unit/io/support.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const test::TemporaryFolder folder;
  const auto path = folder / "letters", copy = folder / "copy";
  test::write_file(path, {reinterpret_cast<const char*>(data), size});
  const auto letters = [](const std::filesystem::path& file, std::vector<etl::DeadLetter>& found) {
    return etl::io::DeadLetterFile(file).list("", [&](const etl::DeadLetter& one) {
      found.push_back(one);
      return true;
    });
  };
  std::vector<etl::DeadLetter> found, again;
  if (!letters(path, found)) return 0;
  std::filesystem::remove(copy);
  if (!etl::io::DeadLetterFile(copy).write(found) || !letters(copy, again) || again != found) std::abort();
  return 0;
}

// The code of docs/guide/dead_letters.md about files.
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <etl/delivery/replay.hpp>
#include <etl/etl.hpp>
#include <etl/io/checkpoint_file.hpp>
#include <etl/io/dead_letter_file.hpp>
#include <etl/io/fingerprint.hpp>

#include "support/catch.hpp"
#include "unit/io/support.hpp"

namespace dead_letter_file_guide_test {

namespace fs = std::filesystem;

namespace {

/// Adds the numbers of a file, one a line.
struct Sums {
  using position = std::uint64_t;

  fs::path path;
  std::vector<std::string> lines;
  bool tolerant = false;
  std::int64_t fail_at = -1;
  std::set<std::int64_t> loaded{};

  // Lines may be added to the front of the file, or changed: then progress in it means nothing.
  std::string fingerprint() const { return etl::value(etl::io::fingerprint(path)); }

  void extract(etl::Emitter<std::string, position>& out) const {
    for (std::uint64_t i = out.resume_from().value_or(0); i < lines.size(); ++i) {
      if (!out.push(lines[i])) return;
      out.mark(i + 1);
    }
  }
  etl::Result<std::int64_t> transform(const std::string& line) const {
    std::string_view text = line;
    if (tolerant && text.starts_with('x')) text.remove_prefix(1);
    std::int64_t number = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), number).ptr != text.data() + text.size())
      return etl::failure(etl::rejected("no number: " + line));
    return number;
  }
  // What a dead letter keeps of an item, and the item made of it again.
  std::string serialize(const std::string& line) const { return line; }
  std::string deserialize(std::string_view payload) const { return std::string(payload); }

  etl::Result<void> load(std::span<const std::int64_t> batch) {
    for (const std::int64_t number : batch) {
      if (number == fail_at) return etl::failure(etl::fatal("the power went off"));
      loaded.insert(number);
    }
    return {};
  }
};

}  // namespace

TEST_CASE("dead letter file guide: rejected items are set aside, looked at, and tried again") {
  const test::TemporaryFolder folder;
  const fs::path input = folder / "numbers";
  test::write_file(input, "numbers");
  Sums job{.path = input, .lines = {}, .fail_at = 600};
  for (int i = 0; i < 1000; ++i) job.lines.push_back((i % 100 == 7 ? "x" : "") + std::to_string(i));

  const auto letters = std::make_shared<etl::io::DeadLetterFile>(folder / "letters.ndjson");
  const auto checkpoints = std::make_shared<etl::io::CheckpointFile>(folder / "state");
  const etl::Options options{.name = "sums",
                             .batch_size = 50,
                             .workers = 2,
                             .errors = {.max_rejects = 100, .dead_letters = letters},
                             .delivery = {.checkpoints = checkpoints}};
  CHECK(etl::run(job, options).outcome == etl::Outcome::Failed);
  job.fail_at = -1;
  const etl::RunReport resumed = etl::run(job, options);
  INFO(resumed.text());
  CHECK(resumed.outcome != etl::Outcome::Failed);
  CHECK(job.loaded.size() == 990);
  std::vector<etl::DeadLetter> found;
  REQUIRE(letters->list("sums", [&](const etl::DeadLetter& letter) {
    found.push_back(letter);
    return true;
  }));
  REQUIRE(found.size() == 10);  // each once, although the first run was broken off
  CHECK(found[2].payload == "x207");
  CHECK(found[2].seq == 207);

  job.tolerant = true;  // mended
  const etl::RunReport replayed = etl::replay(job, *letters, options);
  CHECK(replayed.outcome == etl::Outcome::Completed);
  CHECK(job.loaded.size() == 1000);
  found.clear();
  REQUIRE(letters->list("sums", [&](const etl::DeadLetter&) {
    FAIL("a letter is left");
    return false;
  }));
}

TEST_CASE("dead letter file guide: progress in a file that has changed is refused") {
  const test::TemporaryFolder folder;
  const fs::path input = folder / "numbers";
  test::write_file(input, "numbers");
  Sums job{.path = input, .lines = {"1", "2", "3"}, .fail_at = 3};
  etl::Options options{.name = "sums",
                       .batch_size = 1,
                       .workers = 1,
                       .delivery = {.checkpoints = std::make_shared<etl::io::CheckpointFile>(folder / "state")}};
  CHECK(etl::run(job, options).outcome == etl::Outcome::Failed);
  test::write_file(input, "others");
  job.fail_at = -1;
  const etl::RunReport refused = etl::run(job, options);
  CHECK(refused.outcome == etl::Outcome::Failed);
  CHECK(refused.text().find("restart") != std::string::npos);
  options.delivery.restart = true;
  CHECK(etl::run(job, options).outcome == etl::Outcome::Completed);
}

}  // namespace dead_letter_file_guide_test

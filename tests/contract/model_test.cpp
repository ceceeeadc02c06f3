// G1 to G18, as a model sees them: random pipelines under random faults, stops and deaths of the process, started again
// until they complete; then replays of their dead letters under the same. What each run says and leaves is checked
// against what its source and sink have seen.
//
//     ETLPIPE_MODEL_SEED=42      runs the case of one seed, tells step by step, and makes it smaller if it goes wrong
//     ETLPIPE_MODEL_SURVEY=9000  counts what goes wrong in so many seeds, instead of ending at the first one
//     ETLPIPE_MODEL_FIRST=1      the first seed of a survey, of the usual test, and of the long one
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/model/search.hpp"
#include "support/random.hpp"

namespace model_test {

namespace {

std::optional<std::uint64_t> number_in(const char* name) {
  const char* const value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return std::strtoull(value, nullptr, 10);
}

/// One seed, in steps. What is wrong with it, or nothing.
std::string alone(std::uint64_t seed) {
  const model::Case c = model::Maker(seed).make();
  std::fprintf(stderr, "seed %llu: %s", static_cast<unsigned long long>(seed), model::to_text(c).c_str());
  model::Child child;
  const std::string wrong = child.run(60, [&](model::Shared& shared) { shared.say(model::play(c, true)); });
  if (wrong.empty()) return wrong;
  const auto [small, what] = model::shrink(c, wrong);
  std::fprintf(stderr, "\nmade smaller: %s", model::to_text(small).c_str());
  static_cast<void>(child.run(60, [&](model::Shared& shared) { shared.say(model::play(small, true)); }));
  return wrong + "\nmade smaller: " + what;
}

/// The kinds of what goes wrong, with the number of seeds and the first of them.
std::string survey(std::uint64_t first, std::uint64_t seeds) {
  std::map<std::string, std::vector<std::uint64_t>> kinds;
  for (std::uint64_t seed = first; seed < first + seeds;) {
    const model::Searched searched = model::search(seed, first + seeds);
    if (!searched.found) break;
    const auto kind = static_cast<std::size_t>(model::Maker(searched.found->seed).make().kind);
    kinds[fmt::format("{} ({})", model::kind_of(searched.found->wrong), model::names_of_kinds[kind])].push_back(
        searched.found->seed);
    seed = searched.found->seed + 1;
  }
  std::string out;
  for (const auto& [kind, found] : kinds) {
    out += fmt::format("{:6} {}: seeds", found.size(), kind);
    for (std::size_t i = 0; i < std::min<std::size_t>(found.size(), 8); ++i) out += fmt::format(" {}", found[i]);
    out += '\n';
  }
  return out;
}

}  // namespace

TEST_CASE("G1 to G18: random runs under random faults agree with a model [soak]", "[soak]") {
  if (const auto seed = number_in("ETLPIPE_MODEL_SEED")) {
    CHECK(alone(*seed) == "");
    return;
  }
  const std::uint64_t first = number_in("ETLPIPE_MODEL_FIRST").value_or(1);
  if (const auto seeds = number_in("ETLPIPE_MODEL_SURVEY")) {
    const std::string found = survey(first, *seeds);
    std::fputs(found.c_str(), stderr);
    CHECK(found.empty());
    return;
  }
  const std::uint64_t wanted = test::soak() ? 1'000'000 : 5'000;
  std::uint64_t runs = 0;
  for (std::uint64_t seed = first; runs < wanted; seed += 1000) {
    const model::Searched searched = model::search(seed, seed + 1000);
    runs += searched.runs;
    if (searched.found) FAIL(model::told(*searched.found));
  }
}

TEST_CASE("a defect is found, and its case made small") {
  model::Case c;
  std::string wrong;
  for (std::uint64_t seed = 1; wrong.empty() && seed < 200; ++seed) {
    c = model::Maker(seed).make();
    if (c.kind != model::Kind::Plain) continue;
    c.defective = true;
    wrong = model::play(c);
  }
  REQUIRE_FALSE(wrong.empty());
  const auto [small, still] = model::shrink(c, wrong);
  CAPTURE(model::to_text(small));
  CHECK(model::kind_of(still) == model::kind_of(wrong));
  std::size_t items = 0, faults = 0;
  for (const model::DaySpec& day : small.days) {
    for (const model::PartSpec& part : day.parts) items += part.items.size();
    for (const model::RunSpec& run : day.runs) faults += run.faults.size() + run.stops.size();
  }
  CHECK(items == 5);  // the fifth is lost
  CHECK(faults == 0);
}

}  // namespace model_test

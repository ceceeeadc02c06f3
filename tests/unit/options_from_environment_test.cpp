#include <etl/options_from_environment.hpp>

#include <cstdlib>
#include <string>
#include <vector>

#include "support/catch.hpp"

namespace options_from_environment_test {

namespace {

/// Sets variables for one test.
class Environment {
 public:
  void set(const char* name, const char* value) {
    ::setenv(name, value, 1);
    names_.emplace_back(name);
  }
  Environment() = default;
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  ~Environment() {
    for (const std::string& name : names_) ::unsetenv(name.c_str());
  }

 private:
  std::vector<std::string> names_;
};

}  // namespace

TEST_CASE("options_from_environment: options are left alone by an environment that says nothing") {
  Environment environment;
  environment.set("ETLPIPE_WORKERS", "");
  const auto options = etl::options_from_environment({.batch_size = 7, .workers = 3});
  REQUIRE(options);
  CHECK(options->batch_size == 7);
  CHECK(options->workers == 3);
  CHECK(options->memory == nullptr);
}

TEST_CASE("options_from_environment: the environment overrides options") {
  Environment environment;
  environment.set("ETLPIPE_WORKERS", "5");
  environment.set("ETLPIPE_BATCH_SIZE", "123");
  environment.set("ETLPIPE_TIMEOUT_MS", "250");
  environment.set("ETLPIPE_MAX_MEMORY_MB", "2");
  const auto options = etl::options_from_environment({.workers = 3});
  REQUIRE(options);
  CHECK(options->workers == 5);
  CHECK(options->batch_size == 123);
  CHECK(options->timeout == std::chrono::milliseconds(250));
  REQUIRE(options->memory != nullptr);
  CHECK(options->memory->limit() == 2u << 20);
}

TEST_CASE("options_from_environment: a bad variable is named with its value") {
  for (const char* bad : {"0", "-1", "4x", "4097", "99999999999999999999", " 4"}) {
    CAPTURE(bad);
    Environment environment;
    environment.set("ETLPIPE_WORKERS", bad);
    const auto options = etl::options_from_environment();
    REQUIRE_FALSE(options);
    CHECK(options.error().code == etl::Errc::InvalidOptions);
    CHECK(options.error().message().find(std::string("ETLPIPE_WORKERS=") + bad) != std::string::npos);
  }
}

}  // namespace options_from_environment_test

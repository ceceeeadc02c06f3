#include <etl/io/checkpoint_file.hpp>
#include <etl/io/dead_letter_file.hpp>
#include <etl/testing/conformance.hpp>

#include "support/catch.hpp"
#include "unit/io/support.hpp"

namespace conformance_test {

TEST_CASE("the stores in files keep the contract") {
  const test::TemporaryFolder folder;
  etl::io::CheckpointFile checkpoints(folder / "checkpoints");
  CHECK_NOTHROW(etl::testing::check_checkpoint_store(checkpoints));
  etl::io::DeadLetterFile letters(folder / "letters.ndjson");
  CHECK_NOTHROW(etl::testing::check_dead_letter_store(letters));
}

}  // namespace conformance_test

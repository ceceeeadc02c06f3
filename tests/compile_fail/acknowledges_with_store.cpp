// expect: etl: a source that acknowledges
// Messages that were acknowledged do not come again.
#include <span>
#include <string>

#include <etl/run.hpp>
#include <etl/testing/memory_stores.hpp>

struct Pipeline {
#ifndef ETLPIPE_FIX
  static constexpr bool acknowledges = true;
#endif
  std::string fingerprint() const { return "messages"; }
  void extract(etl::Emitter<int>& out) { out.push(1); }
  void load(std::span<const int> batch, etl::testing::MemoryTransaction<int>& tx) { tx.write(batch); }
};

int main() {
  etl::testing::MemoryStore<int> store;
  return etl::run(etl::with_store(Pipeline{}, store), {.name = "numbers"}).exit_code();
}

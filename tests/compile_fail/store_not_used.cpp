// expect: etl: with a store, load must take its transaction
// Rows that are written elsewhere are not committed with the progress.
#include <span>
#include <string>

#include <etl/run.hpp>
#include <etl/testing/memory_stores.hpp>

struct Pipeline {
  std::string fingerprint() const { return "one number"; }
  void extract(etl::Emitter<int>& out) { out.push(1); }
#ifdef ETLPIPE_FIX
  void load(std::span<const int> batch, etl::testing::MemoryTransaction<int>& tx) { tx.write(batch); }
#else
  void load(std::span<const int>) {}
#endif
};

int main() {
  etl::testing::MemoryStore<int> store;
  return etl::run(etl::with_store(Pipeline{}, store), {.name = "numbers"}).exit_code();
}

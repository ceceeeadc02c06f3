// expect: one that takes a store's transaction is run as etl::with_store(pipeline, store)
// There is no transaction to give.
#include <span>
#include <string>

#include <etl/run.hpp>
#include <etl/testing/memory_stores.hpp>

struct Pipeline {
  std::string fingerprint() const { return "one number"; }
  void extract(etl::Emitter<int>& out) { out.push(1); }
  void load(std::span<const int> batch, etl::testing::MemoryTransaction<int>& tx) { tx.write(batch); }
};

int main() {
  etl::testing::MemoryStore<int> store;
#ifdef ETLPIPE_FIX
  return etl::run(etl::with_store(Pipeline{}, store), {.name = "numbers"}).exit_code();
#else
  return etl::run(Pipeline{}, {.name = "numbers"}).exit_code();
#endif
}

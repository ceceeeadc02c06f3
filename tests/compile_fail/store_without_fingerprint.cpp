// expect: etl: a pipeline with a store or an idempotency key needs `std::string fingerprint() const`
// Progress of other data must not count as progress of this.
#include <span>
#include <string>

#include <etl/run.hpp>
#include <etl/testing/memory_stores.hpp>

struct Pipeline {
#ifdef ETLPIPE_FIX
  std::string fingerprint() const { return "one number"; }
#endif
  void extract(etl::Emitter<int>& out) { out.push(1); }
  void load(std::span<const int> batch, etl::testing::MemoryTransaction<int>& tx) { tx.write(batch); }
};

int main() {
  etl::testing::MemoryStore<int> store;
  return etl::run(etl::with_store(Pipeline{}, store), {.name = "numbers"}).exit_code();
}

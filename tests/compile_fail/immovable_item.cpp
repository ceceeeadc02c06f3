// expect: etl: cannot tell what the pipeline extracts
// Items are moved into batches.
#include <span>

#include <etl/run.hpp>

struct Row {
  int id = 0;
  Row() = default;
#ifdef ETLPIPE_FIX
  Row(Row&&) = default;
#else
  Row(Row&&) = delete;
#endif
};

struct Pipeline {
  void extract(etl::Emitter<Row>&) {}
  int transform(const Row& row) const { return row.id; }
  void load(std::span<const int>) {}
};

int main() {
  Pipeline p;
  return etl::run(p).exit_code();
}

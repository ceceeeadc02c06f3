// expect: etl: key must be const, take a const E& and return something that std::hash takes
// Lanes are chosen by the key's hash.
#include <span>

#include <etl/run.hpp>

struct Tenant {
  int id;
};
struct Pipeline {
#ifdef ETLPIPE_FIX
  int key(const int& n) const { return n; }
#else
  Tenant key(const int& n) const { return {n}; }
#endif
  void extract(etl::Emitter<int>& out) { out.push(1); }
  void load(std::span<const int>) const {}
};

int main() { return etl::run(Pipeline{}, {.order = etl::Order::ByKey}).exit_code(); }

// expect: deserialize must be const, take a std::string_view and return an E or an etl::Result<E>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <etl/etl.hpp>

struct Numbers {
  void extract(etl::Emitter<std::int64_t>& out) const { out.push(1); }
  std::string serialize(const std::int64_t& n) const { return std::to_string(n); }
#ifdef ETLPIPE_FIX
  std::int64_t deserialize(std::string_view) const { return 1; }
#else
  std::optional<std::int64_t> deserialize(std::string_view) const { return 1; }
#endif
  void load(std::span<const std::int64_t>) const {}
};

int main() { return etl::run(Numbers{}).exit_code(); }

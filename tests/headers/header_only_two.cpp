#include <cstdint>
#include <span>

#include <etl/etl.hpp>

std::uint64_t loaded_by_bucket();
std::uint64_t loaded_by_bucket() {
  etl::Bucket<int> bucket([](std::span<const int>) {}, {.batch_size = 2, .workers = 1});
  for (int i = 0; i < 3; ++i)
    if (!bucket.push(i)) return 0;
  return bucket.finish().items.loaded;
}

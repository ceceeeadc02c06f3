#include <cstdint>
#include <span>

#include <asio/io_context.hpp>

#include <etl/asio.hpp>  // before the rest of the library: it brings the pool along
#include <etl/etl.hpp>

std::uint64_t loaded_by_bucket();
std::uint64_t loaded_by_bucket() {
  asio::io_context context;
  etl::Options options{.batch_size = 2, .workers = 1};
  options.executor = etl::Executor(context.get_executor());
  etl::Bucket<int> bucket([](std::span<const int>) {}, options);
  for (int i = 0; i < 3; ++i)
    if (!bucket.push(i)) return 0;
  return bucket.finish().items.loaded;
}

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include <etl/io/object_store_url.hpp>
#include <etl/s3/store.hpp>

namespace etl::inline v0::s3 {
namespace {

/// The buckets in use. They are kept, so that their connections stay open.
struct Buckets {
  explicit Buckets(StoreOptions all) : options(std::move(all)) {}
  StoreOptions options;
  std::mutex mutex{};
  std::map<std::string, Store, std::less<>> opened{};

  [[nodiscard]] Result<Store> open(const std::string& bucket) {
    const std::lock_guard lock(mutex);
    if (const auto found = opened.find(bucket); found != opened.end()) return found->second;
    StoreOptions own = options;
    own.bucket = bucket;
    auto store = Store::open(own);
    if (store) opened.emplace(bucket, *store);
    return store;
  }
};

}  // namespace

void add_scheme(StoreOptions options) {
  auto buckets = std::make_shared<Buckets>(std::move(options));
  io::add_store_scheme("s3", [buckets](std::string_view url) -> Result<io::StorePlace> {
    auto at = parse_location(url);
    if (!at) return failure(std::move(at.error()));
    auto store = buckets->open(at->bucket);
    if (!store) return failure(std::move(store.error()));
    return io::StorePlace{.store = *std::move(store), .key = std::move(at->key)};
  });
}

}  // namespace etl::inline v0::s3

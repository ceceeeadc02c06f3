#pragma once
/// Buckets of S3 and of compatible servers, as object stores.
///
///     auto store = etl::s3::Store::open({.bucket = "sales"});  // credentials as the AWS command line finds them
///     auto page = store->list({.prefix = "2024/"});

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include <etl/config.hpp>
#include <etl/error.hpp>
#include <etl/http/client.hpp>
#include <etl/io/object_store.hpp>
#include <etl/policy/retry.hpp>
#include <etl/s3/address.hpp>
#include <etl/s3/credentials.hpp>

namespace etl::inline v0::s3 {

/// Settings of a store. An aggregate.
struct StoreOptions {
  std::string bucket{};  ///< its name
  /// URL of the server; empty: the endpoint of `find_settings`, otherwise AWS.
  std::string endpoint{};
  /// Region; empty: the region of `find_settings`, otherwise us-east-1. If a server names another region, the request
  /// is sent again for that region.
  std::string region{};
  Style style = Style::Auto;                 ///< the place of the bucket in URLs
  std::optional<Credentials> credentials{};  ///< if not given, those that `find_settings` finds
  std::string profile{};                     ///< for `find_settings`
  /// Attempts for each request if the server answers `SlowDown`, cannot be reached, or fails.
  RetryPolicy retry{
      .max_attempts = 6, .initial_delay = std::chrono::milliseconds(100), .max_delay = std::chrono::seconds(20)};
  http::ClientOptions http{};  ///< of the connections; its `auth` is not used
};

/// A bucket as an `etl::io::ObjectStore`.
///
/// Requests are signed with Signature Version 4, including the digest of their bytes, so that a server stores no bytes
/// that were damaged during the transfer. If the server supports it, a put stores its SHA-256 with the object
/// (x-amz-checksum-sha256), and `ObjectInfo::sha256` returns it.
///
/// Errors name method, URL, status, the server's code, message and request id, and no secret. Their code is a
/// `StoreProblem` if one applies, otherwise the status (`http::status_of`). Missing buckets are
/// `StoreProblem::Missing`, too.
///
/// `PutOptions::if_none_match` of a put holds on AWS and on Ceph. At the end of an upload some servers do not support
/// it: the store then checks just before, and another writer has a short moment in between. `PutOptions::sha256` cannot
/// be checked at the end of an upload: `io::create_object` checks it, and `complete_upload` refuses it.
///
/// A cheap copy is the same store. Thread-safe.
class Store {
 public:
  /// Opens a store without a request to the server. An error names every bad option, or says where credentials were
  /// searched.
  [[nodiscard]] static Result<Store> open(const StoreOptions& options);

  /// Puts all bytes at once.
  [[nodiscard]] Result<io::ObjectInfo> put(const std::string& key, std::string_view bytes,
                                           const io::PutOptions& options = {}, const std::stop_token& stop = {}) const;
  /// Begins to read an object, or a part of it.
  [[nodiscard]] Result<io::ObjectBody> get(const std::string& key, const io::GetOptions& options = {},
                                           const std::stop_token& stop = {}) const;
  /// What `get` would give, without bytes.
  [[nodiscard]] Result<io::ObjectInfo> head(const std::string& key, const std::stop_token& stop = {}) const;
  /// A page of the objects whose keys begin alike.
  [[nodiscard]] Result<io::ObjectPage> list(const io::ListOptions& options = {},
                                            const std::stop_token& stop = {}) const;
  /// Deletes an object, if there is one.
  [[nodiscard]] Result<void> remove(const std::string& key, const std::stop_token& stop = {}) const;
  /// Makes a copy of an object of at most 5 GiB; the server copies the bytes.
  [[nodiscard]] Result<void> copy(const std::string& from, const std::string& to,
                                  const std::stop_token& stop = {}) const;
  /// Begins an object in parts.
  [[nodiscard]] Result<io::Upload> begin_upload(const std::string& key, const io::PutOptions& options = {},
                                                const std::stop_token& stop = {}) const;
  /// Puts a part, or puts it again.
  [[nodiscard]] Result<io::UploadedPart> put_part(const io::Upload& upload, std::uint32_t number,
                                                  std::string_view bytes, const std::stop_token& stop = {}) const;
  /// Makes the object of these parts, in the order of their numbers.
  [[nodiscard]] Result<io::ObjectInfo> complete_upload(const io::Upload& upload,
                                                       std::span<const io::UploadedPart> parts,
                                                       const io::PutOptions& options = {},
                                                       const std::stop_token& stop = {}) const;
  /// Drops the parts of an upload, if there is one.
  [[nodiscard]] Result<void> abort_upload(const io::Upload& upload, const std::stop_token& stop = {}) const;
  /// A page of the uploads that are under way.
  [[nodiscard]] Result<io::UploadPage> uploads(const io::ListOptions& options = {},
                                               const std::stop_token& stop = {}) const;
  /// The store in messages; the key follows it.
  [[nodiscard]] std::string name() const;

  /// Address of the bucket, with the region that the server has named, if it has.
  [[nodiscard]] Address address() const;

  /// Used by the library.
  class Connection;

 private:
  explicit Store(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {}
  std::shared_ptr<Connection> connection_;
};

static_assert(io::ObjectStore<Store>);

/// From now on `s3://bucket/key` may stand where files are named (object_store_url.hpp). Each bucket is opened with
/// `options`, except for its name, when it is first used, and then kept. Call it first in `main`.
void add_scheme(StoreOptions options = {});

}  // namespace etl::inline v0::s3

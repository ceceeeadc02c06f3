#pragma once
/// Reads and writes objects of any size as streams.
///
///     auto in = etl::io::open_object(store, "2024/orders.csv.gz");
///     auto out = etl::io::create_object(store, "2024/orders.ndjson");

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include <etl/config.hpp>
#include <etl/error.hpp>
#include <etl/io/object_store.hpp>
#include <etl/io/sink.hpp>
#include <etl/io/source.hpp>
#include <etl/policy/retry.hpp>

namespace etl::inline v0::io {

/// Settings of `open_object`. An aggregate.
struct ReadOptions {
  std::uint64_t offset = 0;             ///< the first byte
  std::optional<std::uint64_t> size{};  ///< at most so many bytes; to the end if it is not set
  std::string if_match{};               ///< only of the object with this `ObjectInfo::etag`
  /// Attempts to continue a read after its connection broke, counted from the last attempt that brought any bytes.
  RetryPolicy retry{.max_attempts = 5};
};

/// An object that is being read.
struct OpenedObject {
  ObjectInfo info{};  ///< of the whole object
  Source bytes{};     ///< those that `ReadOptions` asks for
};

/// Reads an object while it arrives. If the connection breaks, the read continues at the same byte of the same object
/// (by its etag): the bytes of two objects are never mixed, and an object that has changed is the error
/// `StoreProblem::Changed`. The read of an object without etag is not continued. If the whole object is read and the
/// store knows its `ObjectInfo::sha256`, the bytes are compared with it; a difference is an error at the end.
///
/// `interrupt` of the source works from any thread. `stop` ends all of its reads, too.
[[nodiscard]] Result<OpenedObject> open_object(const AnyObjectStore& store, const std::string& key,
                                               const ReadOptions& options = {}, const std::stop_token& stop = {});

/// Settings of `create_object` and `put_file`. An aggregate.
struct WriteOptions {
  PutOptions put{};                              ///< for the whole object
  std::size_t part_size = std::size_t{8} << 20;  ///< bytes of a part; at least 5 MiB for S3
  std::size_t parallel = 4;  ///< parts that are sent at once; memory holds this number of parts, and one more
};

/// Writes an object as a stream. It appears with `finish`, whole, or not at all: an error, or the end of the sink
/// without `finish`, aborts the upload. Data that fits into one part is one `put`; larger data goes in parts, several
/// at once. Parts grow by `part_size` after every 1000, so that 10000 hold 55000 of these. Throws `etl::Exception` for
/// options that are 0.
[[nodiscard]] Sink create_object(AnyObjectStore store, std::string key, WriteOptions options = {},
                                 const std::stop_token& stop = {});

/// Puts the content of a file, of any size, as it is (not inflated).
[[nodiscard]] Result<void> put_file(const AnyObjectStore& store, const std::string& key,
                                    const std::filesystem::path& file, const WriteOptions& options = {},
                                    const std::stop_token& stop = {});

/// Calls `each` for all objects whose keys begin with `prefix`, in the order of their keys, page after page. If `each`
/// returns an error, the listing ends with this error.
[[nodiscard]] Result<void> for_each_object(const AnyObjectStore& store, const std::string& prefix,
                                           const std::function<Result<void>(const ObjectInfo&)>& each,
                                           const std::stop_token& stop = {});

/// Aborts all uploads whose keys begin with `prefix` and that began before `before`: these are left by killed
/// processes. Returns their number. Uploads whose start is not known are not aborted.
[[nodiscard]] Result<std::size_t> abort_old_uploads(const AnyObjectStore& store, const std::string& prefix,
                                                    std::chrono::system_clock::time_point before,
                                                    const std::stop_token& stop = {});

}  // namespace etl::inline v0::io

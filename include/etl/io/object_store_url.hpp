#pragma once
/// URLs where files may be named: `s3://bucket/key` for objects, `file:///folder/name` for files.
///
/// `open_file`, `open_input`, `create_file`, `create_output`, `fingerprint`, `size_of` and `glob` take them wherever
/// they take a path, once the program has said which schemes of objects it knows:
///
///     etl::s3::add_scheme();  // of the component s3; first in main
///     auto in = etl::io::open_input("s3://sales/2024/orders.csv.gz");

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include <etl/config.hpp>
#include <etl/error.hpp>
#include <etl/io/object_store.hpp>

namespace etl::inline v0::io {

/// A place in a store.
struct StorePlace {
  AnyObjectStore store;  ///< the bucket, or the folder
  std::string key{};     ///< the rest of the URL, unchanged; may be empty, or a prefix of keys
};
/// Opens the store of a URL of one scheme.
using OpenStore = std::function<Result<StorePlace>(std::string_view url)>;

/// From now on URLs that begin with "SCHEME://" are opened by `open`, which several threads may call at once. Replaces
/// an earlier one. Thread-safe.
void add_store_scheme(const std::string& scheme, OpenStore open);

/// Whether the text is a URL of an object: "s3://...", or of a scheme that was added. Thread-safe.
[[nodiscard]] bool is_store_url(std::string_view text);

/// The store and the key of `s3://bucket/key`. Of a path, or a `file:` URL, the store is that folder (made if it is not
/// there) and the key is empty: so a program that stages objects takes either. An error if the program does not know
/// the scheme says how to build it. Thread-safe.
[[nodiscard]] Result<StorePlace> open_store(const std::string& url_or_folder);

/// The path of `file:///folder/name%20x` (RFC 8089; the host is empty or "localhost"); any other text is a path
/// already.
[[nodiscard]] Result<std::filesystem::path> local_path(const std::filesystem::path& path_or_url);

/// The number of bytes of a file or object. An error if it does not exist, or is not a regular file.
[[nodiscard]] Result<std::uint64_t> size_of(const std::filesystem::path& path_or_url);

/// Whether the input can be read a second time: true for an object or a regular file, false for a pipe and "-".
[[nodiscard]] bool can_be_read_again(const std::filesystem::path& path_or_url);

}  // namespace etl::inline v0::io

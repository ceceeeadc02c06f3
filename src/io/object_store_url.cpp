#include "object_store_url.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include <etl/io/glob.hpp>
#include <etl/io/object_store_folder.hpp>
#include <etl/io/object_store_stream.hpp>
#include <etl/io/object_store_url.hpp>

#include "posix.hpp"

namespace etl::inline v0::io {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view special = "*?[]{}\\";  // special characters in patterns
constexpr std::string_view file_scheme = "file:/";

struct Schemes {
  std::mutex mutex{};
  std::map<std::string, OpenStore, std::less<>> all{};
};
Schemes& schemes() {
  static Schemes known;
  return known;
}

/// The scheme of a URL in lower case, such as "s3" of "s3://bucket/key"; empty if the text is not a URL (RFC 3986,
/// 3.1).
std::string scheme_of(std::string_view text) {
  const std::size_t end = text.find("://");
  if (end == std::string_view::npos || end == 0) return {};
  std::string scheme(text.substr(0, end));
  for (char& c : scheme) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const bool fits = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
    if (!fits) return {};
  }
  return scheme;
}

OpenStore opener_of(const std::string& scheme) {
  const std::lock_guard lock(schemes().mutex);
  const auto found = schemes().all.find(scheme);
  return found == schemes().all.end() ? OpenStore() : found->second;
}

Result<StorePlace> open_url(const std::string& url) {
  const std::string scheme = scheme_of(url);
  if (const OpenStore open = opener_of(scheme)) return open(url);
  return failure(Error{.code = Errc::InvalidOptions,
                       .context = fmt::format("cannot open '{0}': this program was built without the component {1} of "
                                              "etlpipe; build it with ETLPIPE_COMPONENTS that name {1}",
                                              url, scheme)});
}

/// Opens the URL of an object. The URL must have a key.
Result<StorePlace> object_at(const std::string& url) {
  auto place = open_url(url);
  if (place && place->key.empty())
    return failure(Error{.code = StoreProblem::Key,
                         .context = fmt::format("'{0}' names no object: write a key after it, or '{0}{1}**' for all",
                                                url, url.ends_with('/') ? "" : "/")});
  return place;
}

/// The decoded path of a `file:` URL. `escape`: puts a backslash before each decoded character that is special in
/// patterns.
Result<std::string> path_of_url(const std::string& url, bool escape) {
  std::string_view rest = std::string_view(url).substr(file_scheme.size() - 1);
  const auto wrong = [&](std::string_view why) {
    return failure(
        Error{.code = Errc::InvalidOptions, .context = fmt::format("'{}': {}; write file:///FOLDER/NAME", url, why)});
  };
  if (rest.starts_with("//")) {
    const std::size_t slash = rest.find('/', 2);
    const std::string_view host = rest.substr(2, slash == std::string_view::npos ? rest.size() : slash - 2);
    if (slash == std::string_view::npos || (!host.empty() && host != "localhost"))
      return wrong("the URL of a file on this machine must not name a host");
    rest.remove_prefix(slash);
  }
  std::string path;
  for (std::size_t i = 0; i < rest.size(); ++i) {
    if (rest[i] != '%') {
      path += rest[i];
      continue;
    }
    unsigned byte = 0;
    const std::string_view digits = rest.substr(i + 1, 2);
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
    if (digits.size() != 2 || code != std::errc() || end != digits.data() + 2 || byte == 0)
      return wrong(fmt::format("'%{}' is no encoded byte of a path", digits));
    const char decoded = static_cast<char>(byte);
    if (escape && special.find(decoded) != std::string_view::npos) path += '\\';
    path += decoded;
    i += 2;
  }
  return path;
}

bool is_file_url(std::string_view text) { return text.starts_with(file_scheme); }

}  // namespace

void add_store_scheme(const std::string& scheme, OpenStore open) {
  const std::lock_guard lock(schemes().mutex);
  schemes().all.insert_or_assign(scheme, std::move(open));
}

bool is_store_url(std::string_view text) {
  const std::string scheme = scheme_of(text);
  return scheme == "s3" || (!scheme.empty() && opener_of(scheme) != nullptr);
}

Result<StorePlace> open_store(const std::string& url_or_folder) {
  if (is_store_url(url_or_folder)) return open_url(url_or_folder);
  auto folder = local_path(url_or_folder);
  if (!folder) return failure(std::move(folder.error()));
  auto store = FolderStore::open(*folder);
  if (!store) return failure(std::move(store.error()));
  return StorePlace{.store = *std::move(store)};
}

Result<fs::path> local_path(const fs::path& path_or_url) {
  if (!is_file_url(path_or_url.native())) return path_or_url;
  auto path = path_of_url(path_or_url.native(), false);
  if (!path) return failure(std::move(path.error()));
  return fs::path(std::move(*path));
}

Result<std::uint64_t> size_of(const fs::path& path_or_url) {
  if (is_store_url(path_or_url.native())) {
    auto place = object_at(path_or_url.native());
    if (!place) return failure(std::move(place.error()));
    return place->store.head(place->key).map([](const ObjectInfo& object) { return object.size; });
  }
  auto path = local_path(path_or_url);
  if (!path) return failure(std::move(path.error()));
  std::error_code code;
  const std::uintmax_t size = fs::file_size(*path, code);
  if (code)
    return failure(detail::system_failure(fmt::format("cannot tell the size of '{}'", path->string()), code.value()));
  return std::uint64_t{size};
}

bool can_be_read_again(const fs::path& path_or_url) {
  if (path_or_url == "-") return false;
  if (is_store_url(path_or_url.native())) return true;
  const auto path = local_path(path_or_url);
  std::error_code unknown;
  return path && fs::is_regular_file(*path, unknown);
}

namespace detail {

Result<Source> open_object_url(const std::string& url) {
  return object_at(url).and_then([](const StorePlace& place) {
    return open_object(place.store, place.key).map([](OpenedObject&& opened) { return std::move(opened.bytes); });
  });
}

Result<Sink> create_object_url(const std::string& url) {
  auto place = object_at(url);
  if (!place) return failure(std::move(place.error()));
  return create_object(std::move(place->store), std::move(place->key));
}

Result<std::string> object_fingerprint(const std::string& url) {
  return object_at(url).and_then([&](const StorePlace& place) -> Result<std::string> {
    auto object = place.store.head(place.key);
    if (!object) return failure(std::move(object.error()));
    if (object->etag.empty())
      return failure(fatal(fmt::format("the store of '{}' gives no etag, so a run cannot resume in it", url)));
    return fmt::format("{} bytes, etag {}", object->size, object->etag);
  });
}

Result<std::string> file_pattern(const std::string& pattern) {
  return is_file_url(pattern) ? path_of_url(pattern, true) : Result<std::string>(pattern);
}

Result<std::vector<fs::path>> glob_objects(const std::string& pattern) {
  auto place = open_url(pattern);
  if (!place) return failure(std::move(place.error()));
  const std::string& key = place->key;
  const std::string base = pattern.substr(0, pattern.size() - key.size());
  if (key.empty() || key.ends_with('/'))
    return failure(fatal(fmt::format("'{0}' is a folder: use '{0}{1}*' for its objects, '{0}{1}**' for all below",
                                     pattern, pattern.ends_with('/') ? "" : "/")));
  if (key.find_first_of(special) == std::string::npos) {
    auto object = place->store.head(key);
    if (!object) return failure(std::move(object.error()));
    return std::vector<fs::path>{pattern};
  }
  std::vector<fs::path> found;
  bool itself = false;
  auto listed = for_each_object(place->store, key.substr(0, key.find_first_of(special)), [&](const ObjectInfo& object) {
    itself = itself || object.key == key;
    if (matches(key, object.key) && !object.key.ends_with('/')) found.emplace_back(base + object.key);
    return Result<void>();
  });
  if (!listed) return failure(std::move(listed.error()));
  if (itself) return std::vector<fs::path>{pattern};
  if (found.empty()) return failure(fatal(fmt::format("'{}' matches no object", pattern)));
  return found;
}

}  // namespace detail
}  // namespace etl::inline v0::io

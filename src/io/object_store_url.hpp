#pragma once
/// Objects where files may be named.

#include <filesystem>
#include <string>
#include <vector>

#include <etl/error.hpp>
#include <etl/io/sink.hpp>
#include <etl/io/source.hpp>

namespace etl::inline v0::io::detail {

[[nodiscard]] Result<Source> open_object_url(const std::string& url);
[[nodiscard]] Result<Sink> create_object_url(const std::string& url);
/// One line that changes when the object changes.
[[nodiscard]] Result<std::string> object_fingerprint(const std::string& url);
/// The URLs of the objects whose keys a pattern matches, in their order. A pattern that is a key means this object.
[[nodiscard]] Result<std::vector<std::filesystem::path>> glob_objects(const std::string& pattern);
/// A pattern for files of what may be a `file:` URL: what is encoded there has no special meaning.
[[nodiscard]] Result<std::string> file_pattern(const std::string& pattern);

}  // namespace etl::inline v0::io::detail

#pragma once
/// Functions that accept URLs of objects in place of file names.

#include <filesystem>
#include <string>
#include <vector>

#include <etl/error.hpp>
#include <etl/io/sink.hpp>
#include <etl/io/source.hpp>

namespace etl::inline v0::io::detail {

[[nodiscard]] Result<Source> open_object_url(const std::string& url);
[[nodiscard]] Result<Sink> create_object_url(const std::string& url);
/// A line of text that changes when the object changes.
[[nodiscard]] Result<std::string> object_fingerprint(const std::string& url);
/// The URLs of the objects whose keys match the pattern, in order. A pattern that is a key means that object.
[[nodiscard]] Result<std::vector<std::filesystem::path>> glob_objects(const std::string& pattern);
/// The pattern for files that a pattern or `file:` URL stands for. Percent-encoded characters have no special meaning.
[[nodiscard]] Result<std::string> file_pattern(const std::string& pattern);

}  // namespace etl::inline v0::io::detail

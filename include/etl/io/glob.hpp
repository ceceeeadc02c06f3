#pragma once
/// Finds files by patterns.
///
/// A pattern matches whole paths, name by name: `*` any characters of a name, `?` one UTF-8 character, `[a-z_]` one
/// character of the list, `[!a-z]` or `[^a-z]` one character that is not in the list, `{a,b{c,d}}` each alternative,
/// `**` as a whole name any number of folders, including none (at the end: all files below). After a backslash a
/// character has no special meaning. A bracket or brace that is not closed, and braces without a comma, are ordinary
/// characters.

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <etl/config.hpp>
#include <etl/error.hpp>

namespace etl::inline v0::io {

/// Settings of `glob`. An aggregate.
struct GlobOptions {
  std::size_t threads = 0;       ///< number of threads that read folders; 0: the number of processors
  bool follow_symlinks = false;  ///< `**` also follows symbolic links to folders; the other patterns always do
  bool hidden = false;           ///< `*`, `?`, `[...]` and `**` also match names that begin with a dot
  /// Gets an error for each folder or link that cannot be read, and `glob` returns the other files. If null, these are
  /// errors of `glob`.
  std::vector<Error>* unreadable = nullptr;
};

/// Patterns may be URLs (object_store_url.hpp). What follows the bucket of an `s3://` URL is matched with the keys,
/// where a leading dot of a name is an ordinary character, and the URLs of objects are returned.
///
/// The regular files that the patterns match, each once: in the order of the patterns, and those of one pattern sorted
/// by their paths. A file that several patterns match belongs to the first of these. A file that can be reached by
/// several symbolic links is listed by its own name if this matches, otherwise by the first. A pattern that is the path
/// of an existing file or named pipe means this file, whatever characters it contains. One error lists all patterns
/// that match nothing, and all folders and links that cannot be read.
[[nodiscard]] Result<std::vector<std::filesystem::path>> glob(std::span<const std::string> patterns,
                                                              const GlobOptions& options = {});
[[nodiscard]] Result<std::vector<std::filesystem::path>> glob(const std::string& pattern,
                                                              const GlobOptions& options = {});

/// Whether the pattern matches the whole path. The file need not exist, and a leading dot of a name is an ordinary
/// character. Takes at most the length of the path times the length of the pattern, for each alternative of its braces.
/// A pattern with more than 10000 alternatives, an error of `glob`, matches nothing.
[[nodiscard]] bool matches(std::string_view pattern, std::string_view path);

}  // namespace etl::inline v0::io

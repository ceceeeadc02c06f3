#pragma once
/// The files that patterns name.
///
/// A pattern matches whole paths, name by name: `*` any characters of a name, `?` one character (of UTF-8), `[a-z_]`
/// one of these, `[!a-z]` or `[^a-z]` one of the others, `{a,b{c,d}}` each alternative, `**` as a whole name any number
/// of folders, also none (at the end: all files below). A backslash takes the next character for itself; a bracket or
/// brace that is not closed, and braces without a comma, stand for themselves.

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <etl/config.hpp>
#include <etl/error.hpp>

namespace etl::inline v0::io {

struct GlobOptions {
  std::size_t threads = 0;       ///< that read folders at once; 0: as many as there are processors
  bool follow_symlinks = false;  ///< `**` enters symbolic links to folders too; the other patterns always do
  bool hidden = false;           ///< `*`, `?`, `[...]` and `**` match names that begin with a dot too
  /// Gets what cannot be read, and the rest is given; null: it is an error of `glob`.
  std::vector<Error>* unreadable = nullptr;
};

/// The regular files that the patterns match, sorted, each once: a file that several names lead to by symbolic links is
/// given by its own where that matches, else by the first. A pattern that is the path of a file, or of a named pipe, is
/// that file, whatever characters are in it. One error lists all patterns that match nothing, and all folders and links
/// that cannot be read.
[[nodiscard]] Result<std::vector<std::filesystem::path>> glob(std::span<const std::string> patterns,
                                                              const GlobOptions& options = {});
[[nodiscard]] Result<std::vector<std::filesystem::path>> glob(const std::string& pattern,
                                                              const GlobOptions& options = {});

/// Whether the pattern matches the whole path, of which there need not be a file; names that begin with a dot are as
/// others. In the time of one comparison of each character of the path with each of the pattern, for each alternative
/// of its braces. A pattern with more than 10000 alternatives, which `glob` names in an error, matches nothing.
[[nodiscard]] bool matches(std::string_view pattern, std::string_view path);

}  // namespace etl::inline v0::io

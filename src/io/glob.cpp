#include <etl/io/glob.hpp>

#include <sys/stat.h>

#include <algorithm>
#include <iterator>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include <etl/io/object_store_url.hpp>

#include "glob_pattern.hpp"
#include "glob_walk.hpp"
#include "object_store_url.hpp"

namespace etl::inline v0::io {
namespace {

namespace fs = std::filesystem;
using Found = detail::GlobWalk::Found;

/// Sorts the files and keeps each file once.
std::vector<fs::path> unique(std::vector<Found> found) {
  const auto sort_by = [&](auto key) { std::ranges::sort(found, {}, key); };
  const auto keep_first = [&](std::string Found::* key) {
    const auto rest = std::ranges::unique(found, {}, key);
    found.erase(rest.begin(), rest.end());
  };
  const auto is_absolute = [](const Found& file) { return file.path.starts_with('/'); };
  const auto absolute = std::ranges::count_if(found, is_absolute);
  const bool mixed = absolute > 0 && std::cmp_less(absolute, found.size());
  if (mixed || std::ranges::any_of(found, &Found::detour)) {
    const fs::path here = fs::current_path();
    for (Found& file : found) {
      std::error_code error;
      if (file.detour) file.real = fs::canonical(file.path, error).string();
      // An error: for example, a pipe of this process.
      if (!file.detour || error) file.real = (here / file.path).lexically_normal().string();
    }
    // If a file has several names, a name without detour comes first.
    sort_by([](const Found& file) { return std::tie(file.real, file.detour, file.path); });
    keep_first(&Found::real);
  }
  sort_by(&Found::path);
  keep_first(&Found::path);
  std::vector<fs::path> paths;
  for (Found& file : found) paths.emplace_back(std::move(file.path));
  return paths;
}

/// Describes why a pattern matches nothing.
std::string unmatched(const std::string& pattern) {
  struct stat info{};
  if (::stat(pattern.c_str(), &info) == 0 && S_ISDIR(info.st_mode))
    return fmt::format("'{0}' is a folder: use '{0}/*' for its files, '{0}/**' for all files below", pattern);
  return fmt::format("'{}' matches no file", pattern);
}

/// Matches patterns for files, not objects. `problems`: what is wrong with earlier patterns.
Result<std::vector<fs::path>> glob_files(std::span<const std::string> patterns, const GlobOptions& options,
                                         std::string problems) {
  std::vector<std::string> invalid(patterns.size());
  std::vector<std::vector<detail::PathPattern>> alternatives(patterns.size());  // the walk refers to these
  detail::GlobWalk walk(options, patterns.size());
  detail::GlobWalk::Folder root{"/", {}}, working{"", {}};
  for (std::size_t i = 0; i < patterns.size(); ++i) {
    struct stat info{};
    if (::stat(patterns[i].c_str(), &info) == 0 && (S_ISREG(info.st_mode) || S_ISFIFO(info.st_mode))) {
      std::error_code none;
      walk.take(patterns[i], i, fs::canonical(patterns[i], none) != fs::absolute(patterns[i], none));
      continue;
    }
    auto parsed = detail::alternatives_of(patterns[i]);
    if (!parsed) {
      invalid[i] = parsed.error().message();
      continue;
    }
    alternatives[i] = *std::move(parsed);
    for (const detail::PathPattern& alternative : alternatives[i])
      if (!alternative.names.empty()) (alternative.absolute ? root : working).states.push_back({&alternative, i, 0});
  }
  if (!root.states.empty()) walk.start(std::move(root));
  if (!working.states.empty()) walk.start(std::move(working));
  walk.run(options.threads > 0 ? options.threads : std::max(1U, std::thread::hardware_concurrency()));

  const auto add = [&problems](const std::string& problem) {
    problems.append(problems.empty() ? "" : "; ").append(problem);
  };
  if (options.unreadable != nullptr)
    std::ranges::move(walk.errors(), std::back_inserter(*options.unreadable));
  else
    for (const Error& error : walk.errors()) add(error.message());
  for (std::size_t i = 0; i < patterns.size(); ++i)
    if (!walk.matched(i)) add(invalid[i].empty() ? unmatched(patterns[i]) : invalid[i]);
  if (!problems.empty()) return failure(fatal(std::move(problems)));
  return unique(std::move(walk.found()));
}

}  // namespace

Result<std::vector<fs::path>> glob(std::span<const std::string> patterns, const GlobOptions& options) {
  std::vector<std::string> of_files;
  std::vector<fs::path> objects;
  std::string problems;
  const auto problem = [&problems](const Error& error) {
    problems.append(problems.empty() ? "" : "; ").append(error.message());
  };
  for (const std::string& pattern : patterns) {
    if (is_store_url(pattern)) {
      auto found = detail::glob_objects(pattern);
      if (found)
        std::ranges::move(*found, std::back_inserter(objects));
      else
        problem(found.error());
    } else if (auto path = detail::file_pattern(pattern)) {
      of_files.push_back(std::move(*path));
    } else {
      problem(path.error());
    }
  }
  auto files = glob_files(of_files, options, std::move(problems));
  if (!files || objects.empty()) return files;
  std::ranges::move(objects, std::back_inserter(*files));
  std::ranges::sort(*files, {}, [](const fs::path& path) -> const std::string& { return path.native(); });
  const auto rest = std::ranges::unique(*files);
  files->erase(rest.begin(), rest.end());
  return files;
}

Result<std::vector<fs::path>> glob(const std::string& pattern, const GlobOptions& options) {
  return glob(std::span(&pattern, 1), options);
}

}  // namespace etl::inline v0::io

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

/// Keeps each file once, for its first pattern. Sorts the files by their patterns, and those of a pattern by their
/// paths.
std::vector<Found> unique(std::vector<Found> found) {
  const auto sort_by = [&](auto key) { std::ranges::sort(found, {}, key); };
  const auto keep_first = [&](std::string Found::* key) {
    auto last = found.begin();
    for (auto file = found.begin(); file != found.end(); ++file) {
      if (file == last) continue;
      if ((*file).*key == (*last).*key)
        last->pattern = std::min(last->pattern, file->pattern);
      else if (++last != file)
        *last = std::move(*file);
    }
    if (last != found.end()) found.erase(std::next(last), found.end());
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
  sort_by([](const Found& file) { return std::tie(file.pattern, file.path); });
  return found;
}

/// Describes why a pattern matches nothing.
std::string unmatched(const std::string& pattern) {
  struct stat info{};
  if (::stat(pattern.c_str(), &info) == 0 && S_ISDIR(info.st_mode))
    return fmt::format("'{0}' is a folder: use '{0}/*' for its files, '{0}/**' for all files below", pattern);
  return fmt::format("'{}' matches no file", pattern);
}

/// Matches patterns for files, not objects. `problems`: what is wrong with earlier patterns.
Result<std::vector<Found>> glob_files(std::span<const std::string> patterns, const GlobOptions& options,
                                      std::string problems) {
  std::vector<std::string> invalid(patterns.size());
  std::vector<std::vector<detail::PathPattern>> alternatives(patterns.size());  // the walk refers to these
  detail::GlobWalk walk(options, patterns.size());
  detail::GlobWalk::Folder root{"/", {}}, working{"", {}};
  for (std::size_t i = 0; i < patterns.size(); ++i) {
    struct stat info{};
    if (::stat(patterns[i].c_str(), &info) == 0 && (S_ISREG(info.st_mode) || S_ISFIFO(info.st_mode))) {
      std::error_code none;
      // Compared as texts, because `fs::path` takes d/a and d//a as equal.
      walk.take(
          {patterns[i], fs::canonical(patterns[i], none).native() != fs::absolute(patterns[i], none).native(), i});
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
  std::vector<std::size_t> numbers;  // of these patterns
  std::vector<Found> objects;
  std::string problems;
  const auto problem = [&problems](const Error& error) {
    problems.append(problems.empty() ? "" : "; ").append(error.message());
  };
  for (std::size_t i = 0; i < patterns.size(); ++i) {
    if (is_store_url(patterns[i])) {
      auto found = detail::glob_objects(patterns[i]);
      if (!found) problem(found.error());
      if (found)
        for (const fs::path& url : *found) objects.push_back({url.string(), false, i});
    } else if (auto path = detail::file_pattern(patterns[i])) {
      of_files.push_back(std::move(*path));
      numbers.push_back(i);
    } else {
      problem(path.error());
    }
  }
  auto files = glob_files(of_files, options, std::move(problems));
  if (!files) return failure(std::move(files.error()));
  for (Found& file : *files) file.pattern = numbers[file.pattern];
  std::vector<fs::path> paths;
  std::ranges::sort(objects, {}, [](const Found& file) { return std::tie(file.path, file.pattern); });
  const auto rest = std::ranges::unique(objects, {}, &Found::path);
  objects.erase(rest.begin(), rest.end());
  std::ranges::move(objects, std::back_inserter(*files));
  std::ranges::sort(*files, {}, [](const Found& file) { return std::tie(file.pattern, file.path); });
  for (Found& file : *files) paths.emplace_back(std::move(file.path));
  return paths;
}

Result<std::vector<fs::path>> glob(const std::string& pattern, const GlobOptions& options) {
  return glob(std::span(&pattern, 1), options);
}

}  // namespace etl::inline v0::io

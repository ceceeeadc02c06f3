#pragma once
/// Finds the files that patterns given to `glob` match.

#include <sys/stat.h>

#include <condition_variable>
#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <etl/error.hpp>
#include <etl/io/glob.hpp>

#include "glob_pattern.hpp"

namespace etl::inline v0::io::detail {

/// Reads the folders to which the patterns lead, each folder once. Used by one thread, which may start more threads to
/// read.
class GlobWalk {
 public:
  /// The progress of a pattern.
  struct State {
    const PathPattern* path;
    std::size_t pattern;
    std::size_t at;  ///< index of its next name

    [[nodiscard]] const NamePattern& name() const { return path->names[at]; }
    [[nodiscard]] bool last() const { return at + 1 == path->names.size(); }
    [[nodiscard]] State next() const { return {path, pattern, at + 1}; }
  };
  struct Folder {
    std::string path;  ///< empty: the working directory
    std::vector<State> states;
    bool detour = false;  ///< reached through a symbolic link, or `.` and `..`
  };
  struct Found {
    std::string path;
    bool detour;
    std::size_t pattern = 0;  ///< the first pattern that matches it
    std::string real{};       ///< real path, for the caller
  };

  /// Patterns are identified by their numbers.
  GlobWalk(const GlobOptions& options, std::size_t patterns) : options_(options), matched_(patterns) {}

  void start(Folder folder) { folders_.push_back(std::move(folder)); }
  /// Reads folders with `threads` threads until no folder is left.
  void run(std::size_t threads);
  void take(Found file);
  /// The results. Call these after the end of `run`.
  [[nodiscard]] std::vector<Found>& found() { return found_; }
  [[nodiscard]] std::vector<Error>& errors() { return unreadable_; }
  [[nodiscard]] bool matched(std::size_t pattern) const { return matched_[pattern]; }

 private:
  /// The results of reading one folder.
  struct Yield {
    std::vector<Folder> folders{}, links{};
    std::vector<Found> files{};
    std::vector<Error> unreadable{};
  };

  void work();  ///< runs on each thread
  [[nodiscard]] Yield read(Folder folder);
  static void step(const Folder& folder, const State& state, Yield& yield);
  void list(const Folder& folder, const std::vector<State>& states, Yield& yield) const;
  void see(const Folder& folder, const std::vector<State>& states, std::string_view name, unsigned char type,
           Yield& yield) const;
  void forget_visited(Folder& folder);
  bool enter_link();

  /// A pattern at `**` that visits a folder.
  using Visit = std::tuple<dev_t, ino_t, const PathPattern*, std::size_t>;

  const GlobOptions& options_;
  std::mutex mutex_{};
  std::condition_variable changed_{};
  std::size_t busy_ = 0;  ///< threads that may still find folders
  std::vector<Folder> folders_{};
  /// Links to folders that `**` must enter; and those that are entered now, one by one.
  std::vector<Folder> links_{}, generation_{};
  std::size_t link_ = 0;                   ///< number of links entered
  std::map<Visit, std::size_t> visits_{};  ///< visits, with the number of links entered at that time
  std::vector<Found> found_{};
  std::vector<Error> unreadable_{};
  std::vector<bool> matched_;
};

}  // namespace etl::inline v0::io::detail

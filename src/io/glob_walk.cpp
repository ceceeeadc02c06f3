#include "glob_walk.hpp"

#include <dirent.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <iterator>
#include <memory>
#include <thread>

#include <fmt/format.h>

#include "posix.hpp"

namespace etl::inline v0::io::detail {
namespace {

Error unreadable(const std::string& path, int code) {
  return system_failure(fmt::format("cannot read '{}'", path), code);
}

bool is_link(const std::string& path) {
  struct stat info{};
  return ::lstat(path.c_str(), &info) == 0 && S_ISLNK(info.st_mode);
}

std::string child(std::string folder, std::string_view name) {
  if (!folder.empty() && folder.back() != '/') folder += '/';
  return folder += name;
}

struct CloseFolder {
  void operator()(DIR* folder) const noexcept { ::closedir(folder); }
};

}  // namespace

void GlobWalk::take(Found file) {
  matched_[file.pattern] = true;
  found_.push_back(std::move(file));
}

void GlobWalk::run(std::size_t threads) {
  std::vector<std::jthread> others;
  for (std::size_t i = 1; i < threads; ++i) others.emplace_back([this] { work(); });
  work();
}

void GlobWalk::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return !folders_.empty() || busy_ == 0; });
    if (folders_.empty() && !enter_link()) return;
    Folder folder = std::move(folders_.back());
    folders_.pop_back();
    ++busy_;
    lock.unlock();
    Yield yield = read(std::move(folder));
    lock.lock();
    --busy_;
    std::ranges::move(yield.folders, std::back_inserter(folders_));
    std::ranges::move(yield.links, std::back_inserter(links_));
    std::ranges::move(yield.unreadable, std::back_inserter(unreadable_));
    for (Found& file : yield.files) take(std::move(file));
    changed_.notify_all();
  }
}

GlobWalk::Yield GlobWalk::read(Folder folder) {
  Yield yield;
  forget_visited(folder);
  std::vector<State> listed;
  // After `**`, the next name may be in this folder itself.
  for (std::size_t i = 0; i < folder.states.size(); ++i)
    if (folder.states[i].name().any_depth) folder.states.push_back(folder.states[i].next());
  for (const State& state : folder.states) {
    if (state.name().literal)
      step(folder, state, yield);
    else
      listed.push_back(state);
  }
  if (!listed.empty()) list(folder, listed, yield);
  return yield;
}

/// Looks up a name without wildcards directly, because its folder may be long or unreadable.
void GlobWalk::step(const Folder& folder, const State& state, Yield& yield) {
  const std::string& name = state.name().text;
  std::string path = child(folder.path, name);
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) {
    if (errno != ENOENT && errno != ENOTDIR) yield.unreadable.push_back(unreadable(path, errno));
    return;
  }
  const bool detour = folder.detour || is_link(path) || name == "." || name == "..";
  if (state.last()) {
    if (S_ISREG(info.st_mode) || S_ISFIFO(info.st_mode))
      yield.files.push_back({std::move(path), detour, state.pattern});
  } else if (S_ISDIR(info.st_mode)) {
    yield.folders.push_back({std::move(path), {state.next()}, detour});
  }
}

void GlobWalk::list(const Folder& folder, const std::vector<State>& states, Yield& yield) const {
  const std::string path = folder.path.empty() ? "." : folder.path;
  const std::unique_ptr<DIR, CloseFolder> open(::opendir(path.c_str()));
  int error = open == nullptr ? errno : 0;
  while (error == 0) {
    errno = 0;
    const dirent* const entry = ::readdir(open.get());
    error = errno;
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") see(folder, states, name, entry->d_type, yield);
  }
  // ENOENT: the folder was deleted meanwhile.
  if (error != 0 && error != ENOENT) yield.unreadable.push_back(unreadable(path, error));
}

void GlobWalk::see(const Folder& folder, const std::vector<State>& states, std::string_view name, unsigned char type,
                   Yield& yield) const {
  std::vector<State> below, deeper;  // patterns that accept this name, and patterns that are at `**`
  std::vector<std::size_t> whole;
  for (const State& state : states) {
    if (name.starts_with('.') && !options_.hidden && !state.name().dot) continue;
    if (state.name().any_depth)
      deeper.push_back(state);
    else if (state.name().matches(name) && state.last())
      whole.push_back(state.pattern);
    else if (state.name().matches(name))
      below.push_back(state.next());
  }
  if (below.empty() && deeper.empty() && whole.empty()) return;

  const std::string path = child(folder.path, name);
  struct stat info{};
  const bool linked = type == DT_LNK || (type == DT_UNKNOWN && is_link(path));
  if (linked || type == DT_UNKNOWN) {
    if (::stat(path.c_str(), &info) != 0) {
      const bool may_be_folder = errno == EACCES && (!below.empty() || options_.follow_symlinks);
      if (linked && (!whole.empty() || may_be_folder)) yield.unreadable.push_back(unreadable(path, errno));
      return;
    }
    type = S_ISDIR(info.st_mode) ? DT_DIR : S_ISREG(info.st_mode) ? DT_REG : DT_UNKNOWN;
  }
  const bool detour = folder.detour || linked, is_folder = type == DT_DIR;
  if (type == DT_REG)
    for (const std::size_t pattern : whole) yield.files.push_back({path, detour, pattern});
  if (is_folder && !linked) std::ranges::move(deeper, std::back_inserter(below));
  if (is_folder && !below.empty()) yield.folders.push_back({path, std::move(below), detour});
  if (is_folder && linked && !deeper.empty() && options_.follow_symlinks)
    yield.links.push_back({path, std::move(deeper), true});
}

/// Removes states at `**` that have visited this folder through an earlier link, under whatever name.
void GlobWalk::forget_visited(Folder& folder) {
  struct stat info{};
  if (!options_.follow_symlinks || ::stat(folder.path.empty() ? "." : folder.path.c_str(), &info) != 0) return;
  const std::lock_guard lock(mutex_);
  std::erase_if(folder.states, [&](const State& state) {
    return state.name().any_depth &&
           visits_.try_emplace(Visit(info.st_dev, info.st_ino, state.path, state.at), link_).first->second < link_;
  });
}

/// Enters the next symbolic link. Links are entered one by one after everything else is read, in the order of their
/// paths, and links that are reached through fewer links come first. So each folder is read once, and under the same
/// name in each run. Returns false if no link is left.
bool GlobWalk::enter_link() {
  if (generation_.empty()) {
    generation_.swap(links_);
    std::ranges::sort(generation_, std::greater(), &Folder::path);
  }
  if (generation_.empty()) return false;
  ++link_;
  folders_.push_back(std::move(generation_.back()));
  generation_.pop_back();
  return true;
}

}  // namespace etl::inline v0::io::detail

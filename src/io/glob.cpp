#include <etl/io/glob.hpp>

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "posix.hpp"

namespace etl::inline v0::io {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t most_alternatives = 10'000;

// --- one name
// ---------------------------------------------------------------------------------------------------------

/// Takes a character off; a byte that is not UTF-8 is one that no text has.
char32_t next_character(std::string_view& text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const std::size_t size = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;
  char32_t character = size == 1 ? first : first & (0x7fU >> size);
  bool valid = size > 0 && size <= text.size();
  for (std::size_t i = 1; valid && i < size; ++i) {
    valid = byte(i) >> 6 == 2;
    character = character << 6 | (byte(i) & 0x3fU);
  }
  text.remove_prefix(valid ? size : 1);
  return valid ? character : 0x110000U + first;
}

struct Token {
  enum class Kind : std::uint8_t { Set, Any, Star } kind = Kind::Set;
  bool negated = false;
  std::vector<std::pair<char32_t, char32_t>> ranges{};  ///< a character by itself is a range of one

  [[nodiscard]] bool takes(char32_t c) const {
    return kind == Kind::Any || std::ranges::any_of(ranges, [c](const auto& range) {
                                  return range.first <= c && c <= range.second;
                                }) != negated;
  }
};

/// What stands between two slashes of a pattern.
struct Name {
  bool any_depth = false;  ///< `**`
  bool literal = true;
  bool dot = false;    ///< begins with one
  std::string text{};  ///< of a literal
  std::vector<Token> tokens{};

  [[nodiscard]] bool matches(std::string_view name) const {
    const std::size_t none = tokens.size();
    std::size_t at = 0, star = none;
    std::string_view after_star;
    // When the rest does not fit, the last star takes one character more; those before it need not be tried again.
    while (!name.empty()) {
      if (at < tokens.size() && tokens[at].kind == Token::Kind::Star) {
        star = at++;
        after_star = name;
        continue;
      }
      std::string_view rest = name;
      const char32_t c = next_character(rest);
      if (at < tokens.size() && tokens[at].takes(c)) {
        ++at;
        name = rest;
      } else if (star != none) {
        static_cast<void>(next_character(after_star));
        at = star + 1;
        name = after_star;
      } else {
        return false;
      }
    }
    return std::all_of(tokens.begin() + static_cast<std::ptrdiff_t>(at), tokens.end(),
                       [](const Token& token) { return token.kind == Token::Kind::Star; });
  }
};

/// Takes a set off that `text` begins with, unless it is not closed.
std::optional<Token> set_of(std::string_view& text) {
  std::string_view rest = text.substr(1);
  Token set;
  if (rest.starts_with('!') || rest.starts_with('^')) {
    set.negated = true;
    rest.remove_prefix(1);
  }
  const auto character = [&] {
    if (rest.size() > 1 && rest.front() == '\\') rest.remove_prefix(1);
    return next_character(rest);
  };
  for (bool first = true; !rest.empty(); first = false) {
    if (rest.front() == ']' && !first) {
      text = rest.substr(1);
      return set;
    }
    const char32_t from = character();
    char32_t to = from;
    if (rest.size() > 1 && rest[0] == '-' && rest[1] != ']') {
      rest.remove_prefix(1);
      to = character();
    }
    set.ranges.emplace_back(from, to);
  }
  return std::nullopt;
}

Name name_of(std::string_view text) {
  Name name{.any_depth = text == "**", .literal = text != "**"};
  while (!text.empty()) {
    const char c = text.front();
    std::optional<Token> token;
    if (c == '*') token = Token{.kind = Token::Kind::Star};
    if (c == '?') token = Token{.kind = Token::Kind::Any};
    if (token) text.remove_prefix(1);
    if (c == '[') token = set_of(text);
    if (token) {
      name.literal = false;
      name.tokens.push_back(*std::move(token));
      continue;
    }
    if (c == '\\' && text.size() > 1) text.remove_prefix(1);
    const std::string_view before = text;
    const char32_t character = next_character(text);
    name.text += before.substr(0, before.size() - text.size());
    name.dot = name.dot || (name.tokens.empty() && character == U'.');
    name.tokens.push_back({.ranges = {{character, character}}});
  }
  return name;
}

// --- whole patterns
// ---------------------------------------------------------------------------------------------------

/// Appends the alternatives of the braces in `text`, each behind `before`. False: there are too many.
bool expand(const std::string& before, std::string_view text, std::vector<std::string>& to) {
  for (std::size_t open = 0; open < text.size(); ++open) {
    if (text[open] == '\\')
      ++open;
    else if (text[open] == '{') {
      std::vector<std::size_t> bounds{open};
      std::size_t depth = 0, at = open;
      for (; at < text.size(); ++at) {
        if (text[at] == '\\')
          ++at;
        else if (text[at] == '{')
          ++depth;
        else if (text[at] == ',' && depth == 1)
          bounds.push_back(at);
        else if (text[at] == '}' && --depth == 0)
          break;
      }
      if (at >= text.size() || bounds.size() == 1) continue;
      bounds.push_back(at);
      for (std::size_t i = 0; i + 1 < bounds.size(); ++i) {
        const std::string_view alternative = text.substr(bounds[i] + 1, bounds[i + 1] - bounds[i] - 1);
        std::string rest(alternative);
        rest += text.substr(at + 1);
        if (!expand(before + std::string(text.substr(0, open)), rest, to)) return false;
      }
      return true;
    }
  }
  to.push_back(before + std::string(text));
  return to.size() <= most_alternatives;
}

/// The names between slashes; a slash at the end leaves an empty one, which no file has.
std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> names;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    if (end > 0) names.push_back(path.substr(0, end));
    if (end + 1 == path.size()) names.emplace_back();
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return names;
}

/// One alternative of a pattern.
struct Alternative {
  bool absolute = false;
  std::vector<Name> names{};
};

Alternative alternative_of(std::string_view text) {
  Alternative alternative{.absolute = text.starts_with('/')};
  for (const std::string_view name : split(text)) alternative.names.push_back(name_of(name));
  // The files below: in any folder, any name.
  if (!alternative.names.empty() && alternative.names.back().any_depth) alternative.names.push_back(name_of("*"));
  return alternative;
}

Result<std::vector<Alternative>> alternatives_of(std::string_view pattern) {
  std::vector<std::string> texts;
  if (!expand("", pattern, texts))
    return failure(fatal(fmt::format("the braces of '{}' have more than {} alternatives: use '*', or several patterns",
                                     pattern, most_alternatives)));
  std::vector<Alternative> all;
  for (const std::string& text : texts) all.push_back(alternative_of(text));
  return all;
}

/// As a name's match, with `**` for the star.
bool matches(const std::vector<Name>& names, const std::vector<std::string_view>& path) {
  std::size_t at = 0, star = names.size(), after_star = 0, i = 0;
  while (i < path.size()) {
    if (at < names.size() && names[at].any_depth) {
      star = at++;
      after_star = i;
    } else if (at < names.size() && names[at].matches(path[i])) {
      ++at, ++i;
    } else if (star != names.size()) {
      at = star + 1;
      i = ++after_star;
    } else {
      return false;
    }
  }
  return at == names.size();
}

// --- folders
// ------------------------------------------------------------------------------------------------------------

Error unreadable(const std::string& path, int code) {
  return detail::system_failure(fmt::format("cannot read '{}'", path), code);
}

bool is_link(const std::string& path) {
  struct stat info{};
  return ::lstat(path.c_str(), &info) == 0 && S_ISLNK(info.st_mode);
}

/// How far an alternative has come.
struct State {
  const Alternative* alternative;
  std::size_t pattern;
  std::size_t at;  ///< its next name

  [[nodiscard]] const Name& name() const { return alternative->names[at]; }
  [[nodiscard]] bool last() const { return at + 1 == alternative->names.size(); }
  [[nodiscard]] State next() const { return {alternative, pattern, at + 1}; }
};

struct Folder {
  std::string path;  ///< "": the working directory
  std::vector<State> states;
  bool detour = false;  ///< reached through a symbolic link, or `.` and `..`

  [[nodiscard]] std::string child(std::string_view name) const {
    std::string to = path;
    if (!to.empty() && to.back() != '/') to += '/';
    return to += name;
  }
};

struct CloseFolder {
  void operator()(DIR* folder) const noexcept { ::closedir(folder); }
};

struct Found {
  std::string path;
  bool detour;
  std::string real{};
};

class Walk {
 public:
  Walk(const GlobOptions& options, std::size_t patterns) : options_(options), matched_(patterns) {}

  void start(Folder folder) { folders_.push_back(std::move(folder)); }
  /// Reads folders until none is left, in as many threads.
  void run(std::size_t threads) {
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < threads; ++i) others.emplace_back([this] { work(); });
    work();
  }
  void take(std::string path, std::size_t pattern, bool detour) {
    found_.push_back({std::move(path), detour});
    matched_[pattern] = true;
  }
  /// After the end of the run.
  [[nodiscard]] std::vector<Found>& found() { return found_; }
  [[nodiscard]] std::vector<Error>& errors() { return unreadable_; }
  [[nodiscard]] bool matched(std::size_t pattern) const { return matched_[pattern]; }

 private:
  /// What one folder gives.
  struct Yield {
    std::vector<Folder> folders{}, links{};
    std::vector<std::pair<Found, std::size_t>> files{};
    std::vector<Error> unreadable{};
  };

  void work() {
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
      for (auto& [file, pattern] : yield.files) take(std::move(file.path), pattern, file.detour);
      changed_.notify_all();
    }
  }

  Yield read(Folder folder) {
    Yield yield;
    forget_visited(folder);
    std::vector<State> listed;
    // Behind `**` the next name may be one of this folder's own.
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

  /// A name without wildcards is asked for: its folder may be long, or not be readable.
  void step(const Folder& folder, const State& state, Yield& yield) const {
    const std::string& name = state.name().text;
    std::string path = folder.child(name);
    struct stat info{};
    if (::stat(path.c_str(), &info) != 0) {
      if (errno != ENOENT && errno != ENOTDIR) yield.unreadable.push_back(unreadable(path, errno));
      return;
    }
    const bool detour = folder.detour || is_link(path) || name == "." || name == "..";
    if (state.last()) {
      if (S_ISREG(info.st_mode) || S_ISFIFO(info.st_mode))
        yield.files.push_back({{std::move(path), detour}, state.pattern});
    } else if (S_ISDIR(info.st_mode)) {
      yield.folders.push_back({std::move(path), {state.next()}, detour});
    }
  }

  void list(const Folder& folder, const std::vector<State>& states, Yield& yield) const {
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
    if (error != 0 && error != ENOENT)
      yield.unreadable.push_back(unreadable(path, error));  // ENOENT: it went meanwhile
  }

  void see(const Folder& folder, const std::vector<State>& states, std::string_view name, unsigned char type,
           Yield& yield) const {
    std::vector<State> below, deeper;  // those that take this name, and those of `**`
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

    const std::string path = folder.child(name);
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
      for (const std::size_t pattern : whole) yield.files.push_back({{path, detour}, pattern});
    if (is_folder && !linked) std::ranges::move(deeper, std::back_inserter(below));
    if (is_folder && !below.empty()) yield.folders.push_back({path, std::move(below), detour});
    if (is_folder && linked && !deeper.empty() && options_.follow_symlinks)
      yield.links.push_back({path, std::move(deeper), true});
  }

  /// A `**` that looks into a folder.
  using Visit = std::tuple<dev_t, ino_t, const Alternative*, std::size_t>;
  static Visit visit(const struct stat& folder, const State& state) {
    return {folder.st_dev, folder.st_ino, state.alternative, state.at};
  }
  /// Takes those `**` away that looked into the folder before the current link, by whatever name.
  void forget_visited(Folder& folder) {
    struct stat info{};
    if (!options_.follow_symlinks || ::stat(folder.path.empty() ? "." : folder.path.c_str(), &info) != 0) return;
    const std::lock_guard lock(mutex_);
    std::erase_if(folder.states, [&](const State& state) {
      return state.name().any_depth && visits_.try_emplace(visit(info, state), link_).first->second < link_;
    });
  }
  /// Links are entered one by one when all else is read, in the order of their paths, those behind fewer links first:
  /// so each folder is read once, and by the same name each time. False: there is none left.
  bool enter_link() {
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

  const GlobOptions& options_;
  std::mutex mutex_{};
  std::condition_variable changed_{};
  std::size_t busy_ = 0;  ///< threads that may still find folders
  std::vector<Folder> folders_{};
  std::vector<Folder> links_{}, generation_{};  ///< to folders that `**` is to enter; those of which now one is entered
  std::size_t link_ = 0;                        ///< how many have been
  std::map<Visit, std::size_t> visits_{};       ///< and in which of them it was
  std::vector<Found> found_{};
  std::vector<Error> unreadable_{};
  std::vector<bool> matched_;
};

/// Sorted, each file once.
std::vector<fs::path> unique(std::vector<Found> found) {
  const auto sort_by = [&](auto key) { std::ranges::sort(found, {}, key); };
  const auto keep_first = [&](std::string Found::* key) {
    const auto rest = std::ranges::unique(found, {}, key);
    found.erase(rest.begin(), rest.end());
  };
  if (std::ranges::any_of(found, &Found::detour)) {
    const fs::path here = fs::current_path();
    for (Found& file : found) {
      std::error_code error;
      if (file.detour) file.real = fs::canonical(file.path, error).string();
      if (!file.detour || error) file.real = (here / file.path).string();  // error: a pipe of this process, say
    }
    // Where one file has several names, that without detour comes first.
    sort_by([](const Found& file) { return std::tie(file.real, file.detour, file.path); });
    keep_first(&Found::real);
  }
  sort_by(&Found::path);
  keep_first(&Found::path);
  std::vector<fs::path> paths;
  for (Found& file : found) paths.emplace_back(std::move(file.path));
  return paths;
}

/// What is wrong with a pattern that matches nothing.
std::string unmatched(const std::string& pattern) {
  struct stat info{};
  if (::stat(pattern.c_str(), &info) == 0 && S_ISDIR(info.st_mode))
    return fmt::format("'{0}' is a folder: '{0}/*' are its files, '{0}/**' also those below", pattern);
  return fmt::format("'{}' matches no file", pattern);
}

}  // namespace

Result<std::vector<fs::path>> glob(std::span<const std::string> patterns, const GlobOptions& options) {
  std::vector<std::string> invalid(patterns.size());
  std::vector<std::vector<Alternative>> alternatives(patterns.size());  // the walk refers to them
  Walk walk(options, patterns.size());
  Folder root{"/", {}}, working{"", {}};
  for (std::size_t i = 0; i < patterns.size(); ++i) {
    struct stat info{};
    if (::stat(patterns[i].c_str(), &info) == 0 && (S_ISREG(info.st_mode) || S_ISFIFO(info.st_mode))) {
      std::error_code none;
      walk.take(patterns[i], i, fs::canonical(patterns[i], none) != fs::absolute(patterns[i], none));
      continue;
    }
    auto parsed = alternatives_of(patterns[i]);
    if (!parsed) {
      invalid[i] = parsed.error().message();
      continue;
    }
    alternatives[i] = *std::move(parsed);
    for (const Alternative& alternative : alternatives[i])
      if (!alternative.names.empty()) (alternative.absolute ? root : working).states.push_back({&alternative, i, 0});
  }
  if (!root.states.empty()) walk.start(std::move(root));
  if (!working.states.empty()) walk.start(std::move(working));
  walk.run(options.threads > 0 ? options.threads : std::max(1U, std::thread::hardware_concurrency()));

  std::string problems;
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

Result<std::vector<fs::path>> glob(const std::string& pattern, const GlobOptions& options) {
  return glob(std::span(&pattern, 1), options);
}

bool matches(std::string_view pattern, std::string_view path) {
  const auto alternatives = alternatives_of(pattern);
  std::vector<std::string_view> names = split(path);
  std::erase(names, ".");
  return alternatives && std::ranges::any_of(*alternatives, [&](Alternative alternative) {
           std::erase_if(alternative.names, [](const Name& name) { return name.literal && name.text == "."; });
           return alternative.absolute == path.starts_with('/') && matches(alternative.names, names);
         });
}

}  // namespace etl::inline v0::io

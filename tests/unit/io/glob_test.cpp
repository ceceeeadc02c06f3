#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <initializer_list>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <etl/io/glob.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/sanitized.hpp"
#include "unit/io/support.hpp"

namespace glob_test {

namespace fs = std::filesystem;
using etl::io::GlobOptions;
using etl::io::matches;
using Strings = std::vector<std::string>;

namespace {

// The code of docs/guide/io.md.
etl::Result<std::vector<std::filesystem::path>> inputs(const std::vector<std::string>& arguments) {
  return etl::io::glob(arguments);  // "data/**/*.csv", "other/{2023,2024}-[01]?.tsv.gz", "one.csv"
}

/// Empty files in a folder of their own; patterns and results are relative to it.
class Tree {
 public:
  Tree(std::initializer_list<const char*> files) {
    for (const char* const file : files) add(file);
  }
  void add(const std::string& file) const {
    fs::create_directories((folder_.path() / file).parent_path());
    test::write_file(folder_.path() / file, "");
  }
  void link(const char* target, const char* name) const { fs::create_symlink(target, folder_ / name); }
  [[nodiscard]] fs::path path(const std::string& name) const { return folder_.path() / name; }
  [[nodiscard]] Strings absolute(const Strings& patterns) const {
    Strings all;
    for (const std::string& pattern : patterns) all.push_back(folder_.path().string() + "/" + pattern);
    return all;
  }
  [[nodiscard]] Strings glob(const Strings& patterns, const GlobOptions& options = {}) const {
    const auto found = etl::io::glob(absolute(patterns), options);
    if (!found) FAIL(found.error().message());
    Strings all;
    for (const fs::path& path : *found) all.push_back(path.string().substr(folder_.path().string().size() + 1));
    return all;
  }
  /// With the folder's name taken out.
  [[nodiscard]] std::string error(const Strings& patterns, const GlobOptions& options = {}) const {
    const auto found = etl::io::glob(absolute(patterns), options);
    if (found) return "no error";
    std::string text = found.error().message();
    const std::string prefix = folder_.path().string() + "/";
    for (std::size_t at = 0; (at = text.find(prefix)) != std::string::npos;) text.erase(at, prefix.size());
    return text;
  }

 private:
  test::TemporaryFolder folder_;
};

struct Case {
  std::string pattern;
  Strings matched;
  Strings others;
};
void check(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    Strings wrong;
    std::ranges::copy_if(c.matched, std::back_inserter(wrong),
                         [&](const auto& path) { return !matches(c.pattern, path); });
    std::ranges::copy_if(c.others, std::back_inserter(wrong),
                         [&](const auto& path) { return matches(c.pattern, path); });
    CAPTURE(c.pattern);
    CHECK(wrong == Strings());
  }
}

/// Files of all are readable for the superuser: be another while the test runs.
class Unprivileged {
 public:
  explicit Unprivileged(const fs::path& owned) {
    if (::geteuid() != 0) return;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(owned)) give(entry.path());
    give(owned);
    if (::seteuid(somebody) != 0) throw std::runtime_error("seteuid");
  }
  Unprivileged(const Unprivileged&) = delete;
  Unprivileged& operator=(const Unprivileged&) = delete;
  ~Unprivileged() { static_cast<void>(::seteuid(::getuid())); }

 private:
  static constexpr uid_t somebody = 65534;
  static void give(const fs::path& path) {
    if (::lchown(path.c_str(), somebody, gid_t(-1)) != 0) throw std::runtime_error("lchown");
  }
};

/// Works in a folder for relative patterns.
class WorkingFolder {
 public:
  explicit WorkingFolder(const fs::path& to) { fs::current_path(to); }
  WorkingFolder(const WorkingFolder&) = delete;
  WorkingFolder& operator=(const WorkingFolder&) = delete;
  ~WorkingFolder() { fs::current_path(before_); }

 private:
  fs::path before_ = fs::current_path();
};

/// Matching by its definition, in exponential time, of what `random_pattern` makes.
bool reference(std::string_view pattern, std::string_view path) {
  if (pattern.empty()) return path.empty();
  const std::string_view rest = pattern.substr(1);
  switch (pattern[0]) {
    case '{': {
      const std::size_t comma = pattern.find(','), end = pattern.find('}');
      const std::string tail(pattern.substr(end + 1));
      return reference(std::string(pattern.substr(1, comma - 1)) + tail, path) ||
             reference(std::string(pattern.substr(comma + 1, end - comma - 1)) + tail, path);
    }
    case '*':
      if (pattern.starts_with("**/")) {  // only at the beginning of a name
        const std::size_t slash = path.find('/');
        return reference(pattern.substr(3), path) ||
               (slash != path.npos && slash > 0 && reference(pattern, path.substr(slash + 1)));
      }
      return reference(rest, path) || (!path.empty() && path[0] != '/' && reference(pattern, path.substr(1)));
    case '[':  // [!a]
      return !path.empty() && path[0] != '/' && path[0] != pattern[2] && reference(pattern.substr(4), path.substr(1));
    case '?': return !path.empty() && path[0] != '/' && reference(rest, path.substr(1));
    default: return !path.empty() && path[0] == pattern[0] && reference(rest, path.substr(1));
  }
}

std::string random_name(test::Random& random) {
  static constexpr const char* parts[] = {"a", "b", "a", "b", "*", "?", "[!a]", "{a,*b}", "{b,ab}"};
  std::string name;
  for (std::uint64_t i = 1 + random.below(4); i > 0; --i)
    if (const char* const part = random.of(parts); !(part[0] == '*' && name.ends_with('*'))) name += part;
  return name;
}
std::string random_pattern(test::Random& random) {
  std::string pattern;
  for (std::uint64_t i = random.below(3); i > 0; --i) pattern += (random.chance(3) ? "**" : random_name(random)) + "/";
  return pattern + random_name(random);
}

}  // namespace

// --- matching
// -----------------------------------------------------------------------------------------------------------

TEST_CASE("glob matches: wildcards of one name") {
  check({
      {"", {""}, {"a", "/"}},
      {"a", {"a"}, {"", "b", "aa", "/a", "a/", "a/a"}},
      {"*", {"a", "abc", ".a"}, {"", "a/b", "/a"}},
      {"a*", {"a", "ab", "a*"}, {"ba", "a/b"}},
      {"*.csv", {".csv", "a.csv", "a.b.csv"}, {"a.csv.gz", "a/b.csv", "csv"}},
      {"a*b*c", {"abc", "aXbXc", "abcbc"}, {"ab", "acb", "abcX"}},
      {"?", {"a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xff"}, {"", "aa", "/", "\xc3\xa4x"}},
      {"a?c",
       {"abc",
        "a\xc3\xa4"
        "c"},
       {"ac", "abbc", "a/c"}},
      {"[abc]", {"a", "b", "c"}, {"d", "", "ab", "[abc]"}},
      {"[a-cx-z]1", {"a1", "c1", "y1"}, {"d1", "-1", "a"}},
      {"[!a-c]", {"d", "!", "\xc3\xa4"}, {"a", "b", "", "/"}},
      {"[^a-c]", {"d", "^"}, {"a", "c"}},
      {"[]a]", {"]", "a"}, {"[]a]", "b"}},
      {"[!]a]", {"b", "!"}, {"]", "a"}},
      {"[a-]", {"a", "-"}, {"b"}},
      {"[-a]", {"a", "-"}, {"b"}},
      {"[\\]x]", {"]", "x"}, {"\\"}},
      {"[z-a]", {}, {"a", "m", "z", "-"}},
      {"[\xc3\xa4-\xc3\xbc]", {"\xc3\xb6"}, {"o", "\xc3"}},
      {"[a", {"[a"}, {"a"}},
      {"[a/b]", {"[a/b]"}, {"a", "b"}},
      {"\\*\\?\\[a\\]", {"*?[a]"}, {"x", "\\*\\?\\[a\\]"}},
      {"a\\", {"a\\"}, {"a"}},
  });
}

TEST_CASE("glob matches: folders, at any depth") {
  check({
      {"a/b", {"a/b", "./a/b", "a//b", "a/./b"}, {"/a/b", "b", "a/b/", "a/b/c"}},
      {"./a/*", {"a/b", "./a/b"}, {"a", "b/a"}},
      {"/a/*", {"/a/b"}, {"a/b", "/b/a"}},
      {"**", {"a", "a/b", "a/b/c", ".a/b"}, {"/a", ""}},
      {"**/a", {"a", "b/a", "c/b/a"}, {"a/b", "ba", "/a"}},
      {"a/**", {"a/b", "a/b/c"}, {"a", "b/a"}},
      {"a/**/b", {"a/b", "a/x/b", "a/x/y/b"}, {"a", "b", "axb", "a/bx"}},
      {"**/a/**/b/*.csv", {"a/b/x.csv", "1/a/2/3/b/x.csv", "a/a/b/b/x.csv"}, {"a/b/c/x.csv", "b/a/x.csv"}},
      {"a**b", {"ab", "axxb"}, {"a/b"}},
      {"**/**/a", {"a", "b/a", "c/b/a"}, {"b"}},
      {"/**/a", {"/a", "/b/a"}, {"a"}},
      {"a/", {"a/"}, {"a"}},
  });
}

TEST_CASE("glob matches: braces, nested, over slashes, and those that are none") {
  check({
      {"a.{csv,tsv}", {"a.csv", "a.tsv"}, {"a.", "a.{csv,tsv}", "a.csvtsv"}},
      {"{a,b{c,d}}e", {"ae", "bce", "bde"}, {"be", "ce", "e"}},
      {"{a,b}{c,d}", {"ac", "ad", "bc", "bd"}, {"ab", "a"}},
      {"x{,y}", {"x", "xy"}, {"y"}},
      {"{a/b,c}/*", {"a/b/x", "c/x"}, {"a/x", "b/x"}},
      {"{2023,202?}-*.csv", {"2023-1.csv", "2029-1.csv"}, {"203-1.csv"}},
      {"{a}", {"{a}"}, {"a"}},
      {"{a{b,c}}", {"{ab}", "{ac}"}, {"ab"}},
      {"{a,b", {"{a,b"}, {"a", "b"}},
      {"a{b,{c,d}", {"a{b,c", "a{b,d"}, {"ab", "ac"}},
      {"a}", {"a}"}, {"a"}},
      {"\\{a,b}", {"{a,b}"}, {"a"}},
      {"{a\\,b,c}", {"a,b", "c"}, {"a", "b"}},
      {"{a,b\\}}", {"a", "b}"}, {"b"}},
  });
}

TEST_CASE("glob matches: many stars take no exponential time") {
  std::string stars, folders;
  for (int i = 0; i < 40; ++i) stars += "*a", folders += "**/a/";
  CHECK_FALSE(matches(stars + "b", std::string(5'000, 'a')));
  CHECK(matches(stars, std::string(5'000, 'a')));
  std::string path;
  for (int i = 0; i < 1'000; ++i) path += "a/";
  CHECK_FALSE(matches(folders + "b", path + "a"));
  CHECK(matches(folders + "b", path + "b"));
}

TEST_CASE("glob matches: braces have a limit, which glob names") {
  std::string pattern;
  for (int i = 0; i < 40; ++i) pattern += "{a,b}";
  CHECK_FALSE(matches(pattern, std::string(40, 'a')));
  const auto found = etl::io::glob(pattern);
  REQUIRE_FALSE(found);
  CHECK(found.error().message().find("have more than 10000 alternatives") != std::string::npos);
}

TEST_CASE("glob: the same as a simple matcher over random patterns, and as files of a tree") {
  test::Random random(20);
  const auto file_name = [&] {
    std::string name;
    for (std::uint64_t i = 1 + random.below(4); i > 0; --i) name += random.chance(2) ? 'a' : 'b';
    return name;
  };
  const Tree tree{};
  Strings files;
  while (files.size() < 60) {
    std::string path;
    for (std::uint64_t i = random.below(4); i > 0; --i) path += "d" + file_name().substr(0, 1) + "/";
    files.push_back(path + file_name());
    tree.add(files.back());
  }
  std::ranges::sort(files);
  files.erase(std::unique(files.begin(), files.end()), files.end());
  std::size_t matched = 0, unmatched = 0;
  for (int round = 0; round < test::fewer_if_sanitized(1'000); ++round) {
    std::string pattern = random_pattern(random);
    if (random.chance(2)) pattern = random.chance(2) ? "d?/" + pattern : "**/" + pattern;
    Strings expected, found;
    for (const std::string& file : files)
      if (reference(pattern, file)) expected.push_back(file);
    for (const std::string& file : files)
      if (matches(pattern, file)) found.push_back(file);
    CAPTURE(pattern);
    CHECK(found == expected);
    if (expected.empty())
      CHECK(tree.error({pattern}) == "'" + pattern + "' matches no file");
    else
      CHECK(tree.glob({pattern}, {.threads = 1 + random.below(3)}) == expected);
    ++(expected.empty() ? unmatched : matched);
  }
  CHECK(matched > test::fewer_if_sanitized(200U));
  CHECK(unmatched > test::fewer_if_sanitized(200U));
}

// --- files
// --------------------------------------------------------------------------------------------------------------

TEST_CASE("glob: files in the order of the patterns, then of their paths, each once") {
  const Tree tree{"b.csv", "a.csv", "c.txt", "d/a.csv", "d/e/z.csv", "d/e/f/y.csv", "d.csv"};
  CHECK(tree.glob({"*.csv"}) == Strings{"a.csv", "b.csv", "d.csv"});
  CHECK(tree.glob({"*.csv", "?.{csv,txt}", "a.csv", "./a.csv", "d/../b.csv"}) ==
        Strings{"a.csv", "b.csv", "d.csv", "c.txt"});
  CHECK(tree.glob({"**/*.csv"}) == Strings{"a.csv", "b.csv", "d.csv", "d/a.csv", "d/e/f/y.csv", "d/e/z.csv"});
  CHECK(tree.glob({"d/**"}) == Strings{"d/a.csv", "d/e/f/y.csv", "d/e/z.csv"});
  CHECK(tree.glob({"d/**/y.csv", "*/*/z.csv", "{d,nowhere}/a.csv"}) == Strings{"d/e/f/y.csv", "d/e/z.csv", "d/a.csv"});
  CHECK(tree.glob({"c.txt", "b.csv", "*.csv", "b.csv"}) == Strings{"c.txt", "b.csv", "a.csv", "d.csv"});
  CHECK(tree.glob({"d//a.csv", "b.csv", "d/*"}) == Strings{"d/a.csv", "b.csv"});
  CHECK(tree.glob({"b.csv", "*.csv", "./a.csv"}) == Strings{"b.csv", "a.csv", "d.csv"});
}

TEST_CASE("glob: from the working folder, and below the root") {
  const Tree tree{"a.csv", "d/b.csv"};
  const WorkingFolder here(tree.path("d"));
  const auto glob = [](const std::string& pattern) {
    const std::vector<fs::path> found = etl::io::glob(pattern).value();
    Strings all;
    for (const fs::path& path : found) all.push_back(path.string());
    return all;
  };
  CHECK(glob("*.csv") == Strings{"b.csv"});
  CHECK(glob("./*.csv") == Strings{"./b.csv"});
  CHECK(glob("../*.csv") == Strings{"../a.csv"});
  CHECK(glob("../**/b.csv") == Strings{"../d/b.csv"});
  CHECK(glob("b.csv") == Strings{"b.csv"});
  CHECK(glob("/etc/pass[w]d") == Strings{"/etc/passwd"});
}

TEST_CASE("glob: the path of a file is that file, whatever is in its name") {
  const Tree tree{"a[1].csv", "a1.csv", "{x,y}.csv", "x.csv", "*", "b\\c"};
  CHECK(tree.glob({"a[1].csv"}) == Strings{"a[1].csv"});
  CHECK(tree.glob({"a\\[1].csv"}) == Strings{"a[1].csv"});
  CHECK(tree.glob({"a[1]*"}) == Strings{"a1.csv"});
  CHECK(tree.glob({"{x,y}.csv"}) == Strings{"{x,y}.csv"});
  CHECK(tree.glob({"*"}) == Strings{"*"});
  CHECK(tree.glob({"b\\c"}) == Strings{"b\\c"});
}

TEST_CASE("glob: names that begin with a dot are asked for") {
  const Tree tree{"a", ".b", "d/.c", ".e/f", ".e/.g"};
  CHECK(tree.glob({"*"}) == Strings{"a"});
  CHECK(tree.glob({".*"}) == Strings{".b"});
  CHECK(tree.glob({"\\.*"}) == Strings{".b"});
  CHECK(tree.glob({"[.]*", "a"}, {.hidden = true}) == Strings{".b", "a"});
  CHECK(tree.error({"[.]*"}) == "'[.]*' matches no file");
  CHECK(tree.glob({"**"}) == Strings{"a"});
  CHECK(tree.glob({".e/**"}) == Strings{".e/f"});
  CHECK(tree.glob({"**/.*"}) == Strings{".b", "d/.c"});
  CHECK(tree.glob({"**"}, {.hidden = true}) == Strings{".b", ".e/.g", ".e/f", "a", "d/.c"});
}

TEST_CASE("glob: only regular files match, and a named pipe that is named") {
  const Tree tree{"d.csv/a.csv", "b.csv"};
  REQUIRE(::mkfifo(tree.path("pipe.csv").c_str(), 0600) == 0);
  CHECK(tree.glob({"*.csv"}) == Strings{"b.csv"});
  CHECK(tree.glob({"pipe.csv", "*.csv"}) == Strings{"pipe.csv", "b.csv"});
  CHECK(tree.glob({"{pipe,b}.csv"}) == Strings{"b.csv", "pipe.csv"});
}

TEST_CASE("glob: all patterns that match nothing are named at once, none is taken for a path") {
  const Tree tree{"a.csv", "d/b"};
  CHECK(tree.error({"a.csv", "x*.csv", "nothing", "d", "a.csv/b", "a.csv/", "[", "d/{x,y}", ""}) ==
        "'x*.csv' matches no file; 'nothing' matches no file; 'd' is a folder: use 'd/*' for its files, 'd/**' for all "
        "files below; 'a.csv/b' matches no file; 'a.csv/' matches no file; '[' matches no file; 'd/{x,y}' matches no "
        "file; "
        "'' is a folder: use '/*' for its files, '/**' for all files below");
  CHECK(etl::io::glob(std::string()).error().message() == "'' matches no file");
  CHECK(inputs({}).value().empty());
}

TEST_CASE("glob: what cannot be read is named, and does not hide the rest from who asks") {
  const Tree tree{"a/1.csv", "b/2.csv", "c/3.csv"};
  tree.link("nowhere", "lost.csv");
  tree.link("loop", "loop");
  CHECK(tree.error({"*.csv"}) == "cannot read 'lost.csv': No such file or directory; '*.csv' matches no file");
  CHECK(tree.error({"loop"}) == "cannot read 'loop': Too many levels of symbolic links; 'loop' matches no file");
  const Unprivileged user(tree.path(""));
  fs::permissions(tree.path("b"), fs::perms::none);
  CHECK(tree.error({"b/*.csv", "a/*"}) == "cannot read 'b': Permission denied; 'b/*.csv' matches no file");
  CHECK(tree.error({"b/2.csv"}) == "cannot read 'b/2.csv': Permission denied; 'b/2.csv' matches no file");
  CHECK(tree.error({"*/*.csv"}) == "cannot read 'b': Permission denied");
  std::vector<etl::Error> unreadable;
  const Strings found = tree.glob({"**/*.csv"}, {.unreadable = &unreadable});
  CHECK(found == Strings{"a/1.csv", "c/3.csv"});
  Strings texts;
  for (const etl::Error& error : unreadable) texts.push_back(error.message());
  std::ranges::sort(texts);
  REQUIRE(texts.size() == 2);
  CHECK(texts[0].find("/b': Permission denied") != std::string::npos);
  CHECK(texts[1].find("/lost.csv': No such file") != std::string::npos);
  fs::permissions(tree.path("b"), fs::perms::owner_all);
}

TEST_CASE("glob: a folder that may be passed but not listed is passed") {
  const Tree tree{"a/b/1.csv"};
  const Unprivileged user(tree.path(""));
  fs::permissions(tree.path("a"), fs::perms::owner_exec);
  CHECK(tree.glob({"a/b/*.csv"}) == Strings{"a/b/1.csv"});
  CHECK(tree.glob({"a/{b,c}/*.csv"}) == Strings{"a/b/1.csv"});
  CHECK(tree.error({"a/*/*.csv"}) == "cannot read 'a': Permission denied; 'a/*/*.csv' matches no file");
  fs::permissions(tree.path("a"), fs::perms::owner_all);
}

TEST_CASE("glob: symbolic links are followed where they are named, by ** when asked, circles end") {
  const Tree tree{"real/1.csv", "real/sub/2.csv"};
  tree.link("real", "link");
  tree.link("..", "real/up");
  tree.link("real", "self");
  tree.link("../real/sub", "real/again");
  CHECK(tree.glob({"link/*.csv"}) == Strings{"link/1.csv"});
  CHECK(tree.glob({"l*/*.csv"}) == Strings{"link/1.csv"});
  CHECK(tree.glob({"**/*.csv"}) == Strings{"real/1.csv", "real/sub/2.csv"});
  CHECK(tree.glob({"l*/**/*.csv"}) == Strings{"link/1.csv", "link/sub/2.csv"});
  CHECK(tree.glob({"**/*.csv"}, {.follow_symlinks = true}) == Strings{"real/1.csv", "real/sub/2.csv"});
  CHECK(tree.glob({"link/**"}, {.follow_symlinks = true}).size() == 2);
  const Tree elsewhere{"x/3.csv"};
  fs::create_symlink(elsewhere.path("x"), tree.path("real/far"));
  CHECK(tree.glob({"**/3.csv"}, {.follow_symlinks = true}) == Strings{"real/far/3.csv"});
  CHECK(tree.error({"**/3.csv"}) == "'**/3.csv' matches no file");
}

TEST_CASE("glob: folders that link to each other are read once each, and by the same name each time") {
  const Tree tree{};
  for (char from = 'a'; from < 'm'; ++from) tree.add(std::string(1, from) + "/" + from + ".csv");
  for (char from = 'a'; from < 'm'; ++from)
    for (char to = 'a'; to < 'm'; ++to)
      if (to != from) tree.link((std::string("../") + to).c_str(), (std::string(1, from) + "/to_" + to).c_str());
  CHECK(tree.glob({"**/*.csv"}, {.follow_symlinks = true}).size() == 12);
  for (int round = 0; round < 20; ++round) {
    const Strings found = tree.glob({"a/**/*.csv"}, {.threads = 4, .follow_symlinks = true});
    REQUIRE(found.size() == 12);
    CHECK(found[0] == "a/a.csv");
    CHECK(found[1] == "a/to_b/b.csv");
    CHECK(found[11] == "a/to_l/l.csv");
  }
}

TEST_CASE("glob: of several links to a folder the first is entered, in whatever order they are read") {
  const Tree tree{"real/x.csv", "a/1", "b/1"};
  for (const char* const link : {"a/second", "a/first", "b/first", "b/second"}) tree.link("../real", link);
  CHECK(tree.glob({"a/**/*.csv"}, {.follow_symlinks = true}) == Strings{"a/first/x.csv"});
  CHECK(tree.glob({"b/**/*.csv"}, {.follow_symlinks = true}) == Strings{"b/first/x.csv"});
  CHECK(tree.glob({"a/first/*.csv", "real/*.csv"}) == Strings{"real/x.csv"});
}

TEST_CASE("glob: a file with several names is given once, by its own") {
  const Tree tree{"2024-12.csv", "2024-11.csv"};
  tree.link("2024-12.csv", "2024-00-latest.csv");
  CHECK(tree.glob({"*.csv"}) == Strings{"2024-11.csv", "2024-12.csv"});
  CHECK(tree.glob({"*latest.csv"}) == Strings{"2024-00-latest.csv"});
  CHECK(tree.glob({"*latest.csv", "2024-12.csv"}) == Strings{"2024-12.csv"});
  {
    const WorkingFolder here(tree.path(""));
    const std::string itself = "../" + tree.path("x").parent_path().filename().string();
    const auto found = etl::io::glob(Strings{itself + "/*-12.csv", "*-12.csv"});
    CHECK(found.value() == std::vector<fs::path>{"2024-12.csv"});
    const auto both = etl::io::glob(Strings{tree.path("2024-12.csv").string(), "*-12.csv", "2024-11.csv"});
    CHECK(both.value().size() == 2);
  }
  fs::create_directory(tree.path("d"));
  tree.link("..", "d/up");
  CHECK(tree.glob({"d/up/2024-11.csv", "d/up/2024-12.csv", "*-12.csv"}) == Strings{"d/up/2024-11.csv", "2024-12.csv"});
}

}  // namespace glob_test

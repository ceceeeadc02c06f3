// Every write, fsync, rename and the like fails once, and the process dies at each of them: no store loses what it said
// was durable, says something that is not so, or is of no more use (G7, G13, G15, G17).
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <etl/io/checkpoint_file.hpp>
#include <etl/io/dead_letter_file.hpp>
#include <etl/sqlite/store.hpp>

#include "exhaustion/failing_calls.hpp"
#include "support/catch.hpp"

namespace fs = std::filesystem;
using etl::Checkpoint;
using etl::DeadLetter;
using etl::io::CheckpointFile;
using etl::io::DeadLetterFile;
using test::Failure;

namespace {

/// A folder of its own, gone at the end.
class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "etlpipe-files-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  [[nodiscard]] fs::path operator/(const char* name) const { return path_ / name; }

 private:
  fs::path path_;
};

/// The steps of a scenario that have succeeded, told as they do, also by a process that dies.
class Told {
 public:
  using Step = char;
  [[nodiscard]] bool has(Step step) const { return steps_.contains(step); }
  bool tell(Step step, bool succeeded) {
    if (!succeeded) return false;
    steps_.insert(step);
    if (pipe_ >= 0) static_cast<void>(::syscall(SYS_write, pipe_, &step, 1));  // past those that fail
    return true;
  }

 private:
  friend bool run_failing_apart(int number, Failure how, Told& told, const std::function<void(Told&)>& scenario,
                                const std::function<void()>& before);
  std::set<Step> steps_;
  int pipe_ = -1;
};

/// Runs it with a failure; false: it makes fewer calls.
bool run_failing(int number, Failure how, Told& told, const std::function<void(Told&)>& scenario) {
  test::fail_call(number, how);
  scenario(told);
  return test::stop_failing();
}
/// The same in a process apart, after `before` in this one.
bool run_failing_apart(int number, Failure how, Told& told, const std::function<void(Told&)>& scenario,
                       const std::function<void()>& before) {
  std::array<int, 2> ends{}, go{};
  REQUIRE((::pipe(ends.data()) == 0 && ::pipe(go.data()) == 0));
  const pid_t child = ::fork();
  if (child == 0) {  // no assertions here
    ::alarm(60);
    char byte = 0;
    if (::read(go[0], &byte, 1) != 1) ::_exit(1);
    told.pipe_ = ends[1];
    ::_exit(run_failing(number, how, told, scenario) ? 9 : 0);
  }
  for (const int end : {ends[1], go[0]}) ::close(end);
  before();
  REQUIRE(::write(go[1], "", 1) == 1);
  Told::Step step = 0;
  while (::read(ends[0], &step, 1) == 1) told.steps_.insert(step);
  for (const int end : {ends[0], go[1]}) ::close(end);
  int status = 0;
  ::waitpid(child, &status, 0);
  REQUIRE(WIFEXITED(status));
  REQUIRE((WEXITSTATUS(status) == 9 || WEXITSTATUS(status) == 0));
  return WEXITSTATUS(status) == 9;
}

/// `world()` makes what a scenario and its check share. Returns how many failures there were.
template <class World, class Scenario, class Check>
int for_each_failure(World world, Scenario scenario, Check check) {
  int failures = 0;
  for (const Failure how : {Failure::Nothing, Failure::Half, Failure::Done, Failure::Kill})
    for (int number = 1;; ++number) {
      CAPTURE(static_cast<int>(how), number);
      auto at = world();
      Told told;
      const auto run = [&](Told& t) { scenario(*at, t); };
      const bool failed =
          how == Failure::Kill ? run_failing_apart(number, how, told, run, [] {}) : run_failing(number, how, told, run);
      INFO("the call: " << (how == Failure::Kill || !failed ? "?"
                                                            : test::calls().at(static_cast<std::size_t>(number) - 1)));
      check(*at, told);
      if (!failed) break;
      ++failures;
    }
  return failures;
}

Checkpoint numbered(std::uint64_t number) {
  return {
      .fingerprint = std::string(5000, 'f'), .batch_size = number, .partitions = {{.watermark = number, .id = "a"}}};
}
DeadLetter letter(const std::string& id) { return {.id = id, .pipeline = "p", .payload = std::string(3000, id[0])}; }
std::set<std::string> ids(const fs::path& path) {
  std::set<std::string> found;
  const auto listed = DeadLetterFile(path).list("", [&](const DeadLetter& one) {
    if (one == letter(one.id)) found.insert(one.id);
    return true;
  });
  if (!listed) FAIL(listed.error().message());
  return found;
}
std::size_t place_of(std::string_view call, std::size_t from = 0) {
  const auto& all = test::calls();
  const auto found = std::find(all.begin() + static_cast<std::ptrdiff_t>(from), all.end(), call);
  if (found == all.end()) FAIL("there is no '" << call << "' after call " << from);
  return static_cast<std::size_t>(found - all.begin());
}

}  // namespace

TEST_CASE("checkpoint file: G13 G17 whichever call fails, or dies, there is the old checkpoint or the new one") {
  const int failures = for_each_failure([] { return std::make_unique<Folder>(); },
                                        [](const Folder& folder, Told& told) {
                                          CheckpointFile file(folder / "a/b");
                                          told.tell('1', file.save("p", numbered(1)).has_value());
                                          told.tell('2', file.save("p", numbered(2)).has_value());
                                        },
                                        [](const Folder& folder, const Told& told) {
                                          CheckpointFile file(folder / "a/b");
                                          const auto found = file.find("p");
                                          if (!found) FAIL(found.error().message());
                                          if (told.has('1') || told.has('2')) REQUIRE(found->has_value());
                                          if (*found) {
                                            const std::uint64_t number = (*found)->batch_size;
                                            CHECK(number >= (told.has('2') ? 2U : 1U));
                                            CHECK(**found == numbered(number));
                                          }
                                          REQUIRE(file.save("p", numbered(3)).has_value());
                                          CHECK(file.find("p").value() == numbered(3));
                                          for (const auto& entry : fs::directory_iterator(folder / "a/b"))
                                            CHECK(entry.path() == file.path("p"));
                                        });
  CHECK(failures > 30);
}

TEST_CASE("checkpoint file: G13 what is written is durable before it has its name, and its name before save returns") {
  const Folder folder;
  CheckpointFile file(folder / "a/b");
  test::fail_call(0, Failure::Nothing);
  REQUIRE(file.save("p", numbered(1)).has_value());
  test::stop_failing();
  const std::size_t renamed = place_of("rename p.checkpoint.new");
  CHECK(place_of("fsync p.checkpoint.new", place_of("write p.checkpoint.new")) < renamed);
  CHECK(place_of("fsync b/", renamed) > renamed);
  CHECK(place_of("fsync a/") < renamed);  // that has b
  CHECK(place_of("fsync " + (folder / "a").parent_path().filename().string() + "/") < renamed);
}

TEST_CASE("dead letter file: G7 whichever call fails, or dies, no letter is lost whose write has succeeded") {
  const int failures =
      for_each_failure([] { return std::make_unique<Folder>(); },
                       [](const Folder& folder, Told& told) {
                         DeadLetterFile file(folder / "d.ndjson");
                         const auto write = [&](std::vector<std::string> all) {
                           std::vector<DeadLetter> letters;
                           for (const std::string& id : all) letters.push_back(letter(id));
                           told.tell(all[0][0], file.write(letters).has_value());
                         };
                         write({"a"});
                         write({"b", "c"});
                         told.tell('x', file.purge(std::vector<std::string>{"a"}).has_value());
                         write({"d"});
                         write({"e"});
                       },
                       [](const Folder& folder, const Told& told) {
                         const fs::path path = folder / "d.ndjson";
                         const auto complete = [&](bool later) {
                           const std::set<std::string> found = ids(path);
                           for (const std::string id : {"b", "c", "d", "e"})
                             if (told.has(id == "c" ? 'b' : id[0])) CHECK(found.contains(id));
                           if (told.has('a') && told.has('x')) CHECK_FALSE(found.contains("a"));
                           CHECK(found.contains("f") == later);
                         };
                         complete(false);
                         REQUIRE(DeadLetterFile(path).write(std::vector{letter("f")}).has_value());
                         complete(true);
                         REQUIRE(DeadLetterFile(path).purge(std::vector<std::string>{"f"}).value() == 1);
                         complete(false);
                       });
  CHECK(failures > 50);
}

TEST_CASE("dead letter file: G7 letters are durable, and so is the name of the file that has them") {
  const Folder folder;
  const fs::path path = folder / "d.ndjson";
  const std::string above = path.parent_path().filename().string() + "/";
  const auto write = [](DeadLetterFile& file, const std::string& id) {
    test::fail_call(0, Failure::Nothing);
    REQUIRE(file.write(std::vector{letter(id)}).has_value());
    test::stop_failing();
    return place_of("fsync d.ndjson", place_of("write d.ndjson"));
  };
  DeadLetterFile first(path), second(path);
  place_of("fsync " + above, write(first, "a"));
  // Another process may have made the file, and died before its name was durable.
  place_of("fsync " + above, write(second, "b"));
  write(second, "c");
  CHECK(std::ranges::count(test::calls(), "fsync " + above) == 0);   // once is enough
  REQUIRE(first.purge(std::vector<std::string>{"a"}).value() == 1);  // by another file of this name
  place_of("fsync " + above, write(second, "d"));
}

namespace {

/// Rows 0 to 2, each loaded in a transaction of its own, as a run does it.
struct Rows {
  explicit Rows(bool with_log) : wal(with_log) {
    auto store = open();
    REQUIRE(store.has_value());
    REQUIRE((*store)->database().execute("CREATE TABLE rows(id INTEGER)").has_value());
    REQUIRE((*store)->save("p", {.fingerprint = "f", .run = "r", .partitions = {{.id = "a"}}}).has_value());
  }
  [[nodiscard]] etl::Result<std::shared_ptr<etl::sqlite::Store>> open() const {
    return etl::sqlite::Store::open(folder / "rows.db", {.wal = wal, .synchronous = etl::sqlite::Synchronous::Full});
  }
  void load(Told& told, std::uint64_t first = 0, std::uint64_t end = 3) const {
    auto store = open();
    if (!store) store = open();
    if (!store) return;
    auto session = (*store)->connect();
    if (!session) session = (*store)->connect();
    if (!session) return;
    for (std::uint64_t row = first; row < end; ++row)
      for (int attempt = 0; attempt < 2; ++attempt) {
        const auto loaded = load(**session, row);
        bool stored = loaded.has_value();
        if (!stored && loaded.error().code == etl::Errc::OutcomeUnknown)
          if (const auto settled = (*session)->is_settled("p", {0, {row, row + 1}}); settled) stored = *settled;
        (*session)->rollback();
        if (told.tell(static_cast<char>('0' + row), stored)) break;
        if (loaded.has_value() || loaded.error().code != etl::Errc::OutcomeUnknown)
          told.tell(static_cast<char>('a' + row), attempt == 1);  // it has failed for certain
      }
  }
  static etl::Result<void> load(etl::StoreSession<etl::sqlite::Tx>& session, std::uint64_t row) {
    const etl::SettledRange range{0, {row, row + 1}};
    if (auto begun = session.begin(); !begun) return begun;
    if (auto done = session.transaction().execute("INSERT INTO rows VALUES(" + std::to_string(row) + ")"); !done)
      return done;
    const std::string pipeline = "p";
    if (auto done = session.record({pipeline, std::span(&range, 1), {}, {}, {}, "r"}); !done) return done;
    return session.commit();
  }
  /// What is there is what was told.
  void check(const Told& told) const {
    auto store = open();
    if (!store) FAIL(store.error().message());
    auto session = (*store)->connect().value();
    for (std::uint64_t row = 0; row < 3; ++row) {
      CAPTURE(row);
      auto count = (*store)->database().prepare("SELECT count(*) FROM rows WHERE id=" + std::to_string(row)).value();
      REQUIRE(count.step().value());
      const bool settled = session->is_settled("p", {0, {row, row + 1}}).value();
      CHECK(count.integer(0) == (settled ? 1 : 0));
      if (told.has(static_cast<char>('0' + row))) CHECK(settled);
      if (told.has(static_cast<char>('a' + row))) CHECK_FALSE(settled);
    }
  }
  Folder folder{};
  bool wal;
};

}  // namespace

TEST_CASE("sqlite store: G15 whichever call fails, or dies, rows and progress agree, and commits say what happened") {
  for (const bool wal : {true, false}) {
    CAPTURE(wal);
    const int failures = for_each_failure([wal] { return std::make_unique<Rows>(wal); },
                                          [](const Rows& rows, Told& told) { rows.load(told); },
                                          [](const Rows& rows, const Told& told) { rows.check(told); });
    CHECK(failures > 60);
  }
}

TEST_CASE("sqlite store: G15 a process whose disk is full fails, and harms no other that has the database open") {
  for (const bool wal : {true, false})
    for (int number = 1;; ++number) {
      CAPTURE(wal, number);
      const Rows rows(wal);
      std::shared_ptr<etl::sqlite::Store> store;
      std::unique_ptr<etl::StoreSession<etl::sqlite::Tx>> session;
      Told told;
      const bool was_full = run_failing_apart(
          number, Failure::Full, told, [&](Told& t) { rows.load(t, 1, 2); },
          [&] {
            store = rows.open().value();
            session = store->connect().value();
            told.tell('0', Rows::load(*session, 0).has_value());
          });
      CHECK(told.has('0'));
      CHECK(told.has('1') != told.has('b'));
      const auto loaded = Rows::load(*session, 2);
      if (!loaded) FAIL(loaded.error().message());
      told.tell('2', true);
      rows.check(told);
      if (!was_full) break;
    }
}

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <etl/io/object_store.hpp>
#include <etl/io/object_store_folder.hpp>
#include <etl/io/object_store_stream.hpp>

#include "support/catch.hpp"
#include "support/object_store_suite.hpp"
#include "unit/io/support.hpp"

namespace fs = std::filesystem;
namespace io = etl::io;
using io::StoreProblem;

namespace {

io::FolderStore open(const fs::path& folder) { return io::FolderStore::open(folder).value(); }

std::size_t entries(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

/// A folder whose calls a test may spoil.
class SpoiledStore {
 public:
  struct Plan {
    /// Called before a part is put, with its number.
    std::function<etl::Result<void>(std::uint32_t)> on_part{};
    /// Makes another body of what a `get` gives.
    std::function<etl::Result<io::ObjectBody>(io::ObjectBody, const io::GetOptions&)> on_get{};
    std::mutex mutex{};
  };
  SpoiledStore(io::FolderStore store, std::shared_ptr<Plan> plan) : store_(std::move(store)), plan_(std::move(plan)) {}

  etl::Result<io::ObjectInfo> put(const std::string& key, std::string_view bytes, const io::PutOptions& options,
                                  const std::stop_token& stop) const {
    return store_.put(key, bytes, options, stop);
  }
  etl::Result<io::ObjectBody> get(const std::string& key, const io::GetOptions& options,
                                  const std::stop_token& stop) const {
    auto body = store_.get(key, options, stop);
    return body && plan_->on_get ? plan_->on_get(*std::move(body), options) : std::move(body);
  }
  etl::Result<io::ObjectInfo> head(const std::string& key, const std::stop_token& stop) const {
    return store_.head(key, stop);
  }
  etl::Result<io::ObjectPage> list(const io::ListOptions& options, const std::stop_token& stop) const {
    return store_.list(options, stop);
  }
  etl::Result<void> remove(const std::string& key, const std::stop_token& stop) const {
    return store_.remove(key, stop);
  }
  etl::Result<io::Upload> begin_upload(const std::string& key, const io::PutOptions& options,
                                       const std::stop_token& stop) const {
    return store_.begin_upload(key, options, stop);
  }
  etl::Result<io::UploadedPart> put_part(const io::Upload& upload, std::uint32_t number, std::string_view bytes,
                                         const std::stop_token& stop) const {
    {
      const std::lock_guard lock(plan_->mutex);
      if (plan_->on_part)
        if (auto done = plan_->on_part(number); !done) return etl::failure(done.error());
    }
    return store_.put_part(upload, number, bytes, stop);
  }
  etl::Result<io::ObjectInfo> complete_upload(const io::Upload& upload, std::span<const io::UploadedPart> parts,
                                              const io::PutOptions& options, const std::stop_token& stop) const {
    return store_.complete_upload(upload, parts, options, stop);
  }
  etl::Result<void> abort_upload(const io::Upload& upload, const std::stop_token& stop) const {
    return store_.abort_upload(upload, stop);
  }
  etl::Result<io::UploadPage> uploads(const io::ListOptions& options, const std::stop_token& stop) const {
    return store_.uploads(options, stop);
  }
  [[nodiscard]] std::string name() const { return "spoiled:"; }

 private:
  io::FolderStore store_;
  std::shared_ptr<Plan> plan_;
};

/// Gives so many bytes of another source, then an error.
class BreakingSource final : public io::ByteSource {
 public:
  BreakingSource(io::Source from, std::size_t bytes, etl::Error error)
      : from_(std::move(from)), left_(bytes), error_(std::move(error)) {}
  etl::Result<std::size_t> read(std::span<char> to) override {
    if (left_ == 0) return etl::failure(error_);
    const auto got = from_->read(to.first(std::min(to.size(), left_)));
    left_ -= got.value();
    return got;
  }
  [[nodiscard]] const std::string& name() const noexcept override { return from_->name(); }
  [[nodiscard]] std::uint64_t consumed() const noexcept override { return from_->consumed(); }

 private:
  io::Source from_;
  std::size_t left_;
  etl::Error error_;
};

constexpr etl::RetryPolicy at_once = {.max_attempts = 3, .initial_delay = std::chrono::nanoseconds(1)};

struct Spoiled {
  test::TemporaryFolder folder{};
  std::shared_ptr<SpoiledStore::Plan> plan = std::make_shared<SpoiledStore::Plan>();
  io::FolderStore below = open(folder.path());
  io::AnyObjectStore store = SpoiledStore(below, plan);
};

}  // namespace

TEST_CASE("A folder is an object store", "[object_store]") {
  test::TemporaryFolder folder;
  for (const auto& check : test::store_checks<io::FolderStore>()) {
    DYNAMIC_SECTION(check.name) { check.run(open(folder.path()), "some/where/"); }
  }
  for (const auto& check : test::store_checks<io::AnyObjectStore>()) {
    DYNAMIC_SECTION("any store " << check.name) { check.run(open(folder.path()), "at"); }
  }
  // Nothing is left but the objects.
  CHECK(entries(folder / ".etl-uploads") == 0);
}

TEST_CASE("A folder refuses keys that lead elsewhere or that it cannot have", "[object_store]") {
  test::TemporaryFolder folder;
  const io::FolderStore store = open(folder / "store");
  for (const std::string key : {"", "/etc/passwd", "..", "../x", "a/../../x", "a/..", "./a", "a/./b", "a//b", "a/", ".",
                                ".etl-uploads", ".etl-uploads/x"}) {
    CAPTURE(key);
    for (const auto& code :
         {store.put(key, "x").error().code, store.get(key).error().code, store.head(key).error().code,
          store.remove(key).error().code, store.begin_upload(key).error().code}) {
      CHECK(code == StoreProblem::Key);
      CHECK(code == std::errc::invalid_argument);
    }
  }
  for (const std::string& key : {std::string("a\0b", 3), std::string(1025, 'k'), "a/" + std::string(256, 'k')})
    CHECK(store.put(key, "x").error().code == StoreProblem::Key);
  CHECK(store.put("a/.etl-uploads", "x"));
  CHECK(entries(folder.path()) == 1);
  const auto refused = store.put("../x", "x");
  CHECK(refused.error().message() == "cannot use '" + (folder / "store").string() +
                                         "/../x': no key for this store: a key must not contain a part '.' or '..'");
}

TEST_CASE("A folder has either an object or objects below it", "[object_store]") {
  test::TemporaryFolder folder;
  const io::FolderStore store = open(folder.path());
  REQUIRE(store.put("a/b", "1"));
  CHECK(store.put("a", "2").error().code == StoreProblem::Key);
  CHECK(store.put("a", "2", {.if_none_match = true}).error().code == StoreProblem::Exists);
  CHECK(store.put("a/b/c", "3").error().code == StoreProblem::Key);
  CHECK(store.get("a").error().code == StoreProblem::Missing);
  CHECK(store.get("a/b/c").error().code == StoreProblem::Missing);
  CHECK(store.remove("a"));
  CHECK(store.remove("a/b/c"));
  CHECK(store.head("a/b"));
  CHECK(store.remove("a/b"));
  CHECK_FALSE(fs::exists(folder / "a"));
  CHECK(store.put("a", "2"));
}

TEST_CASE("A folder gives the files that others put there, and no other things", "[object_store]") {
  test::TemporaryFolder folder, outside;
  test::write_file(outside / "target", "linked");
  fs::create_directories(folder / "d");
  test::write_file(folder / "d/file", "bytes");
  fs::create_symlink(outside / "target", folder / "link");
  fs::create_directory_symlink(outside.path(), folder / "elsewhere");
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  const io::FolderStore store = open(folder.path());
  const auto page = store.list({});
  REQUIRE(page);
  REQUIRE(page->objects.size() == 2);
  CHECK(page->objects[0].key == "d/file");
  CHECK(page->objects[1].key == "link");
  CHECK(test::store_suite::get(store, "link") == "linked");
  CHECK(store.get("pipe").error().code == StoreProblem::Missing);
  CHECK(store.name() == folder.path().string() + "/");
}

TEST_CASE("A reader of a folder keeps the object that it has opened", "[object_store]") {
  test::TemporaryFolder folder;
  const io::FolderStore store = open(folder.path());
  REQUIRE(store.put("a", "before"));
  auto body = store.get("a");
  auto opened = io::open_object(store, "a");
  REQUIRE(store.put("a", "after!"));
  CHECK(io::read_all(*body->bytes).value() == "before");
  CHECK(io::read_all(*opened->bytes).value() == "before");

  auto shorter = store.get("a");
  test::write_file(folder / "a", "aft");
  const auto read = io::read_all(*shorter->bytes);
  CHECK(read.error().code == StoreProblem::Changed);
}

TEST_CASE("A folder forgets puts that have died, and no others", "[object_store]") {
  test::TemporaryFolder folder;
  static_cast<void>(open(folder.path()));
  test::write_file(folder / ".etl-uploads/put-dead", "half of i");
  test::write_file(folder / ".etl-uploads/put-alive", "half of i");
  const int alive = ::open((folder / ".etl-uploads/put-alive").c_str(), O_RDWR);
  REQUIRE(::flock(alive, LOCK_EX) == 0);
  const io::FolderStore store = open(folder.path());
  CHECK_FALSE(fs::exists(folder / ".etl-uploads/put-dead"));
  CHECK(fs::exists(folder / ".etl-uploads/put-alive"));
  CHECK(store.list()->objects.empty());
  ::close(alive);
}

TEST_CASE("A folder does not follow an upload's id elsewhere", "[object_store]") {
  test::TemporaryFolder folder;
  const io::FolderStore store = open(folder / "store");
  fs::create_directories(folder / "victim");
  test::write_file(folder / "victim/key", "k");
  for (const std::string id : {"", "..", "../../victim", "no-hex"}) {
    const io::Upload upload{.key = "k", .id = id};
    CHECK(store.put_part(upload, 1, "x").error().code == StoreProblem::Missing);
    CHECK(store.abort_upload(upload));
  }
  CHECK(fs::exists(folder / "victim/key"));
  const auto upload = store.begin_upload("k");
  for (const std::uint32_t number : {0U, 10'001U})
    CHECK(store.put_part(*upload, number, "x").error().code == StoreProblem::Part);
  io::Upload other = *upload;
  other.key = "other";
  CHECK(store.put_part(other, 1, "x").error().code == StoreProblem::Missing);
  const auto part = store.put_part(*upload, 1, "x");
  CHECK(store.complete_upload(*upload, {}).error().code == StoreProblem::Part);
  CHECK(store.complete_upload(*upload, std::vector{*part, *part}).error().code == StoreProblem::Part);
  REQUIRE(store.put_part(*upload, 1, "y"));
  CHECK(store.complete_upload(*upload, std::vector{*part}).error().code == StoreProblem::Part);
}

TEST_CASE("Puts and removals of several threads in one folder do not disturb each other", "[object_store]") {
  test::TemporaryFolder folder;
  const io::FolderStore store = open(folder.path());
  std::atomic<int> failed = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        for (int i = 0; i < 50; ++i) {
          const std::string key = "deep/er/" + std::to_string(t);
          if (!store.put(key, "x") || !store.remove(key)) ++failed;
        }
      });
  }
  CHECK(failed == 0);
  CHECK(store.list()->objects.empty());
}

TEST_CASE("A folder that cannot be made or read is an error", "[object_store]") {
  test::TemporaryFolder folder;
  test::write_file(folder / "file", "x");
  CHECK_FALSE(io::FolderStore::open(folder / "file"));
  CHECK_FALSE(io::FolderStore::open(""));
  CHECK(open(folder.path()).list({.most = 0}).error().code == etl::Errc::InvalidOptions);
}

TEST_CASE("A read of an object goes on where it broke", "[object_store]") {
  Spoiled spoiled;
  const std::string bytes = test::store_suite::bytes_of(10'000);
  REQUIRE(spoiled.below.put("a", bytes));
  const auto read = [&](std::uint64_t offset = 0) {
    auto opened = io::open_object(spoiled.store, "a", {.offset = offset, .if_match = {}, .retry = at_once});
    REQUIRE(opened);
    return io::read_all(*opened->bytes);
  };
  std::vector<std::uint64_t> offsets;
  std::size_t step = 1234;
  std::string etag;
  spoiled.plan->on_get = [&](io::ObjectBody body, const io::GetOptions& options) -> etl::Result<io::ObjectBody> {
    offsets.push_back(options.offset);
    etag = options.if_match;
    if (body.info.size - options.offset > step)
      body.bytes = std::make_unique<BreakingSource>(std::move(body.bytes), step, etl::transient("the cable is cut"));
    return body;
  };

  SECTION("as often as it brings bytes") {
    const auto all = read(7);
    REQUIRE(all);
    CHECK((*all == bytes.substr(7)));
    CHECK(offsets.size() == 9);
    CHECK(offsets[1] == 7 + 1234);
    CHECK(etag == spoiled.below.head("a")->etag);
  }
  SECTION("of a part, too") {
    auto opened = io::open_object(spoiled.store, "a", {.offset = 7, .size = 3000, .if_match = {}, .retry = at_once});
    REQUIRE(opened);
    CHECK(opened->bytes->size_hint() == 3000);
    const auto part = io::read_all(*opened->bytes);
    REQUIRE(part);
    CHECK((*part == bytes.substr(7, 3000)));
    CHECK(offsets.size() == 3);
  }
  SECTION("until too many attempts bring none") {
    step = 0;
    const auto all = read();
    REQUIRE_FALSE(all);
    CHECK(offsets.size() == 3);
    CHECK(all.error().message() == "the cable is cut; gave up at byte 0 of 'spoiled:a' after 3 attempts");
  }
  SECTION("not after an error that stays") {
    spoiled.plan->on_get = [&](io::ObjectBody body, const io::GetOptions&) -> etl::Result<io::ObjectBody> {
      body.bytes = std::make_unique<BreakingSource>(std::move(body.bytes), 5, etl::fatal("forbidden"));
      return body;
    };
    CHECK(read().error().message() == "forbidden");
  }
  SECTION("not of another object") {
    spoiled.plan->on_get = [&](io::ObjectBody body, const io::GetOptions& options) -> etl::Result<io::ObjectBody> {
      REQUIRE(spoiled.below.put("a", std::string(10'000, 'z')));
      CHECK(options.offset == 0);
      body.bytes = std::make_unique<BreakingSource>(std::move(body.bytes), 5, etl::transient("cut"));
      return body;
    };
    const auto all = read();
    REQUIRE_FALSE(all);
    CHECK(all.error().code == StoreProblem::Changed);
  }
  SECTION("not of another object, even if the server ignores the condition") {
    const auto spoil = spoiled.plan->on_get;
    spoiled.plan->on_get = [&](io::ObjectBody body, const io::GetOptions& options) {
      if (options.offset > 0) body.info.etag = "another";
      return spoil(std::move(body), options);
    };
    const auto all = read();
    REQUIRE_FALSE(all);
    CHECK(all.error().code == StoreProblem::Changed);
    CHECK(all.error().message().find("its etag is another, but ") != std::string::npos);
    const auto opened = io::open_object(spoiled.store, "a", {.offset = 5, .if_match = etag, .retry = at_once});
    REQUIRE_FALSE(opened);
    CHECK(opened.error().code == StoreProblem::Changed);
  }
  SECTION("not without an etag") {
    spoiled.plan->on_get = [&](io::ObjectBody body, const io::GetOptions&) -> etl::Result<io::ObjectBody> {
      body.info.etag.clear();
      body.bytes = std::make_unique<BreakingSource>(std::move(body.bytes), 5, etl::transient("cut"));
      return body;
    };
    CHECK(read().error().message() == "cut; the store gives no etag, so the rest might come from another object");
  }
  SECTION("and a body that ends early has broken") {
    spoiled.plan->on_get = [&](io::ObjectBody body, const io::GetOptions& options) -> etl::Result<io::ObjectBody> {
      offsets.push_back(options.offset);
      if (offsets.size() == 1) body.bytes = io::from_memory("", "nothing");
      return body;
    };
    const auto all = read();
    REQUIRE(all);
    CHECK((*all == bytes));
  }
  SECTION("and its digest is that of all bytes") {
    const std::string right = io::digest(io::DigestKind::Sha256, bytes);
    std::string told = right;
    const auto spoil = spoiled.plan->on_get;
    spoiled.plan->on_get = [&](io::ObjectBody body, const io::GetOptions& options) {
      body.info.sha256 = told;
      return spoil(std::move(body), options);
    };
    CHECK(read());
    CHECK(read(1));
    told[0] = told[0] == 'a' ? 'b' : 'a';
    CHECK(read(1));
    CHECK(read().error().code == StoreProblem::Digest);
  }
}

TEST_CASE("A read of an object that waits is woken", "[object_store]") {
  Spoiled spoiled;
  REQUIRE(spoiled.below.put("a", "bytes"));
  constexpr etl::RetryPolicy patient = {
      .max_attempts = 3, .initial_delay = std::chrono::hours(1), .max_delay = std::chrono::hours(1), .jitter = false};
  std::stop_source stop;
  auto opened = io::open_object(spoiled.store, "a", {.offset = 0, .if_match = {}, .retry = patient}, stop.get_token());
  REQUIRE(opened);
  std::function<void()> wake;
  SECTION("by interrupt") {
    wake = [&] { opened->bytes->interrupt(); };
  }
  SECTION("by the stop token") {
    wake = [&] { stop.request_stop(); };
  }
  std::atomic<bool> reading = false;
  spoiled.plan->on_get = [&](io::ObjectBody body, const io::GetOptions&) -> etl::Result<io::ObjectBody> {
    body.bytes = std::make_unique<BreakingSource>(std::move(body.bytes), 0, etl::transient("cut"));
    return body;
  };
  auto waits = io::open_object(spoiled.store, "a", {.offset = 0, .if_match = {}, .retry = patient}, stop.get_token());
  REQUIRE(waits);
  std::swap(opened->bytes, waits->bytes);
  std::jthread other([&] {
    while (!reading) std::this_thread::yield();
    wake();
  });
  reading = true;
  CHECK_FALSE(io::read_all(*opened->bytes));
}

TEST_CASE("An object in parts of which one fails leaves nothing", "[object_store]") {
  Spoiled spoiled;
  std::vector<std::uint32_t> put;
  spoiled.plan->on_part = [&](std::uint32_t number) -> etl::Result<void> {
    put.push_back(number);
    if (number == 3) return etl::failure(etl::fatal("the disk is full"));
    return {};
  };
  const auto write = [&] {
    const io::Sink sink = io::create_object(spoiled.store, "a", {.part_size = 10, .parallel = 2});
    const auto written = sink->write(std::string(100, 'x'));
    const auto finished = sink->finish();
    CHECK_FALSE(finished);
    if (!written) CHECK(written.error().message() == finished.error().message());
    CHECK(sink->write("x").error().message() == finished.error().message());
    return finished;
  };
  CHECK(write().error().message() == "the disk is full");
  CHECK(put.size() <= 6);
  CHECK(spoiled.below.list()->objects.empty());
  CHECK(entries(spoiled.folder / ".etl-uploads") == 0);

  spoiled.plan->on_part = [](std::uint32_t) -> etl::Result<void> { throw std::runtime_error("thrown"); };
  CHECK(write().error().message().ends_with("thrown"));
  CHECK(entries(spoiled.folder / ".etl-uploads") == 0);
}

TEST_CASE("Parts of an object are sent at the same time, and in any order", "[object_store]") {
  Spoiled spoiled;
  const std::string bytes = test::store_suite::bytes_of(1000);
  const io::Sink sink = io::create_object(spoiled.store, "a", {.part_size = 64, .parallel = 3});
  for (std::size_t i = 0; i < bytes.size(); i += 7) REQUIRE(sink->write(std::string_view(bytes).substr(i, 7)));
  REQUIRE(sink->finish());
  CHECK((test::store_suite::get(spoiled.below, "a") == bytes));

  test::write_file(spoiled.folder / "file", bytes);
  REQUIRE(io::put_file(spoiled.store, "copy", spoiled.folder / "file", {.part_size = 300}));
  CHECK((test::store_suite::get(spoiled.below, "copy") == bytes));
  CHECK_FALSE(io::put_file(spoiled.store, "copy", spoiled.folder / "none"));
  CHECK(io::open_object(spoiled.store, "a", {.retry = {.max_attempts = 0}}).error().code == etl::Errc::InvalidOptions);
  CHECK_THROWS_AS(io::create_object(spoiled.store, "a", {.part_size = 0}), etl::Exception);
  CHECK_THROWS_AS(io::create_object(spoiled.store, "a", {.parallel = 0}), etl::Exception);
}

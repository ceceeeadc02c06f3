#pragma once
/// What every object store must do, as checks of any model of the concept.
///
///     for (const auto& check : test::store_checks<MyStore>()) {
///       DYNAMIC_SECTION(check.name) { check.run(store, "a/prefix/of/its/own/"); }
///     }

#include <cstddef>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <etl/io/digest.hpp>
#include <etl/io/object_store.hpp>
#include <etl/io/object_store_stream.hpp>

#include "support/catch.hpp"

namespace test {

namespace store_suite {

namespace io = etl::io;
using io::StoreProblem;

inline constexpr std::size_t part_size = std::size_t{5} << 20;  // the least that S3 takes

/// Bytes that differ from place to place.
inline std::string bytes_of(std::size_t size, unsigned seed = 1) {
  std::string bytes(size, '\0');
  unsigned state = seed;
  for (char& byte : bytes) {
    state = state * 1664525U + 1013904223U;
    byte = static_cast<char>(state >> 24U);
  }
  return bytes;
}

template <io::ObjectStore S>
std::string get(const S& store, const std::string& key, const io::GetOptions& options = {}) {
  auto body = store.get(key, options, {});
  REQUIRE((body ? "" : body.error().message()) == std::string());
  auto all = io::read_all(*body->bytes);
  REQUIRE((all ? "" : all.error().message()) == std::string());
  return *std::move(all);
}

template <io::ObjectStore S>
io::ObjectInfo put(const S& store, const std::string& key, std::string_view bytes, const io::PutOptions& options = {}) {
  auto made = store.put(key, bytes, options, {});
  REQUIRE((made ? "" : made.error().message()) == std::string());
  return *std::move(made);
}

template <class R>
std::error_code code_of(const R& result) {
  return result ? std::error_code() : result.error().code;
}

template <io::ObjectStore S>
std::vector<std::string> keys(const S& store, const std::string& prefix, std::size_t most = 1000) {
  std::vector<std::string> found;
  for (io::ListOptions options{.prefix = prefix, .next = {}, .most = most};;) {
    auto page = store.list(options, {});
    REQUIRE((page ? "" : page.error().message()) == std::string());
    CHECK(page->objects.size() <= most);
    for (const auto& object : page->objects) found.push_back(object.key);
    if (page->next.empty()) return found;
    options.next = page->next;
  }
}

template <io::ObjectStore S>
void keeps_what_is_put(const S& store, const std::string& at) {
  const std::string key = at + "orders.csv";
  CHECK(code_of(store.get(key, {}, {})) == StoreProblem::Missing);
  CHECK(code_of(store.head(key, {})) == StoreProblem::Missing);
  CHECK(code_of(store.head(key, {})) == std::errc::no_such_file_or_directory);
  CHECK(store.remove(key, {}));

  const io::ObjectInfo made = put(store, key, "0123456789");
  CHECK(made.key == key);
  CHECK(made.size == 10);
  CHECK_FALSE(made.etag.empty());
  CHECK(get(store, key) == "0123456789");
  const auto seen = store.head(key, {});
  REQUIRE(seen);
  CHECK(seen->key == key);
  CHECK(seen->size == 10);
  CHECK(seen->etag == made.etag);
  CHECK(seen->modified > std::chrono::system_clock::now() - std::chrono::hours(1));

  CHECK(put(store, key, "").size == 0);
  CHECK(get(store, key).empty());
  CHECK(store.remove(key, {}));
  CHECK(code_of(store.head(key, {})) == StoreProblem::Missing);
  CHECK(store.remove(key, {}));
}

template <io::ObjectStore S>
void gives_ranges(const S& store, const std::string& at) {
  const std::string key = at + "range";
  put(store, key, "0123456789");
  CHECK(get(store, key, {.offset = 3, .size = 4}) == "3456");
  CHECK(get(store, key, {.offset = 7, .size = {}}) == "789");
  CHECK(get(store, key, {.offset = 7, .size = 100}) == "789");
  CHECK(get(store, key, {.offset = 2, .size = 0}).empty());
  CHECK(get(store, key, {.offset = 10, .size = {}}).empty());
  CHECK(code_of(store.get(key, {.offset = 11, .size = {}, .if_match = {}}, {})) == StoreProblem::Range);
  auto body = store.get(key, {.offset = 3, .size = 4, .if_match = {}}, {});
  REQUIRE(body);
  CHECK(body->info.size == 10);
  CHECK(body->bytes->size_hint() == 4);
}

template <io::ObjectStore S>
void tells_changes(const S& store, const std::string& at) {
  const std::string key = at + "changes";
  const std::string before = put(store, key, "old").etag;
  CHECK(get(store, key, {.offset = 1, .size = {}, .if_match = before}) == "ld");
  const std::string after = put(store, key, "new").etag;
  CHECK(before != after);
  CHECK(code_of(store.get(key, {.offset = 0, .size = {}, .if_match = before}, {})) == StoreProblem::Changed);
  CHECK(get(store, key, {.offset = 0, .size = {}, .if_match = after}) == "new");
}

template <io::ObjectStore S>
void does_not_replace_if_told(const S& store, const std::string& at) {
  const std::string key = at + "once";
  put(store, key, "first", {.sha256 = {}, .if_none_match = true});
  const auto second = store.put(key, "second", {.sha256 = {}, .if_none_match = true}, {});
  CHECK(code_of(second) == StoreProblem::Exists);
  CHECK(code_of(second) == std::errc::file_exists);
  CHECK(get(store, key) == "first");

  // Of several at once, one wins.
  const std::string raced = at + "raced";
  constexpr std::size_t threads = 4;
  std::vector<etl::Result<io::ObjectInfo>> made(threads, etl::Result<io::ObjectInfo>(etl::failure(etl::Error{})));
  {
    std::vector<std::jthread> all;
    for (std::size_t i = 0; i < threads; ++i)
      all.emplace_back([&, i] { made[i] = store.put(raced, std::string(i + 1, 'x'), {.if_none_match = true}, {}); });
  }
  std::size_t winners = 0;
  for (std::size_t i = 0; i < threads; ++i) {
    if (!made[i]) {
      CHECK(made[i].error().code == StoreProblem::Exists);
      continue;
    }
    ++winners;
    CHECK(get(store, raced) == std::string(i + 1, 'x'));
  }
  CHECK(winners == 1);
}

template <io::ObjectStore S>
void checks_digests(const S& store, const std::string& at) {
  const std::string key = at + "digest";
  std::string right = io::digest(io::DigestKind::Sha256, "bytes");
  CHECK(code_of(store.put(key, "other", {.sha256 = right}, {})) == StoreProblem::Digest);
  CHECK(code_of(store.head(key, {})) == StoreProblem::Missing);
  for (char& c : right)
    if (c >= 'a' && c <= 'f') c = static_cast<char>(c - 'a' + 'A');
  put(store, key, "bytes", {.sha256 = right});
  CHECK(get(store, key) == "bytes");
}

template <io::ObjectStore S>
void takes_odd_keys(const S& store, const std::string& at) {
  for (const std::string name : {"with space",
                                 "plus+plus",
                                 "100%",
                                 "%2F",
                                 "a&b=c",
                                 "what?",
                                 "#1",
                                 "~tilde",
                                 "star*",
                                 "(parens)",
                                 "it's",
                                 "\"quoted\"",
                                 "semi;colon:",
                                 "at@",
                                 "$dollar",
                                 "back\\slash",
                                 "<tag>&amp;",
                                 "[list]",
                                 "{a,b}",
                                 "tab\there",
                                 "line\nbreak",
                                 "\xC3\xBC"
                                 "mlaut/\xE6\xBC\xA2\xE5\xAD\x97.csv",
                                 "...",
                                 "a..b/..c",
                                 ".hidden",
                                 "|pipe^`"}) {
    const std::string key = at + name;
    CAPTURE(key);
    put(store, key, name);
    CHECK(get(store, key) == name);
    CHECK(store.head(key, {}));
    CHECK(keys(store, key) == std::vector{key});
    const io::AnyObjectStore any = store;
    const std::string copy = at + "copies/" + name;
    if (const auto copied = any.copy(key, copy); copied) {
      CHECK(get(store, copy) == name);
      CHECK(store.remove(copy, {}));
      CHECK(code_of(any.copy(at + "none", copy)) == StoreProblem::Missing);
    } else {
      CHECK(code_of(copied) == std::errc::operation_not_supported);  // not every store can do it
    }
    CHECK(get(store, key) == name);
    CHECK(store.remove(key, {}));
    CHECK(keys(store, key).empty());
  }
}

template <io::ObjectStore S>
void lists_pages_in_order(const S& store, const std::string& at) {
  CHECK(keys(store, at + "none/").empty());
  const std::vector<std::string> names = {"2023/a", "2024-x", "2024.y", "2024/01/a", "2024/01/b", "2024/02/c", "2024x"};
  for (std::size_t i = names.size(); i-- > 0;) put(store, at + names[i], std::string(i, 'x'));
  const auto some = [&](std::size_t first, std::size_t end) {
    std::vector<std::string> expected;
    for (; first < end; ++first) expected.push_back(at + names[first]);
    return expected;
  };
  for (const std::size_t most : {1U, 2U, 3U, 7U, 1000U}) {
    CAPTURE(most);
    CHECK(keys(store, at, most) == some(0, 7));
    CHECK(keys(store, at + "2024", most) == some(1, 7));
    CHECK(keys(store, at + "2024/", most) == some(3, 6));
    CHECK(keys(store, at + "2024/01/b", most) == some(4, 5));
  }
  const auto page = store.list({.prefix = at + "2024/01/b", .next = {}, .most = 10}, {});
  REQUIRE(page);
  REQUIRE(page->objects.size() == 1);
  const auto head = store.head(at + names[4], {});
  REQUIRE(head);
  CHECK(page->objects[0].size == 4);
  CHECK(page->objects[0].etag == head->etag);
}

template <io::ObjectStore S>
void takes_parts(const S& store, const std::string& at) {
  const std::string key = at + "parts";
  auto upload = store.begin_upload(key, {}, {});
  REQUIRE(upload);
  const std::string one = bytes_of(part_size, 1), two = bytes_of(part_size + 3, 2), three = "the end";
  const auto part3 = store.put_part(*upload, 3, three, {});
  REQUIRE(store.put_part(*upload, 1, two, {}));  // and again
  const auto part1 = store.put_part(*upload, 1, one, {});
  const auto part2 = store.put_part(*upload, 2, two, {});
  REQUIRE((part1 && part2 && part3));
  CHECK(code_of(store.head(key, {})) == StoreProblem::Missing);
  const auto listed = store.uploads({.prefix = key}, {});
  REQUIRE(listed);
  REQUIRE(listed->uploads.size() == 1);
  CHECK(listed->uploads[0].key == key);
  CHECK(listed->uploads[0].id == upload->id);

  CHECK(code_of(store.complete_upload(*upload, std::vector{*part1, io::UploadedPart{7, part2->etag}}, {}, {})) ==
        StoreProblem::Part);
  const auto made = store.complete_upload(*upload, std::vector{*part1, *part2, *part3}, {}, {});
  REQUIRE((made ? "" : made.error().message()) == std::string());
  CHECK(made->size == one.size() + two.size() + three.size());
  CHECK((get(store, key) == one + two + three));
  CHECK(store.uploads({.prefix = key}, {})->uploads.empty());
  CHECK(store.abort_upload(*upload, {}));
  CHECK(store.head(key, {}));
}

template <io::ObjectStore S>
void aborts_uploads(const S& store, const std::string& at) {
  const std::string key = at + "aborted";
  auto upload = store.begin_upload(key, {}, {});
  REQUIRE(upload);
  const auto part = store.put_part(*upload, 1, "part", {});
  REQUIRE(part);
  REQUIRE(store.abort_upload(*upload, {}));
  CHECK(store.uploads({.prefix = at}, {})->uploads.empty());
  CHECK(code_of(store.put_part(*upload, 2, "part", {})) == StoreProblem::Missing);
  CHECK_FALSE(store.complete_upload(*upload, std::vector{*part}, {}, {}));
  CHECK(code_of(store.head(key, {})) == StoreProblem::Missing);
  CHECK(store.abort_upload(*upload, {}));

  for (int i = 0; i < 3; ++i) REQUIRE(store.begin_upload(key, {}, {}));
  const auto first = store.uploads({.prefix = at, .next = {}, .most = 2}, {});
  REQUIRE(first);
  CHECK(first->uploads.size() == 2);
  const auto rest = store.uploads({.prefix = at, .next = first->next, .most = 2}, {});
  REQUIRE(rest);
  CHECK(rest->uploads.size() == 1);
  CHECK(rest->next.empty());
  const auto now = std::chrono::system_clock::now();
  CHECK(io::abort_old_uploads(store, at, now - std::chrono::hours(1)).value() == 0);
  CHECK(io::abort_old_uploads(store, at, now + std::chrono::hours(1)).value() == 3);
  CHECK(store.uploads({.prefix = at}, {})->uploads.empty());

  const std::string odd = at + "date=2024-01-01/a b+\xC3\xA9%20.csv";
  REQUIRE(store.begin_upload(odd, {}, {}));
  const auto of_odd = store.uploads({.prefix = at}, {});
  REQUIRE(of_odd);
  REQUIRE(of_odd->uploads.size() == 1);
  CHECK(of_odd->uploads[0].key == odd);
  CHECK(io::abort_old_uploads(store, at, now + std::chrono::hours(1)).value() == 1);
  CHECK(store.uploads({.prefix = at}, {})->uploads.empty());
}

template <io::ObjectStore S>
void streams(const S& store, const std::string& at) {
  const std::string key = at + "streamed";
  const std::string bytes = bytes_of(2 * part_size + 12345);
  const auto write = [&](const std::string& all, io::WriteOptions options, bool finish) -> etl::Result<void> {
    options.part_size = part_size;
    options.parallel = 2;
    const io::Sink sink = io::create_object(store, key, options);
    constexpr std::size_t step = 700'001;
    for (std::size_t i = 0; i < all.size(); i += step)
      if (auto done = sink->write(std::string_view(all).substr(i, step)); !done) return done;
    return finish ? sink->finish() : etl::Result<void>();
  };
  const auto read = [&](std::uint64_t offset) {
    auto opened = io::open_object(store, key, {.offset = offset});
    REQUIRE(opened);
    CHECK(opened->info.size == bytes.size());
    return io::read_all(*opened->bytes).value();
  };
  const std::string sha256 = io::digest(io::DigestKind::Sha256, bytes);

  REQUIRE(write(bytes, {}, false));  // and nobody finishes it
  CHECK(code_of(write(bytes, {.put = {.sha256 = std::string(64, '0')}}, true)) == StoreProblem::Digest);
  CHECK(code_of(write("small", {.put = {.sha256 = sha256}}, true)) == StoreProblem::Digest);
  CHECK(code_of(store.head(key, {})) == StoreProblem::Missing);
  CHECK(store.uploads({.prefix = at}, {})->uploads.empty());

  const auto done = write(bytes, {.put = {.sha256 = sha256}}, true);
  REQUIRE((done ? "" : done.error().message()) == std::string());
  CHECK((read(0) == bytes));
  CHECK((read(part_size + 7) == bytes.substr(part_size + 7)));
  CHECK(code_of(write("small", {.put = {.if_none_match = true}}, true)) == StoreProblem::Exists);
  CHECK(code_of(write(bytes, {.put = {.if_none_match = true}}, true)) == StoreProblem::Exists);
  REQUIRE(write("small", {}, true));
  CHECK(get(store, key) == "small");
}

template <io::ObjectStore S>
void stops(const S& store, const std::string& at) {
  std::stop_source stop;
  stop.request_stop();
  CHECK(code_of(store.put(at + "stopped", "x", {}, stop.get_token())) == std::errc::operation_canceled);
  CHECK(code_of(store.head(at + "stopped", {})) == StoreProblem::Missing);
  put(store, at + "read", "x");
  auto opened = io::open_object(store, at + "read");
  REQUIRE(opened);
}

}  // namespace store_suite

/// A part of the suite.
template <etl::io::ObjectStore S>
struct StoreCheck {
  const char* name;
  void (*run)(const S&, const std::string& prefix);
};
/// All of them.
template <etl::io::ObjectStore S>
std::vector<StoreCheck<S>> store_checks() {
  return {{"keeps what is put", store_suite::keeps_what_is_put<S>},
          {"gives ranges", store_suite::gives_ranges<S>},
          {"tells changes", store_suite::tells_changes<S>},
          {"does not replace if told", store_suite::does_not_replace_if_told<S>},
          {"checks digests", store_suite::checks_digests<S>},
          {"takes odd keys", store_suite::takes_odd_keys<S>},
          {"lists pages in order", store_suite::lists_pages_in_order<S>},
          {"takes parts", store_suite::takes_parts<S>},
          {"aborts uploads", store_suite::aborts_uploads<S>},
          {"streams", store_suite::streams<S>},
          {"stops", store_suite::stops<S>}};
}

}  // namespace test

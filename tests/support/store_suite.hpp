#pragma once
/// What every transactional store promises, as test cases: checkpoints, claims, settled ranges, transactions, dead
/// letters.
///
/// Include this once in a test program, after its `Fixture` and `STORE`, the beginning of the names of the cases. A
/// Fixture is an empty store with a table rows(id, name) and has
///
///     using Tx                     // of the store
///     static constexpr bool keeps_ranges  // settled ranges are rows of a table etl_settled
///     pipeline_p, twice            // parts of the message of items that are settled already
///     store                        // std::shared_ptr to the store
///     db()                         // another connection, for test::count and test::value
///     again(), reader()            // the same store, opened once more; the latter only to read
///     insert(Tx&, id, name)        // writes a row
///     names()                      // the names in the order of their ids, joined
///     refuse_letters()             // from now on the table of dead letters refuses a letter with the id "a"

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <etl/delivery/transactional_store.hpp>

#include "support/catch.hpp"

namespace {

namespace store_suite {

using namespace std::chrono_literals;
using namespace std::string_literals;
using etl::Checkpoint;
using etl::DeadLetter;
using etl::ErrorClass;
using etl::PartitionProgress;
using etl::Position;
using etl::SeqRange;
using etl::SeqRanges;
using etl::SettledRange;
using test::count;
using test::error_of;
using test::has;
using test::lacks;
using test::ok;
using test::value;

using Session = std::unique_ptr<etl::StoreSession<Fixture::Tx>>;

inline SeqRanges ranges(std::initializer_list<SeqRange> all) {
  SeqRanges made;
  for (const SeqRange one : all) made.add(one);
  return made;
}

/// What is committed with a batch.
struct Progress {
  std::vector<SettledRange> settled{};
  std::vector<PartitionProgress> advanced{};
  std::vector<DeadLetter> letters{};
  std::string run{};
};
inline etl::Result<void> record(const Session& session, const Progress& progress, const std::string& pipeline = "p") {
  return session->record({.pipeline = pipeline,
                          .settled = progress.settled,
                          .advanced = progress.advanced,
                          .dead_letters = progress.letters,
                          .run = progress.run});
}
inline void commit(const Session& session, const Progress& progress, const std::string& pipeline = "p") {
  ok(session->begin());
  ok(record(session, progress, pipeline));
  ok(session->commit());
}

/// Items that another run has settled already.
inline void refuse(const Session& session, SettledRange twice) {
  ok(session->begin());
  const etl::Error e = error_of(record(session, {.settled = {twice}}));
  CHECK(e.error_class == ErrorClass::Fatal);
  CHECK(lacks(e.message(), {Fixture::pipeline_p, Fixture::twice}).empty());
  session->rollback();
}

inline DeadLetter letter(std::string id, std::uint64_t seq = 0, std::uint32_t partition = 0) {
  return {.id = std::move(id), .pipeline = "p", .run = "r", .partition = partition, .seq = seq};
}
template <class Store>
std::string ids(Store& store, const std::string& pipeline = "") {
  std::string all;
  ok(store.list(pipeline, [&](const DeadLetter& one) {
    all += one.id + ' ';
    return true;
  }));
  return all;
}
template <class Store>
std::vector<DeadLetter> letters(Store& store, const std::string& pipeline = "") {
  std::vector<DeadLetter> found;
  ok(store.list(pipeline, [&](const DeadLetter& one) { return found.push_back(one), true; }));
  return found;
}

}  // namespace store_suite

using namespace store_suite;

// --- checkpoints

TEST_CASE(STORE "G13 a checkpoint comes back as it was saved, by another connection, and none is nothing") {
  Fixture f;
  CHECK(!ok(f.store->find("p")));
  Checkpoint saved{.fingerprint = "v1 \"x\"\n",
                   .batch_size = 1000,
                   .partitions = {{.partition = 0, .watermark = 10, .position = Position("10:a"), .position_seq = 9},
                                  {.partition = 2,
                                   .watermark = 5,
                                   .gaps = ranges({{7, 9}, {20, 30}}),
                                   .ends = {15, 2'000'000'000'000},
                                   .id = "b",
                                   .fingerprint = "f"}}};
  const Checkpoint other{.fingerprint = "o", .finished = true};
  ok(f.store->save("p", saved));
  ok(f.store->save("o", other));
  const auto again = f.again();
  CHECK(ok(again->find("p")) == saved);
  CHECK(ok(again->find("o")) == other);

  saved.partitions.erase(saved.partitions.begin());  // it is replaced as a whole
  saved.partitions[0].gaps = {};
  ok(again->save("p", saved));
  CHECK(ok(f.store->find("p")) == saved);

  ok(f.store->reset("p"));
  ok(f.store->reset("p"));
  CHECK(!ok(again->find("p")));
  CHECK(ok(again->find("o")) == other);
}

TEST_CASE(STORE "G13 a checkpoint comes back whatever bytes it has") {
  Fixture f;
  const std::string name = "p'\\\xff\n";
  Checkpoint saved{.fingerprint = "v1 \"x\"\n'\\n\\\\",
                   .batch_size = std::uint64_t{1} << 63U,
                   .partitions = {{.partition = 0, .watermark = 10, .position = Position("a\0b\xff\\x41\n"s)},
                                  {.partition = 4'000'000'000U,
                                   .watermark = 5,
                                   .gaps = ranges({{7, 9}, {20, 30}}),
                                   .id = "a\0'b\xff"s,
                                   .fingerprint = "\\f"}}};
  const Checkpoint other{.fingerprint = "o", .finished = true};
  ok(f.store->save(name, saved));
  ok(f.store->save("o", other));
  const auto again = f.again();
  CHECK(ok(again->find(name)) == saved);
  saved.partitions.erase(saved.partitions.begin());
  ok(again->save(name, saved));
  CHECK(ok(f.store->find(name)) == saved);
  ok(f.store->reset(name));
  CHECK(!ok(again->find(name)));
  CHECK(ok(again->find("o")) == other);
}

TEST_CASE(STORE "progress without a checkpoint is not taken for none") {
  Fixture f;
  commit(ok(f.store->connect()), {.settled = {{0, {0, 10}}}});
  const auto found = ok(f.store->find("p"));
  REQUIRE(found);
  CHECK(found->fingerprint.empty());  // which no pipeline has: the run stops there
  CHECK(found->partitions[0].watermark == 10);
  ok(f.store->reset("p"));
  CHECK(!ok(f.store->find("p")));
}

// --- settled ranges

TEST_CASE(STORE "G14 settled ranges are merged into watermark and gaps") {
  Fixture f;
  ok(f.store->save("p", {.fingerprint = "f"}));
  const Session session = ok(f.store->connect());
  commit(session, {.settled = {{1, {5, 6}}, {0, {10, 20}}}});
  commit(session, {.settled = {{0, {30, 40}}}});
  commit(session, {.settled = {{0, {20, 25}}, {1, {0, 5}}}});
  const Checkpoint found = ok(f.store->find("p")).value();
  REQUIRE(found.partitions.size() == 2);
  CHECK(found.fingerprint == "f");
  CHECK(found.partitions[0] == PartitionProgress{.partition = 0, .gaps = ranges({{10, 25}, {30, 40}})});
  CHECK(found.partitions[1] == PartitionProgress{.partition = 1, .watermark = 6});

  commit(session, {.settled = {{0, {0, 10}}}});
  refuse(session, {0, {0, 3}});  // once more, a part of it
  CHECK(ok(f.store->find("p"))->partitions[0] ==
        PartitionProgress{.partition = 0, .watermark = 25, .gaps = ranges({{30, 40}})});
}

TEST_CASE(STORE "a position follows the watermark that settled ranges have reached") {
  Fixture f;
  const Session session = ok(f.store->connect());
  const auto stored = [&] { return ok(f.store->find("p"))->partitions.at(0); };
  commit(session, {.settled = {{0, {0, 25}}, {0, {30, 40}}}});
  commit(session, {.advanced = {{.watermark = 20, .position = Position("b"), .position_seq = 18}}});
  const PartitionProgress first{
      .watermark = 25, .position = Position("b"), .position_seq = 18, .gaps = ranges({{30, 40}})};
  CHECK(stored() == first);
  commit(session, {.advanced = {{.watermark = 10, .position = Position("a"), .position_seq = 9}}});
  CHECK(stored() == first);
  commit(session, {.advanced = {{.watermark = 20, .position = Position("c"), .position_seq = 18}}});
  CHECK(stored().position == Position("c"));
  commit(session, {.advanced = {{.watermark = 32}}});  // within a settled range
  CHECK(stored() == PartitionProgress{.watermark = 40, .position = Position("c"), .position_seq = 18});
}

TEST_CASE(STORE "a watermark only rises, and takes its position along, what lies below is forgotten") {
  Fixture f;
  ok(f.store->save("p", {}));
  const Session session = ok(f.store->connect());
  const auto stored = [&] { return ok(f.store->find("p"))->partitions.at(0); };
  commit(session, {.settled = {{0, {0, 10}}, {0, {10, 20}}, {0, {30, 35}}}});
  if constexpr (Fixture::keeps_ranges) CHECK(count(f.db(), "etl_settled") == 3);
  commit(session, {.advanced = {{.watermark = 20, .position = Position("b"), .position_seq = 18}}});
  if constexpr (Fixture::keeps_ranges) CHECK(count(f.db(), "etl_settled") == 1);
  const PartitionProgress first{
      .watermark = 20, .position = Position("b"), .position_seq = 18, .gaps = ranges({{30, 35}})};
  CHECK(stored() == first);
  commit(session, {.advanced = {{.watermark = 10, .position = Position("a"), .position_seq = 9}}});
  CHECK(stored() == first);
  // The source marked a place without extracting more.
  commit(session, {.advanced = {{.watermark = 20, .position = Position("c"), .position_seq = 20}}});
  CHECK(stored().position == Position("c"));
  commit(session, {.advanced = {{.watermark = 20, .position = Position("d"), .position_seq = 20}}});
  CHECK(stored().position == Position("d"));
  // A range that the watermark passes through stays: what is above it is settled too.
  commit(session, {.advanced = {{.watermark = 32}}});
  CHECK(stored() == PartitionProgress{.watermark = 35, .position = Position("d"), .position_seq = 20});
}

TEST_CASE(STORE "batches in order extend the watermark, and its position follows") {
  Fixture f;
  const Session session = ok(f.store->connect());
  const auto stored = [&] { return ok(f.store->find("p"))->partitions.at(0); };
  commit(session, {.settled = {{0, {0, 10}}}});
  commit(session, {.settled = {{0, {10, 20}}}, .advanced = {{.watermark = 10}}});
  commit(session, {.settled = {{0, {20, 30}}, {0, {50, 60}}, {1, {30, 40}}}});
  if constexpr (Fixture::keeps_ranges)
    CHECK(value(f.db(), "SELECT group_concat(partition || ':' || first_seq) FROM etl_settled") == "0:50,1:30");
  CHECK(stored().watermark == 30);
  commit(session, {.advanced = {{.watermark = 20, .position = Position("at 20"), .position_seq = 20}}});
  CHECK(stored() ==
        PartitionProgress{
            .watermark = 30, .position = Position("at 20"), .position_seq = 20, .gaps = ranges({{50, 60}})});
  refuse(session, {0, {20, 25}});  // once more
  refuse(session, {0, {40, 55}});
  CHECK(stored().watermark == 30);
  commit(session, {.settled = {{0, {30, 50}}}});
  CHECK(stored().watermark == 60);
}

TEST_CASE(STORE "whether items are settled") {
  Fixture f;
  const Session session = ok(f.store->connect());
  const auto settled = [&](std::uint32_t partition, std::uint64_t first, std::uint64_t end) {
    return ok(session->is_settled("p", {partition, {first, end}}));
  };
  CHECK(!settled(0, 0, 1));
  commit(session, {.settled = {{0, {20, 30}}, {0, {35, 40}}}, .advanced = {{.watermark = 10}}});
  for (const SeqRange yes : {SeqRange{0, 10}, {3, 5}, {20, 30}, {36, 40}}) CHECK(settled(0, yes.first, yes.end));
  for (const SeqRange no : {SeqRange{9, 11}, {20, 31}, {20, 36}, {15, 21}}) CHECK(!settled(0, no.first, no.end));
  CHECK(!settled(1, 0, 1));
  CHECK(!ok(session->is_settled("q", {0, {0, 1}})));

  // Each item is settled once.
  for (const SeqRange again : {SeqRange{0, 1}, {9, 12}, {15, 21}, {29, 31}, {10, 50}}) refuse(session, {0, again});
  commit(session, {.settled = {{0, {30, 35}}, {0, {10, 20}}}});
  CHECK(settled(0, 0, 40));
}

// --- claims

TEST_CASE(STORE "G15 a claim supersedes the run before it, of its pipeline only") {
  Fixture f;
  ok(f.store->save("p", {.fingerprint = "f", .run = "first"}));
  ok(f.store->save("q", {.fingerprint = "f", .run = "other"}));
  const Session session = ok(f.store->connect());
  commit(session, {.settled = {{0, {0, 10}}}, .run = "first"});
  const auto claimed = ok(f.again()->claim("p", "second"));
  REQUIRE(claimed);
  CHECK(claimed->run == "second");
  CHECK(claimed->partitions.at(0).watermark == 10);

  ok(session->begin());
  f.insert(session->transaction(), 1, "late");
  const etl::Error e =
      error_of(record(session, {.settled = {{0, {10, 20}}}, .letters = {letter("late")}, .run = "first"}));
  CHECK(e.code == etl::Errc::Superseded);
  CHECK(e.error_class == ErrorClass::Fatal);
  session->rollback();
  CHECK(error_of(f.store->save("p", {.fingerprint = "f", .run = "first"})).code == etl::Errc::Superseded);
  CHECK(ok(f.store->find("p"))->partitions.at(0).watermark == 10);
  CHECK(ids(*f.store).empty());
  CHECK(count(f.db(), "rows") == 0);

  commit(session, {.settled = {{0, {10, 20}}}, .run = "second"});
  commit(session, {.settled = {{0, {0, 1}}}, .run = "other"}, "q");
  CHECK(ok(f.store->find("p"))->partitions.at(0).watermark == 20);
}

// --- transactions

TEST_CASE(STORE "G15 rows, dead letters and progress are committed together or not at all") {
  Fixture f;
  ok(f.store->save("p", {}));
  const Session session = ok(f.store->connect());
  const Progress progress{.settled = {{0, {0, 2}}}, .advanced = {{.watermark = 2}}, .letters = {letter("x")}};
  const auto batch = [&] {
    ok(session->begin());
    f.insert(session->transaction(), 1, "a");
    f.insert(session->transaction(), 2, "b");
    ok(record(session, progress));
  };
  const auto stored = [&] {
    return count(f.db(), "rows") + count(f.db(), "etl_partitions") + count(f.db(), "etl_dead_letters");
  };
  batch();
  CHECK(stored() == 0);
  session->rollback();
  session->rollback();  // once more does no harm
  CHECK(stored() == 0);
  batch();
  ok(session->commit());
  CHECK(stored() == 4);
  {
    const Session gone = ok(f.store->connect());
    ok(gone->begin());
    ok(gone->transaction().execute("DELETE FROM rows"));
    CHECK(count(f.db(), "rows") == 2);
  }
  CHECK(count(f.db(), "rows") == 2);
  // Without a transaction nothing is done.
  CHECK_FALSE(session->transaction().active());
  CHECK_FALSE(session->transaction().execute("DELETE FROM rows"));
  CHECK_FALSE(session->savepoint());
  CHECK_FALSE(session->rollback_to_savepoint());
  CHECK_FALSE(record(session, progress));
  CHECK_FALSE(session->commit());
  CHECK(stored() == 4);
}

TEST_CASE(STORE "what was done since the mark is undone, again and again") {
  Fixture f;
  const Session session = ok(f.store->connect());
  auto& tx = session->transaction();
  ok(session->begin());
  f.insert(tx, 1, "a");
  ok(session->savepoint());
  f.insert(tx, 2, "b");
  ok(session->rollback_to_savepoint());
  f.insert(tx, 3, "c");
  ok(session->rollback_to_savepoint());
  f.insert(tx, 4, "d");
  ok(session->savepoint());  // takes the place of the earlier
  f.insert(tx, 5, "e");
  ok(session->rollback_to_savepoint());
  ok(session->commit());
  CHECK(f.names() == "ad");

  ok(session->begin());  // marks do not outlive their transaction
  CHECK(error_of(session->rollback_to_savepoint()).error_class == ErrorClass::Fatal);
  session->rollback();
  ok(session->begin());
  ok(session->savepoint());
  session->rollback();
  CHECK(error_of(session->savepoint()).error_class == ErrorClass::Fatal);  // SQLite would begin a transaction
}

TEST_CASE(STORE "what its own tables refuse is no fault of a row") {
  Fixture f;
  f.refuse_letters();
  ok(f.store->save("p", {.fingerprint = "f"}));
  const Session session = ok(f.store->connect());
  ok(session->begin());
  CHECK(error_of(record(session, {.letters = {letter("a")}})).error_class == ErrorClass::Fatal);
  session->rollback();
  CHECK(error_of(f.store->write(std::vector{letter("a")})).error_class == ErrorClass::Fatal);
}

// --- dead letters

TEST_CASE(STORE "G7 dead letters come back as they were written") {
  Fixture f;
  const DeadLetter full{.id = "i1",
                        .pipeline = "p",
                        .run = "run-7",
                        .partition = 3,
                        .seq = 1ULL << 40,
                        .batch = 1ULL << 33,
                        .position = Position("byte 12"),
                        .stage = etl::Stage::Load,
                        .attempts = 4,
                        .errors = {"C:\\new\nline", "", "\\n", "caused by ü"},
                        .time = std::chrono::system_clock::time_point(1'700'000'000'123'456us),
                        .payload = std::string("a\0\xff\n", 4),
                        .results = 1ULL << 35,
                        .loaded = ranges({{0, 1}, {3, 1ULL << 34}, {(1ULL << 34) + 5, 1ULL << 35}}),
                        .replays = 3};
  const DeadLetter bare{.id = "i2", .pipeline = "q"};
  DeadLetter empty{.id = "i3", .pipeline = "q", .seq = 1, .errors = {""}, .payload = ""};
  ok(f.store->write(std::vector{bare, empty, full}));
  CHECK(letters(*f.reader()) == std::vector{full, bare, empty});

  empty.attempts = 2;
  empty.payload.reset();
  ok(f.store->write(std::vector{empty}));  // takes the place of the one with its id
  CHECK(letters(*f.store, "q") == std::vector{bare, empty});
  for (const auto stage :
       {etl::Stage::Configure, etl::Stage::PreProcess, etl::Stage::Worker, etl::Stage::Extract, etl::Stage::Transform,
        etl::Stage::DeadLetter, etl::Stage::Checkpoint, etl::Stage::PostProcess, etl::Stage::Manage}) {
    empty.stage = stage;
    ok(f.store->write(std::vector{empty}));
    CHECK(letters(*f.store, "q") == std::vector{bare, empty});
  }
}

TEST_CASE(STORE "G7 dead letters come back whatever bytes they have") {
  Fixture f;
  const DeadLetter full{.id = "i1'",
                        .pipeline = "p\\",
                        .run = "run-7\xff",
                        .partition = 3,
                        .seq = 1ULL << 40,
                        .batch = 1ULL << 33,
                        .position = Position("byte 12\0"s),
                        .stage = etl::Stage::Load,
                        .attempts = 4,
                        .errors = {"C:\\new\nline", "", "\\n", "caused by \xc3\xbc \xff{},\"'", "\\x41"},
                        .time = std::chrono::system_clock::time_point(1'700'000'000'123'456us),
                        .payload = "a\0\xff\n'\\"s};
  const DeadLetter bare{.id = "i2", .pipeline = "q"};
  const DeadLetter odd{.id = "i3", .pipeline = "q", .seq = 1, .errors = {""}, .time = bare.time - 1us, .payload = ""};
  ok(f.store->write(std::vector{bare, odd, full}));
  CHECK(letters(*f.reader()) == std::vector{full, bare, odd});
}

TEST_CASE(STORE "dead letters are listed by partition and seq, until it is enough, and purged by id") {
  Fixture f;
  DeadLetter other = letter("other");
  other.pipeline = "o";
  ok(f.store->write(std::vector{letter("c", 3), letter("d", 1, 1), other, letter("a", 1), letter("b", 2)}));
  CHECK(ids(*f.store) == "other a b c d ");
  CHECK(ids(*f.store, "p") == "a b c d ");
  CHECK(ids(*f.store, "none").empty());
  int seen = 0;
  ok(f.store->list("p", [&](const DeadLetter&) { return ++seen < 2; }));
  CHECK(seen == 2);
  CHECK_THROWS_AS(f.store->list("p", [](const DeadLetter&) -> bool { throw 1; }), int);

  CHECK(ok(f.store->purge(std::vector<std::string>{"a", "none", "d", "a"})) == 2);
  CHECK(ok(f.store->purge({})) == 0);
  CHECK(ids(*f.store) == "other b c ");
  ok(f.store->save("p", {}));
  ok(f.store->reset("p"));
  CHECK(ids(*f.store, "p") == "b c ");

  // More than a page of them.
  std::vector<DeadLetter> many;
  for (std::uint64_t i = 0; i < 501; ++i) many.push_back(letter("m" + std::to_string(i), i, 7));
  ok(f.store->write(many));
  std::uint64_t next = 0;
  for (const DeadLetter& one : letters(*f.store, "p"))
    if (one.partition == 7) CHECK(one.seq == next++);
  CHECK(next == 501);
}

TEST_CASE(STORE "G15 a row that one of two tables refuses ends a load that writes both with its context") {
  Fixture f;
  ok(f.db().execute("CREATE TABLE names(name text NOT NULL)"));
  const auto names = table<Row>("names", column("name", &Row::name));
  const auto session = ok(f.store->connect());
  auto& tx = session->transaction();
  const std::vector<Row> good{{1, "a"}, {2, "b"}}, bad{{3, "c"}, {4, ""}};
  const std::optional<Position> nowhere;
  const std::stop_token stop;
  for (const bool first : {true, false}) {
    const auto both = [&](const std::vector<Row>& batch) {
      etl::BatchContext context({.position = &nowhere, .stop = &stop, .size = 2});
      ok(session->begin());
      ok(first ? tx.write(rows, batch, context) : tx.write(names, batch, context));
      auto second = first ? tx.write(names, batch, context) : tx.write(rows, batch, context);
      session->rollback();
      return second;
    };
    CHECK(both(good).has_value());
    const auto error = error_of(both(bad));
    CHECK(error.error_class == ErrorClass::Fatal);
    CHECK(error.context.find("without the context") != std::string::npos);
  }
  // Each call of `load` has a context of its own, and several may be in one transaction.
  ok(session->begin());
  for (const std::vector<Row>& batch : {good, bad}) {
    etl::BatchContext context({.position = &nowhere, .stop = &stop, .size = 2});
    ok(tx.write(rows, batch, context));
    CHECK(context.rejects().size() == (batch[1].name.empty() ? 1 : 0));
  }
  session->rollback();
}

}  // namespace

#pragma once
/// Checks that a store keeps the contract (contract G7, G14, G15, G17).

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <etl/config.hpp>
#include <etl/delivery/checkpoint.hpp>
#include <etl/delivery/dead_letter.hpp>
#include <etl/delivery/transactional_store.hpp>
#include <etl/error.hpp>

namespace etl::inline v0::testing {
namespace detail {

inline void require(bool holds, const std::string& promise) {
  if (!holds) throw std::runtime_error("conformance: " + promise);
}
template <class T>
[[nodiscard]] T value_of(Result<T> result, const std::string& doing) {
  if (!result) throw std::runtime_error("conformance: " + doing + " failed: " + result.error().message());
  return std::move(*result);
}
inline void done(const Result<void>& result, const std::string& doing) {
  if (!result) throw std::runtime_error("conformance: " + doing + " failed: " + result.error().message());
}

/// After another run has taken over, a run writes nothing more. `first` owns the pipeline.
template <class Tx, class Write, class Rows>
void check_fence(TransactionalStore<Tx>& store, const std::string& name, const std::string& first, Write& write,
                 Rows& rows) {
  const std::string second = "second";
  const SettledRange range{7, {0, 5}};
  const std::size_t before = rows();
  const auto commit = [&](StoreSession<Tx>& session, const std::string& run) -> Result<void> {
    done(session.begin(), "begin");
    write(session.transaction());
    auto recorded = session.record({name, std::span(&range, 1), {}, {}, {}, run});
    if (recorded) recorded = session.commit();
    session.rollback();
    return recorded;
  };
  const auto refused = [](const Result<void>& result) { return !result && result.error().code == Errc::Superseded; };
  {
    const auto session = value_of(store.connect(), "connect");
    auto found = value_of(store.find(name), "find");
    found->run = second;
    require(refused(store.save(name, *found)),
            "before another run claims the checkpoint, only its own run may save it");
    require(value_of(store.claim(name, second), "claim") == found, "claim returns the checkpoint, with the new run");
    require(refused(commit(*session, first)), "a run is refused after another run has taken over (Errc::Superseded)");
    require(rows() == before, "a refused run stores no rows");
    found->run = first;
    require(refused(store.save(name, *found)), "a refused run saves no checkpoint");
    done(commit(*session, second), "a commit of the run that has taken over");
    require(rows() == before + 1, "the run that has taken over stores its rows");
  }
  done(store.reset(name), "reset");
  const auto session = value_of(store.connect(), "connect");
  require(refused(commit(*session, second)), "a run is refused after its progress was reset");
}

}  // namespace detail

/// Checks a checkpoint store. Throws `std::runtime_error` that names the first broken promise. Uses the pipeline names
/// "conformance" and "conformance, another", and resets them at the end.
inline void check_checkpoint_store(CheckpointStore& store) {
  using detail::done, detail::require, detail::value_of;
  const std::string name = "conformance", other = "conformance, another";
  for (const std::string& n : {name, other}) done(store.reset(n), "reset of a pipeline that was never saved");
  require(!value_of(store.find(name), "find"), "find returns nothing for a pipeline that was never saved");

  Checkpoint checkpoint{.fingerprint = "two\nlines, \"quotes\" and \xC3\xA4", .batch_size = 500};
  checkpoint.run = "first";
  require(!value_of(store.claim(name, "first"), "claim"), "claim returns nothing if find returns nothing");
  PartitionProgress p{.partition = 0, .watermark = 10, .position = Position("a place"), .position_seq = 8};
  p.gaps.add({12, 15});
  p.gaps.add({20, 1'000'000'000'000});
  p.ends = {15, 2'000'000'000'000};
  p.id = "a/path with \"quotes\",\nlines \\ and \xFF bytes";
  p.fingerprint = "of a/path \\n'";
  checkpoint.partitions = {p, {.partition = 2, .watermark = 0, .id = "other"}, {.partition = 4'000'000'000U}};
  done(store.save(name, checkpoint), "save");
  require(value_of(store.find(name), "find") == checkpoint, "find returns what was saved");
  require(!value_of(store.find(other), "find"), "each pipeline has its own checkpoint");
  checkpoint.partitions.erase(checkpoint.partitions.begin());
  checkpoint.partitions.front().id.swap(checkpoint.partitions.front().fingerprint);
  done(store.save(name, checkpoint), "save with other partitions");
  require(value_of(store.find(name), "find") == checkpoint, "save replaces partitions, their ids and fingerprints");

  Checkpoint next{.fingerprint = "next", .batch_size = 1, .finished = true, .run = "first"};
  done(store.save(name, next), "save instead of an earlier checkpoint");
  require(value_of(store.find(name), "find") == next, "save replaces the checkpoint as a whole");
  next.run = "second";
  (void)value_of(store.claim(name, "second"), "claim");
  done(store.save(name, next), "save by a run that has claimed it");
  done(store.save(other, checkpoint), "save of another pipeline");
  done(store.reset(name), "reset");
  require(!value_of(store.find(name), "find"), "reset deletes the checkpoint");
  require(value_of(store.find(other), "find") == checkpoint, "reset deletes the checkpoint of one pipeline only");
  done(store.reset(other), "reset");

  Checkpoint many{.fingerprint = "many", .batch_size = 1, .run = "first"};
  for (std::uint32_t i = 0; i < 3000; ++i)  // more than a store may write at once
    many.partitions.push_back(
        {.partition = 3 * i, .watermark = i, .id = "id " + std::to_string(i), .fingerprint = "f"});
  done(store.save(name, many), "save of many partitions");
  require(value_of(store.find(name), "find") == many, "find returns many partitions in the order of their numbers");
  many.partitions[1700].watermark = 5000;
  many.partitions[1701].ends = {1702};
  many.partitions.erase(many.partitions.begin() + 1000);
  done(store.save(name, many), "save of many partitions");
  require(value_of(store.find(name), "find") == many, "save replaces one of many partitions");
  done(store.reset(name), "reset");
}

/// Checks a store of dead letters in the same way, and deletes its letters at the end.
inline void check_dead_letter_store(DeadLetterStore& store) {
  using detail::done, detail::require, detail::value_of;
  const std::string name = "conformance";
  const auto all = [&](const std::string& pipeline) {
    std::vector<DeadLetter> found;
    done(store.list(pipeline, [&](const DeadLetter& l) { return found.push_back(l), true; }), "list");
    return found;
  };
  require(all(name).empty(), "the store has no letters of the pipeline 'conformance' at the beginning");
  DeadLetter first{.id = "conformance-1", .pipeline = name, .run = "a run", .partition = 1, .seq = 7, .batch = 5};
  first.position = Position("a place");
  first.stage = Stage::Load;
  first.attempts = 3;
  first.errors = {"outer: \"quoted\"\nsecond line", "cause"};
  first.time = std::chrono::system_clock::time_point(std::chrono::microseconds(1'700'000'000'123'456));
  first.payload = std::string("any bytes: \0 \xFF \n", 16);
  first.partition_id = "a/path with \"quotes\",\nlines \\ and \xFF bytes";
  const DeadLetter second{.id = "conformance-2", .pipeline = name, .partition = 0, .seq = 9};
  const DeadLetter foreign{.id = "conformance-3", .pipeline = "conformance, another"};
  const DeadLetter letters[] = {first, second, foreign};
  done(store.write(letters), "write");
  require(all(name) == std::vector<DeadLetter>{second, first},
          "list returns letters as written, in the order of partition and seq");
  require(all("").size() >= 3, "list with an empty name returns the letters of all pipelines");
  std::size_t seen = 0;
  done(store.list(name, [&](const DeadLetter&) { return ++seen, false; }), "list");
  require(seen == 1, "list ends when its function returns false");

  DeadLetter again = first;
  again.attempts = 4;
  again.batch = 6;
  again.partition_id = "another";
  again.errors = {"still bad"};
  done(store.write(std::span(&again, 1)), "write of a letter that exists");
  require(all(name) == std::vector<DeadLetter>{second, again}, "a letter with the same id replaces the old one");
  const std::string ids[] = {first.id, "conformance-not there", foreign.id};
  require(value_of(store.purge(ids), "purge") == 2, "purge returns the number of deleted letters");
  require(all(name) == std::vector<DeadLetter>{second}, "purge deletes only the given letters");
  const std::string rest[] = {second.id};
  (void)value_of(store.purge(rest), "purge");
  done(store.write({}), "write of no letters");
}

/// Checks a transactional store in the same way, with one session at a time. `letters` keeps the dead letters that are
/// committed with the rows; it may be the same object. `write(tx)` adds a row, and `rows()` returns the number of
/// committed rows. Leaves rows in the store.
template <class Tx, class Write, class Rows>
void check_transactional_store(TransactionalStore<Tx>& store, DeadLetterStore& letters, Write&& write, Rows&& rows) {
  using detail::done, detail::require, detail::value_of;
  check_checkpoint_store(store);
  check_dead_letter_store(letters);
  const auto ids = [&letters] {
    std::vector<std::string> found;
    done(letters.list("conformance", [&](const DeadLetter& l) { return found.push_back(l.id), true; }), "list");
    return found;
  };
  const std::string name = "conformance";
  const std::string run = "first";
  const std::vector<PartitionProgress> partitions = {{.partition = 0, .id = "first", .fingerprint = "of first"},
                                                     {.partition = 1, .id = "second"}};
  done(store.save(name, {.fingerprint = "f", .batch_size = 10, .run = run, .partitions = partitions}), "save");
  const std::size_t before = rows();
  {
    const auto session = value_of(store.connect(), "connect");
    const SettledRange ranges[] = {{0, {10, 20}}};
    const auto settle = [&](std::span<const SettledRange> settled, std::span<const PartitionProgress> advanced) {
      done(session->record({name, settled, advanced, {}, {}, run}), "record");
    };
    done(session->begin(), "begin");
    write(session->transaction());
    settle(ranges, {});
    session->rollback();
    require(rows() == before, "a transaction that was rolled back stores no rows");
    require(!value_of(session->is_settled(name, ranges[0]), "is_settled"),
            "a transaction that was rolled back settles nothing");

    done(session->begin(), "begin");
    write(session->transaction());
    done(session->savepoint(), "savepoint");
    write(session->transaction());
    done(session->rollback_to_savepoint(), "rollback to savepoint");
    write(session->transaction());
    done(session->rollback_to_savepoint(), "second rollback to the same savepoint");
    settle(ranges, {});
    done(session->commit(), "commit");
    require(rows() == before + 1, "after a rollback to a savepoint, only rows from before the savepoint are stored");
    require(value_of(session->is_settled(name, ranges[0]), "is_settled"), "a commit settles its items");
    require(!value_of(session->is_settled(name, {0, {20, 30}}), "is_settled"), "a commit settles no other items");
    require(!value_of(session->is_settled(name, {0, {19, 21}}), "is_settled"),
            "a range that is only partly settled is not settled");

    const SettledRange more[] = {{0, {0, 10}}, {1, {0, 5}}};
    const PartitionProgress moved[] = {{.partition = 0, .watermark = 20, .position = Position(18), .position_seq = 18}};
    done(session->begin(), "begin");
    settle(more, moved);
    done(session->commit(), "commit");
    const PartitionProgress stale[] = {{.partition = 0, .watermark = 10, .position = Position(9), .position_seq = 9}};
    done(session->begin(), "begin");
    settle({}, stale);
    done(session->commit(), "commit");
    session->rollback();  // of nothing
    const SettledRange next[] = {{0, {20, 30}}};
    const PartitionProgress reached[] = {
        {.partition = 0, .watermark = 30, .position = Position(28), .position_seq = 28}};
    done(session->begin(), "begin");
    settle(next, {});
    done(session->commit(), "commit");
    done(session->begin(), "begin");
    settle({}, reached);
    done(session->commit(), "commit");

    for (const SettledRange& twice : {SettledRange{0, {5, 15}}, SettledRange{1, {4, 6}}}) {
      done(session->begin(), "begin");
      const bool refused = !session->record({name, std::span(&twice, 1), {}, {}, {}, run}) || !session->commit();
      require(refused, "items that are settled are not settled again: another run has loaded them");
      session->rollback();
    }

    const DeadLetter letter{.id = "conformance-4", .pipeline = name};
    const std::string known[] = {letter.id, "conformance-not there"};
    for (const bool kept : {false, true}) {
      done(session->begin(), "begin");
      done(session->record({name, {}, {}, std::span(&letter, 1), {}, run}), "record a dead letter");
      kept ? done(session->commit(), "commit") : session->rollback();
      require(ids().size() == (kept ? 1U : 0U), "dead letters are committed with the rest");
    }
    for (const bool kept : {false, true}) {
      done(session->begin(), "begin");
      done(session->record({name, {}, {}, {}, known, run}), "record purged letters");
      kept ? done(session->commit(), "commit") : session->rollback();
      require(ids().size() == (kept ? 0U : 1U), "letters are purged with the rest");
    }
  }
  const auto found = value_of(store.find(name), "find");
  require(found.has_value() && found->fingerprint == "f" && !found->finished,
          "commits leave the checkpoint's head alone");
  const PartitionProgress* const p = found->find(0);
  require(p != nullptr && p->watermark == 30, "a watermark is never lowered");
  require(p->position == Position(28), "a position comes after the items before it, and is not lowered");
  const PartitionProgress* const other = found->find(1);
  require(other != nullptr && (other->watermark == 5 || other->gaps.contains(4)), "partitions have their own progress");
  require(p->id == "first" && p->fingerprint == "of first" && other->id == "second" && other->fingerprint.empty(),
          "commits leave ids and fingerprints of partitions alone");
  detail::check_fence(store, name, run, write, rows);
}

}  // namespace etl::inline v0::testing

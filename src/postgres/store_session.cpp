/// A session: consecutive transactions that hold rows and progress.

#include "store_session.hpp"

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <new>
#include <optional>
#include <random>
#include <stop_token>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "state.hpp"
#include "store_script.hpp"

namespace etl::inline v0::postgres::detail {

std::int64_t any_number() {
  std::random_device random;
  return static_cast<std::int64_t>((std::uint64_t{random()} << 32U | random()) >> 1U);
}

std::string first_statements(std::int64_t number) {
  return fmt::format(
      "SELECT pg_advisory_xact_lock({0}), set_config('etl.transaction', '{0}', true); "
      "SELECT set_config('synchronous_commit', 'on', true) WHERE "
      "current_setting('synchronous_commit') = 'off'",
      number);
}

Result<void> end_transaction(Connection& connection, std::int64_t number) {
  const auto ended = run(connection,
                         fmt::format("SELECT pg_terminate_backend(pid) FROM {0};"
                                     "BEGIN;SET LOCAL lock_timeout='30s';SELECT pg_advisory_xact_lock({1});ROLLBACK",
                                     holders_of(number), number),
                         "end a transaction whose connection was lost");
  if (!ended) return failure(ended.error());
  return {};
}

void Leftovers::add(std::int64_t number) noexcept {
  try {
    const std::lock_guard lock(mutex_);
    numbers_.push_back(number);
  } catch (const std::bad_alloc&) {}
}

Result<void> Leftovers::end(Connection& connection) {
  std::vector<std::int64_t> numbers;
  {
    const std::lock_guard lock(mutex_);
    numbers.swap(numbers_);
  }
  while (!numbers.empty()) {
    Result<void> ended = end_transaction(connection, numbers.back());
    if (ended) {
      numbers.pop_back();
      continue;
    }
    const std::lock_guard lock(mutex_);
    numbers_.insert(numbers_.end(), numbers.begin(), numbers.end());
    return ended;
  }
  return {};
}

namespace {

/// Adds what a transaction settles. Returns the first range that another transaction has already settled, at least in
/// part.
std::optional<SettledRange> settle(PartitionProgress& progress, const etl::Commit& commit) {
  SeqRanges all = progress.gaps;
  all.add({0, progress.watermark});
  for (const SettledRange& one : commit.settled) {
    if (one.partition != progress.partition) continue;
    if (all.contains(one.items.first) || all.boundary_after(one.items.first) < one.items.end) return one;
    all.add(one.items);
  }
  for (const PartitionProgress& one : commit.advanced) {
    if (one.partition != progress.partition) continue;
    all.add({0, one.watermark});
    if (one.position_seq >= progress.position_seq) {
      progress.position = one.position;
      progress.position_seq = one.position_seq;
    }
  }
  progress.watermark = all.end_of(0);
  all.forget_below(progress.watermark);
  progress.gaps = std::move(all);
  return std::nullopt;
}

/// The partitions of a commit in ascending order. All writers lock the partitions in this order.
std::vector<std::uint32_t> partitions_of(const etl::Commit& commit) {
  std::vector<std::uint32_t> all;
  for (const SettledRange& one : commit.settled) all.push_back(one.partition);
  for (const PartitionProgress& one : commit.advanced) all.push_back(one.partition);
  std::ranges::sort(all);
  all.erase(std::ranges::unique(all).begin(), all.end());
  return all;
}

class Session final : public StoreSession<Tx> {
 public:
  explicit Session(std::shared_ptr<StoreState> state) : state_(std::move(state)) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() override { close(); }

  void stop_waiting_on(const std::stop_token& stop) override { stop_ = stop; }

  Result<void> begin() override {
    close();
    Result<Lease> lease = state_->pool.lease(stop_);
    if (!lease) return failure(std::move(lease.error()));
    if (Result<void> ended = state_->left.end(**lease); !ended) return ended;
    const std::int64_t number = any_number();
    Result<Transaction> begun = (*lease)->begin_with(first_statements(number));
    if (!begun && (*lease)->state().lost()) state_->left.add(number);
    if (!begun) return failure(std::move(begun.error()));
    open_ = std::make_unique<Open>(std::move(*lease), std::move(*begun), number);
    tx_.begun(*open_->lease);
    return {};
  }
  Tx& transaction() noexcept override { return tx_; }

  Result<void> savepoint() override {
    if (!tx_.active()) return failure(tx_.lost("savepoint"));
    return open_->transaction.savepoint();
  }
  Result<void> rollback_to_savepoint() override {
    if (!tx_.active()) return failure(tx_.lost("rollback to savepoint"));
    return open_->transaction.rollback_to_savepoint();
  }

  Result<void> record(const etl::Commit& commit) override {
    const std::string doing = fmt::format("record progress of pipeline '{}'", printable(commit.pipeline));
    if (!tx_.active()) return failure(tx_.lost(doing));
    Script script(*open_->lease, state_->names);
    if (auto merged = merge(script, commit, doing); !merged) return merged;
    for (const DeadLetter& letter : commit.dead_letters) script.letter(letter);
    script.purge(commit.purged);
    if (auto done = script.run(doing); !done) return failure(std::move(done.error()));
    return {};
  }

  Result<void> commit() override {
    if (!tx_.active()) {
      Error error = tx_.lost("commit");
      close();
      return failure(std::move(error));
    }
    Result<void> done = open_->transaction.commit();
    in_doubt_.reset();
    if (!done && done.error().code == Errc::OutcomeUnknown) in_doubt_ = open_->number;
    close();
    return done;
  }
  void rollback() noexcept override { close(); }

  Result<bool> is_settled(const std::string& pipeline, const SettledRange& range) override {
    Result<Lease> lease = state_->pool.lease(stop_);
    if (!lease) return failure(std::move(lease.error()));
    if (in_doubt_)
      if (Result<void> ended = end_transaction(**lease, *in_doubt_); !ended) return failure(std::move(ended.error()));
    in_doubt_.reset();
    const auto rows = (*lease)->query(
        fmt::format("SELECT {} FROM {} WHERE pipeline=$1 AND partition=$2", progress_columns, state_->names.partitions),
        stored(**lease, pipeline), range.partition);
    if (!rows) return failure(rows.error());
    if (rows->size() == 0) return false;
    PartitionProgress there = progress_of(*rows, 0);
    there.gaps.add({0, there.watermark});
    return there.gaps.end_of(range.items.first) >= range.items.end;
  }

 private:
  struct Open {
    Open(Lease connection, Transaction begun, std::int64_t of)
        : lease(std::move(connection)), transaction(std::move(begun)), number(of) {}
    Lease lease;
    Transaction transaction;  // rolls back on destruction, which comes before the connection's
    std::int64_t number;
  };
  /// Makes sure that no other run has taken over, or can take over before the transaction ends.
  Result<void> keep_owner(const etl::Commit& commit, const std::string& doing) {
    Script lock(*open_->lease, state_->names);
    lock.share(commit.pipeline);
    const auto rows = lock.run(doing);
    if (!rows) return failure(rows.error());
    return check_owner(commit, owner_of(*rows));
  }
  [[nodiscard]] static Result<void> check_owner(const etl::Commit& commit, const std::string& owner) {
    if (owner == commit.run) return {};
    return failure(superseded(commit.pipeline, commit.run, owner));
  }
  /// Locks the rows of the partitions and adds the statements that update them.
  Result<void> merge(Script& script, const etl::Commit& commit, const std::string& doing) {
    const std::vector<std::uint32_t> partitions = partitions_of(commit);
    if (partitions.empty()) return keep_owner(commit, doing);
    const std::string& table = state_->names.partitions;
    Script lock(*open_->lease, state_->names);
    lock.share(commit.pipeline);
    const std::string pipeline = lock.literal(commit.pipeline), numbers = fmt::format("{}", fmt::join(partitions, ","));
    lock.add("INSERT INTO {} SELECT {},unnest(ARRAY[{}]),0,NULL,0,'{{}}','','' ON CONFLICT DO NOTHING", table, pipeline,
             numbers);
    lock.add(
        "SELECT {}, (SELECT run FROM {} WHERE pipeline={}), current_setting('etl.transaction', true) FROM {} WHERE "
        "pipeline={} AND partition IN ({}) ORDER BY partition FOR UPDATE",
        progress_columns, state_->names.checkpoints, pipeline, table, pipeline, numbers);
    const auto rows = lock.run(doing);
    if (!rows) return failure(rows.error());
    // A load may have ended the transaction and begun another one, which has no such setting.
    if (rows->size() > 0 && rows->text(0, progress_column_count + 1) != std::to_string(open_->number))
      return failure(tx_.lost(doing));
    if (auto kept = check_owner(commit, owner_of(*rows, progress_column_count)); !kept) return kept;
    for (int row = 0; row < rows->size(); ++row) {
      PartitionProgress progress = progress_of(*rows, row);
      if (const auto twice = settle(progress, commit))
        return failure(own_error(
            "23P01", ErrorClass::Fatal,
            fmt::format("{}: {}: items {} to {} of partition {} are settled already; start the run again",
                        open_->lease->name(), doing, twice->items.first, twice->items.end - 1, twice->partition)));
      script.progress(commit.pipeline, progress);
    }
    return {};
  }
  void close() noexcept {
    tx_.ended();
    if (open_ && open_->lease->state().lost()) state_->left.add(open_->number);
    open_.reset();
  }

  std::shared_ptr<StoreState> state_;
  std::stop_token stop_;
  std::unique_ptr<Open> open_;
  Tx tx_;
  std::optional<std::int64_t> in_doubt_;  // number of the last transaction, if its outcome is unknown
};

}  // namespace

std::unique_ptr<StoreSession<Tx>> make_session(std::shared_ptr<StoreState> state) {
  return std::make_unique<Session>(std::move(state));
}

}  // namespace etl::inline v0::postgres::detail

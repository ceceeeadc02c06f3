#pragma once
/// A store whose transactions commit only while the unit's lease is held (contract G15, G19).

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <etl/config.hpp>
#include <etl/delivery/checkpoint.hpp>
#include <etl/delivery/dead_letter.hpp>
#include <etl/delivery/transactional_store.hpp>
#include <etl/error.hpp>
#include <etl/jobs/job.hpp>

namespace etl::inline v0::jobs {

/// Records that a transaction settles.
struct Landed {
  std::uint64_t records = 0;   ///< all of them
  std::uint64_t rejected = 0;  ///< dead letters among them
};
/// The error for a unit that now belongs to another worker.
[[nodiscard]] Error lease_lost(const Lease& lease);

// `check_lease(Tx&, lease, landed)` is declared in sqlite.hpp and postgres.hpp. It counts the records in the unit's
// row, which must still have the lease's epoch and be Running; otherwise the error is `lease_lost`. The row stays
// locked until the transaction ends, so that nobody can take the unit back before.

/// Wraps the store of the rows for the run of one unit. A worker that was frozen past its lease cannot commit: its
/// rows, dead letters and progress are rolled back. Keeps a reference to the inner store.
template <class Store>
class FencedStore final : public TransactionalStore<typename Store::Transaction>, public DeadLetterStore {
 public:
  using Tx = typename Store::Transaction;  ///< what `load` gets
  /// `still_mine` checks outside of a transaction whether the lease is held, before a run takes over the progress.
  FencedStore(Store& inner, Lease lease, std::function<Result<void>()> still_mine)
      : inner_(inner), lease_(lease), still_mine_(std::move(still_mine)) {
    if constexpr (requires { inner.leave_gaps(); }) inner.leave_gaps();  // so that heartbeats have their turn
  }

  [[nodiscard]] Result<std::unique_ptr<StoreSession<Tx>>> connect() override {
    auto session = inner_.connect();
    if (!session) return failure(std::move(session.error()));
    return std::make_unique<Session>(std::move(*session), lease_);
  }
  [[nodiscard]] Result<std::optional<Checkpoint>> find(const std::string& pipeline) override {
    return inner_.find(pipeline);
  }
  [[nodiscard]] Result<std::optional<Checkpoint>> claim(const std::string& pipeline, const std::string& run) override {
    if (auto mine = still_mine_(); !mine) return failure(std::move(mine.error()));
    return inner_.claim(pipeline, run);
  }
  [[nodiscard]] Result<void> save(const std::string& pipeline, const Checkpoint& checkpoint) override {
    return inner_.save(pipeline, checkpoint);
  }
  [[nodiscard]] Result<void> reset(const std::string& pipeline) override { return inner_.reset(pipeline); }
  [[nodiscard]] Result<void> write(std::span<const DeadLetter> letters) override { return inner_.write(letters); }
  [[nodiscard]] Result<void> list(const std::string& pipeline,
                                  const std::function<bool(const DeadLetter&)>& each) override {
    return inner_.list(pipeline, each);
  }
  [[nodiscard]] Result<std::size_t> purge(std::span<const std::string> ids) override { return inner_.purge(ids); }

 private:
  class Session final : public WrappedSession<Tx> {
   public:
    Session(std::unique_ptr<StoreSession<Tx>> inner, Lease lease)
        : WrappedSession<Tx>(std::move(inner)), lease_(lease) {}
    [[nodiscard]] Result<void> record(const Commit& commit) override {
      Landed landed{.rejected = commit.dead_letters.size()};
      for (const SettledRange& one : commit.settled) landed.records += one.items.end - one.items.first;
      if (auto mine = check_lease(this->transaction(), lease_, landed); !mine) return mine;
      return this->inner().record(commit);
    }

   private:
    Lease lease_;
  };

  Store& inner_;
  Lease lease_;
  std::function<Result<void>()> still_mine_;
};

}  // namespace etl::inline v0::jobs

#pragma once
/// The queue that many threads push to. No other file names concurrentqueue.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#if __has_include(<concurrentqueue/moodycamel/concurrentqueue.h>)
#include <concurrentqueue/moodycamel/concurrentqueue.h>
#elif __has_include(<moodycamel/concurrentqueue.h>)
#include <moodycamel/concurrentqueue.h>
#else
#include <concurrentqueue/concurrentqueue.h>
#endif

#include <etl/config.hpp>
#include <etl/detail/meta/process.hpp>

#if defined(__SANITIZE_THREAD__)
#define ETLPIPE_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ETLPIPE_TSAN 1
#endif
#endif
#ifndef ETLPIPE_TSAN
#define ETLPIPE_TSAN 0
#endif

namespace etl::inline v0::detail {

/// An unbounded queue with one explicit producer per pushing thread. A thread-local cache finds the producer of a
/// thread again; when the thread ends, another thread takes the producer over. (The implicit producers of version
/// 1.0.3 reuse blocks with too weak a memory order.) The user of the queue bounds it by an atomic word that is
/// acquired right before `enqueue` and released right after `dequeue`.
///
/// `enqueue` throws std::bad_alloc without taking the item. Moves must not throw: a move that throws at the beginning
/// of a block would leave a block in the queue whose items the destructor of the queue then destroys.
///
/// ThreadSanitizer does not model the fences with which the queue returns a block from its reader to its writer. Under
/// ThreadSanitizer all calls are serialised, so that no user sees a false report. Thread-safe.
template <class T>
class IntakeQueue {
  static_assert(std::is_nothrow_move_constructible_v<T>);

 public:
  void enqueue(T&& item) {
    Token* const mine = token();
    const auto serial = serialised();
    if (!shared_->queue.enqueue(*mine, std::move(item))) throw std::bad_alloc();
  }
  /// Moves up to `most` items to `out`. Returns the number of items moved.
  template <class Out>
  std::size_t dequeue(Out out, std::size_t most) {
    const auto serial = serialised();
    return shared_->queue.try_dequeue_bulk(std::move(out), most);
  }

 private:
  using Queue = moodycamel::ConcurrentQueue<T>;
  using Token = moodycamel::ProducerToken;

  struct Shared {
    Queue queue;
    std::mutex mutex;
    std::vector<std::unique_ptr<Token>> tokens;  // all tokens; they are destroyed before the queue
    std::vector<Token*> idle;                    // tokens of threads that have ended
    const std::uint64_t id = next_id();
    const long maker = process_id();

    Token* take() {
      const std::lock_guard lock(mutex);
      if (idle.empty()) {
        idle.reserve(tokens.size() + 1);  // `give_back` must not throw
        auto token = std::make_unique<Token>(queue);
        if (!token->valid()) throw std::bad_alloc();
        return tokens.emplace_back(std::move(token)).get();
      }
      Token* token = idle.back();
      idle.pop_back();
      return token;
    }
    void give_back(Token* token) noexcept {
      const std::lock_guard lock(mutex);
      idle.push_back(token);
    }
  };
  struct Entry {
    std::uint64_t id;
    Token* token;
    std::weak_ptr<Shared> owner;
  };
  struct Cache {
    std::vector<Entry> entries;
    Cache() = default;
    Cache(const Cache&) = delete;
    Cache& operator=(const Cache&) = delete;
    ~Cache() {
      // A child of fork() leaves the parent's queues alone: a thread that exists only in the parent may hold their
      // locks.
      for (const Entry& e : entries)
        if (const auto owner = e.owner.lock(); owner && owner->maker == process_id()) owner->give_back(e.token);
    }
  };

  static std::uint64_t next_id() {
    static std::atomic<std::uint64_t> next = 0;
    return next.fetch_add(1, std::memory_order_relaxed);
  }
  [[nodiscard]] Token* token() {
    static thread_local Cache cache;
    for (const Entry& e : cache.entries)
      if (e.id == shared_->id) return e.token;
    std::erase_if(cache.entries, [](const Entry& e) { return e.owner.expired(); });
    cache.entries.reserve(cache.entries.size() + 1);
    return cache.entries.emplace_back(Entry{shared_->id, shared_->take(), shared_}).token;
  }

#if ETLPIPE_TSAN
  [[nodiscard]] std::unique_lock<std::mutex> serialised() { return std::unique_lock(serial_); }
  std::mutex serial_;
#else
  struct Nothing {
    ~Nothing() {}  // NOLINT(modernize-use-equals-default): a variable of this type is not "unused"
  };
  [[nodiscard]] static Nothing serialised() noexcept { return {}; }
#endif
  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

}  // namespace etl::inline v0::detail

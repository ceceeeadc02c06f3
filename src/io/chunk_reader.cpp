#include <etl/io/chunk_reader.hpp>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <future>
#include <mutex>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace etl::inline v0::io {
namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

/// Uninitialised bytes to read into.
struct Buffer {
  explicit Buffer(std::size_t size) : data(std::make_unique_for_overwrite<char[]>(size)), capacity(size) {}
  std::unique_ptr<char[]> data;
  std::size_t capacity;
};

/// Reuses buffers of one size. The pool lives as long as any of its buffers. Thread-safe.
class Pool : public std::enable_shared_from_this<Pool> {
 public:
  /// Keeps at most `most` buffers: free buffers and those with the reader.
  Pool(std::size_t size, std::size_t most) : size_(size), most_(most) { free_.reserve(most); }

  /// Returns a buffer of at least `at_least` bytes. A buffer larger than usual is newly allocated.
  std::shared_ptr<Buffer> take(std::size_t at_least) {
    std::unique_ptr<Buffer> buffer;
    {
      const std::lock_guard lock(mutex_);
      if (at_least <= size_ && !free_.empty()) {
        buffer = std::move(free_.back());
        free_.pop_back();
      } else {
        ++kept_;
      }
    }
    if (!buffer) buffer = std::make_unique<Buffer>(std::max(at_least, size_));
    return {buffer.release(), [pool = shared_from_this()](Buffer* back) noexcept { pool->give_back(back); }};
  }
  /// The reader has given a buffer away.
  void handed_on() {
    const std::lock_guard lock(mutex_);
    --kept_;
  }
  /// Frees the free buffers, and keeps no buffer from now on.
  void close() {
    const std::lock_guard lock(mutex_);
    most_ = 0;
    free_.clear();
  }

 private:
  void give_back(Buffer* back) noexcept {
    std::unique_ptr<Buffer> buffer(back);
    const std::lock_guard lock(mutex_);
    if (buffer->capacity != size_ || kept_ >= most_) return;
    ++kept_;
    free_.push_back(std::move(buffer));
  }

  std::size_t size_;
  std::size_t most_;
  std::mutex mutex_;
  std::size_t kept_ = 0;
  std::vector<std::unique_ptr<Buffer>> free_;
};

/// Number of the `size` places that satisfy `is`. Counts in bytes, so that the compiler uses vector instructions.
template <class Is>
std::uint64_t count(std::size_t size, Is is) noexcept {
  std::uint64_t all = 0;
  for (std::size_t at = 0; at < size;) {
    const std::size_t end = std::min<std::size_t>(size, at + 255);
    unsigned char some = 0;
    for (; at < end; ++at) some = static_cast<unsigned char>(some + (is(at) ? 1 : 0));
    all += some;
  }
  return all;
}

std::uint64_t count_line_ends(std::string_view text) noexcept {
  const char* const data = text.data();
  std::uint64_t lines = count(text.size(), [data](std::size_t i) { return data[i] == '\n'; });
  if (text.find('\r') != std::string_view::npos) {
    lines += count(text.size(), [data](std::size_t i) { return data[i] == '\r'; });
    lines -= count(text.size() - 1, [data](std::size_t i) { return (data[i] == '\r') & (data[i + 1] == '\n'); });
  }
  return lines;
}

/// Data shared by the thread and the reader.
struct Shared {
  Shared(Source from, ChunkOptions what)
      : source(std::move(from)),
        name(source->name()),
        size_hint(source->size_hint()),
        options(what),
        pool(std::make_shared<Pool>(what.chunk_size, what.ahead + 2)) {}

  const Source source;
  const std::string name;
  const std::uint64_t size_hint;
  const ChunkOptions options;
  const std::shared_ptr<Pool> pool;
  std::atomic<std::uint64_t> consumed = 0;

  std::mutex mutex;
  std::condition_variable_any changed;
  std::deque<Chunk> queue;
  std::optional<Error> error;
  bool reading = false;  // the thread is inside source->read
  bool done = false;
};

/// The function of the reading thread.
class Reading {
 public:
  Reading(std::shared_ptr<Shared> shared, RecordSplitter splitter)
      : shared_(std::move(shared)), splitter_(std::move(splitter)) {}

  void operator()(const std::stop_token& stop) {
    const Done done{*shared_};
    buffer_ = shared_->pool->take(0);
    if (!skip(stop)) return;
    for (;;) {
      make_room();
      auto got = read(stop);
      if (!got) return;
      if (!*got) return fail(std::move(*got).error());
      filled_ += **got;
      const bool is_end = **got == 0;
      if (offset_ == 0) skip_byte_order_mark();
      if (!part_with_records(is_end, stop) || is_end) return;
    }
  }

 private:
  struct Done {
    Shared& shared;
    ~Done() {
      shared.pool->close();
      const std::lock_guard lock(shared.mutex);
      shared.done = true;
      shared.changed.notify_all();
    }
  };

  /// Reads into the buffer. Returns nothing if the thread was stopped.
  std::optional<Result<std::size_t>> read(const std::stop_token& stop) {
    {
      const std::lock_guard lock(shared_->mutex);
      if (stop.stop_requested()) return std::nullopt;
      shared_->reading = true;
    }
    auto got = shared_->source->read({buffer_->data.get() + filled_, buffer_->capacity - filled_});
    shared_->consumed.store(shared_->source->consumed(), std::memory_order_relaxed);
    const std::lock_guard lock(shared_->mutex);
    shared_->reading = false;
    return got;
  }

  /// Skips to the offset at which reading begins. Returns false if the thread was stopped, or if the source ends
  /// before that offset.
  [[nodiscard]] bool skip(const std::stop_token& stop) {
    const std::uint64_t begin = shared_->options.offset;
    std::uint64_t at = 0;
    while (at < begin) {
      auto got = read(stop);
      if (!got) return false;
      if (!*got) return fail(std::move(*got).error()), false;
      if (**got == 0) {
        fail(fatal(fmt::format("{} ends at byte {}, before byte {}, where reading should begin: the file has changed",
                               shared_->name, at, begin)));
        return false;
      }
      const std::uint64_t taken = std::min<std::uint64_t>(**got, begin - at);
      filled_ = **got - static_cast<std::size_t>(taken);
      std::memmove(buffer_->data.get(), buffer_->data.get() + taken, filled_);
      at += taken;
      if (at < begin) filled_ = 0;
    }
    offset_ = begin;
    line_ = shared_->options.first_line;
    return true;
  }

  /// Doubles a full buffer. The buffer holds a part of one record, which is not too long yet.
  void make_room() {
    if (filled_ < buffer_->capacity) return;
    const std::size_t most = std::max(shared_->options.max_record, filled_);
    shared_->pool->handed_on();  // the buffer that is too small
    move_to_buffer_of(most - filled_ > filled_ ? 2 * filled_ : most + 1, 0);
  }
  /// Continues in another buffer with the bytes after `begin`.
  void move_to_buffer_of(std::size_t at_least, std::size_t begin) {
    const auto old = std::exchange(buffer_, nullptr);
    filled_ -= begin;
    buffer_ = shared_->pool->take(std::max(at_least, filled_));
    std::memcpy(buffer_->data.get(), old->data.get() + begin, filled_);
  }

  /// Skips a byte order mark. Called before any record is handed on, because no record ends within the mark.
  void skip_byte_order_mark() {
    if (!std::string_view(buffer_->data.get(), filled_).starts_with(byte_order_mark)) return;
    offset_ = byte_order_mark.size();
    filled_ -= byte_order_mark.size();
    std::memmove(buffer_->data.get(), buffer_->data.get() + byte_order_mark.size(), filled_);
    searched_ = 0;
  }

  /// Hands on all whole records, and at the end of the source also the rest. Returns false if the thread was stopped,
  /// or if a record is too long.
  bool part_with_records(bool is_end, const std::stop_token& stop) {
    const std::string_view text(buffer_->data.get(), filled_);
    std::size_t end = splitter_.last_end(text, is_end, searched_);
    searched_ = filled_;
    if (end == RecordSplitter::npos) end = 0;
    const std::size_t good = end_of_good_records(text.substr(0, end));
    if (good > 0 && !hand_on(text.substr(0, good), false, stop)) return false;
    if (good < end || filled_ - end > shared_->options.max_record) {
      fail_for_length();
      return false;
    }
    if (is_end) return end == filled_ || hand_on(text.substr(end), true, stop);
    if (end > 0) {
      move_to_buffer_of(0, end);
      searched_ = filled_;
    }
    return true;
  }
  /// The end of the records before the first record that is too long. `text` holds whole records.
  [[nodiscard]] std::size_t end_of_good_records(std::string_view text) const {
    const std::size_t most = shared_->options.max_record;
    if (text.size() <= most) return text.size();
    std::size_t at = 0;
    while (at < text.size()) {
      const std::size_t size = splitter_.first_end(text.substr(at), true);
      if (size > most) break;
      at += size;
    }
    return at;
  }
  bool hand_on(std::string_view text, bool unterminated, const std::stop_token& stop) {
    Chunk chunk{.keep = buffer_, .text = text, .offset = offset_, .first_line = line_, .unterminated = unterminated};
    offset_ += text.size();
    line_ += count_line_ends(text);
    std::unique_lock lock(shared_->mutex);
    if (!shared_->changed.wait(lock, stop, [this] { return shared_->queue.size() < shared_->options.ahead; }))
      return false;
    shared_->queue.push_back(std::move(chunk));
    shared_->changed.notify_all();
    return true;
  }

  void fail_for_length() {
    const std::string& terminator = splitter_.terminator();
    fail(fatal(
        fmt::format("{}: the record at byte {}, line {}, is longer than {} bytes: raise ChunkOptions::max_record{}",
                    shared_->name, offset_, line_, shared_->options.max_record,
                    terminator.empty() ? std::string(", unless this is not a file of text lines")
                                       : fmt::format(", unless a line \"{}\" is missing", terminator))));
  }
  void fail(Error error) {
    const std::lock_guard lock(shared_->mutex);
    shared_->error = std::move(error);
  }

  std::shared_ptr<Shared> shared_;
  RecordSplitter splitter_;
  std::shared_ptr<Buffer> buffer_;
  std::size_t filled_ = 0;
  std::size_t searched_ = 0;  // no record ends before this place
  std::uint64_t offset_ = 0;  // offset of the buffer's begin in the source
  std::uint64_t line_ = 1;
};

}  // namespace

class ChunkReader::Worker {
 public:
  Worker(Source source, RecordSplitter splitter, ChunkOptions options)
      : shared_(std::make_shared<Shared>(std::move(source), options)) {
    std::packaged_task<void(std::stop_token)> task(Reading(shared_, std::move(splitter)));
    outcome_ = task.get_future().share();
    thread_ = std::jthread(std::move(task));
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker() {
    thread_.request_stop();
    const std::lock_guard lock(shared_->mutex);
    if (shared_->reading && !shared_->source->interrupt()) thread_.detach();
  }

  Result<std::optional<Chunk>> next(const std::stop_token& stop) {
    {
      std::unique_lock lock(shared_->mutex);
      shared_->changed.wait(lock, stop, [this] { return is_ready(); });
      if (stop.stop_requested()) return std::nullopt;
      if (!shared_->queue.empty()) {
        Chunk chunk = std::move(shared_->queue.front());
        shared_->queue.pop_front();
        shared_->pool->handed_on();
        shared_->changed.notify_all();
        return chunk;
      }
    }
    outcome_.get();  // throws the exception of the source
    if (const auto& error = shared_->error) return failure(*error);
    return std::nullopt;
  }
  [[nodiscard]] bool ready() const {
    const std::lock_guard lock(shared_->mutex);
    return is_ready();
  }
  [[nodiscard]] const Shared& shared() const noexcept { return *shared_; }

 private:
  [[nodiscard]] bool is_ready() const { return !shared_->queue.empty() || shared_->done; }

  std::shared_ptr<Shared> shared_;
  std::shared_future<void> outcome_;
  std::jthread thread_;
};

ChunkReader::ChunkReader(Source source, RecordSplitter splitter, ChunkOptions options) {
  if (!source) throw Exception(fatal("ChunkReader: there is no source"));
  if (options.chunk_size == 0 || options.max_record == 0 || options.ahead == 0)
    throw Exception(fatal("ChunkOptions: chunk_size, max_record and ahead must be at least 1"));
  worker_ = std::make_unique<Worker>(std::move(source), std::move(splitter), options);
}
ChunkReader::ChunkReader(ChunkReader&&) noexcept = default;
ChunkReader& ChunkReader::operator=(ChunkReader&&) noexcept = default;
ChunkReader::~ChunkReader() = default;

Result<std::optional<Chunk>> ChunkReader::next(const std::stop_token& stop) { return worker_->next(stop); }
bool ChunkReader::ready() const { return worker_->ready(); }
std::uint64_t ChunkReader::bytes_read() const noexcept {
  return worker_->shared().consumed.load(std::memory_order_relaxed);
}
std::uint64_t ChunkReader::size_hint() const noexcept { return worker_->shared().size_hint; }
const std::string& ChunkReader::name() const noexcept { return worker_->shared().name; }

}  // namespace etl::inline v0::io

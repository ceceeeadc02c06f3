#include <algorithm>
#include <deque>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <etl/io/digest.hpp>
#include <etl/io/object_store_stream.hpp>

namespace etl::inline v0::io {
namespace {

constexpr std::size_t parts_of_an_upload = 10'000;
constexpr std::size_t parts_of_one_size = 1'000;

/// Writes an object with one put, or with an upload in parts, each sent by a thread.
class ObjectSink final : public ByteSink {
 public:
  ObjectSink(AnyObjectStore store, std::string key, WriteOptions options, const std::stop_token& stop)
      : store_(std::move(store)),
        key_(std::move(key)),
        options_(std::move(options)),
        on_stop_(stop, [this] { stop_.request_stop(); }) {
    if (!options_.put.sha256.empty()) digest_.emplace(DigestKind::Sha256);
  }
  ~ObjectSink() override {
    if (!finished_) give_up(Error{});
  }

  Result<void> write(std::string_view bytes) override {
    if (digest_ && !error_) digest_->update(bytes);
    while (!bytes.empty() && !error_) {
      if (buffer_.size() == part_size()) send_part();
      const std::size_t size = std::min(bytes.size(), part_size() - buffer_.size());
      buffer_.append(bytes.substr(0, size));
      bytes.remove_prefix(size);
    }
    return result();
  }

  Result<void> finish() override {
    if (!error_ && !upload_) put();
    if (!error_ && upload_) complete();
    finished_ = true;
    return result();
  }

 private:
  using Sent = std::future<Result<UploadedPart>>;

  [[nodiscard]] std::size_t part_size() const noexcept {
    return options_.part_size * (1 + started_ / parts_of_one_size);
  }
  [[nodiscard]] Result<void> result() const {
    if (error_) return failure(*error_);
    return {};
  }

  void put() {
    if (auto done = store_.put(key_, buffer_, options_.put, stop_.get_token()); !done) error_ = std::move(done.error());
  }
  void send_part() {
    if (started_ == parts_of_an_upload) {
      give_up(fatal(fmt::format("'{}{}' is larger than {} parts hold: raise WriteOptions::part_size, which is {}",
                                store_.name(), key_, parts_of_an_upload, options_.part_size)));
      return;
    }
    if (!upload_) {
      auto begun = store_.begin_upload(key_, options_.put, stop_.get_token());
      if (!begun) {
        error_ = std::move(begun.error());
        return;
      }
      upload_ = std::move(*begun);
    }
    while (sent_.size() >= options_.parallel)
      if (!take_first()) return;
    const auto number = static_cast<std::uint32_t>(++started_);
    sent_.push_back(std::async(std::launch::async, [this, number, bytes = std::move(buffer_)] {
      Result<UploadedPart> part = send(number, bytes);
      if (!part) stop_.request_stop();  // the other parts are useless then
      return part;
    }));
    buffer_ = {};
  }
  [[nodiscard]] Result<UploadedPart> send(std::uint32_t number, const std::string& bytes) const try {
    return store_.put_part(*upload_, number, bytes, stop_.get_token());
  } catch (const std::exception& thrown) {
    return failure(Error{.code = Errc::UserException,
                         .context = fmt::format("'{}{}': part {}: {}", store_.name(), key_, number, thrown.what()),
                         .exception = std::current_exception()});
  }
  /// Waits for the first of the parts being sent. Returns false if the upload has failed.
  bool take_first() {
    Result<UploadedPart> part = sent_.front().get();
    sent_.pop_front();
    if (part)
      parts_.push_back(std::move(*part));
    else
      give_up(std::move(part.error()));
    return !error_;
  }
  void complete() {
    if (!buffer_.empty()) send_part();
    while (!error_ && !sent_.empty())
      if (!take_first()) return;
    if (error_) return;
    if (digest_) {
      const std::string has = digest_->finish();
      if (!same_hex(has, options_.put.sha256)) {
        give_up({.code = StoreProblem::Digest,
                 .context = fmt::format("cannot put '{}{}': the SHA-256 of the bytes is {}, but {} was given",
                                        store_.name(), key_, has, options_.put.sha256)});
        return;
      }
      // The digest is checked here, because a store that has not seen all bytes at once cannot check it.
      options_.put.sha256.clear();
    }
    auto done = store_.complete_upload(*upload_, parts_, options_.put, stop_.get_token());
    if (!done) give_up(std::move(done.error()));
  }
  /// Aborts the upload, so that no parts remain.
  void give_up(Error why) {
    stop_.request_stop();
    for (Sent& one : sent_) {
      Result<UploadedPart> part = one.get();
      // The first failure has stopped the other parts, so their errors are not the reason.
      if (!part && why.code == std::errc::operation_canceled && part.error().code != std::errc::operation_canceled)
        why = std::move(part.error());
    }
    sent_.clear();
    if (upload_)
      if (auto aborted = store_.abort_upload(*upload_, {}); !aborted)
        why.context += fmt::format("; and upload {} could not be aborted, so its parts still exist: {}", upload_->id,
                                   aborted.error().message());
    upload_.reset();
    if (!error_) error_ = std::move(why);
  }

  AnyObjectStore store_;
  std::string key_;
  WriteOptions options_;
  std::string buffer_{};
  std::optional<Digest> digest_{};
  std::optional<Upload> upload_{};
  std::size_t started_ = 0;
  std::deque<Sent> sent_{};
  std::vector<UploadedPart> parts_{};
  bool finished_ = false;
  std::optional<Error> error_{};
  std::stop_source stop_{};
  std::stop_callback<std::function<void()>> on_stop_;
};

}  // namespace

Sink create_object(AnyObjectStore store, std::string key, WriteOptions options, const std::stop_token& stop) {
  if (options.part_size == 0 || options.parallel == 0)
    throw Exception(
        Error{.code = Errc::InvalidOptions, .context = "WriteOptions: part_size and parallel must be at least 1"});
  return std::make_unique<ObjectSink>(std::move(store), std::move(key), std::move(options), stop);
}

Result<void> put_file(const AnyObjectStore& store, const std::string& key, const std::filesystem::path& file,
                      const WriteOptions& options, const std::stop_token& stop) {
  auto source = open_file(file);
  if (!source) return failure(std::move(source.error()));
  const Sink sink = create_object(store, key, options, stop);
  std::vector<char> buffer(std::size_t{1} << 20);
  for (;;) {
    const auto got = (*source)->read(buffer);
    if (!got) return failure(got.error());
    if (*got == 0) return sink->finish();
    if (auto written = sink->write({buffer.data(), *got}); !written) return written;
  }
}

Result<std::size_t> abort_old_uploads(const AnyObjectStore& store, const std::string& prefix,
                                      std::chrono::system_clock::time_point before, const std::stop_token& stop) {
  std::size_t aborted = 0;
  for (ListOptions options{.prefix = prefix};;) {
    auto page = store.uploads(options, stop);
    if (!page) return failure(std::move(page.error()));
    for (const Upload& upload : page->uploads) {
      if (upload.started == std::chrono::system_clock::time_point() || upload.started >= before) continue;
      if (auto done = store.abort_upload(upload, stop); !done) return failure(std::move(done.error()));
      ++aborted;
    }
    if (page->next.empty() || page->next == options.next) return aborted;
    options.next = std::move(page->next);
  }
}

}  // namespace etl::inline v0::io

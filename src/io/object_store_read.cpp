#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <utility>

#include <fmt/format.h>

#include <etl/io/digest.hpp>
#include <etl/io/object_store_stream.hpp>
#include <etl/policy/waiter.hpp>

namespace etl::inline v0::io {
namespace {

/// Reads an object. After an interruption, it continues at the same byte of the same object.
class ObjectSource final : public ByteSource {
 public:
  ObjectSource(AnyObjectStore store, std::string key, ReadOptions options, const std::stop_token& stop)
      : store_(std::move(store)),
        key_(std::move(key)),
        options_(std::move(options)),
        name_(store_.name() + key_),
        on_stop_(stop, [this] { stop_.request_stop(); }) {}

  [[nodiscard]] Result<ObjectInfo> begin() {
    auto opened = get(options_.if_match);
    if (!opened) return failure(std::move(opened.error()));
    info_ = std::move(opened->info);
    body_ = std::move(opened->bytes);
    if (options_.offset == 0 && !options_.size && !info_.sha256.empty()) digest_.emplace(DigestKind::Sha256);
    return info_;
  }

  Result<std::size_t> read(std::span<char> to) override {
    while (!error_ && !ended_) {
      Result<std::size_t> got = body_ ? body_->read(to) : reopen().and_then([&] { return body_->read(to); });
      if (got && *got > 0) {
        if (digest_) digest_->update({to.data(), *got});
        consumed_ += *got;
        backoff_.reset();
        return got;
      }
      if (got && consumed_ == size_hint()) {
        end();
      } else {
        Error why = got ? transient(fmt::format("'{}' ends after {} bytes of {}", name_, options_.offset + consumed_,
                                                options_.offset + size_hint()))
                        : std::move(got.error());
        body_.reset();
        error_ = wait_after(std::move(why));
      }
    }
    if (error_) return failure(*error_);
    return std::size_t{0};
  }
  [[nodiscard]] const std::string& name() const noexcept override { return name_; }
  [[nodiscard]] std::uint64_t consumed() const noexcept override { return consumed_; }
  [[nodiscard]] std::uint64_t size_hint() const noexcept override {
    const std::uint64_t rest = info_.size - options_.offset;
    return std::min(options_.size.value_or(rest), rest);
  }
  bool interrupt() noexcept override {
    stop_.request_stop();
    return true;
  }

 private:
  [[nodiscard]] Result<ObjectBody> get(const std::string& etag) const {
    std::optional<std::uint64_t> rest;
    if (options_.size) rest = *options_.size - consumed_;
    auto opened =
        store_.get(key_, {.offset = options_.offset + consumed_, .size = rest, .if_match = etag}, stop_.get_token());
    // A server or a proxy may ignore `if_match`.
    if (opened && !etag.empty() && opened->info.etag != etag)
      return failure(
          Error{.code = StoreProblem::Changed,
                .context = fmt::format("'{}' has changed: its etag is {}, but {} was requested: begin the read again",
                                       name_, opened->info.etag.empty() ? "missing" : opened->info.etag, etag)});
    return opened;
  }
  [[nodiscard]] Result<void> reopen() {
    auto opened = get(info_.etag);
    if (!opened) return failure(std::move(opened.error()));
    body_ = std::move(opened->bytes);
    return {};
  }
  /// Waits before another attempt. Returns an error if there can be none.
  [[nodiscard]] std::optional<Error> wait_after(Error why) {
    if (why.error_class != ErrorClass::Transient || stop_.stop_requested()) return why;
    if (info_.etag.empty()) {
      why.error_class = ErrorClass::Fatal;
      why.context += "; the store gives no etag, so the rest might come from another object";
      return why;
    }
    const Waiter waiter(stop_.get_token());
    if (!backoff_) backoff_.emplace(options_.retry, waiter.now(), std::random_device()());
    const auto delay = backoff_->after(why, waiter.now());
    if (delay && waiter.wait_for(*delay)) return std::nullopt;
    why.context += fmt::format("; gave up at byte {} of '{}' after {} attempts", options_.offset + consumed_, name_,
                               backoff_->attempts());
    return why;
  }
  void end() {
    ended_ = true;
    if (!digest_) return;
    const std::string has = digest_->finish();
    if (same_hex(has, info_.sha256)) return;
    error_ = Error{
        .code = StoreProblem::Digest,
        .context = fmt::format("'{}' was damaged during the transfer: its SHA-256 is {} in the store, but {} here",
                               name_, info_.sha256, has)};
  }

  AnyObjectStore store_;
  std::string key_;
  ReadOptions options_;
  std::string name_;
  ObjectInfo info_{};
  Source body_{};  // null: must be opened again
  std::uint64_t consumed_ = 0;
  bool ended_ = false;
  std::optional<Backoff> backoff_{};  // attempts since the last byte
  std::optional<Digest> digest_{};
  std::optional<Error> error_{};
  std::stop_source stop_{};
  std::stop_callback<std::function<void()>> on_stop_;
};

}  // namespace

Result<OpenedObject> open_object(const AnyObjectStore& store, const std::string& key, const ReadOptions& options,
                                 const std::stop_token& stop) {
  if (auto problem = options.retry.validate()) return failure(std::move(*problem));
  auto source = std::make_unique<ObjectSource>(store, key, options, stop);
  auto info = source->begin();
  if (!info) return failure(std::move(info.error()));
  return OpenedObject{.info = std::move(*info), .bytes = std::move(source)};
}

Result<void> for_each_object(const AnyObjectStore& store, const std::string& prefix,
                             const std::function<Result<void>(const ObjectInfo&)>& each, const std::stop_token& stop) {
  for (ListOptions options{.prefix = prefix};;) {
    auto page = store.list(options, stop);
    if (!page) return failure(std::move(page.error()));
    for (const ObjectInfo& object : page->objects)
      if (auto done = each(object); !done) return done;
    if (page->next.empty()) return {};
    if (page->next == options.next)
      return failure(
          fatal(fmt::format("'{}{}': the next page of the list is the same as this page, so the list would "
                            "never end",
                            store.name(), prefix)));
    options.next = std::move(page->next);
  }
}

}  // namespace etl::inline v0::io

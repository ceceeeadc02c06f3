#pragma once
/// Batches to a service that takes JSON.
///
///     etl::Result<void> load(std::span<const Order> batch, etl::BatchContext& context, const etl::IdempotencyKey& key)
///     const {
///       return sink.write(batch, [](const Order& o, std::string& out) { ... }, context, key);
///     }

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <etl/batch_context.hpp>
#include <etl/config.hpp>
#include <etl/delivery/idempotency_key.hpp>
#include <etl/error.hpp>
#include <etl/http/client.hpp>

namespace etl::inline v0::http {

/// Where an answer has the outcome of each item.
struct ItemResults {
  std::string array{};             ///< JSON pointer to an array with an entry for each item, in their order
  std::string status = "/status";  ///< within an entry: its status code
  std::string error = "/error";    ///< within an entry: the reason, if the status is not 2xx
};

/// Settings of a `Sink`. An aggregate.
struct SinkOptions {
  /// How the rows of a batch are written: a JSON array, or one object per line.
  enum class Form : std::uint8_t { Array, Ndjson };
  Request request{.method = "POST"};  ///< the request, without its body
  Form form = Form::Array;            ///< how the rows are written
  /// Name of the header that carries the key, if the pipeline's `load` takes a key.
  std::string key_header = "Idempotency-Key";
  /// What an answer 409 to a request with a key means. False: the first request with this key is still in progress, so
  /// the request is repeated (draft-ietf-httpapi-idempotency-key-header, 2.7). True: the service refuses the rows.
  bool conflict_rejects = false;
  std::optional<ItemResults> results{};  ///< how the answer names rejected rows, if it does
};

/// Sends each batch as one request. Thread-safe.
///
/// If the service refuses a whole batch, the error is that of `Client::send`: transient errors are retried, and the run
/// can find the bad items of a rejected batch (G6). If the answer has a status for each item (`SinkOptions::results`),
/// the class of the status decides whether this item alone is retried or rejected. An answer 413 halves the batch, down
/// to one item, which is then rejected. If the service refuses a part after it has stored another part, only items of
/// the refused part are rejected: all of them, or with `Isolation::Bisect` the bad ones. A redirect that would drop the
/// body is an error.
///
/// The key of a batch is sent with it; a part has its own key (`PartKeys`). A service that remembers keys takes each
/// item once, whatever is repeated (G16). It must not remember the key of a request of which every item had a transient
/// status: that request comes again with the same key. If the answer to a request was lost, or came from a gateway
/// (502, 504), nobody knows without a key what the service has done. Then the error is `Errc::OutcomeUnknown`, and the
/// request is repeated only with `Options::retry_unknown_outcome`.
class Sink {
 public:
  /// Makes a sink. A wrong URL or JSON pointer is an error.
  [[nodiscard]] static Result<Sink> make(Client client, SinkOptions options);

  /// `to_json(item, out)` appends the JSON of an item, which has no line breaks, to a std::string.
  template <class T, std::invocable<const T&, std::string&> F>
  [[nodiscard]] Result<void> write(std::span<const T> batch, F&& to_json, BatchContext& context,
                                   const IdempotencyKey& key) const {
    return send(items_of(batch, to_json), context, key.text());
  }
  template <class T, std::invocable<const T&, std::string&> F>
  [[nodiscard]] Result<void> write(std::span<const T> batch, F&& to_json, BatchContext& context) const {
    return send(items_of(batch, to_json), context, {});
  }

 private:
  struct Items {
    std::string text{};
    std::vector<std::size_t> ends{0};  ///< of item i from `ends[i]` to `ends[i + 1]`
    [[nodiscard]] std::size_t size() const noexcept { return ends.size() - 1; }
  };
  template <class T, class F>
  [[nodiscard]] static Items items_of(std::span<const T> batch, F& to_json) {
    Items items;
    items.ends.reserve(batch.size() + 1);
    for (const T& item : batch) {
      to_json(item, items.text);
      items.ends.push_back(items.text.size());
    }
    return items;
  }

  struct State;
  explicit Sink(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  [[nodiscard]] Result<void> send(const Items& items, BatchContext& context, const std::string& key) const;
  [[nodiscard]] Result<void> send_part(const Items& items, std::size_t first, std::size_t end, BatchContext& context,
                                       const std::string& key) const;
  /// The key of a part.
  [[nodiscard]] static std::string key_of(const Items& items, std::size_t first, std::size_t end,
                                          const BatchContext& context, const std::string& key);
  /// Sends the halves of a part that is too large.
  [[nodiscard]] Result<void> send_halves(const Items& items, std::size_t first, std::size_t end, BatchContext& context,
                                         const std::string& key) const;
  /// Sends a part of a batch of which another part is stored: an error must not be that of the whole batch.
  [[nodiscard]] Result<void> send_rest(const Items& items, std::size_t first, std::size_t end, BatchContext& context,
                                       const std::string& key) const;
  [[nodiscard]] Result<void> settle(const Request& request, const Response& response, std::size_t first,
                                    std::size_t end, BatchContext& context) const;
  std::shared_ptr<const State> state_;
};

}  // namespace etl::inline v0::http

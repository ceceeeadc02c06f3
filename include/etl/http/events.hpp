#pragma once
/// Server-sent events (WHATWG HTML, 9.2) as a source without end.

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>

#include <etl/config.hpp>
#include <etl/emitter.hpp>
#include <etl/error.hpp>
#include <etl/http/client.hpp>
#include <etl/http/url.hpp>
#include <etl/policy/retry.hpp>
#include <etl/position.hpp>

namespace etl::inline v0::http {

/// An event that a server sent.
struct Event {
  std::string type = "message";
  std::string data{};  ///< the lines of its data, with '\n' between them
  std::string id{};    ///< id of this event or, if it has none, of the last event that had an id
};

/// Settings of an event source. An aggregate.
struct EventOptions {
  Request request{};  ///< `on_head`, `on_body` and `max_body` are not used
  /// Time between the end of a connection and the next connection, unless the server sets another time (`retry:`).
  std::chrono::milliseconds pause{3000};
  /// Attempts in a row to connect or read that may fail. Every byte that arrives resets the count, and a connection
  /// that the server ends in order does not count.
  RetryPolicy retry{
      .max_attempts = 10, .initial_delay = std::chrono::seconds(1), .max_delay = std::chrono::seconds(60)};
  std::size_t max_event = std::size_t{16} << 20;  ///< largest size of an event in bytes
};

/// Reads events. When a connection ends, it connects again with `Last-Event-ID`. Belongs to one thread at a time.
class Events {
 public:
  /// `from` is the id of the last event that was handled.
  [[nodiscard]] static Result<Events> make(Client client, const EventOptions& options,
                                           const std::optional<Position>& from = {});
  Events(Events&&) noexcept;
  Events& operator=(Events&&) noexcept;
  ~Events();

  /// Waits for the next event. Returns nothing if the server has said that no more events follow (204).
  /// `Timeouts::stall` of the client limits the time between bytes of the server; servers send comments to fill this
  /// time.
  [[nodiscard]] Result<std::optional<Event>> next(const std::stop_token& stop = {});

 private:
  struct State;
  explicit Events(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Pushes the events after `out.resume_from()` until no more are wanted, and marks the id of each. A server that keeps
/// no events sends only new ones. If the run keeps progress or makes keys, an event without an id of its own ends the
/// run with `Problem::Content`, because it would not be known later which of these events are loaded.
template <class E>
  requires std::is_constructible_v<E, Event>
[[nodiscard]] Result<void> extract_events(const Client& client, const EventOptions& options, Emitter<E>& out) {
  Result<Events> events = Events::make(client, options, out.resume_from());
  if (!events) return failure(std::move(events.error()));
  for (std::string marked = out.resume_from() ? out.resume_from()->text() : std::string();;) {
    Result<std::optional<Event>> event = events->next(out.stop_token());
    if (!event && out.stop_token().stop_requested()) return {};
    if (!event) return failure(std::move(event.error()));
    if (!*event) return {};
    std::string id = (*event)->id;
    if (out.keeps_progress() && (id.empty() || id == marked))
      return failure(Error{.code = Problem::Content,
                           .context = shown_url(options.request.url) +
                                      ": an event has no id of its own, so a run cannot be resumed after it: leave out "
                                      "checkpoints, stores and keys, or let the server give ids"});
    if (!out.push(E(std::move(**event)))) return {};
    if (!id.empty() && id != marked) out.mark(Position(marked = std::move(id)));
  }
}

}  // namespace etl::inline v0::http

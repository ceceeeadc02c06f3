#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <etl/http/events.hpp>
#include <etl/policy/waiter.hpp>

#include "number.hpp"
#include "shown.hpp"

namespace etl::inline v0::http {
namespace {

/// Parses the lines of a stream into events.
class EventParser {
 public:
  /// `most`: bytes of the data of an event.
  EventParser(std::string id, std::size_t most) : id_(std::move(id)), most_(most) {}

  /// Begins a new connection; an incomplete event is dropped.
  void restart() {
    line_.clear();
    data_.clear();
    type_.clear();
    next_id_ = id_;
    first_ = true;
    after_cr_ = false;
  }
  void take(std::string_view bytes) {
    for (const char c : bytes) {
      if (c == '\n' && std::exchange(after_cr_, false)) continue;
      after_cr_ = c == '\r';
      if (c != '\r' && c != '\n')
        line_ += c;
      else
        end_of_line();
    }
  }
  [[nodiscard]] std::optional<Event> pop() {
    if (ready_.empty()) return std::nullopt;
    Event event = std::move(ready_.front());
    ready_.pop_front();
    return event;
  }
  [[nodiscard]] const std::string& last_id() const noexcept { return id_; }
  [[nodiscard]] std::optional<std::chrono::milliseconds> pause() const noexcept { return pause_; }
  /// Whether an event has more bytes than it may have. It may have come as a whole.
  [[nodiscard]] bool too_large() const noexcept { return too_large_ || line_.size() + data_.size() > most_; }

 private:
  void end_of_line() {
    std::string_view line = line_;
    if (std::exchange(first_, false) && line.starts_with("\xef\xbb\xbf")) line.remove_prefix(3);
    if (line.empty()) {
      id_ = next_id_;
      if (!data_.empty()) {
        data_.pop_back();  // the last '\n'
        too_large_ = too_large_ || data_.size() > most_;
        ready_.push_back({.type = type_.empty() ? "message" : type_, .data = std::move(data_), .id = id_});
      }
      data_.clear();
      type_.clear();
    } else if (line.front() != ':') {
      const std::size_t colon = std::min(line.find(':'), line.size());
      std::string_view value = line.substr(std::min(colon + 1, line.size()));
      if (value.starts_with(' ')) value.remove_prefix(1);
      field(line.substr(0, colon), value);
    }
    line_.clear();
  }
  void field(std::string_view name, std::string_view value) {
    if (name == "data") {
      data_.append(value) += '\n';
    } else if (name == "event") {
      type_ = value;
    } else if (name == "id") {
      if (value.find('\0') == std::string_view::npos) next_id_ = value;
    } else if (name == "retry") {
      if (const auto told = number(value); told && *told <= 3'600'000) pause_ = std::chrono::milliseconds(*told);
    }
  }
  std::string id_;
  std::size_t most_;
  std::string next_id_ = id_;
  std::string line_{};
  std::string data_{};
  std::string type_{};
  std::optional<std::chrono::milliseconds> pause_{};
  std::deque<Event> ready_{};
  bool too_large_ = false;
  bool first_ = true;
  bool after_cr_ = false;
};

}  // namespace

struct Events::State {
  Client client;
  EventOptions options;
  EventParser parser;
  std::optional<Opened> open{};
  Backoff backoff;
  std::optional<TimePoint> not_before{};

  [[nodiscard]] Backoff fresh() const { return {options.retry, Clock::now(), std::random_device{}()}; }
  [[nodiscard]] Error wrong(std::string what) const {
    std::string context = fmt::format("{}: {}", shown_request(options.request), what);
    return {.code = Problem::Content,
            .context = without_secrets(std::move(context), options.request, client.options())};
  }

  /// Connects to the server. Returns false if there are no more events.
  [[nodiscard]] Result<bool> connect(const std::stop_token& stop) {
    Request request = options.request;
    request.headers.set("Accept", "text/event-stream");
    request.headers.set("Cache-Control", "no-store");
    if (!parser.last_id().empty()) request.headers.set("Last-Event-ID", parser.last_id());
    request.on_head = {};
    request.on_body = {};
    request.max_body.reset();
    Result<Opened> opened = client.open(std::move(request), stop);
    if (!opened) return failure(std::move(opened.error()));
    if (opened->head.status == 204) return false;
    const std::string_view type = opened->head.headers.find("Content-Type").value_or("");
    if (!same_name(type.substr(0, 17), "text/event-stream"))
      return failure(wrong(fmt::format("the answer is '{}', not an event stream", excerpt(type))));
    open = std::move(*opened);
    parser.restart();
    return true;
  }

  /// Reads bytes and gives them to the parser. Returns false if there are no more events.
  [[nodiscard]] Result<bool> read(const std::stop_token& stop) {
    if (!open) {
      Result<bool> connected = connect(stop);
      if (!connected || !*connected) return connected;
    }
    std::array<char, 16384> buffer{};
    Result<std::size_t> got = [&] {
      const std::stop_callback wake(stop, [this] { open->body->interrupt(); });  // ends with this call
      return open->body->read(buffer);
    }();
    if (!got || *got == 0) open.reset();
    if (!got) return failure(std::move(got.error()));
    if (*got == 0) {  // regular end: the server wants the client to connect again
      not_before = Clock::now() + parser.pause().value_or(options.pause);
      return true;
    }
    backoff = fresh();
    parser.take({buffer.data(), *got});
    if (parser.too_large()) return failure(wrong(fmt::format("an event has more than {} bytes", options.max_event)));
    return true;
  }
};

Events::Events(std::unique_ptr<State> state) : state_(std::move(state)) {}
Events::Events(Events&&) noexcept = default;
Events& Events::operator=(Events&&) noexcept = default;
Events::~Events() = default;

Result<Events> Events::make(Client client, const EventOptions& options, const std::optional<Position>& from) {
  if (auto problem = options.retry.validate()) return failure(std::move(*problem));
  if (const Result<Url> url = Url::parse(options.request.url); !url) return failure(url.error());
  return Events(std::make_unique<State>(State{.client = std::move(client),
                                              .options = options,
                                              .parser = EventParser(from ? from->text() : "", options.max_event),
                                              .backoff = {options.retry, Clock::now(), std::random_device{}()}}));
}

Result<std::optional<Event>> Events::next(const std::stop_token& stop) {
  State& state = *state_;
  const Waiter waiter(stop);
  const auto stopped = [&] {
    return failure(Error{.code = Problem::Stopped, .context = shown_request(state.options.request) + ": stopped"});
  };
  for (;;) {
    if (auto event = state.parser.pop()) return event;
    if (state.not_before && !waiter.wait_until(*std::exchange(state.not_before, std::nullopt))) return stopped();
    Result<bool> more = state.read(stop);
    if (more && !*more) return std::optional<Event>();
    if (more) continue;
    const auto delay = state.backoff.after(more.error(), waiter.now());
    if (!delay) return failure(std::move(more.error()));
    if (!waiter.wait_for(
            std::max<std::chrono::nanoseconds>(*delay, state.parser.pause().value_or(std::chrono::milliseconds(0)))))
      return stopped();
  }
}

}  // namespace etl::inline v0::http

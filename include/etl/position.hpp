#pragma once
/// Places in a source, and what keeps a part of it alive.

#include <atomic>
#include <charconv>
#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <etl/config.hpp>

namespace etl::inline v0 {

/// An opaque, serialisable place in a partition, from which its source can resume. The library stores positions and
/// gives them back, but never compares them: order is always by Seq. A value.
class Position {
 public:
  Position() = default;
  /// A text of the source. Include a version if its format may change.
  explicit Position(std::string text) : text_(std::move(text)) {}
  /// An offset or record number.
  explicit Position(std::uint64_t number) : text_(std::to_string(number)) {}

  /// The text.
  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  /// The number that the position was made from, or nothing if the text is not a number.
  [[nodiscard]] std::optional<std::uint64_t> number() const noexcept {
    std::uint64_t value = 0;
    const char* const end = text_.data() + text_.size();
    const auto [stopped, error] = std::from_chars(text_.data(), end, value);
    if (error != std::errc{} || stopped != end) return std::nullopt;
    return value;
  }
  friend bool operator==(const Position&, const Position&) = default;

 private:
  std::string text_;
};

/// A type that a source may use for its positions (`using position = P;`): an integer, a string,
/// `Position` itself, or a type with `Position position() const` and `static std::optional<P> from(const Position&)`.
template <class P>
concept PositionType =
    std::same_as<P, Position> || std::same_as<P, std::string> || (std::integral<P> && !std::same_as<P, bool>) ||
    requires(const P& place, const Position& position) {
      { place.position() } -> std::same_as<Position>;
      { P::from(position) } -> std::same_as<std::optional<P>>;
    };

namespace detail {

template <PositionType P>
[[nodiscard]] Position position_from(const P& place) {
  if constexpr (std::integral<P>)
    return Position(std::to_string(place));
  else if constexpr (requires { place.position(); })
    return place.position();
  else
    return Position(place);
}
/// Nothing if the position was made by a source with another type of positions.
template <PositionType P>
[[nodiscard]] std::optional<P> place_at(const Position& position) {
  if constexpr (std::integral<P>) {
    P value{};
    const char* const end = position.text().data() + position.text().size();
    const auto [stopped, error] = std::from_chars(position.text().data(), end, value);
    if (error != std::errc{} || stopped != end) return std::nullopt;
    return value;
  } else if constexpr (requires { P::from(position); }) {
    return P::from(position);
  } else {
    return P(position.text());
  }
}

/// The items between two `retain` calls of a source (G13). Batches hold references to the chunks their items came from;
/// when the last one goes, everything derived from the chunk is settled, or was lost.
struct Chunk {
  Chunk(std::shared_ptr<const void> what, std::function<void(bool)> told) noexcept
      : keep(std::move(what)), acknowledge(std::move(told)) {}
  Chunk(const Chunk&) = delete;
  Chunk& operator=(const Chunk&) = delete;
  ~Chunk() {
    if (acknowledge) acknowledge(!lost.load(std::memory_order_acquire));
  }
  std::shared_ptr<const void> keep;       ///< what the items point into
  std::function<void(bool)> acknowledge;  ///< does not throw
  std::atomic<bool> lost = false;         ///< an item of it was not settled; the worst outcome wins
};
using ChunkRef = std::shared_ptr<Chunk>;

}  // namespace detail
}  // namespace etl::inline v0

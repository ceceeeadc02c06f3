#pragma once
/// The entries of a flat file, as a pipeline extracts them.

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include <etl/emitter.hpp>
#include <etl/error.hpp>
#include <etl/io/chunk_reader.hpp>
#include <etl/io/source.hpp>
#include <etl/position.hpp>
#include <etl/uniprot/entry.hpp>
#include <etl/uniprot/parse.hpp>

namespace etl::inline v0::uniprot {

/// One entry, not yet parsed: plain data that points into a chunk.
struct RawEntry {
  /// Whether it is an entry.
  enum class Kind : std::uint8_t {
    Entry,       ///< an entry
    Unreadable,  ///< not an entry: `text` says why the input could not be read after the entries before
  };
  std::string_view text{};  ///< its bytes
  std::uint64_t line = 1;   ///< number of its first line in the input, from 1
  std::uint32_t input = 0;  ///< index of the input
  Kind kind = Kind::Entry;  ///< whether it is an entry
};

/// The longest entry that is taken for one: a thousand times the usual, so that a file of another format is noticed.
inline constexpr std::size_t max_entry_bytes = std::size_t{32} << 20;

/// Where an entry begins in one of several inputs.
struct InputPlace {
  std::uint32_t input = 0;   ///< index of the input
  std::uint64_t offset = 0;  ///< bytes of the (inflated) input before it
  std::uint64_t line = 1;    ///< as `RawEntry::line`
  /// "INPUT OFFSET LINE".
  [[nodiscard]] Position position() const;
  /// The place of a position; nothing if the position was not made by `position()`.
  [[nodiscard]] static std::optional<InputPlace> from(const Position& position);
  friend bool operator==(const InputPlace&, const InputPlace&) = default;
};

/// Entries of an input by number, from 1. Both ends are included.
struct EntryRange {
  std::uint64_t first = 1;                                         ///< the first entry
  std::uint64_t last = std::numeric_limits<std::uint64_t>::max();  ///< the last entry
};

/// How many entries `source` holds. Only line ends and terminators are looked at, so it costs little more than reading.
/// An input that ends within an entry has that one too. The error is that of the source, or that `stop` was requested.
[[nodiscard]] Result<std::uint64_t> count_entries(io::Source source, const std::stop_token& stop = {});

/// Parses the entries of `range` and calls `each` with them, in their order; `problem` is null for a good one. Entries
/// before the range are passed over unparsed, those after it are not read. `each` returns false to end. What was
/// parsed, and its text, last until `each` returns. For a run of many entries see `extract_entries`.
[[nodiscard]] Result<void> parse_entries(
    io::Source source, const EntryRange& range,
    const std::function<bool(const RawEntry& raw, const Entry& entry, const Problem* problem)>& each,
    const std::stop_token& stop = {});

/// Pushes the entries of `source` from `begin` on, and marks places as it goes. Chunks are held until their entries are
/// settled. An input that ends within an entry gives that rest too (`parse` says what is missing), one that cannot be
/// read on an `Unreadable`, so that nothing is lost and other inputs go on. `range` counts entries from `begin` on.
/// False: the emitter takes no more.
bool extract_entries(io::Source source, const InputPlace& begin, Emitter<RawEntry>& out, const EntryRange& range = {});

}  // namespace etl::inline v0::uniprot

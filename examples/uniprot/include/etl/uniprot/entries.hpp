#pragma once
/// The entries of a flat file, as a pipeline extracts them.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <etl/emitter.hpp>
#include <etl/error.hpp>
#include <etl/io/chunk_reader.hpp>
#include <etl/io/source.hpp>
#include <etl/position.hpp>

namespace etl::inline v0::uniprot {

/// One entry, not yet parsed: plain data that points into a chunk.
struct RawEntry {
  enum class Kind : std::uint8_t {
    Entry,
    Unreadable,  ///< not an entry: `text` says why the input could not be read on behind the entries before
  };
  std::string_view text{};
  std::uint64_t line = 1;  ///< of the input, from 1: where the entry begins
  std::uint32_t input = 0;
  Kind kind = Kind::Entry;
};

/// The longest entry that is taken for one: a thousand times the usual, so that a file of another format is noticed.
inline constexpr std::size_t max_entry_bytes = std::size_t{32} << 20;

/// Where an entry begins in one of several inputs.
struct InputPlace {
  std::uint32_t input = 0;
  std::uint64_t offset = 0;  ///< bytes of the (inflated) input before it
  std::uint64_t line = 1;    ///< as `RawEntry::line`
  /// "INPUT OFFSET LINE".
  [[nodiscard]] Position position() const;
  /// Nothing: it is not one of these.
  [[nodiscard]] static std::optional<InputPlace> from(const Position& position);
  friend bool operator==(const InputPlace&, const InputPlace&) = default;
};

/// Pushes the entries of `source` from `begin` on, and marks places as it goes. Chunks are held until their entries are
/// settled. An input that ends within an entry gives that rest too (`parse` says what is missing), one that cannot be
/// read on an `Unreadable`, so that nothing is lost and other inputs go on. False: the emitter takes no more.
bool extract_entries(io::Source source, const InputPlace& begin, Emitter<RawEntry>& out);

}  // namespace etl::inline v0::uniprot

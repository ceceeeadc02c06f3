#pragma once
/// Files of readings: JSON objects, one a line or in an array, each with the id of a stream and the array of its
/// readings, which are pairs of a time and a value.
///
///     auto reader = etl::csv::readings::Reader::open("day.json", *mapping.stream_map);
///     auto decoder = mapping.bind(mapping.stream_map->header(), reader->name());
///     while (auto chunk = etl::value(reader->next()))
///       for (std::size_t i = 0; i < chunk->size(); ++i) decoder->decode((*chunk)[i], record);

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <etl/csv/mapping.hpp>
#include <etl/error.hpp>
#include <etl/io/source.hpp>

namespace etl::inline v0::csv::readings {

namespace detail {

/// A value of a reading, in the texts of its chunk.
struct Cell {
  std::uint32_t begin = 0;
  std::uint32_t size = 0;
  bool quoted = false;
  bool null = false;
  bool plain = false;  // its letters stand in `plain`, since `json` has them escaped
};

enum class Fault : std::uint8_t { None, NotObject, NotArray, NotPair, NoId, NoReadings };

struct Entry {
  Cell cells[2]{};          // time and value
  std::uint32_t begin = 0;  // of it in `json`
  std::uint32_t size = 0;
  std::uint32_t stream = 0;  // in `Streams`
  Fault fault = Fault::None;
  std::uint64_t element = 0;  // of the file, from 1
  std::uint64_t number = 0;   // of the reading in its element, from 1
};

/// Those that are wanted: their ids, and which target each has.
struct Streams {
  explicit Streams(const StreamMap& map);
  std::string id_name, readings_name;
  std::vector<std::string> ids{};
  std::vector<std::size_t> targets{};
  std::size_t cells = 0;
};

struct ChunkData {
  std::shared_ptr<const Streams> streams{};
  std::string json{};
  std::string plain{};
  std::vector<Entry> entries{};
};

}  // namespace detail

/// One reading, as a row of the cells of `StreamMap::header`: its time, the id of its stream, and one for each target,
/// all NULL but its own. A view that is valid as long as its chunk; any thread.
class Reading {
 public:
  Reading(const detail::ChunkData& chunk, const detail::Entry& entry) noexcept : chunk_(&chunk), entry_(&entry) {}
  [[nodiscard]] std::size_t size() const noexcept { return chunk_->streams->cells; }
  /// The letters of a text; other values as they are in the file, objects and arrays without blanks; of NULL none.
  [[nodiscard]] std::string_view operator[](std::size_t i) const noexcept;
  [[nodiscard]] bool quoted(std::size_t i) const noexcept { return i == 1 || (cell(i) != nullptr && cell(i)->quoted); }
  [[nodiscard]] bool null(std::size_t i) const noexcept { return i != 1 && (cell(i) == nullptr || cell(i)->null); }
  /// In its element, from 1; and the element's number in the file, from 1.
  [[nodiscard]] std::uint64_t number() const noexcept { return entry_->number; }
  [[nodiscard]] std::uint64_t line() const noexcept { return entry_->element; }
  /// "FILE element 3, reading 17": for errors.
  [[nodiscard]] std::string where(std::string_view file) const;
  /// Of class Rejected: why it is none, with its place; its cells are then of no use.
  [[nodiscard]] std::optional<Error> fault(std::string_view file) const;
  /// An element of its own that holds it alone: `{"uuid":"3f2a","Readings":[[1700000000000,21.5]]}`. Of an element that
  /// has none: empty.
  [[nodiscard]] std::string text() const;

 private:
  /// Null: there is none in this row.
  [[nodiscard]] const detail::Cell* cell(std::size_t i) const noexcept {
    if (i == 0) return &entry_->cells[0];
    return i == 2 + chunk_->streams->targets[entry_->stream] ? &entry_->cells[1] : nullptr;
  }

  const detail::ChunkData* chunk_;
  const detail::Entry* entry_;
};

/// Some readings. A value; readings and their texts live as long as one copy of it, or of `keep()`, does.
class Chunk {
 public:
  explicit Chunk(std::shared_ptr<const detail::ChunkData> data) noexcept : data_(std::move(data)) {}
  [[nodiscard]] std::size_t size() const noexcept { return data_->entries.size(); }
  [[nodiscard]] Reading operator[](std::size_t i) const noexcept { return {*data_, data_->entries[i]}; }
  /// For `Emitter::hold`.
  [[nodiscard]] std::shared_ptr<const void> keep() const noexcept { return data_; }

 private:
  std::shared_ptr<const detail::ChunkData> data_;
};

/// Readings of streams that the map does not name.
struct LeftOut {
  std::uint64_t readings = 0;
  std::set<std::string> streams{};  ///< their ids, `most_streams` of them
  bool all = true;                  ///< no stream was one that the map names
  static constexpr std::size_t most_streams = 10'000;
};

struct ReaderOptions {
  std::uint64_t begin = 0;             ///< readings to pass over: `Reader::position` of an earlier reading
  std::size_t chunk_size = 256 << 10;  ///< bytes of the (inflated) file that a chunk is made of, about
  std::size_t max_waiting = 16 << 20;  ///< bytes of readings before the id of their stream, and of one reading
};

/// Reads a file in constant memory, however many readings a stream has. Belongs to one thread at a time; chunks go to
/// any thread.
class Reader {
 public:
  /// Plain or gzip by content; "-" is standard input.
  [[nodiscard]] static Result<Reader> open(const std::filesystem::path& path, const StreamMap& map,
                                           const ReaderOptions& options = {});
  Reader(io::Source source, const StreamMap& map, const ReaderOptions& options = {});
  Reader(Reader&&) noexcept;
  Reader& operator=(Reader&&) noexcept;
  ~Reader();

  /// The next readings; nothing at the end, or when `stop` is requested. All before an error are given first, then the
  /// error, again and again: file, line and byte of what is no JSON.
  [[nodiscard]] Result<std::optional<Chunk>> next(const std::stop_token& stop = {});
  /// How many readings lie behind us, those that were left out among them.
  [[nodiscard]] std::uint64_t position() const noexcept;
  /// So far, from the beginning of the file.
  [[nodiscard]] const LeftOut& left_out() const noexcept;
  /// Bytes taken from the innermost source so far: for progress.
  [[nodiscard]] std::uint64_t bytes_read() const noexcept;
  [[nodiscard]] const std::string& name() const noexcept;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace etl::inline v0::csv::readings

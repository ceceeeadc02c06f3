#pragma once
/// Files of readings: JSON objects, one per line or in an array, each with the id of a stream and the array of its
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

/// One reading, as a row with the cells of `StreamMap::header`: its time, the id of its stream, and one cell for each
/// target. All targets except that of its stream are NULL. A view, valid as long as its chunk. Thread-safe.
class Reading {
 public:
  /// What errors call a cell, which has no number in the file.
  static constexpr std::string_view cell_noun = "column";
  /// Made by the reader.
  Reading(const detail::ChunkData& chunk, const detail::Entry& entry) noexcept : chunk_(&chunk), entry_(&entry) {}
  [[nodiscard]] std::size_t size() const noexcept { return chunk_->streams->cells; }
  /// The letters of a text; other values as they are in the file, objects and arrays without blanks; of NULL none.
  [[nodiscard]] std::string_view operator[](std::size_t i) const noexcept;
  /// Whether the value is a string.
  [[nodiscard]] bool quoted(std::size_t i) const noexcept { return i == 1 || (cell(i) != nullptr && cell(i)->quoted); }
  /// Whether the cell is NULL.
  [[nodiscard]] bool null(std::size_t i) const noexcept { return i != 1 && (cell(i) == nullptr || cell(i)->null); }
  /// Number of the reading in its element, from 1.
  [[nodiscard]] std::uint64_t number() const noexcept { return entry_->number; }
  /// Number of the element in the file, from 1.
  [[nodiscard]] std::uint64_t line() const noexcept { return entry_->element; }
  /// "FILE element 3, reading 17", for errors.
  [[nodiscard]] std::string where(std::string_view file) const;
  /// If this is not a valid reading, an error of class Rejected with its place; its cells are then meaningless.
  [[nodiscard]] std::optional<Error> fault(std::string_view file) const;
  /// An element with only this reading: `{"uuid":"3f2a","Readings":[[1700000000000,21.5]]}`. Empty for an element
  /// without readings.
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

/// Several readings. A value; readings and their texts live as long as any copy of the chunk or of `keep()`.
class Chunk {
 public:
  /// Made by the reader.
  explicit Chunk(std::shared_ptr<const detail::ChunkData> data) noexcept : data_(std::move(data)) {}
  [[nodiscard]] std::size_t size() const noexcept { return data_->entries.size(); }
  [[nodiscard]] Reading operator[](std::size_t i) const noexcept { return {*data_, data_->entries[i]}; }
  /// For `Emitter::retain`.
  [[nodiscard]] std::shared_ptr<const void> keep() const noexcept { return data_; }

 private:
  std::shared_ptr<const detail::ChunkData> data_;
};

/// Readings of streams that the map does not name.
struct LeftOut {
  std::uint64_t readings = 0;                          ///< number of skipped readings
  std::set<std::string> streams{};                     ///< ids of their streams, at most `most_streams`
  bool all = true;                                     ///< whether the file has no stream that the map names
  static constexpr std::size_t most_streams = 10'000;  ///< most ids that are kept
};

/// Settings of a `Reader`. An aggregate.
struct ReaderOptions {
  std::uint64_t begin = 0;             ///< number of readings to skip: `Reader::position` of an earlier reader
  std::size_t chunk_size = 256 << 10;  ///< approximate bytes of the inflated file for one chunk
  std::size_t max_waiting = 16 << 20;  ///< most bytes of readings before the id of their stream, and of one reading
};

/// Reads a file in constant memory, however many readings a stream has. Belongs to one thread at a time; chunks may go
/// to any thread.
class Reader {
 public:
  /// Opens a plain or gzip file; "-" is standard input.
  [[nodiscard]] static Result<Reader> open(const std::filesystem::path& path, const StreamMap& map,
                                           const ReaderOptions& options = {});
  /// Reads a source.
  Reader(io::Source source, const StreamMap& map, const ReaderOptions& options = {});
  Reader(Reader&&) noexcept;
  Reader& operator=(Reader&&) noexcept;
  ~Reader();

  /// The next readings; nothing at the end, or if `stop` is requested. Returns all readings before an error first, and
  /// then the error at every call, with file, line and byte of invalid JSON.
  [[nodiscard]] Result<std::optional<Chunk>> next(const std::stop_token& stop = {});
  /// Number of readings so far, including skipped readings.
  [[nodiscard]] std::uint64_t position() const noexcept;
  /// Skipped readings so far, counted from the beginning of the file.
  [[nodiscard]] const LeftOut& left_out() const noexcept;
  /// Bytes read so far from the innermost source, to show progress.
  [[nodiscard]] std::uint64_t bytes_read() const noexcept;
  /// Name of the source, for messages.
  [[nodiscard]] const std::string& name() const noexcept;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace etl::inline v0::csv::readings

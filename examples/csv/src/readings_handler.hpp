#pragma once
// Receives the events of the JSON parser for a file of readings.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <boost/json/basic_parser_impl.hpp>

#include <etl/csv/readings.hpp>

#include "json_text.hpp"

namespace etl::inline v0::csv::readings::detail {

/// Collects the readings of wanted streams. Levels: 0 between the elements, 1 in an element, 2 in its array of
/// readings, 3 in a reading.
class Handler {
 public:
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = max_object_size;
  static constexpr std::size_t max_key_size = max_object_size;
  static constexpr std::size_t max_string_size = max_object_size;
  using Code = boost::json::error_code;
  using Text = boost::json::string_view;

  Handler(const StreamMap& map, const ReaderOptions& options)
      : map_(map), options_(options), streams_(std::make_shared<const Streams>(map)) {
    renew();
  }

  /// The collected readings that do not wait for an id, or null if there are none.
  [[nodiscard]] std::shared_ptr<const ChunkData> take();
  /// The file has ended, so the readings that wait for an id are dropped.
  void forget_waiting();
  [[nodiscard]] std::uint64_t passed() const { return passed_; }
  [[nodiscard]] const LeftOut& left_out() const { return left_out_; }
  /// Why the handler has stopped the parser; empty if it has not.
  [[nodiscard]] const std::string& problem() const { return problem_; }

  bool on_document_begin(Code&) {
    depth_ = base_ = 0;
    return true;
  }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code& code) { return open('{', code); }
  bool on_object_end(std::size_t, Code& code) { return close('}', code); }
  bool on_array_begin(Code& code) {
    if (depth_ > 0) return open('[', code);
    depth_ = base_ = 1;
    return true;
  }
  bool on_array_end(std::size_t, Code& code) { return close(']', code); }

  bool on_key_part(Text text, std::size_t, Code& code) { return key_part({text.data(), text.size()}, code); }
  bool on_key(Text text, std::size_t, Code& code) {
    if (!key_part({text.data(), text.size()}, code)) return false;
    if (level() == 1 && skip_ == 0) {
      member_ = key_ == map_.id ? Member::Id : key_ == map_.readings ? Member::Readings : Member::Other;
      key_.clear();
    } else if (keeps()) {
      json_ += "\":";
    }
    in_text_ = false;
    return true;
  }
  bool on_string_part(Text text, std::size_t, Code& code) { return string_part({text.data(), text.size()}, code); }
  bool on_string(Text text, std::size_t, Code& code) {
    if (!string_part({text.data(), text.size()}, code)) return false;
    if (keeps()) json_ += '"';
    return end_value({.quoted = true}, code);
  }
  bool on_number_part(Text text, Code& code) { return scalar_part({text.data(), text.size()}, code); }
  bool on_int64(std::int64_t, Text text, Code& code) { return scalar({text.data(), text.size()}, {}, code); }
  bool on_uint64(std::uint64_t, Text text, Code& code) { return scalar({text.data(), text.size()}, {}, code); }
  bool on_double(double, Text text, Code& code) { return scalar({text.data(), text.size()}, {}, code); }
  bool on_bool(bool value, Code& code) { return scalar(value ? "true" : "false", {}, code); }
  bool on_null(Code& code) { return scalar("null", {.null = true}, code); }
  bool on_comment_part(Text, Code&) { return true; }
  bool on_comment(Text, Code&) { return true; }

 private:
  enum class Member : std::uint8_t { Other, Id, Readings };

  [[nodiscard]] std::size_t level() const { return depth_ - base_; }
  /// Whether the parser is within a reading whose JSON is wanted.
  [[nodiscard]] bool keeps() const { return in_reading_ && keep_; }

  bool open(char bracket, Code& code);
  bool close(char bracket, Code& code);
  void begin_value();
  bool end_value(Cell cell, Code& code);
  void separate();
  bool key_part(std::string_view text, Code& code);
  bool string_part(std::string_view text, Code& code);
  bool scalar_part(std::string_view text, Code& code);
  bool scalar(std::string_view text, const Cell& cell, Code& code) {
    return scalar_part(text, code) && end_value(cell, code);
  }
  bool check_size(Code& code);

  [[nodiscard]] bool is_unwanted() const { return has_id_ && !stream_; }
  void begin_element();
  void end_element();
  void begin_reading();
  void end_reading();
  void set_id();
  void fail_element(Fault fault);
  void add(Fault fault);
  void renew() {
    chunk_ = std::make_shared<ChunkData>();
    chunk_->streams = streams_;
  }

  StreamMap map_;
  ReaderOptions options_;
  std::shared_ptr<const Streams> streams_;
  std::shared_ptr<ChunkData> chunk_{};
  LeftOut left_out_{};
  std::string problem_{};
  std::uint64_t passed_ = 0;

  std::size_t depth_ = 0;
  std::size_t base_ = 0;  // 1 if the document is an array, otherwise 0
  std::size_t skip_ = 0;  // deeper levels are ignored; 0: nothing is ignored
  bool in_text_ = false;  // a part of a string or number was given
  std::string key_{};

  // The current element:
  std::uint64_t element_ = 0;
  std::uint64_t number_ = 0;  // number of its last reading
  Member member_ = Member::Other;
  std::string id_{};
  std::optional<std::uint32_t> stream_{};  // no value if there is no stream, or no wanted one
  bool has_id_ = false;
  bool has_readings_ = false;
  bool waits_ = false;           // there are readings whose id is not known yet
  std::size_t waits_from_ = 0;   // index in `entries`
  std::size_t waits_plain_ = 0;  // offset in `plain`
  std::uint64_t waiting_ = 0;

  // The current reading:
  bool in_reading_ = false;
  bool keep_ = false;
  bool is_array_ = false;
  std::size_t values_ = 0;
  Cell cells_[2]{};
  std::string json_{};
  std::string letters_{};  // letters of the current string
  std::string plain_{};    // strings that are escaped in `json_`
  std::size_t begin_ = 0;  // begin of the current value in `json_`
};

}  // namespace etl::inline v0::csv::readings::detail

#include "readings_handler.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <etl/text.hpp>

namespace etl::inline v0::csv::readings::detail {

std::shared_ptr<const ChunkData> Handler::take() {
  if (waits_ || chunk_->entries.empty()) return nullptr;
  auto taken = std::exchange(chunk_, nullptr);
  renew();
  return taken;
}

void Handler::forget_waiting() {
  if (!std::exchange(waits_, false)) return;
  chunk_->entries.resize(std::min(waits_from_, chunk_->entries.size()));
  passed_ -= std::exchange(waiting_, 0);
}

bool Handler::open(char bracket, Code& code) {
  if (skip_ == 0) {
    begin_value();
    const bool is_readings = level() == 1 && member_ == Member::Readings;
    has_readings_ |= is_readings;
    if (level() == 0 && bracket == '[') fail_element(Fault::NotObject);
    if (is_readings && bracket == '{') fail_element(Fault::NotArray);
    if (level() == 0 ? bracket == '[' : level() == 1 && (!is_readings || bracket == '{')) skip_ = depth_ + 1;
    if (level() == 2) is_array_ = bracket == '[';
    if (keeps()) json_ += bracket;
  }
  ++depth_;
  return check_size(code);
}

bool Handler::close(char bracket, Code& code) {
  --depth_;
  if (skip_ != 0) {
    if (depth_ < skip_) skip_ = 0;
    return true;
  }
  if (depth_ < base_ || level() == 1) return true;
  if (level() == 0) return end_element(), true;
  if (keeps()) json_ += bracket;
  return end_value({}, code);
}

void Handler::begin_value() {
  if (level() == 0) return begin_element();
  if (level() == 1 && member_ == Member::Id) id_.clear();
  if (level() == 2)
    begin_reading();
  else
    separate();
  begin_ = level() == 3 ? json_.size() : begin_;
}

bool Handler::end_value(Cell cell, Code& code) {
  in_text_ = false;
  if (skip_ != 0) return true;
  if (level() == 0) {
    fail_element(Fault::NotObject);
  } else if (level() == 1 && member_ == Member::Id) {
    if (!cell.null) set_id();
  } else if (level() == 1 && member_ == Member::Readings) {
    has_readings_ = true;
    if (!cell.null) fail_element(Fault::NotArray);
  } else if (level() == 2) {
    end_reading();
  } else if (level() == 3 && ++values_ <= 2 && keep_) {
    const std::size_t quote = cell.quoted ? 1 : 0;
    std::size_t begin = begin_ + quote, size = cell.null ? 0 : json_.size() - begin_ - 2 * quote;
    cell.plain = cell.quoted && letters_.size() != size;
    if (cell.plain) {
      begin = plain_.size();
      size = letters_.size();
      plain_ += letters_;
    }
    cell.begin = static_cast<std::uint32_t>(begin);
    cell.size = static_cast<std::uint32_t>(size);
    cells_[values_ - 1] = cell;
  }
  return check_size(code);
}

/// Adds a comma, unless this is the first element.
void Handler::separate() {
  if (!keeps()) return;
  const char last = json_.back();
  if (last != '{' && last != '[' && last != ':') json_ += ',';
}

bool Handler::key_part(std::string_view text, Code& code) {
  if (skip_ != 0) return true;
  if (level() == 1) {
    key_ += text;
  } else if (keeps()) {
    if (!std::exchange(in_text_, true)) {
      separate();
      json_ += '"';
    }
    append_json_escaped(json_, text);
  }
  return check_size(code);
}

bool Handler::string_part(std::string_view text, Code& code) {
  if (skip_ != 0) return true;
  if (!std::exchange(in_text_, true)) {
    begin_value();
    letters_.clear();
    if (keeps()) json_ += '"';
  }
  if (level() == 1 && member_ == Member::Id) id_ += text;
  if (keeps()) {
    if (level() == 3) letters_ += text;
    append_json_escaped(json_, text);
  }
  return check_size(code);
}

bool Handler::scalar_part(std::string_view text, Code& code) {
  if (skip_ != 0) return true;
  if (!std::exchange(in_text_, true)) begin_value();
  if (level() == 1 && member_ == Member::Id) id_ += text;
  if (keeps()) json_ += text;
  return check_size(code);
}

/// Returns false if too much must be kept in memory.
bool Handler::check_size(Code& code) {
  const std::size_t one = json_.size() + plain_.size() + letters_.size() + id_.size() + key_.size();
  std::size_t waiting = 0;
  if (waits_ && chunk_->entries.size() > waits_from_)
    waiting = (chunk_->entries.size() - waits_from_) * sizeof(Entry) + chunk_->json.size() -
              chunk_->entries[waits_from_].begin + chunk_->plain.size() - waits_plain_;
  if (one <= options_.max_waiting && waiting <= options_.max_waiting) return true;
  problem_ = waiting > options_.max_waiting
                 ? fmt::format("element {}: its '{}' comes after more than {} bytes of '{}': write it before them",
                               element_, map_.id, options_.max_waiting, map_.readings)
                 : fmt::format("element {}: a value of more than {} bytes", element_, options_.max_waiting);
  code = boost::json::error::exception;
  return false;
}

void Handler::begin_element() {
  ++element_;
  number_ = 0;
  member_ = Member::Other;
  has_id_ = has_readings_ = false;
  stream_.reset();
}

void Handler::end_element() {
  if (!has_readings_) return fail_element(Fault::NoReadings);
  if (!std::exchange(waits_, false)) return;
  waiting_ = 0;
  for (std::size_t i = waits_from_; i < chunk_->entries.size(); ++i) chunk_->entries[i].fault = Fault::NoId;
}

void Handler::begin_reading() {
  ++number_;
  in_reading_ = true;
  keep_ = passed_ >= options_.begin && !is_unwanted();
  is_array_ = false;
  values_ = 0;
  json_.clear();
  plain_.clear();
}

void Handler::end_reading() {
  if (is_unwanted()) ++left_out_.readings;
  if (!has_id_) {
    if (!std::exchange(waits_, true)) {
      waits_from_ = chunk_->entries.size();
      waits_plain_ = chunk_->plain.size();
    }
    ++waiting_;
  }
  if (keep_) add(is_array_ && values_ == 2 ? Fault::None : Fault::NotPair);
  in_reading_ = false;
  ++passed_;
}

/// Sets the id of the element, and of the readings that wait for it.
void Handler::set_id() {
  const auto& ids = streams_->ids;
  const auto found = std::ranges::lower_bound(ids, id_);
  has_id_ = true;
  stream_.reset();
  if (found != ids.end() && *found == id_) stream_ = static_cast<std::uint32_t>(found - ids.begin());
  auto& entries = chunk_->entries;
  const bool waited = std::exchange(waits_, false);
  const std::uint64_t readings = std::exchange(waiting_, 0);
  if (stream_) {
    left_out_.all = false;
    for (std::size_t i = waited ? waits_from_ : entries.size(); i < entries.size(); ++i) entries[i].stream = *stream_;
    return;
  }
  if (left_out_.streams.size() < LeftOut::most_streams) left_out_.streams.insert(id_);
  left_out_.readings += readings;
  if (!waited || entries.size() <= waits_from_) return;
  chunk_->json.resize(entries[waits_from_].begin);
  chunk_->plain.resize(waits_plain_);
  entries.resize(waits_from_);
}

void Handler::fail_element(Fault fault) {
  if (is_unwanted()) return;
  number_ = 0;
  json_.clear();
  plain_.clear();
  if (passed_++ >= options_.begin) add(fault);
}

void Handler::add(Fault fault) {
  Entry& entry = chunk_->entries.emplace_back();
  entry.fault = fault;
  entry.element = element_;
  entry.number = number_;
  entry.stream = stream_.value_or(0);
  entry.begin = static_cast<std::uint32_t>(chunk_->json.size());
  entry.size = static_cast<std::uint32_t>(json_.size());
  if (fault == Fault::None)
    for (std::size_t i = 0; i < 2; ++i) {
      entry.cells[i] = cells_[i];
      entry.cells[i].begin += static_cast<std::uint32_t>(cells_[i].plain ? chunk_->plain.size() : chunk_->json.size());
    }
  chunk_->json += json_;
  chunk_->plain += plain_;
}

}  // namespace etl::inline v0::csv::readings::detail

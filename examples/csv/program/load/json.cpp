#include "json.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include <boost/json.hpp>
#include <fmt/format.h>
#include <etl/csv/ndjson.hpp>
#include <etl/csv/ndjson_sniff.hpp>

namespace program {
namespace {

namespace csv = etl::csv;
namespace ndjson = etl::csv::ndjson;
namespace fs = std::filesystem;
using Decoder = ndjson::Decoder<csv::RecordDecoder>;

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}
/// The place after the closing quote of the string that begins at `at`.
std::size_t end_of_string(std::string_view json, std::size_t at) {
  for (++at; json[at] != '"'; ++at)
    if (json[at] == '\\') ++at;
  return at + 1;
}
std::size_t end_of_object(std::string_view json, std::size_t at) {
  for (std::size_t depth = 0;;) {
    if (json[at] == '"') {
      at = end_of_string(json, at);
      continue;
    }
    if (json[at] == '{') ++depth;
    if (json[at++] == '}' && --depth == 0) return at;
  }
}
/// Whether a text that may also come from a string is a JSON array. Otherwise it stays as it is, and the server says
/// what is wrong with it.
bool is_json_array(std::string_view text) {
  if (!text.starts_with('[')) return false;
  boost::system::error_code bad;
  boost::json::parse_options options;
  options.max_depth = ndjson::ParserOptions().max_depth;
  const boost::json::value value = boost::json::parse({text.data(), text.size()}, bad, {}, options);
  return !bad && value.is_array();
}
/// Converts a JSON array to the form of PostgreSQL: [1.10,null,["a"]] becomes {1.10,NULL,{"a"}}.
std::string array_literal(std::string_view json) {
  std::string out;
  for (std::size_t at = 0; at < json.size();) {
    const std::size_t begin = at++;
    switch (json[begin]) {
      case '[': out += '{'; break;
      case ']': out += '}'; break;
      case '"': {
        at = end_of_string(json, begin);
        const std::string_view text = json.substr(begin, at - begin);
        const boost::json::value value = boost::json::parse({text.data(), text.size()});
        append_quoted(out, {value.get_string().data(), value.get_string().size()});
        break;
      }
      case '{':
        at = end_of_object(json, begin);
        append_quoted(out, json.substr(begin, at - begin));
        break;
      case 'n':
        out += "NULL";
        at = begin + std::string_view("null").size();
        break;
      default: out += json[begin];
    }
  }
  return out;
}

/// Converts a JSON array to an array of json or jsonb, whose elements are JSON: ["1",[2],null] becomes
/// {"\"1\"","[2]",NULL}.
std::string array_of_json(std::string_view json) {
  std::string out = "{";
  std::size_t depth = 0, begin = 1;
  for (std::size_t at = 0; at < json.size();) {
    if (json[at] == '"') {
      at = end_of_string(json, at);
      continue;
    }
    const char c = json[at];
    if (c == '[' || c == '{') ++depth;
    if (c == ']' || c == '}') --depth;
    if ((c == ',' && depth == 1) || depth == 0) {
      const std::string_view element = csv::trimmed(json.substr(begin, at - begin));
      if (!element.empty()) {
        if (out.size() > 1) out += ',';
        if (element == "null")
          out += "NULL";
        else
          append_quoted(out, element);
      }
      begin = at + 1;
      if (depth == 0) break;
    }
    ++at;
  }
  return out += '}';
}

/// A value that is an array in PostgreSQL.
struct ArrayColumn {
  std::size_t index = 0;
  bool of_json = false;
};

/// A pool of decoders. A decoder belongs to one thread at a time, so there is one for each row that may be decoded at
/// the same time. A thread usually gets the decoder that it had before.
class Decoders {
 public:
  Decoders(std::vector<Decoder> decoders, std::vector<ArrayColumn> arrays)
      : slots_(decoders.size()), arrays_(std::move(arrays)) {
    for (std::size_t i = 0; i < slots_.size(); ++i) slots_[i].decoder.emplace(std::move(decoders[i]));
  }
  etl::Result<void> decode(const ndjson::Line& line, csv::Record& out) {
    for (std::size_t i = std::hash<std::thread::id>()(std::this_thread::get_id());; ++i) {
      Slot& slot = slots_[i % slots_.size()];
      if (slot.busy.exchange(true, std::memory_order_acquire)) continue;
      const Lease lease{slot.busy};
      auto decoded = slot.decoder->decode(line, out);
      for (const ArrayColumn& array : arrays_)
        if (auto* const text = decoded ? std::get_if<std::string>(&out[array.index]) : nullptr;
            text && is_json_array(*text))
          *text = array.of_json ? array_of_json(*text) : array_literal(*text);
      return decoded;
    }
  }

 private:
  struct alignas(64) Slot {
    std::atomic<bool> busy = false;
    std::optional<Decoder> decoder{};
  };
  struct Lease {
    std::atomic<bool>& busy;
    ~Lease() { busy.store(false, std::memory_order_release); }
  };
  std::vector<Slot> slots_;
  const std::vector<ArrayColumn> arrays_;
};

class JsonRows final : public Rows {
 public:
  JsonRows(ndjson::Chunk chunk, std::shared_ptr<Decoders> decoders)
      : chunk_(std::move(chunk)), decoders_(std::move(decoders)) {}
  std::size_t size() const noexcept override { return chunk_.size(); }
  etl::Result<void> decode(std::size_t i, csv::Record& out) const override {
    const ndjson::Line& line = chunk_.begin()[static_cast<std::ptrdiff_t>(i)];
    if (auto decoded = decoders_->decode(line, out); !decoded)
      return etl::failure(with_value_remedy(std::move(decoded.error())));
    out.emplace_back(line.element);
    out.emplace_back(static_cast<std::int64_t>(line.number));
    return {};
  }
  std::string text(std::size_t i) const override {
    return std::string(csv::trimmed(chunk_.begin()[static_cast<std::ptrdiff_t>(i)].text));
  }

 private:
  ndjson::Chunk chunk_;
  std::shared_ptr<Decoders> decoders_;
};

/// A file that can be read only once. The chunks that were read to inspect the file come first.
struct Opened {
  ndjson::Reader reader;
  std::deque<ndjson::Chunk> ahead{};
  bool whole = false;  // the whole file was read
};

class JsonSource final : public RowSource {
 public:
  JsonSource(std::shared_ptr<Opened> opened, std::shared_ptr<Decoders> decoders, csv::Place place)
      : opened_(std::move(opened)), decoders_(std::move(decoders)), place_(place) {}
  etl::Result<std::shared_ptr<const Rows>> next(const std::stop_token& stop) override {
    std::optional<ndjson::Chunk> chunk;
    if (!opened_->ahead.empty()) {
      chunk = std::move(opened_->ahead.front());
      opened_->ahead.pop_front();
    } else {
      auto read = opened_->reader.next(stop);
      if (!read) return etl::failure(std::move(read.error()));
      chunk = *std::move(read);
    }
    if (!chunk) return nullptr;
    place_ = {.offset = chunk->end_offset(), .line = chunk->next_line(), .row = place_.row + chunk->size()};
    return std::make_shared<const JsonRows>(*std::move(chunk), decoders_);
  }
  etl::Position position() const override { return place_.position(); }
  std::uint64_t bytes_read() const noexcept override { return opened_->reader.bytes_read(); }

 private:
  std::shared_ptr<Opened> opened_;
  std::shared_ptr<Decoders> decoders_;
  csv::Place place_;
};

class JsonInput final : public Input {
 public:
  JsonInput(fs::path file, std::vector<Decoder> decoders, std::vector<ArrayColumn> arrays,
            std::shared_ptr<Opened> opened)
      : file_(std::move(file)),
        decoders_(std::make_shared<Decoders>(std::move(decoders), std::move(arrays))),
        opened_(std::move(opened)) {}

  std::string settings() const override { return "json"; }
  etl::Result<std::unique_ptr<RowSource>> open(const csv::Part& /*part*/, const std::optional<etl::Position>& from,
                                               const std::stop_token& /*stop*/) override {
    if (opened_) return std::make_unique<JsonSource>(opened_, decoders_, csv::Place());
    csv::Place begin;
    if (from) {
      const auto place = csv::Place::from(*from);
      if (!place) return etl::failure(other_version());
      begin = *place;
    }
    auto reader = ndjson::Reader::open(file_, {.offset = begin.offset, .first_line = begin.line});
    if (!reader) return etl::failure(std::move(reader.error()));
    return std::make_unique<JsonSource>(std::make_shared<Opened>(Opened{.reader = *std::move(reader)}), decoders_,
                                        begin);
  }
  std::string place(const csv::Record& record) const override {
    const bool element = std::get<bool>(record[record.size() - 2]);
    return fmt::format("{}{}{}", display_name(file_), element ? " element " : ":",
                       std::get<std::int64_t>(record.back()));
  }

 private:
  fs::path file_;
  std::shared_ptr<Decoders> decoders_;
  std::shared_ptr<Opened> opened_;
};

/// Inspects the first bytes of the file. Reading then continues after them, unless the file is opened `again`.
etl::Result<ndjson::Sniffer> look_into(Opened& file, const csv::Nulls& nulls, std::uint64_t enough, bool again,
                                       const etl::StopToken& stop) {
  ndjson::Sniffer found(file.reader.name(), nulls);
  for (std::uint64_t seen = 0; seen < enough && !file.whole;) {
    auto chunk = file.reader.next(stop.drain());
    if (!chunk) return etl::failure(std::move(chunk.error()));
    file.whole = !chunk->has_value();
    if (file.whole) break;
    for (const ndjson::Line& line : **chunk)
      if (line.offset < enough) found.look(line);
    seen = (*chunk)->end_offset();
    if (!again) file.ahead.push_back(**std::move(chunk));
  }
  if (found.rows() > 0 || found.bad_rows() == 0) return found;
  return etl::failure(etl::fatal(fmt::format(
      "{}; JSON must have one object per line, or an array of objects; with --format csv the file is read as CSV",
      found.first_error()->context)));
}

}  // namespace

etl::Result<FilePlan> plan_json(const fs::path& file, const Load& options, const csv::FileMapping* told,
                                const std::optional<TargetColumns>& table, const etl::StopToken& stop,
                                std::size_t look) {
  csv::FileMapping how = told != nullptr ? *told : csv::FileMapping();
  if (told == nullptr && !options.nulls.empty()) how.nulls = csv::Nulls(options.nulls, true);
  const std::string name = display_name(file);
  const bool by_name = how.columns.empty(), again = can_be_read_again(file);
  std::shared_ptr<Opened> opened;
  if (by_name || !again) {
    auto reader = ndjson::Reader::open(file);
    if (!reader) return etl::failure(std::move(reader.error()));
    opened = std::make_shared<Opened>(Opened{.reader = *std::move(reader)});
  }
  bool any = true;
  std::vector<csv::KindGuess> guesses;
  if (by_name) {
    const auto found = look_into(*opened, how.nulls, look, again, stop);
    if (!found) return etl::failure(found.error());
    any = found->rows() > 0;
    if (found->columns().empty() && (any || !opened->whole))
      return etl::failure(
          etl::fatal(fmt::format("{}: the first megabyte has no member; a mapping can name the members", name)));
    for (csv::SniffedColumn& column : found->columns()) {
      if (column.name.empty())
        return etl::failure(
            etl::fatal(fmt::format("{}: a member has no name; a mapping can say which members go where", name)));
      csv::MappedColumn& mapped = how.columns.emplace_back();
      mapped.source = column.name;
      mapped.target = std::move(column.name);
      if (!table) mapped.kind = column.kind;
      mapped.exact = !table;
    }
    if (!table) guesses = found->guesses();
  }
  auto plan = plan_columns(how.columns, table, false, options, name);
  if (!plan) return plan;
  plan->kinds_known = any;
  plan->guesses = std::move(guesses);
  ndjson::ParserOptions parsing{.reject_duplicate_keys = true, .reject_unknown_members = by_name};
  for (std::size_t i = 0; i < how.columns.size(); ++i)
    if (const std::string& type = plan->columns[i].type; type == "json" || type == "jsonb")
      parsing.as_json.push_back(how.columns[i].source.name);
  std::vector<Decoder> decoders;
  for (std::size_t i = 0; !how.columns.empty() && i < std::max(options.workers, options.connections); ++i) {
    auto decoder = ndjson::bind(how, name, parsing);
    if (!decoder) return etl::failure(std::move(decoder.error()));
    decoders.push_back(*std::move(decoder));
  }
  plan->shape = shape_of(how);
  std::vector<ArrayColumn> arrays;
  for (std::size_t i = 0; i < plan->columns.size(); ++i)
    if (const std::string& cast = plan->columns[i].cast; cast.ends_with("[]"))
      arrays.push_back({.index = i, .of_json = cast == "json[]" || cast == "jsonb[]"});
  plan->input = std::make_shared<JsonInput>(file, std::move(decoders), std::move(arrays), again ? nullptr : opened);
  return plan;
}

}  // namespace program

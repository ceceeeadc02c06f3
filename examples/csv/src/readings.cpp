#include <etl/csv/readings.hpp>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include <fmt/format.h>

#include <etl/text.hpp>

#include "readings_handler.hpp"

namespace etl::inline v0::csv::readings {

detail::Streams::Streams(const StreamMap& map)
    : id_name(map.id), readings_name(map.readings), cells(2 + map.targets.size()) {
  for (const auto& [id, target] : map.streams) {
    ids.push_back(id);
    targets.push_back(target);
  }
}

std::string_view Reading::operator[](std::size_t i) const noexcept {
  if (i == 1) return chunk_->streams->ids[entry_->stream];
  const detail::Cell* const found = cell(i);
  if (found == nullptr) return {};
  return std::string_view(found->plain ? chunk_->plain : chunk_->json).substr(found->begin, found->size);
}

std::string Reading::where(std::string_view file) const {
  std::string text = fmt::format("{}{}element {}", file, file.empty() ? "" : " ", entry_->element);
  if (entry_->number != 0) text += fmt::format(", reading {}", entry_->number);
  return text;
}

std::optional<Error> Reading::fault(std::string_view file) const {
  const detail::Streams& streams = *chunk_->streams;
  const auto what = [&]() -> std::string {
    switch (entry_->fault) {
      case detail::Fault::None: break;
      case detail::Fault::NotObject: return "not a JSON object";
      case detail::Fault::NotArray: return fmt::format("its '{}' is not an array", streams.readings_name);
      case detail::Fault::NoReadings: return fmt::format("it has no '{}'", streams.readings_name);
      case detail::Fault::NoId: return fmt::format("the element has no '{}', the id of its stream", streams.id_name);
      case detail::Fault::NotPair:
        return fmt::format("not a pair of a time and a value: {}",
                           csv::detail::shown(std::string_view(chunk_->json).substr(entry_->begin, entry_->size)));
    }
    return {};
  };
  if (entry_->fault == detail::Fault::None) return std::nullopt;
  return rejected(fmt::format("{}: {}", where(file), what()));
}

std::string Reading::text() const {
  if (entry_->size == 0) return {};
  const detail::Streams& streams = *chunk_->streams;
  std::string text = "{";
  const auto member = [&text](std::string_view name) {
    text += '"';
    append_json_escaped(text, name);
    text += "\":";
  };
  if (entry_->fault == detail::Fault::None || entry_->fault == detail::Fault::NotPair) {
    member(streams.id_name);
    text += '"';
    append_json_escaped(text, streams.ids[entry_->stream]);
    text += "\",";
  }
  member(streams.readings_name);
  return text.append("[").append(chunk_->json, entry_->begin, entry_->size).append("]}");
}

class Reader::Impl {
 public:
  Impl(io::Source source, const StreamMap& map, const ReaderOptions& options)
      : source_(std::move(source)), parser_(parse_options(), map, options) {
    buffer_.resize(std::max<std::size_t>(options.chunk_size, byte_order_mark.size()));
  }

  Result<std::optional<Chunk>> next(const std::stop_token& stop) {
    const std::stop_callback waking(stop, [this] { source_->interrupt(); });
    for (;;) {
      if (stop.stop_requested()) return std::optional<Chunk>();
      if (auto chunk = parser_.handler().take()) return std::optional(Chunk(std::move(chunk)));
      if (error_) return failure(*error_);
      if (ended_) return std::optional<Chunk>();
      const auto got = read();
      if (got && *got == 0)
        finish();
      else if (got)
        parse({buffer_.data(), *got});
      else if (!stop.stop_requested())
        fail(got.error());
    }
  }
  [[nodiscard]] const detail::Handler& handler() const { return parser_.handler(); }
  [[nodiscard]] const io::ByteSource& source() const { return *source_; }

 private:
  static constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  static constexpr std::string_view blanks = " \t\r\n";

  static boost::json::parse_options parse_options() {
    boost::json::parse_options options;
    options.max_depth = 64;
    return options;
  }
  /// Reads bytes and skips a byte order mark.
  Result<std::size_t> read() {
    std::size_t filled = 0;
    do {
      const auto got = source_->read(std::span(buffer_).subspan(filled));
      if (!got) return got;
      if (*got == 0) break;
      filled += *got;
    } while (bytes_ == 0 && filled < byte_order_mark.size() && byte_order_mark.starts_with({buffer_.data(), filled}));
    if (bytes_ != 0 || !std::string_view(buffer_.data(), filled).starts_with(byte_order_mark)) return filled;
    buffer_.erase(0, byte_order_mark.size()).append(byte_order_mark.size(), '\0');
    bytes_ = byte_order_mark.size();
    return filled == bytes_ ? read() : Result<std::size_t>(filled - byte_order_mark.size());
  }
  /// Parses one value after the other, wherever lines end.
  void parse(std::string_view text) {
    while (!text.empty() && !error_) {
      boost::json::error_code code;
      const std::size_t taken = parser_.write_some(true, text.data(), text.size(), code);
      const std::string_view passed = text.substr(0, taken);
      lines_ += static_cast<std::uint64_t>(std::ranges::count(passed, '\n'));
      bytes_ += taken;
      begun_ = !parser_.done() && (begun_ || passed.find_first_not_of(blanks) != passed.npos);
      if (code) return fail_to_parse(code);
      text.remove_prefix(taken);
      if (parser_.done() && !text.empty()) parser_.reset();
    }
  }
  void finish() {
    boost::json::error_code code;
    if (begun_) parser_.write_some(false, "", 0, code);
    if (code) return fail_to_parse(code);
    ended_ = true;
  }
  void fail_to_parse(const boost::json::error_code& code) {
    const std::string& problem = handler().problem();
    if (!problem.empty()) return fail(fatal(fmt::format("{}: {}", source_->name(), problem)));
    fail(fatal(fmt::format("{}:{}: byte {}: not JSON: {}", source_->name(), lines_, bytes_, code.message())));
  }
  void fail(Error error) {
    error_ = std::move(error);
    parser_.handler().forget_waiting();
  }

  io::Source source_;
  boost::json::basic_parser<detail::Handler> parser_;
  std::string buffer_{};
  std::uint64_t bytes_ = 0;
  std::uint64_t lines_ = 1;
  bool begun_ = false;  // a value has begun and not ended
  bool ended_ = false;
  std::optional<Error> error_{};
};

Result<Reader> Reader::open(const std::filesystem::path& path, const StreamMap& map, const ReaderOptions& options) {
  auto source = io::open_input(path);
  if (!source) return failure(std::move(source.error()));
  return Reader(*std::move(source), map, options);
}

Reader::Reader(io::Source source, const StreamMap& map, const ReaderOptions& options)
    : impl_(std::make_unique<Impl>(std::move(source), map, options)) {}
Reader::Reader(Reader&&) noexcept = default;
Reader& Reader::operator=(Reader&&) noexcept = default;
Reader::~Reader() = default;

Result<std::optional<Chunk>> Reader::next(const std::stop_token& stop) { return impl_->next(stop); }
std::uint64_t Reader::position() const noexcept { return impl_->handler().passed(); }
const LeftOut& Reader::left_out() const noexcept { return impl_->handler().left_out(); }
std::uint64_t Reader::bytes_read() const noexcept { return impl_->source().consumed(); }
const std::string& Reader::name() const noexcept { return impl_->source().name(); }

}  // namespace etl::inline v0::csv::readings

#include <etl/io/checkpoint_file.hpp>

#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <etl/io/digest.hpp>

#include "durable_file.hpp"

// etlpipe checkpoint 2
// pipeline "orders"
// fingerprint "..."
// batch_size 1000
// finished no
// run "..."
// partition 0 id "a.csv" fingerprint "..." watermark 20 position "byte 1234" at 18 gaps [30,35) [40,45) ends 48
// partition 1 id "b.csv" watermark 0
// sha256 (of all lines above)
namespace etl::inline v0::io {
namespace {

constexpr std::string_view title = "etlpipe checkpoint ";
constexpr std::uint64_t format = 2;  // since 2, partitions have an id and a fingerprint

// --- writing ---------------------------------------------------------------------------------------------------------

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      out.append({'\\', c});
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else
      out += c;
  }
  return out += '"';
}

std::string text_of(const std::string& pipeline, const Checkpoint& checkpoint) {
  std::string text = fmt::format("{}{}\npipeline {}\nfingerprint {}\nbatch_size {}\nfinished {}\nrun {}\n", title,
                                 format, in_quotes(pipeline), in_quotes(checkpoint.fingerprint), checkpoint.batch_size,
                                 checkpoint.finished ? "yes" : "no", in_quotes(checkpoint.run));
  for (const PartitionProgress& one : checkpoint.partitions) {
    text += fmt::format("partition {}", one.partition);
    if (!one.id.empty()) text += fmt::format(" id {}", in_quotes(one.id));
    if (!one.fingerprint.empty()) text += fmt::format(" fingerprint {}", in_quotes(one.fingerprint));
    text += fmt::format(" watermark {}", one.watermark);
    if (one.position) text += fmt::format(" position {}", in_quotes(one.position->text()));
    if (one.position || one.position_seq != 0) text += fmt::format(" at {}", one.position_seq);
    if (!one.gaps.empty()) text += " gaps";
    for (const SeqRange range : one.gaps.ranges()) text += fmt::format(" [{},{})", range.first, range.end);
    if (!one.ends.empty()) text += " ends";
    for (const std::uint64_t end : one.ends) text += fmt::format(" {}", end);
    text += '\n';
  }
  return text + fmt::format("sha256 {}\n", digest(DigestKind::Sha256, text));
}

// --- reading ---------------------------------------------------------------------------------------------------------

/// Reads words, numbers and quoted texts, line by line. Remembers the first unexpected place with its line.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text), rest_(text) {}

  [[nodiscard]] bool at(std::string_view word) const { return problem_.empty() && rest_.starts_with(word); }
  /// Takes a word together with the space or line end that belongs to it.
  bool take(std::string_view word) {
    if (!at(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  void expect(std::string_view word) {
    if (!take(word)) fail(fmt::format("expected {}", word == "\n" ? "the end of the line" : in_quotes(word)));
  }
  std::uint64_t number(std::uint64_t most = std::numeric_limits<std::uint64_t>::max()) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc{} || value > most)
      fail(fmt::format("expected a number up to {}", most));
    else
      rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return value;
  }
  std::string quoted_text() {
    std::string out;
    if (take("\""))
      while (!rest_.empty() && rest_[0] != '\n') {
        if (take("\"")) return out;
        out += character();
      }
    fail("expected a text in quotation marks");
    return out;
  }
  void end_line() {
    expect("\n");
    if (problem_.empty()) ++line_;
  }
  [[nodiscard]] std::string_view read_so_far() const { return text_.substr(0, text_.size() - rest_.size()); }
  [[nodiscard]] bool finished() const { return rest_.empty(); }
  void fail(std::string problem) {
    if (problem_.empty()) problem_ = std::move(problem);
  }
  [[nodiscard]] const std::string& problem() const { return problem_; }
  [[nodiscard]] std::size_t line() const { return line_; }

 private:
  char character() {
    unsigned code = 0;
    if (rest_.starts_with("\\x") && rest_.size() >= 4 &&
        std::from_chars(rest_.data() + 2, rest_.data() + 4, code, 16).ptr == rest_.data() + 4) {
      rest_.remove_prefix(4);
      return static_cast<char>(code);
    }
    if (rest_.size() > 1 && rest_[0] == '\\') rest_.remove_prefix(1);
    const char c = rest_[0];
    rest_.remove_prefix(1);
    return c;
  }

  std::string_view text_;
  std::string_view rest_;
  std::size_t line_ = 1;
  std::string problem_;
};

PartitionProgress read_partition(Reader& in) {
  PartitionProgress one;
  one.partition = static_cast<std::uint32_t>(in.number(std::numeric_limits<std::uint32_t>::max()));
  if (in.take(" id ")) one.id = in.quoted_text();
  if (in.take(" fingerprint ")) one.fingerprint = in.quoted_text();
  in.expect(" watermark ");
  one.watermark = in.number();
  if (in.take(" position ")) one.position.emplace(in.quoted_text());
  if (in.take(" at ")) one.position_seq = in.number();
  if (in.take(" gaps")) do {
      in.expect(" [");
      SeqRange range{.first = in.number()};
      in.expect(",");
      range.end = in.number();
      in.expect(")");
      one.gaps.add(range);
    } while (in.at(" ["));
  if (in.take(" ends")) do {
      in.expect(" ");
      one.ends.push_back(in.number());
    } while (in.at(" "));
  in.end_line();
  return one;
}

Checkpoint read(Reader& in, const std::string& pipeline) {
  Checkpoint checkpoint;
  in.expect(title);
  if (const std::uint64_t found = in.number(); in.problem().empty() && found != format)
    in.fail(fmt::format("it has format {}, and this program knows format {}", found, format));
  in.end_line();
  in.expect("pipeline ");
  if (const std::string name = in.quoted_text(); in.problem().empty() && name != pipeline)
    in.fail(fmt::format("it belongs to the pipeline {}, not {}", in_quotes(name), in_quotes(pipeline)));
  in.end_line();
  in.expect("fingerprint ");
  checkpoint.fingerprint = in.quoted_text();
  in.end_line();
  in.expect("batch_size ");
  checkpoint.batch_size = in.number();
  in.end_line();
  in.expect("finished ");
  checkpoint.finished = in.take("yes");
  if (!checkpoint.finished) in.expect("no");
  in.end_line();
  in.expect("run ");
  checkpoint.run = in.quoted_text();
  in.end_line();
  while (in.take("partition ")) checkpoint.partitions.push_back(read_partition(in));
  const std::string sum = digest(DigestKind::Sha256, in.read_so_far());
  in.expect("sha256 ");
  if (!in.take(sum)) in.fail("the checksum is not that of the lines above");
  in.end_line();
  if (!in.finished()) in.fail("expected the end of the file");
  return checkpoint;
}

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

}  // namespace

std::filesystem::path CheckpointFile::path(const std::string& pipeline) const {
  std::string name;
  for (const char c : pipeline)
    name += is_plain(c) && !(c == '.' && name.empty()) ? std::string(1, c)
                                                       : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  return folder_ / (name + ".checkpoint");
}

Result<std::optional<Checkpoint>> CheckpointFile::find(const std::string& pipeline) {
  const std::filesystem::path file = path(pipeline);
  struct stat info{};
  const auto opened = detail::open_to_read(file, info);
  if (!opened && opened.error().code == std::errc::no_such_file_or_directory) return std::nullopt;
  if (!opened) return failure(opened.error());
  const auto text = detail::read_all(*opened, file);
  if (!text) return failure(text.error());
  Reader in(*text);
  Checkpoint checkpoint = read(in, pipeline);
  if (in.problem().empty()) return checkpoint;
  return failure(
      fatal(fmt::format("{}, line {}: {}: this checkpoint cannot be used; put a good copy in its place, use "
                        "the version of etlpipe that wrote it, or begin at the start (restart, or remove the "
                        "file)",
                        file.string(), in.line(), in.problem())));
}

Result<void> CheckpointFile::save(const std::string& pipeline, const Checkpoint& checkpoint) {
  std::error_code ignored;
  if (!folder_is_durable_ || !std::filesystem::exists(folder_, ignored))
    if (auto made = detail::make_folder(folder_); !made) return made;
  folder_is_durable_ = true;
  return detail::replace_file(path(pipeline), text_of(pipeline, checkpoint));
}

Result<void> CheckpointFile::reset(const std::string& pipeline) {
  const std::filesystem::path file = path(pipeline);
  if (::unlink(file.c_str()) == 0) return detail::sync_folder(folder_);
  if (errno == ENOENT || errno == ENOTDIR) return {};
  return failure(detail::system_failure(fmt::format("cannot remove '{}'", file.string()), errno));
}

}  // namespace etl::inline v0::io

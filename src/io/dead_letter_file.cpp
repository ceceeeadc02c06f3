#include <etl/io/dead_letter_file.hpp>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "dead_letter_line.hpp"
#include "durable_file.hpp"

namespace etl::inline v0::io {
namespace {

Error problem(const std::filesystem::path& path, std::string_view what, int code) {
  return detail::system_failure(fmt::format("cannot {} '{}'", what, path.string()), code);
}

// --- reading ---------------------------------------------------------------------------------------------------------

/// A line of the file, without its line end.
struct Place {
  std::uint64_t offset = 0;
  std::size_t size = 0;
};

/// Returns the lines one after the other. Each line is valid until the next call.
class Lines {
 public:
  Lines(const detail::Fd& file, const std::filesystem::path& path) : file_(&file), path_(&path) {}

  /// Reads the next line. Returns false if there is no further line.
  [[nodiscard]] Result<bool> next() {
    offset_ += line_.size() + (terminated_ ? 1 : 0);
    begin_ += line_.size() + (terminated_ ? 1 : 0);
    line_ = {};
    ++number_;
    for (std::size_t searched = begin_;;) {
      const std::size_t end = buffer_.find('\n', searched);
      terminated_ = end != std::string::npos;
      if (terminated_ || end_of_file_) {
        line_ = std::string_view(buffer_).substr(begin_, terminated_ ? end - begin_ : std::string::npos);
        return terminated_ || !line_.empty();
      }
      searched = buffer_.size() - begin_;
      if (auto more = read_more(); !more) return failure(std::move(more.error()));
    }
  }
  [[nodiscard]] std::string_view line() const { return line_; }
  [[nodiscard]] bool terminated() const { return terminated_; }
  [[nodiscard]] Place place() const { return {offset_, line_.size()}; }
  [[nodiscard]] std::size_t number() const { return number_; }

 private:
  [[nodiscard]] Result<void> read_more() {
    constexpr std::size_t step = std::size_t{64} << 10;
    buffer_.erase(0, std::exchange(begin_, 0));
    const std::size_t size = buffer_.size();
    buffer_.resize(size + step);
    ssize_t got = 0;
    do got = ::pread(file_->get(), buffer_.data() + size, step, static_cast<off_t>(offset_ + size));
    while (got < 0 && errno == EINTR);
    buffer_.resize(size + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    end_of_file_ = got == 0;
    if (got < 0) return failure(problem(*path_, "read", errno));
    return {};
  }

  const detail::Fd* file_;
  const std::filesystem::path* path_;
  std::string buffer_;
  std::size_t begin_ = 0;  ///< begin of the line in the buffer
  std::uint64_t offset_ = 0;
  std::string_view line_;
  bool terminated_ = false;
  bool end_of_file_ = false;
  std::size_t number_ = 0;
};

/// Place of the last letter with an id, and the keys by which letters are listed.
struct Entry {
  Place place{};
  std::string id{};
  std::string pipeline{};
  std::uint32_t partition = 0;
  std::uint64_t seq = 0;
};

/// The valid letters, in the order in which they are listed.
Result<std::vector<Entry>> entries(const detail::Fd& file, const std::filesystem::path& path) {
  std::unordered_map<std::string, Entry> latest;
  Lines lines(file, path);
  for (;;) {
    const auto more = lines.next();
    if (!more) return failure(more.error());
    if (!*more) break;
    auto letter = detail::from_line(lines.line());
    if (!letter && !lines.terminated()) break;  // the writer of this line died
    if (!letter)
      return failure(fatal(fmt::format("{}, line {}, {}; correct or remove the line", path.string(), lines.number(),
                                       letter.error().context)));
    latest[letter->id] = {.place = lines.place(),
                          .id = letter->id,
                          .pipeline = std::move(letter->pipeline),
                          .partition = letter->partition,
                          .seq = letter->seq};
  }
  std::vector<Entry> all;
  all.reserve(latest.size());
  for (auto& [id, entry] : latest) all.push_back(std::move(entry));
  std::ranges::sort(all, {}, [](const Entry& e) { return std::tie(e.pipeline, e.partition, e.seq, e.id); });
  return all;
}

Result<std::string> line_at(const detail::Fd& file, const std::filesystem::path& path, Place place) {
  std::string line(place.size, '\0');
  for (std::size_t done = 0; done < line.size();) {
    const ssize_t got =
        ::pread(file.get(), line.data() + done, line.size() - done, static_cast<off_t>(place.offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return failure(problem(path, "read", got < 0 ? errno : EIO));
    done += static_cast<std::size_t>(got);
  }
  return line;
}

// --- writing ---------------------------------------------------------------------------------------------------------

/// Makes the file end with a line end. If only the line end of the last letter is missing, it is added; otherwise the
/// incomplete letter of a writer that died is removed.
Result<void> mend_end(const detail::Fd& file, const std::filesystem::path& path) {
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) return failure(problem(path, "read", errno));
  std::string tail;
  for (off_t size = off_t{4} << 10; tail.find('\n') == std::string::npos; size *= 2) {  // the last line may be long
    size = std::min(size, info.st_size);
    if (static_cast<off_t>(tail.size()) == size) break;
    auto more = line_at(file, path, {static_cast<std::uint64_t>(info.st_size - size), static_cast<std::size_t>(size)});
    if (!more) return failure(std::move(more.error()));
    tail = std::move(*more);
  }
  const std::size_t torn = tail.size() - (tail.find_last_of('\n') + 1);
  if (torn == 0) return {};
  const bool whole = detail::from_line(std::string_view(tail).substr(tail.size() - torn)).has_value();
  const int code = whole ? detail::write_all(file, "\n")
                         : (::ftruncate(file.get(), info.st_size - static_cast<off_t>(torn)) == 0 ? 0 : errno);
  if (code != 0) return failure(problem(path, "write", code));
  return {};
}

}  // namespace

std::string to_json(const DeadLetter& letter) { return detail::to_line(letter); }

Result<void> DeadLetterFile::write(std::span<const DeadLetter> letters) {
  if (letters.empty()) return {};
  std::string text;
  for (const DeadLetter& letter : letters) text.append(detail::to_line(letter)) += '\n';
  const auto file = detail::open_locked(path_, O_CREAT | O_APPEND);
  if (!file) return failure(file.error());
  if (auto mended = mend_end(*file, path_); !mended) return mended;
  struct stat info{};
  if (::fstat(file->get(), &info) != 0) return failure(problem(path_, "read", errno));
  int code = detail::write_all(*file, text);
  if (code == 0) code = detail::sync(*file);
  if (code == 0) return make_name_durable(info.st_ino);
  // If this fails, the next writer removes what is left of the letters.
  static_cast<void>(::ftruncate(file->get(), info.st_size));
  return failure(problem(path_, "write", code));
}

/// The process that created or replaced the file may have died before the file's name was durable.
Result<void> DeadLetterFile::make_name_durable(std::uint64_t file) {
  if (durable_ == file) return {};
  auto done = detail::sync_folder(detail::folder_of(path_));
  if (done) durable_ = file;
  return done;
}

Result<void> DeadLetterFile::list(const std::string& pipeline, const std::function<bool(const DeadLetter&)>& each) {
  struct stat info{};
  const auto file = detail::open_to_read(path_, info);
  if (!file && file.error().code == std::errc::no_such_file_or_directory) return {};
  if (!file) return failure(file.error());
  // The lock makes this wait for a writer that is about to take lines back or overwrite them. Lines that exist by then
  // stay.
  while (::flock(file->get(), LOCK_SH) != 0 && errno == EINTR) {}
  const auto all = entries(*file, path_);
  ::flock(file->get(), LOCK_UN);
  if (!all) return failure(all.error());
  for (const Entry& entry : *all) {
    if (!pipeline.empty() && entry.pipeline != pipeline) continue;
    const auto line = line_at(*file, path_, entry.place);
    if (!line) return failure(line.error());
    const auto letter = detail::from_line(*line);
    if (!letter) return failure(letter.error());
    if (!each(*letter)) break;
  }
  return {};
}

Result<std::size_t> DeadLetterFile::purge(std::span<const std::string> ids) {
  const auto file = detail::open_locked(path_, O_APPEND);
  if (!file && file.error().code == std::errc::no_such_file_or_directory) return std::size_t{0};
  if (!file) return failure(file.error());
  const auto all = entries(*file, path_);
  if (!all) return failure(all.error());
  const std::unordered_set<std::string_view> unwanted(ids.begin(), ids.end());
  std::string kept;
  std::size_t gone = 0;
  for (const Entry& entry : *all) {
    if (unwanted.contains(entry.id)) {
      ++gone;
      continue;
    }
    const auto line = line_at(*file, path_, entry.place);
    if (!line) return failure(line.error());
    kept.append(*line) += '\n';
  }
  if (gone > 0)
    if (auto replaced = detail::replace_file(path_, kept); !replaced) return failure(std::move(replaced.error()));
  return gone;
}

}  // namespace etl::inline v0::io

#include "object_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <random>
#include <utility>

#include <fmt/format.h>

#include "durable_file.hpp"

namespace etl::inline v0::io::detail {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t longest_key = 1024;
constexpr std::size_t longest_name = 255;

/// Why a folder cannot have an object with this key, or empty if it can.
std::string_view key_problem(std::string_view key) {
  if (key.empty()) return "a key must have at least one byte";
  if (key.size() > longest_key) return "a key must have at most 1024 bytes";
  if (key.find('\0') != std::string_view::npos) return "a key must not contain NUL";
  if (key.front() == '/') return "a key must not begin with '/'";
  for (std::string_view rest = key;;) {
    const std::string_view name = rest.substr(0, rest.find('/'));
    if (name.empty()) return "a folder has no objects with an empty name: leave out '//' and a '/' at the end";
    if (name == "." || name == "..") return "a key must not contain a part '.' or '..'";
    if (name.size() > longest_name) return "in a folder, a part between two '/' must have at most 255 bytes";
    if (rest.data() == key.data() && name == uploads_name) return "the store itself uses this name";
    if (name.size() == rest.size()) return {};
    rest.remove_prefix(name.size() + 1);
  }
}

/// Sets a time that differs between any two puts; the system itself changes file times only every few milliseconds.
int set_time(const Fd& file) noexcept {
  std::array<timespec, 2> times{};
  ::clock_gettime(CLOCK_REALTIME, times.data());
  times[1] = times[0];
  return ::futimens(file.get(), times.data()) == 0 ? 0 : errno;
}

}  // namespace

Error store_failure(StoreProblem problem, std::string_view what, const fs::path& path, std::string_view why) {
  const std::error_code code = problem;
  return {.code = code,
          .context =
              fmt::format("cannot {} '{}': {}{}{}", what, path.string(), code.message(), why.empty() ? "" : ": ", why)};
}

Error stopped_failure(std::string_view what, const fs::path& path) {
  return system_failure(fmt::format("cannot {} '{}'", what, path.string()), ECANCELED);
}

Result<fs::path> object_path(const fs::path& root, const std::string& key) {
  const std::string_view problem = key_problem(key);
  if (!problem.empty())
    return failure(store_failure(StoreProblem::Key, "use", fmt::format("{}/{}", root.string(), key), problem));
  return root / key;
}

ObjectInfo object_info(std::string key, const struct stat& info) {
  using namespace std::chrono;
  const auto since = seconds(info.st_mtim.tv_sec) + nanoseconds(info.st_mtim.tv_nsec);
  return {.key = std::move(key),
          .size = static_cast<std::uint64_t>(info.st_size),
          .etag = fmt::format("\"{:x}-{:x}-{:x}\"", info.st_size, since.count(), info.st_ino),
          .modified = system_clock::time_point(duration_cast<system_clock::duration>(since))};
}

std::string unique_name(std::string_view begin) {
  std::random_device random;
  return fmt::format("{}{:08x}{:08x}{:08x}{:08x}", begin, random(), random(), random(), random());
}

void sweep_puts(const fs::path& root) {
  std::error_code code;
  for (fs::directory_iterator at(root / uploads_name, code), end; !code && at != end; at.increment(code)) {
    if (!at->path().filename().string().starts_with("put-")) continue;
    const Fd file(::open(at->path().c_str(), O_RDWR | O_CLOEXEC));
    // A writer holds the lock as long as it lives.
    if (file.is_open() && ::flock(file.get(), LOCK_EX | LOCK_NB) == 0) static_cast<void>(::unlink(at->path().c_str()));
  }
}

void remove_empty(const fs::path& root, fs::path folder) {
  while (folder != root && ::rmdir(folder.c_str()) == 0) folder = folder.parent_path();
}

Result<NewObject> NewObject::make(const fs::path& root, std::string key, const PutOptions& options) {
  auto target = object_path(root, key);
  if (!target) return failure(std::move(target.error()));
  NewObject made;
  made.root_ = root;
  made.target_ = std::move(*target);
  made.key_ = std::move(key);
  made.sha256_ = options.sha256;
  made.if_none_match_ = options.if_none_match;
  if (!options.sha256.empty()) made.digest_.emplace(DigestKind::Sha256);
  const fs::path temporary = root / uploads_name / unique_name("put-");
  auto file = open_locked(temporary, O_CREAT);
  if (!file && file.error().code == std::errc::no_lock_available) file = open_to_write(temporary);
  if (!file) return failure(std::move(file.error()));
  made.file_ = std::move(*file);
  made.made_ = temporary;
  return made;
}

NewObject::~NewObject() {
  if (!made_.empty()) static_cast<void>(::unlink(made_.c_str()));
}

Error NewObject::failed(int code) const {
  if (code == EISDIR || code == ENOTEMPTY)
    return store_failure(StoreProblem::Key, "put", target_,
                         "objects exist below it, and a name in a folder cannot be both an object and a folder");
  return system_failure(fmt::format("cannot put '{}'", target_.string()), code);
}

Result<void> NewObject::write(std::string_view bytes) {
  if (digest_) digest_->update(bytes);
  if (const int code = write_all(file_, bytes); code != 0) return failure(failed(code));
  return {};
}

namespace {

/// Whether `folder`, or a folder between `root` and it, is not a folder.
bool has_object_in_place_of(fs::path folder, const fs::path& root) {
  for (; folder != root && folder.has_parent_path(); folder = folder.parent_path()) {
    std::error_code code;
    const fs::file_status status = fs::status(folder, code);
    if (fs::exists(status) && !fs::is_directory(status)) return true;
  }
  return false;
}

}  // namespace

int NewObject::take_place() const noexcept {
  if (!if_none_match_) return std::rename(made_.c_str(), target_.c_str()) == 0 ? 0 : errno;
  if (::renameat2(AT_FDCWD, made_.c_str(), AT_FDCWD, target_.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;  // with these errors, the file system does not support the call
  return ::link(made_.c_str(), target_.c_str()) == 0 ? (::unlink(made_.c_str()), 0) : errno;
}

Result<ObjectInfo> NewObject::commit() {
  if (digest_)
    if (const std::string has = digest_->finish(); !same_hex(has, sha256_))
      return failure(store_failure(StoreProblem::Digest, "put", target_,
                                   fmt::format("the SHA-256 of the bytes is {}, but {} was given", has, sha256_)));
  int code = set_time(file_);
  if (code == 0) code = sync(file_);
  if (code != 0) return failure(failed(code));
  const fs::path folder = target_.parent_path();
  constexpr int most = 100;  // other processes may delete the folder when it becomes empty
  for (int i = 0; i < most; ++i) {
    if (folder != root_)
      if (auto there = make_folder(folder); !there) {
        if (has_object_in_place_of(folder, root_))
          return failure(
              store_failure(StoreProblem::Key, "put", target_,
                            "a part of it is an object, and a name in a folder cannot be both an object and a folder"));
        const bool deleted = there.error().code == std::errc::no_such_file_or_directory ||
                             there.error().code == std::errc::not_a_directory ||
                             there.error().code == std::errc::file_exists;  // the object existed, and then it did not
        if (!deleted) return failure(std::move(there.error()));
        code = ENOENT;  // if it was the last try
        continue;
      }
    code = take_place();
    if (code != ENOENT) break;
  }
  if (code == EEXIST && if_none_match_) return failure(store_failure(StoreProblem::Exists, "put", target_));
  if (code != 0) return failure(failed(code));
  made_.clear();
  struct stat info{};
  if (::fstat(file_.get(), &info) != 0) return failure(failed(errno));
  if (auto durable = sync_folder(folder); !durable) return failure(std::move(durable.error()));
  return object_info(key_, info);
}

}  // namespace etl::inline v0::io::detail

#include <etl/io/object_store_folder.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "durable_file.hpp"
#include "object_folder.hpp"
#include "posix.hpp"

namespace etl::inline v0::io {
namespace {

namespace fs = std::filesystem;
using detail::store_failure;

/// A range of a file that does not change.
class FilePart final : public ByteSource {
 public:
  FilePart(detail::Fd file, std::string name, std::uint64_t offset, std::uint64_t size, std::stop_token stop)
      : file_(std::move(file)), name_(std::move(name)), offset_(offset), size_(size), stop_(std::move(stop)) {}

  Result<std::size_t> read(std::span<char> to) override {
    if (error_) return failure(*error_);
    const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(to.size(), size_ - consumed_));
    if (most == 0) return std::size_t{0};
    if (stop_.stop_requested()) return fail(ECANCELED);
    ssize_t got = -1;
    do {
      got = ::pread(file_.get(), to.data(), most, static_cast<off_t>(offset_ + consumed_));
    } while (got < 0 && errno == EINTR);
    if (got < 0) return fail(errno);
    if (got == 0) {
      error_ = store_failure(StoreProblem::Changed, "read", name_, "the file has become shorter");
      return failure(*error_);
    }
    consumed_ += static_cast<std::uint64_t>(got);
    return static_cast<std::size_t>(got);
  }
  [[nodiscard]] const std::string& name() const noexcept override { return name_; }
  [[nodiscard]] std::uint64_t consumed() const noexcept override { return consumed_; }
  [[nodiscard]] std::uint64_t size_hint() const noexcept override { return size_; }
  bool interrupt() noexcept override { return true; }  // reads of a file do not wait

 private:
  Result<std::size_t> fail(int code) {
    error_ = detail::system_failure(fmt::format("cannot read '{}' at byte {}", name_, offset_ + consumed_), code);
    return failure(*error_);
  }
  detail::Fd file_;
  std::string name_;
  std::uint64_t offset_;
  std::uint64_t size_;
  std::uint64_t consumed_ = 0;
  std::stop_token stop_;
  std::optional<Error> error_{};
};

/// Lists the objects of a page, in the order of their keys.
class Listing {
 public:
  Listing(const fs::path& root, const ListOptions& options, const std::stop_token& stop)
      : root_(root), options_(options), stop_(stop) {}

  [[nodiscard]] Result<ObjectPage> page() {
    if (auto done = folder(""); !done) return failure(std::move(done.error()));
    return std::move(page_);
  }

 private:
  /// Lists a folder. `at` is empty, or the begin of the keys with a '/' at its end. Returns false if the page is full.
  Result<bool> folder(const std::string& at) {
    if (stop_.stop_requested()) return failure(detail::stopped_failure("list", root_ / at));
    auto names = names_in(at);
    if (!names) return failure(std::move(names.error()));
    const std::string &prefix = options_.prefix, &after = options_.next;
    for (const std::string& name : *names) {
      std::string key = at + name;
      if (key.back() == '/') {
        const bool within = key.starts_with(prefix) || prefix.starts_with(key);
        const bool listed = key < after && !after.starts_with(key);
        if (!within || listed) continue;
        if (auto done = folder(key); !done || !*done) return done;
      } else if (key.starts_with(prefix) && key > after && !add(std::move(key))) {
        return false;
      }
    }
    return true;
  }
  /// Sorted names of the entries. Names of folders have a '/' at the end.
  Result<std::vector<std::string>> names_in(const std::string& at) const {
    std::vector<std::string> names;
    std::error_code code;
    for (fs::directory_iterator entry(root_ / at, code), end; !code && entry != end; entry.increment(code)) {
      std::string name = entry->path().filename().string();
      std::error_code gone;
      if (entry->symlink_status(gone).type() == fs::file_type::directory) {
        if (at.empty() && name == detail::uploads_name) continue;
        names.push_back(name + "/");
      } else if (entry->is_regular_file(gone)) {
        names.push_back(std::move(name));
      }
    }
    if (code && code != std::errc::no_such_file_or_directory)
      return failure(detail::system_failure(fmt::format("cannot list '{}'", (root_ / at).string()), code.value()));
    std::ranges::sort(names);
    return names;
  }
  bool add(std::string key) {
    struct stat info{};
    if (::stat((root_ / key).c_str(), &info) != 0) return true;  // the object was deleted meanwhile
    if (page_.objects.size() == options_.most) {
      page_.next = page_.objects.back().key;
      return false;
    }
    page_.objects.push_back(detail::object_info(std::move(key), info));
    return true;
  }

  const fs::path& root_;
  const ListOptions& options_;
  const std::stop_token& stop_;
  ObjectPage page_{};
};

}  // namespace

Result<FolderStore> FolderStore::open(const fs::path& folder) {
  std::error_code code;
  fs::path absolute = fs::absolute(folder, code).lexically_normal();
  if (code || folder.empty())
    return failure(detail::system_failure(fmt::format("cannot open the folder '{}'", folder.string()),
                                          code ? code.value() : EINVAL));
  if (!absolute.has_filename()) absolute = absolute.parent_path();
  if (auto made = detail::make_folder(absolute / detail::uploads_name); !made) return failure(std::move(made.error()));
  detail::sweep_puts(absolute);
  return FolderStore(std::move(absolute));
}

Result<ObjectInfo> FolderStore::put(const std::string& key, std::string_view bytes, const PutOptions& options,
                                    const std::stop_token& stop) const {
  if (stop.stop_requested()) return failure(detail::stopped_failure("put", folder_ / key));
  auto made = detail::NewObject::make(folder_, key, options);
  if (!made) return failure(std::move(made.error()));
  if (auto written = made->write(bytes); !written) return failure(std::move(written.error()));
  return made->commit();
}

Result<ObjectBody> FolderStore::get(const std::string& key, const GetOptions& options,
                                    const std::stop_token& stop) const {
  auto path = detail::object_path(folder_, key);
  if (!path) return failure(std::move(path.error()));
  // O_NONBLOCK: opening a pipe must not wait for its other end.
  detail::Fd file(::open(path->c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info{};
  const int code = file.is_open() && ::fstat(file.get(), &info) == 0 ? 0 : errno;
  if (code == ENOENT || code == ENOTDIR || (code == 0 && !S_ISREG(info.st_mode)))
    return failure(store_failure(StoreProblem::Missing, "read", *path));
  if (code != 0) return failure(detail::system_failure(fmt::format("cannot read '{}'", path->string()), code));
  ObjectInfo object = detail::object_info(key, info);
  if (!options.if_match.empty() && options.if_match != object.etag)
    return failure(store_failure(StoreProblem::Changed, "read", *path,
                                 fmt::format("its etag is {}, and {} was requested", object.etag, options.if_match)));
  if (options.offset > object.size)
    return failure(
        store_failure(StoreProblem::Range, "read", *path,
                      fmt::format("it has {} bytes, and byte {} was requested", object.size, options.offset)));
  const std::uint64_t size = std::min(options.size.value_or(object.size), object.size - options.offset);
  ::posix_fadvise(file.get(), static_cast<off_t>(options.offset), static_cast<off_t>(size), POSIX_FADV_SEQUENTIAL);
  auto bytes = std::make_unique<FilePart>(std::move(file), path->string(), options.offset, size, stop);
  return ObjectBody{.info = std::move(object), .bytes = std::move(bytes)};
}

Result<ObjectInfo> FolderStore::head(const std::string& key, const std::stop_token&) const {
  auto path = detail::object_path(folder_, key);
  if (!path) return failure(std::move(path.error()));
  struct stat info{};
  const int code = ::stat(path->c_str(), &info) == 0 ? 0 : errno;
  if (code == ENOENT || code == ENOTDIR || (code == 0 && !S_ISREG(info.st_mode)))
    return failure(store_failure(StoreProblem::Missing, "look at", *path));
  if (code != 0) return failure(detail::system_failure(fmt::format("cannot look at '{}'", path->string()), code));
  return detail::object_info(key, info);
}

Result<ObjectPage> FolderStore::list(const ListOptions& options, const std::stop_token& stop) const {
  if (options.most == 0)
    return failure(Error{.code = Errc::InvalidOptions, .context = "ListOptions::most is 0; it must be at least 1"});
  return Listing(folder_, options, stop).page();
}

Result<void> FolderStore::remove(const std::string& key, const std::stop_token&) const {
  auto path = detail::object_path(folder_, key);
  if (!path) return failure(std::move(path.error()));
  if (::unlink(path->c_str()) != 0) {
    if (errno == ENOENT || errno == ENOTDIR || errno == EISDIR) return {};
    return failure(detail::system_failure(fmt::format("cannot delete '{}'", path->string()), errno));
  }
  const fs::path folder = path->parent_path();
  auto durable = detail::sync_folder(folder);
  detail::remove_empty(folder_, folder);
  // Another process has removed the folder.
  if (!durable && durable.error().code == std::errc::no_such_file_or_directory) return {};
  return durable;
}

}  // namespace etl::inline v0::io

#include "workbook_file.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <etl/io/fingerprint.hpp>
#include <etl/io/object_store_url.hpp>
#include <etl/io/source.hpp>

namespace etl::inline v0::excel::detail {
namespace {

namespace fs = std::filesystem;
using Copy = std::shared_ptr<const UnnamedFile>;

Result<Copy> copy_of(const fs::path& url, const Limits& limits) {
  const auto size = io::size_of(url);
  if (!size) return failure(size.error());
  const auto too_large = [&](std::uint64_t bytes) {
    return failure(
        fatal(fmt::format("{}: the workbook has {} bytes, and at most {} are copied to a temporary file "
                          "(Limits::max_copied); copy it to a local file first",
                          url.string(), bytes, limits.max_copied)));
  };
  if (*size > limits.max_copied) return too_large(*size);
  Result<io::Source> source = io::open_file(url);
  if (!source) return failure(source.error());
  auto file = UnnamedFile::make("the copy of a workbook", ", or copy the workbook to a local file first");
  if (!file) return failure(file.error());
  std::vector<char> bytes(std::size_t{1} << 20);
  for (std::uint64_t done = 0;;) {
    const Result<std::size_t> got = (*source)->read(bytes);
    if (!got) return failure(got.error());
    if (*got == 0) return std::make_shared<const UnnamedFile>(std::move(*file));
    done += *got;
    if (done > limits.max_copied) return too_large(done);
    if (auto written = file->write({bytes.data(), *got}); !written) return failure(written.error());
  }
}

/// Keeps the copy that was made last.
class Copies {
 public:
  Result<Copy> get(const fs::path& url, const Limits& limits) {
    auto version = io::fingerprint(url);  // changes with the object
    if (!version) return failure(version.error());
    const std::lock_guard lock(mutex_);
    if (copy_ && url == url_ && *version == version_) return copy_;
    copy_.reset();  // freed before another copy is made
    Result<Copy> made = copy_of(url, limits);
    if (!made) return made;
    copy_ = *made;
    url_ = url;
    version_ = std::move(*version);
    return made;
  }

 private:
  std::mutex mutex_{};
  fs::path url_{};
  std::string version_{};
  Copy copy_{};
};

}  // namespace

Result<WorkbookFile> find_workbook(const fs::path& path_or_url, const Limits& limits) {
  static Copies copies;
  if (path_or_url == "-")
    return failure(fatal(
        "a workbook cannot be read from standard input, because its list of parts is at its end: give it as a file"));
  WorkbookFile file{.name = path_or_url.string()};
  if (io::is_store_url(path_or_url.native())) {
    auto copy = copies.get(path_or_url, limits);
    if (!copy) return failure(std::move(copy.error()));
    file.copy = std::move(*copy);
    file.path = fmt::format("/proc/self/fd/{}", file.copy->handle());
  } else {
    auto path = io::local_path(path_or_url);
    if (!path) return failure(std::move(path.error()));
    file.path = std::move(*path);
  }
  // Opened with `open_file`, so that a missing file gives the usual error.
  Result<io::Source> source = io::open_file(file.path);
  if (!source) return failure(source.error());
  std::array<char, 8> bytes{};
  const Result<std::size_t> got = (*source)->read(bytes);
  if (!got) return failure(got.error());
  const auto format = format_of(std::string_view(bytes.data(), *got));
  if (!format) return failure(fatal(fmt::format("{}: it is no workbook of Excel, neither .xlsx nor .xls", file.name)));
  file.format = *format;
  return file;
}

}  // namespace etl::inline v0::excel::detail

#include "archive.hpp"

#include <zip.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include <fmt/format.h>

namespace etl::inline v0::excel::detail {
namespace {

/// Limit, because libzip keeps the names and places of all files in memory.
constexpr std::uint64_t most_files = 100'000;

std::uint64_t little_endian(std::string_view bytes, std::size_t at, std::size_t size) noexcept {
  std::uint64_t number = 0;
  for (std::size_t i = size; i-- > 0;) number = number << 8 | static_cast<unsigned char>(bytes[at + i]);
  return number;
}

/// The number of files that the end of the archive announces (APPNOTE 4.3.14 to 4.3.16). Returns 0 if no end was
/// found; libzip then reports the error.
std::uint64_t announced_files(const std::filesystem::path& path) {
  constexpr std::size_t record = 22, locator = 20, longest_comment = 0xFFFF;
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const auto size = static_cast<std::uint64_t>(std::max<std::streamoff>(0, file.tellg()));
  std::string tail(static_cast<std::size_t>(std::min<std::uint64_t>(size, record + longest_comment + locator)), '\0');
  file.seekg(static_cast<std::streamoff>(size - tail.size()));
  file.read(tail.data(), static_cast<std::streamsize>(tail.size()));
  if (!file) return 0;
  const std::size_t end = tail.rfind("PK\x05\x06");
  if (end == tail.npos || end + record > tail.size()) return 0;
  // The size of the central directory counts too, because it costs memory: at least 46 bytes for each file.
  std::uint64_t count = std::max(little_endian(tail, end + 10, 2), little_endian(tail, end + 12, 4) / 1024);
  if (end < locator || tail.compare(end - locator, 4, "PK\x06\x07") != 0) return count;
  const std::uint64_t at = little_endian(tail, end - locator + 8, 8);
  std::string zip64(56, '\0');
  file.seekg(static_cast<std::streamoff>(std::min(at, size)));
  file.read(zip64.data(), static_cast<std::streamsize>(zip64.size()));
  return file ? std::max(little_endian(zip64, 32, 8), little_endian(zip64, 40, 8) / 1024) : 0;
}

}  // namespace

struct Archive::Open {
  zip_t* zip = nullptr;
  std::string file{};
  Limits limits{};
  Open() = default;
  Open(const Open&) = delete;
  Open& operator=(const Open&) = delete;
  ~Open() {
    if (zip != nullptr) zip_discard(zip);
  }
};

class Part::Impl {
 public:
  Impl(std::shared_ptr<Archive::Open> open, zip_file_t* file, const std::string& name, std::uint64_t packed,
       std::uint64_t size)
      : open_(std::move(open)),
        file_(file),
        name_(fmt::format("{}: part '{}'", open_->file, name)),
        packed_(packed),
        size_(size) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() { zip_fclose(file_); }

  Result<std::size_t> read(std::span<char> to) {
    const zip_int64_t got = zip_fread(file_, to.data(), to.size());
    if (got < 0) {
      zip_error_t* const error = zip_file_get_error(file_);
      return failure(fatal(fmt::format("{}: it is damaged at byte {}: {}; get the file again", name_, done_,
                                       zip_error_strerror(error))));
    }
    done_ += static_cast<std::uint64_t>(got);
    constexpr std::uint64_t free = 16 << 20;
    const Limits& limits = open_->limits;
    if (done_ > limits.max_unpacked)
      return failure(fatal(
          fmt::format("{}: it is more than {} bytes unpacked (Limits::max_unpacked)", name_, limits.max_unpacked)));
    if (done_ > free && done_ / limits.max_ratio > packed_)
      return failure(
          fatal(fmt::format("{}: its {} packed bytes become more than {} times as many, as in a zip bomb "
                            "(Limits::max_ratio)",
                            name_, packed_, limits.max_ratio)));
    return static_cast<std::size_t>(got);
  }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] std::uint64_t packed_size() const noexcept { return packed_; }
  [[nodiscard]] std::uint64_t consumed() const noexcept {
    if (done_ >= size_) return packed_;
    return static_cast<std::uint64_t>(static_cast<double>(packed_) * static_cast<double>(done_) /
                                      static_cast<double>(size_));
  }

 private:
  std::shared_ptr<Archive::Open> open_;
  zip_file_t* file_;
  std::string name_;
  std::uint64_t packed_, size_;
  std::uint64_t done_ = 0;
};

Part::Part(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
Part::Part(Part&&) noexcept = default;
Part& Part::operator=(Part&&) noexcept = default;
Part::~Part() = default;
Result<std::size_t> Part::read(std::span<char> to) { return impl_->read(to); }
const std::string& Part::name() const noexcept { return impl_->name(); }
std::uint64_t Part::packed_size() const noexcept { return impl_->packed_size(); }
std::uint64_t Part::consumed() const noexcept { return impl_->consumed(); }

Result<Archive> Archive::open(const WorkbookFile& file, const Limits& limits) {
  if (limits.max_ratio == 0)
    return failure({.code = Errc::InvalidOptions, .context = "Limits::max_ratio is 0: no file could be read"});
  if (const std::uint64_t count = announced_files(file.path); count > most_files)
    return failure(fatal(fmt::format("{}: an archive of more than {} files is no workbook", file.name, most_files)));
  auto open = std::make_shared<Open>();
  open->file = file.name;
  open->limits = limits;
  int code = 0;
  open->zip = zip_open(file.path.c_str(), ZIP_RDONLY, &code);
  if (open->zip != nullptr) return Archive(std::move(open));
  bool cut_off = code == ZIP_ER_NOZIP || code == ZIP_ER_INCONS || code == ZIP_ER_EOF;
#ifdef ZIP_ER_TRUNCATED_ZIP  // since libzip 1.11
  cut_off = cut_off || code == ZIP_ER_TRUNCATED_ZIP;
#endif
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  const bool system = zip_error_system_type(&error) == ZIP_ET_SYS;
  Error failed =
      fatal(cut_off ? fmt::format("{}: the file is a zip archive without its end, cut off or damaged; get it again",
                                  file.name)
                    : fmt::format("cannot open '{}': {}", file.name, zip_error_strerror(&error)));
  if (system) failed.code = std::error_code(zip_error_code_system(&error), std::generic_category());
  zip_error_fini(&error);
  return failure(std::move(failed));
}

bool Archive::has(const std::string& name) const {
  return zip_name_locate(open_->zip, name.c_str(), ZIP_FL_NOCASE) >= 0;
}

Result<Part> Archive::part(const std::string& name) const {
  const auto problem = [&](std::string_view what) {
    return failure(fatal(fmt::format("{}: part '{}': {}", open_->file, name, what)));
  };
  const zip_int64_t at = zip_name_locate(open_->zip, name.c_str(), ZIP_FL_NOCASE);
  if (at < 0) return problem("the workbook does not have it, though it refers to it; the file is damaged");
  zip_stat_t stat;
  zip_stat_init(&stat);
  if (zip_stat_index(open_->zip, static_cast<zip_uint64_t>(at), 0, &stat) != 0)
    return problem(zip_strerror(open_->zip));
  if ((stat.valid & ZIP_STAT_ENCRYPTION_METHOD) != 0 && stat.encryption_method != ZIP_EM_NONE)
    return problem("it is encrypted; save the workbook without a password");
  zip_file_t* const file = zip_fopen_index(open_->zip, static_cast<zip_uint64_t>(at), 0);
  if (file == nullptr) return problem(zip_strerror(open_->zip));
  return Part(std::make_unique<Part::Impl>(open_, file, name, stat.comp_size, stat.size));
}

const std::string& Archive::file() const noexcept { return open_->file; }

}  // namespace etl::inline v0::excel::detail

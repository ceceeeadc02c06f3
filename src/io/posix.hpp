#pragma once
/// File descriptors and their errors.

#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <utility>

#include <etl/error.hpp>

namespace etl::inline v0::io::detail {

/// A file descriptor. It is closed on destruction, unless it is `borrowed`.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int number, bool borrowed = false) noexcept : number_(number), borrowed_(borrowed) {}
  Fd(Fd&& other) noexcept : number_(std::exchange(other.number_, -1)), borrowed_(other.borrowed_) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(number_, other.number_);
    std::swap(borrowed_, other.borrowed_);
    return *this;
  }
  ~Fd() { static_cast<void>(close()); }
  [[nodiscard]] int get() const noexcept { return number_; }
  [[nodiscard]] bool is_open() const noexcept { return number_ >= 0; }
  /// Closes the file. Returns 0, or the error number: the system may report a full disk only now.
  [[nodiscard]] int close() noexcept;

 private:
  int number_ = -1;
  bool borrowed_ = false;
};

/// An error with the text "WHAT: the system's reason".
[[nodiscard]] Error system_failure(std::string what, int code);

/// Waits until `file` is ready for one of `events` (see poll), or until `other`, unless negative, can be read. Returns
/// false if `other` can be read.
[[nodiscard]] bool wait_for(int file, short events, int other = -1) noexcept;

/// Opens a file and gets its status. Refuses directories, because reading one would fail later with a less clear
/// error.
[[nodiscard]] Result<Fd> open_to_read(const std::filesystem::path& path, struct stat& info);
[[nodiscard]] Result<Fd> open_to_write(const std::filesystem::path& path);

}  // namespace etl::inline v0::io::detail

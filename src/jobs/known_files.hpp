#pragma once
/// The files of units, as a worker sees them.

#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include <etl/error.hpp>
#include <etl/io/fingerprint.hpp>
#include <etl/jobs/job.hpp>

namespace etl::inline v0::jobs::detail {

/// Checks whether a file is still the file that was fingerprinted. The fingerprint of a path is computed once, and
/// again if the file's size or time has changed. Jobs may have made their units from different files of one path. If
/// this worker cannot see or read the disk, the error is transient, because the disk may be mounted later, or other
/// workers may see it.
class KnownFiles {
  using Mark = std::array<std::int64_t, 4>;  // size, time of modification, inode
  struct Known {
    Mark mark{};
    std::string fingerprint{};
  };

 public:
  Result<void> check(const Input& input) {
    struct stat now{};
    if (::stat(input.path.c_str(), &now) != 0) {
      const int why = errno;  // `sees_folder` may change errno
      return failure(Error{.code = std::error_code(why, std::generic_category()),
                           .error_class = sees_folder(input.path, why) ? ErrorClass::Fatal : ErrorClass::Transient,
                           .context = fmt::format("{}: this worker cannot see the file: {}", input.path,
                                                  std::generic_category().message(why))});
    }
    const Mark mark{std::int64_t{now.st_size}, std::int64_t{now.st_mtim.tv_sec}, std::int64_t{now.st_mtim.tv_nsec},
                    static_cast<std::int64_t>(now.st_ino)};
    Known& known = files_[input.path];
    if (known.fingerprint.empty() || known.mark != mark) {
      auto fingerprint = io::fingerprint(input.path);
      if (!fingerprint) {
        if (!sees_folder(input.path, fingerprint.error().code.value()))
          fingerprint.error().error_class = ErrorClass::Transient;
        return failure(std::move(fingerprint.error()));
      }
      known = {.mark = mark, .fingerprint = std::move(*fingerprint)};
    }
    if (known.fingerprint != input.fingerprint)
      return failure(
          Error{.code = Errc::InputChanged,
                .context = fmt::format("{}: is not the file from which the units were made (now {}, then {}): "
                                       "restore it, copy it with its modification time (cp -p, rsync -t), or "
                                       "make a new job",
                                       input.path, known.fingerprint, input.fingerprint)});
    return {};
  }

 private:
  /// Whether only the file is the problem: the disk answers, and the file's folder is not empty.
  static bool sees_folder(const std::string& path, int error) {
    for (const int of_disk : {EIO, ESTALE, ENODEV, ENOTCONN, ETIMEDOUT, EHOSTDOWN})
      if (error == of_disk) return false;
    std::error_code unseen;
    const std::filesystem::path folder = std::filesystem::absolute(path, unseen).parent_path();
    return std::filesystem::directory_iterator(folder, unseen) != std::filesystem::directory_iterator();
  }
  std::map<std::string, Known> files_;
};

}  // namespace etl::inline v0::jobs::detail

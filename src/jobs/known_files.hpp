#pragma once
/// The files of units, as a worker sees them.

#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <map>
#include <string>
#include <system_error>

#include <fmt/format.h>

#include <etl/error.hpp>
#include <etl/io/fingerprint.hpp>
#include <etl/jobs/job.hpp>

namespace etl::inline v0::jobs::detail {

/// Checks whether a file is still the file that was fingerprinted. The fingerprint is computed once, and again if the
/// file's size or time has changed.
class KnownFiles {
 public:
  Result<void> check(const Input& input) {
    struct stat now{};
    if (::stat(input.path.c_str(), &now) != 0)
      return failure(Error{.code = std::error_code(errno, std::generic_category()),
                           .context = fmt::format("{}: this worker cannot see the file: {}", input.path,
                                                  std::generic_category().message(errno))});
    const auto mark = std::array{std::int64_t{now.st_size}, std::int64_t{now.st_mtim.tv_sec},
                                 std::int64_t{now.st_mtim.tv_nsec}, static_cast<std::int64_t>(now.st_ino)};
    if (const auto found = marks_.find(input.path); found != marks_.end() && found->second == mark) return {};
    const auto fingerprint = io::fingerprint(input.path);
    if (!fingerprint) return failure(fingerprint.error());
    if (*fingerprint != input.fingerprint)
      return failure(
          Error{.code = Errc::InputChanged,
                .context = fmt::format("{}: is not the file from which the units were made (now {}, then {}): "
                                       "restore it, copy it with its modification time (cp -p, rsync -t), or "
                                       "make a new job",
                                       input.path, *fingerprint, input.fingerprint)});
    marks_[input.path] = mark;
    return {};
  }

 private:
  std::map<std::string, std::array<std::int64_t, 4>> marks_;
};

}  // namespace etl::inline v0::jobs::detail

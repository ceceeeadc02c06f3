#pragma once
/// Errors of Druid.

#include <string>
#include <string_view>
#include <system_error>

#include <etl/config.hpp>
#include <etl/error.hpp>

namespace etl::inline v0::druid {

/// What Druid says beside the status codes of HTTP. As `Error::code`; all other errors of this component have the codes
/// of `etl::http`, or `Errc::InvalidOptions`.
enum class Problem {
  TaskExists = 1,  ///< the overlord has a task of this id, running or finished (rejected)
  NoTask,          ///< the overlord does not know a task of this id (fatal)
  NoReport,        ///< the task has no report, or none yet (transient)
  Answer,          ///< an answer that is not what the manual says (fatal)
  NotForwarded,    ///< the server does not know this part of the interface (fatal)
};

/// The category of `Problem`. Thread-safe: stateless.
[[nodiscard]] const std::error_category& error_category() noexcept;
/// The error code of a `Problem`, found by `std::error_code`.
[[nodiscard]] inline std::error_code make_error_code(Problem problem) noexcept {
  return {static_cast<int>(problem), error_category()};
}

/// The first sentence of what Druid says went wrong: a Java stack without class names and places, the title of an HTML
/// page, the message of a JSON object, or the first line of a text. At most 500 bytes.
[[nodiscard]] std::string first_sentence(std::string_view said);

}  // namespace etl::inline v0::druid

template <>
struct std::is_error_code_enum<etl::druid::Problem> : std::true_type {};

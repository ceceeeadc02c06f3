#pragma once
/// What a failed unit tells.

#include <algorithm>
#include <exception>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include <etl/jobs/worker.hpp>

namespace etl::inline v0::jobs::detail {

/// Whether this process had no thread, no memory or no file descriptor left, which says nothing about the unit.
inline bool exhausted(const Error& error) {
  if (error.cause && exhausted(*error.cause)) return true;
  for (const auto lacking :
       {std::errc::not_enough_memory, std::errc::too_many_files_open, std::errc::too_many_files_open_in_system})
    if (error.code == lacking) return true;
  if (!error.exception) return false;
  try {
    std::rethrow_exception(error.exception);
  } catch (const std::bad_alloc&) {
    return true;
  } catch (const std::system_error& thrown) {
    return thrown.code() == std::errc::resource_unavailable_try_again || thrown.code() == std::errc::not_enough_memory;
  } catch (...) {
    return false;
  }
}

/// Calls `call`. Returns the error of its exception, if any.
template <class Call>
std::optional<Error> error_of(Call call) {
  const auto of = [](Error error) {
    error.exception = std::current_exception();
    return error;
  };
  try {
    call();
    return std::nullopt;
  } catch (const Exception& thrown) {
    return of(thrown.error());
  } catch (const std::exception& thrown) {
    return of(fatal(thrown.what()));
  } catch (...) {
    return of(fatal("an exception that is not a std::exception"));
  }
}

/// The text that is recorded for a failed unit: the unit, the file, the first error, and each rejected record.
inline std::string failure_text(const Work& work, const RunReport& run) {
  std::string text =
      fmt::format("unit {} of job '{}' ({}, bytes {} to {}, from line {} on): ", work.unit.number, work.job.key.version,
                  work.input.path, work.unit.place.begin, work.unit.place.end, work.unit.place.first_line);
  text += run.errors.empty() ? std::string(to_string(run.outcome)) : run.errors.front().text();
  for (const ErrorRecord& one : run.errors)
    if (one.rejected && &one != &run.errors.front()) text += "; rejected: " + one.text();
  return text;
}

/// Whether another run would reject the same records again.
inline bool only_repeats(const RunReport& run) {
  return std::ranges::any_of(run.errors,
                             [](const ErrorRecord& one) { return one.error.code == etl::Errc::RejectBudget; });
}

}  // namespace etl::inline v0::jobs::detail

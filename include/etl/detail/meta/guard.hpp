#pragma once
/// The one place where exceptions of user code end (contract G4).

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <tl/expected.hpp>

#include <etl/config.hpp>
#include <etl/error.hpp>

namespace etl::inline v0::detail {

template <class F>
[[nodiscard]] std::optional<Error> guarded(F&& call) noexcept;

/// An exception as an error: an etl::Exception keeps its class, as does the exception of `Result::value()`. Everything
/// else is unclassified.
[[nodiscard]] inline Error error_of_exception(std::exception_ptr caught) {
  Error error{.code = Errc::UserException};
  try {
    std::rethrow_exception(caught);
  } catch (const Exception& e) {
    error = e.error();
  } catch (const tl::bad_expected_access<Error>& e) {
    error = e.error();
  } catch (const std::exception& e) {
    error.context = e.what();
    if (std::optional<Error> nested = guarded([&e]() -> std::optional<Error> {
          std::rethrow_if_nested(e);
          return std::nullopt;
        }))
      error.cause = std::make_shared<const Error>(std::move(*nested));
  } catch (...) {
    error.context = "an exception that is not a std::exception";
  }
  error.exception = std::move(caught);
  return error;
}

/// The same, without a message when there is no memory for one.
[[nodiscard]] inline Error error_of_caught(std::exception_ptr caught) noexcept {
  try {
    return error_of_exception(caught);
  } catch (...) {
    Error error{.code = Errc::UserException};
    error.exception = std::move(caught);
    return error;
  }
}

/// Calls `call`, which returns an error or nothing, and turns whatever it throws into an error.
/// The exception object is handed on only after its handler has ended, so that no other thread
/// touches it at the same time.
template <class F>
[[nodiscard]] std::optional<Error> guarded(F&& call) noexcept {
  std::exception_ptr caught;
  try {
    return std::forward<F>(call)();
  } catch (...) {
    caught = std::current_exception();
  }
  return error_of_caught(std::move(caught));
}

}  // namespace etl::inline v0::detail

#pragma once
/// The only place that catches exceptions of user code (contract G4).

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

/// Turns an exception into an error. An etl::Exception and the exception of `Result::value()` keep their error class;
/// all others are unclassified.
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

/// Like `error_of_exception`, but without a message if there is no memory for one.
[[nodiscard]] inline Error error_of_caught(std::exception_ptr caught) noexcept {
  try {
    return error_of_exception(caught);
  } catch (...) {
    Error error{.code = Errc::UserException};
    error.exception = std::move(caught);
    return error;
  }
}

/// Calls `call`, which returns an error or nothing, and turns any exception into an error. The exception object is
/// used only after its handler has ended, so that no other thread touches it at the same time.
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

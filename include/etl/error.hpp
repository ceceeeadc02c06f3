#pragma once
/// Errors as values (contract G4, G5).

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include <tl/expected.hpp>

#include <etl/config.hpp>

namespace etl::inline v0 {

/// How a run handles an error (G5).
enum class ErrorClass : std::uint8_t {
  Transient,  ///< may succeed when tried again
  Rejected,   ///< concerns only this item or these items; counts against the reject budget
  Fatal,      ///< stops the run; every unclassified error is fatal
};

/// Where in a run an error arose.
enum class Stage : std::uint8_t {
  Configure,
  PreProcess,
  Worker,
  Extract,
  Transform,
  Load,
  DeadLetter,  ///< rejected items are set aside
  Checkpoint,  ///< progress is read or saved
  PostProcess,
  Manage,
};

/// The library's own codes. User code may put any `std::error_code` into an `Error`.
enum class Errc {
  UserError = 1,       ///< user code returned or threw an error without a code
  UserException,       ///< a user callable threw an exception that is not an `etl::Exception`
  Rejected,            ///< a user callable rejected an item
  RejectBudget,        ///< more items rejected than `Options::errors` allows
  InvalidOptions,      ///< the message lists every bad value
  OutcomeUnknown,      ///< a sink cannot say whether its commit succeeded; results are in doubt (G2)
  NotRun,              ///< a manager never started the pipeline
  Ledger,              ///< the ledgers do not balance: a defect of the library or of a custom runner
  CheckpointMismatch,  ///< a checkpoint belongs to another source or another version of the pipeline (G17)
  NoPayload,           ///< a dead letter has no payload, so its item cannot be replayed (G7)
  Superseded,          ///< a later run of the pipeline has taken over its progress (G15)
  CheckFailed,         ///< a check of loaded data has failed
  ScriptFailed,        ///< a script after a load has failed and was rolled back; the cause says why
};

/// The name of an error class: "transient", "rejected" or "fatal".
[[nodiscard]] inline std::string_view to_string(ErrorClass c) noexcept {
  switch (c) {
    case ErrorClass::Transient: return "transient";
    case ErrorClass::Rejected: return "rejected";
    case ErrorClass::Fatal: break;
  }
  return "fatal";
}

/// The name of a stage, such as "transform".
[[nodiscard]] inline std::string_view to_string(Stage s) noexcept {
  switch (s) {
    case Stage::Configure: return "configure";
    case Stage::PreProcess: return "pre_process";
    case Stage::Worker: return "worker";
    case Stage::Extract: return "extract";
    case Stage::Transform: return "transform";
    case Stage::Load: return "load";
    case Stage::DeadLetter: return "dead_letter";
    case Stage::Checkpoint: return "checkpoint";
    case Stage::PostProcess: return "post_process";
    case Stage::Manage: break;
  }
  return "manage";
}

/// The category of `Errc`. Thread-safe: stateless.
[[nodiscard]] inline const std::error_category& error_category() noexcept {
  struct Category final : std::error_category {
    [[nodiscard]] const char* name() const noexcept override { return "etl"; }
    [[nodiscard]] std::string message(int code) const override {
      switch (static_cast<Errc>(code)) {
        case Errc::UserError: return "error from user code";
        case Errc::UserException: return "exception from user code";
        case Errc::Rejected: return "item rejected";
        case Errc::RejectBudget: return "reject budget exceeded";
        case Errc::InvalidOptions: return "invalid options";
        case Errc::OutcomeUnknown: return "outcome of the commit unknown";
        case Errc::NotRun: return "not run";
        case Errc::Ledger: return "ledger does not balance";
        case Errc::CheckpointMismatch: return "checkpoint does not fit";
        case Errc::NoPayload: return "dead letter without payload";
        case Errc::Superseded: return "another run has taken over";
        case Errc::CheckFailed: return "check failed";
        case Errc::ScriptFailed: return "script failed";
      }
      return "unknown error";
    }
  };
  static const Category category;
  return category;
}

/// The error code of an `Errc`, found by `std::error_code`.
[[nodiscard]] inline std::error_code make_error_code(Errc e) noexcept {
  return {static_cast<int>(e), error_category()};
}

}  // namespace etl::inline v0

template <>
struct std::is_error_code_enum<etl::Errc> : std::true_type {};

namespace etl::inline v0 {

/// One error: code, class, context and cause. A value. Two threads must not change the same object.
struct Error {
  std::error_code code = Errc::UserError;      ///< code and category
  ErrorClass error_class = ErrorClass::Fatal;  ///< how a run handles it
  std::string context{};                       ///< what happened and where, for a person
  std::shared_ptr<const Error> cause{};        ///< what led to it, or null
  std::exception_ptr exception{};              ///< the exception it was made from, or null
  /// Retry-after sent by the server, for a transient error; zero if none.
  std::chrono::nanoseconds retry_after{};

  /// The context, or the code's own message, followed by the chain of causes.
  [[nodiscard]] std::string message() const {
    std::string text = context.empty() ? code.message() : context;
    for (const Error* c = cause.get(); c != nullptr; c = c->cause.get())
      text.append(": ").append(c->context.empty() ? c->code.message() : c->context);
    return text;
  }

  /// An error is a `Result` of any type: `return etl::rejected("no price")`.
  template <class T>
  operator tl::expected<T, Error>() const& {  // NOLINT(google-explicit-constructor)
    return tl::unexpected<Error>(*this);
  }
  template <class T>
  operator tl::expected<T, Error>() && {  // NOLINT(google-explicit-constructor)
    return tl::unexpected<Error>(std::move(*this));
  }
};

// The next three make errors. A function that returns a `Result` returns them as they are: `return etl::fatal("...")`.

/// An error of class Rejected: the item is counted and reported, and the run continues within its budget.
[[nodiscard]] inline Error rejected(std::string context) {
  return {.code = Errc::Rejected, .error_class = ErrorClass::Rejected, .context = std::move(context)};
}
/// An error of class Fatal: it stops the run.
[[nodiscard]] inline Error fatal(std::string context) {
  return {.error_class = ErrorClass::Fatal, .context = std::move(context)};
}
/// An error of class Transient: the operation may succeed when tried again.
[[nodiscard]] inline Error transient(std::string context) {
  return {.error_class = ErrorClass::Transient, .context = std::move(context)};
}

/// Result of the library's functions that can fail at run time. Only the parts common to
/// tl::expected 1.0 and std::expected are used.
template <class T>
using Result = tl::expected<T, Error>;

/// An error as a `Result` of any type, for `return ok ? value : etl::failure(error)`.
[[nodiscard]] inline tl::unexpected<Error> failure(Error error) { return tl::unexpected<Error>(std::move(error)); }

/// An `Error` as an exception, for user code that prefers to throw. The library throws it for a programmer's mistake
/// and from `RunReport::throw_if_failed`.
class Exception : public std::exception {
 public:
  /// Throws `std::bad_alloc` without memory for the message.
  explicit Exception(Error error) : error_(std::move(error)), what_(error_.message()) {}
  [[nodiscard]] const char* what() const noexcept override { return what_.c_str(); }
  /// The error.
  [[nodiscard]] const Error& error() const noexcept { return error_; }

 private:
  Error error_;
  std::string what_;
};

/// The value of a result, for code that prefers exceptions: `Store store = etl::value(Store::open(path))`. Throws
/// `etl::Exception` with the result's error. Prefer it to the result's own `.value()`, whose exception has no useful
/// text. Thread-safe.
template <class T>
  requires(!std::is_void_v<T>)
[[nodiscard]] T value(Result<T>&& result) {
  if (!result) throw Exception(std::move(result).error());
  return *std::move(result);
}
template <class T>
  requires(!std::is_void_v<T>)
[[nodiscard]] T value(const Result<T>& result) {
  if (!result) throw Exception(result.error());
  return *result;
}
/// The same for a result without a value: throws its error, if it has one.
inline void value(const Result<void>& result) {
  if (!result) throw Exception(result.error());
}

}  // namespace etl::inline v0

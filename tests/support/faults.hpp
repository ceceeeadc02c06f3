#pragma once
/// The ways in which a user callable can fail.

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "support/scripted.hpp"

namespace test {

enum class Fault {
  StdException,      // says nothing about its class
  NotAnException,    // throw 42
  ThrownRejected,    // etl::Exception of class rejected
  ThrownFatal,       // etl::Exception of class fatal
  ReturnedRejected,  // a Result
  ReturnedFatal,
  ReturnedTransient,
};
inline constexpr Fault all_faults[] = {Fault::StdException,     Fault::NotAnException,   Fault::ThrownRejected,
                                       Fault::ThrownFatal,      Fault::ReturnedRejected, Fault::ReturnedFatal,
                                       Fault::ReturnedTransient};
constexpr std::string_view to_string(Fault f) {
  constexpr std::string_view names[] = {
      "std::exception",    "int", "thrown rejected", "thrown fatal", "returned rejected", "returned fatal",
      "returned transient"};
  return names[static_cast<unsigned>(f)];
}

inline etl::Result<void> fail(Fault f, const std::string& why) {
  switch (f) {
    case Fault::StdException: throw std::runtime_error(why);
    case Fault::NotAnException: throw 42;
    case Fault::ThrownRejected: throw etl::Exception(etl::rejected(why));
    case Fault::ThrownFatal: throw etl::Exception(etl::fatal(why));
    case Fault::ReturnedRejected: return etl::failure(etl::rejected(why));
    case Fault::ReturnedFatal: return etl::failure(etl::fatal(why));
    case Fault::ReturnedTransient: break;
  }
  return etl::failure(etl::transient(why));
}

/// Whether a fault in transform or load concerns its items only.
constexpr bool rejects_items(Fault f, etl::Unclassified policy) {
  if (f == Fault::ThrownRejected || f == Fault::ReturnedRejected) return true;
  return (f == Fault::StdException || f == Fault::NotAnException) && policy == etl::Unclassified::Reject;
}

/// A script's `at` that fails at one item of one stage.
inline std::function<etl::Result<void>(Site, std::uint64_t)> fails_at(Site site, std::uint64_t item, Fault fault) {
  return [=](Site s, std::uint64_t n) -> etl::Result<void> {
    if (s == site && n == item)
      return fail(fault, "fault in " + std::string(to_string(site)) + " " + std::to_string(item));
    return {};
  };
}

}  // namespace test

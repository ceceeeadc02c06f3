#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <etl/error.hpp>

#include "support/catch.hpp"

namespace error_test {

TEST_CASE("error: the helpers set class and code") {
  CHECK(etl::rejected("bad").error_class == etl::ErrorClass::Rejected);
  CHECK(etl::rejected("bad").code == etl::Errc::Rejected);
  CHECK(etl::fatal("bad").error_class == etl::ErrorClass::Fatal);
  CHECK(etl::transient("bad").error_class == etl::ErrorClass::Transient);
  CHECK(etl::Error{}.error_class == etl::ErrorClass::Fatal);  // G4: unclassified is fatal
}

TEST_CASE("error: message() is the context, or the code's text, and the chain of causes") {
  CHECK(etl::fatal("disk full").message() == "disk full");
  CHECK(etl::Error{.code = etl::Errc::RejectBudget}.message() == "reject budget exceeded");

  etl::Error outer = etl::fatal("cannot load");
  etl::Error middle{.code = std::make_error_code(std::errc::connection_reset)};
  middle.cause = std::make_shared<etl::Error>(etl::fatal("cable pulled"));
  outer.cause = std::make_shared<etl::Error>(middle);
  CHECK(outer.message() == "cannot load: " + middle.code.message() + ": cable pulled");
}

TEST_CASE("error: every code and class has its own text") {
  const etl::Errc all[] = {etl::Errc::UserException,  etl::Errc::Rejected,       etl::Errc::RejectBudget,
                           etl::Errc::InvalidOptions, etl::Errc::OutcomeUnknown, etl::Errc::NotRun,
                           etl::Errc::Ledger};
  for (const etl::Errc a : all) {
    const std::error_code code = a;
    CHECK(std::string(code.category().name()) == "etl");
    CHECK(code.message() != "unknown error");
    CHECK_FALSE(code.message().empty());
    for (const etl::Errc b : all)
      if (a != b) CHECK(code.message() != make_error_code(b).message());
  }
  CHECK(etl::to_string(etl::ErrorClass::Transient) == "transient");
  CHECK(etl::to_string(etl::ErrorClass::Rejected) == "rejected");
  CHECK(etl::to_string(etl::ErrorClass::Fatal) == "fatal");
  CHECK(etl::error_category().message(12345) == "unknown error");
}

TEST_CASE("error: every stage is named as the user's callable is") {
  CHECK(etl::to_string(etl::Stage::Configure) == "configure");
  CHECK(etl::to_string(etl::Stage::PreProcess) == "pre_process");
  CHECK(etl::to_string(etl::Stage::Extract) == "extract");
  CHECK(etl::to_string(etl::Stage::Transform) == "transform");
  CHECK(etl::to_string(etl::Stage::Load) == "load");
  CHECK(etl::to_string(etl::Stage::PostProcess) == "post_process");
  CHECK(etl::to_string(etl::Stage::Manage) == "manage");
}

TEST_CASE("error: a Result carries a value or an Error") {
  const auto half = [](int n) -> etl::Result<int> {
    if (n % 2 != 0) return etl::failure(etl::rejected("odd"));
    return n / 2;
  };
  REQUIRE(half(4).has_value());
  CHECK(*half(4) == 2);
  REQUIRE_FALSE(half(3).has_value());
  CHECK(half(3).error().context == "odd");
}

TEST_CASE("error: value() gives what a result holds, or throws its error") {
  const auto half = [](int n) -> etl::Result<int> {
    if (n % 2 != 0) return etl::failure(etl::rejected("odd"));
    return n / 2;
  };
  CHECK(etl::value(half(4)) == 2);
  const etl::Result<int> kept = half(6);
  CHECK(etl::value(kept) == 3);
  etl::Result<std::unique_ptr<int>> owned = std::make_unique<int>(5);
  CHECK(*etl::value(std::move(owned)) == 5);
  etl::value(etl::Result<void>());
  const auto thrown = [](auto&& call) {
    try {
      call();
    } catch (const etl::Exception& e) {
      return std::string(e.what());
    }
    return std::string("nothing was thrown");
  };
  CHECK(thrown([&] { static_cast<void>(etl::value(half(3))); }) == "odd");
  const etl::Result<int> odd = half(5);
  CHECK(thrown([&] { static_cast<void>(etl::value(odd)); }) == "odd");
  CHECK(thrown([] { etl::value(etl::Result<void>(etl::failure(etl::fatal("disk full")))); }) == "disk full");
}

TEST_CASE("error: Exception gives its Error back") {
  try {
    throw etl::Exception(etl::rejected("line 7"));
  } catch (const std::exception& e) {
    CHECK(std::string(e.what()) == "line 7");
    const auto* const ours = dynamic_cast<const etl::Exception*>(&e);
    REQUIRE(ours != nullptr);
    CHECK(ours->error().error_class == etl::ErrorClass::Rejected);
  }
}

namespace {
struct MoveOnly {
  std::unique_ptr<int> number;
};
etl::Result<int> number() { return etl::rejected("no number"); }
etl::Result<void> nothing() { return etl::fatal("cannot"); }
etl::Result<MoveOnly> owned() {
  etl::Error error = etl::transient("busy");
  error.context += " again";
  return error;
}
etl::Result<std::optional<std::string>> text() { return etl::rejected("no text"); }
}  // namespace

TEST_CASE("error: is a result of any type, without a second wrapper") {
  CHECK(number().error().context == "no number");
  CHECK(number().error().error_class == etl::ErrorClass::Rejected);
  CHECK(nothing().error().context == "cannot");
  CHECK(owned().error().context == "busy again");
  CHECK(text().error().code == etl::Errc::Rejected);
}

}  // namespace error_test

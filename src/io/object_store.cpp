#include <etl/io/object_store.hpp>

namespace etl::inline v0::io {

const std::error_category& store_category() noexcept {
  struct Category final : std::error_category {
    [[nodiscard]] const char* name() const noexcept override { return "object store"; }
    [[nodiscard]] std::string message(int code) const override {
      switch (static_cast<StoreProblem>(code)) {
        case StoreProblem::Missing: return "there is no such object";
        case StoreProblem::Exists: return "the object exists already";
        case StoreProblem::Changed: return "the object has changed";
        case StoreProblem::Digest: return "the bytes do not have the given digest";
        case StoreProblem::Key: return "no key for this store";
        case StoreProblem::Range: return "the object ends before the first byte that was requested";
        case StoreProblem::Part: return "the store does not have this part";
      }
      return "unknown error";
    }
    [[nodiscard]] std::error_condition default_error_condition(int code) const noexcept override {
      switch (static_cast<StoreProblem>(code)) {
        case StoreProblem::Missing: return std::errc::no_such_file_or_directory;
        case StoreProblem::Exists: return std::errc::file_exists;
        case StoreProblem::Key: return std::errc::invalid_argument;
        default: return {code, *this};
      }
    }
  };
  static const Category category;
  return category;
}

}  // namespace etl::inline v0::io

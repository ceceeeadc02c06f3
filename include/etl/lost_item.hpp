#pragma once
/// Items that a bucket took and did not load.

#include <cstdint>
#include <string_view>

#include <etl/config.hpp>
#include <etl/error.hpp>

namespace etl::inline v0 {

/// What became of an item instead of being loaded.
enum class LostAs : std::uint8_t {
  Rejected,   ///< the processor has rejected it, within the budget
  Abandoned,  ///< nobody has loaded it: the bucket failed, was stopped, or its drain deadline passed
  InDoubt,    ///< the sink cannot say whether it has committed the item (`Errc::OutcomeUnknown`)
};

[[nodiscard]] constexpr std::string_view to_string(LostAs how) noexcept {
  switch (how) {
    case LostAs::Rejected: return "rejected";
    case LostAs::Abandoned: return "abandoned";
    case LostAs::InDoubt: break;
  }
  return "in doubt";
}

/// An item of a bucket that is not loaded, as told to `Bucket`'s `on_lost`. The references hold during the call only.
template <class T>
struct LostItem {
  const T& item;                   ///< the item
  LostAs how = LostAs::Abandoned;  ///< what happened to it
  const Error& error;              ///< why it was rejected; of others, what ended the bucket
};

namespace detail {

/// Whom a bucket tells of items that are lost. Called by one thread at a time.
class LostItems {
 public:
  LostItems() = default;
  LostItems(const LostItems&) = delete;
  LostItems& operator=(const LostItems&) = delete;
  virtual ~LostItems() = default;
  /// `item` points to one of the bucket's type. Throws what the user's callable throws.
  virtual void tell(const void* item, LostAs how, const Error& error) = 0;
};

}  // namespace detail
}  // namespace etl::inline v0

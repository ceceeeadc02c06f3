#pragma once
/// Items that a bucket took and did not load.

#include <cstdint>
#include <string_view>

#include <etl/config.hpp>
#include <etl/error.hpp>

namespace etl::inline v0 {

/// What happened to an item that was not loaded.
enum class LostAs : std::uint8_t {
  Rejected,   ///< the processor has rejected it, within the budget
  Abandoned,  ///< it was not loaded, because the bucket failed, was stopped, or its drain deadline passed
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

/// An item of a bucket that was not loaded, passed to `on_lost` of `Bucket`. The references are valid only during the
/// call.
template <class T>
struct LostItem {
  const T& item;                   ///< the item
  LostAs how = LostAs::Abandoned;  ///< what happened to it
  const Error& error;              ///< why it was rejected, or what ended the bucket
};

namespace detail {

/// Receives items that a bucket has lost. Called by one thread at a time.
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

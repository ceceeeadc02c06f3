#pragma once
/// Header fields of requests and answers (RFC 9110, 5).

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <etl/config.hpp>

namespace etl::inline v0::http {

/// A header field.
struct Header {
  std::string name{};   ///< its name
  std::string value{};  ///< its value
};

/// Fields in the order in which they were added; names are compared without regard to case. A value.
class Headers {
 public:
  Headers() = default;
  /// These fields: `{{"Accept", "text/csv"}}`.
  Headers(std::initializer_list<Header> fields) : fields_(fields) {}  // {{"Accept", "text/csv"}}

  /// Adds a field.
  void add(std::string name, std::string value) { fields_.push_back({std::move(name), std::move(value)}); }
  /// Replaces all fields of this name by one.
  void set(std::string_view name, std::string value);
  /// Removes all fields of this name.
  void remove(std::string_view name);
  void clear() noexcept { fields_.clear(); }

  /// The first field of this name; the view lives as long as the field.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const noexcept;
  /// All fields of this name, joined by ", " (RFC 9110, 5.3); empty if there are none.
  [[nodiscard]] std::string joined(std::string_view name) const;
  /// Whether there is a field of this name.
  [[nodiscard]] bool contains(std::string_view name) const noexcept { return find(name).has_value(); }

  [[nodiscard]] auto begin() const noexcept { return fields_.begin(); }
  [[nodiscard]] auto end() const noexcept { return fields_.end(); }
  [[nodiscard]] bool empty() const noexcept { return fields_.empty(); }

 private:
  std::vector<Header> fields_;
};

/// Whether two names differ at most in the case of ASCII letters.
[[nodiscard]] bool same_name(std::string_view a, std::string_view b) noexcept;
/// Whether a header or a query parameter of this name usually carries a secret: its value is then not shown in errors
/// and not sent to another host.
[[nodiscard]] bool is_secret_name(std::string_view name);

}  // namespace etl::inline v0::http

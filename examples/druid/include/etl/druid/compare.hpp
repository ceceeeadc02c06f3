#pragma once
/// Whether a spec fits the datasource as it is. Druid takes columns of any type: it then reads old and new segments
/// with different types, and a sum over both is wrong or text.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <etl/config.hpp>
#include <etl/druid/client.hpp>
#include <etl/druid/spec.hpp>

namespace etl::inline v0::druid {

/// A difference between the columns of a datasource and those that a spec writes. A value.
struct ColumnChange {
  /// What kind of difference it is.
  enum class Type : std::uint8_t {
    New,      ///< the datasource does not have the column yet
    Missing,  ///< the spec does not write the column: its rows have no value there
    Wider,    ///< the datasource has decimal numbers, the spec writes integers: they fit
    Changed,  ///< old and new rows have different types
  };
  Type type = Type::Changed;  ///< what kind of difference it is
  std::string column{};       ///< name of the column
  std::string was{};          ///< type of SQL in the datasource; empty: not there
  std::string is{};           ///< type of SQL by the spec; empty: not there
  std::string what{};         ///< a sentence
  /// Whether old and new rows can be queried together.
  [[nodiscard]] bool compatible() const noexcept { return type != Type::Changed; }
};

/// All differences: first of the spec's columns in their order, then what it lacks. `existing` is what
/// `Client::columns` returns; when it is empty, nothing is different. Types that Druid chooses itself are not compared.
[[nodiscard]] std::vector<ColumnChange> compare(std::span<const Table::Column> existing, const Spec& spec);

}  // namespace etl::inline v0::druid

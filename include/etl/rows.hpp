#pragma once
/// Reads a query with a range-based for.

#include <cstddef>
#include <iterator>

#include <etl/config.hpp>
#include <etl/error.hpp>

namespace etl::inline v0 {

/// Iterates over the rows of a query. Each step overwrites the row and reuses its memory. Throws `etl::Exception` if
/// the query fails or a value does not fit its member. Belongs to the query's thread.
template <class Query, class Row>
class RowIterator {
 public:
  using value_type = Row;
  using difference_type = std::ptrdiff_t;

  /// Begins at the next row of `query`.
  explicit RowIterator(Query& query) : query_(&query) { ++*this; }
  RowIterator(RowIterator&&) noexcept = default;
  RowIterator& operator=(RowIterator&&) noexcept = default;
  RowIterator(const RowIterator&) = delete;
  RowIterator& operator=(const RowIterator&) = delete;
  ~RowIterator() = default;

  [[nodiscard]] const Row& operator*() const noexcept { return row_; }
  RowIterator& operator++() {
    more_ = value(query_->next(row_));
    return *this;
  }
  void operator++(int) { ++*this; }
  friend bool operator==(const RowIterator& at, std::default_sentinel_t) noexcept { return !at.more_; }

 private:
  Query* query_;
  Row row_{};
  bool more_ = false;
};

}  // namespace etl::inline v0

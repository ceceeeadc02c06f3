#pragma once
/// Rows of a query as the source of a pipeline.
///
///     etl::Result<void> extract(etl::Emitter<Sale>& out) const {
///       return etl::druid::emit_rows(client, {.sql = "SELECT * FROM sales"}, out, sale_of_json);
///     }

#include <algorithm>
#include <concepts>
#include <string_view>
#include <type_traits>
#include <utility>

#include <etl/config.hpp>
#include <etl/druid/client.hpp>
#include <etl/emitter.hpp>
#include <etl/error.hpp>
#include <etl/io/chunk_reader.hpp>
#include <etl/io/record_splitter.hpp>

namespace etl::inline v0::druid {

/// Emits the rows of a query as they come, in constant memory. `decode(std::string_view row)` makes an item of a row,
/// which is one JSON object, and must copy what it keeps. An error: Druid refuses the query, or ends before its last
/// row. The same query may give other rows, or another order, the next time, so the source cannot be resumed.
template <class E, class F>
  requires std::convertible_to<std::invoke_result_t<F&, std::string_view>, E>
[[nodiscard]] Result<void> emit_rows(const Client& client, const Query& query, Emitter<E>& out, F&& decode) {
  Result<io::Source> source = client.open_sql(query, out.stop_token());
  if (!source) return failure(std::move(source.error()));
  io::ChunkReader reader(std::move(*source), io::RecordSplitter());
  for (;;) {
    auto chunk = reader.next(out.stop_token());
    if (!chunk) return failure(std::move(chunk.error()));
    if (!*chunk) return {};
    for (std::string_view rest = (*chunk)->text; !rest.empty();) {
      const std::string_view row = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(row.size() + 1, rest.size()));
      if (!row.empty() && !out.push(decode(row))) return {};
    }
  }
}

}  // namespace etl::inline v0::druid

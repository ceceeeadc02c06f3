#pragma once
/// The sessions of a store.

#include <memory>
#include <string_view>
#include <utility>

#include <etl/delivery/transactional_store.hpp>
#include <etl/postgres/pool.hpp>
#include <etl/postgres/store.hpp>

#include "store_tables.hpp"

namespace etl::inline v0::postgres::detail {

/// What a store and its sessions share.
struct StoreState {
  StoreState(Pool connections, std::string_view schema) : pool(std::move(connections)), names(schema) {}
  Pool pool;
  Names names;
};

[[nodiscard]] std::unique_ptr<StoreSession<Tx>> make_session(std::shared_ptr<StoreState> state);

}  // namespace etl::inline v0::postgres::detail

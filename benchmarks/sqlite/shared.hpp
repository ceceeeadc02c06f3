#pragma once
/// What the measurements have in common.

#include <filesystem>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <etl/error.hpp>
#include <etl/sqlite/table.hpp>

#include <common/args.hpp>
#include <sqlite/row.hpp>

namespace bench {

inline const auto trades = etl::sqlite::table<Trade>(
    "trades", etl::sqlite::key("id", &Trade::id), etl::sqlite::column("account", &Trade::account),
    etl::sqlite::column("price", &Trade::price), etl::sqlite::column("amount", &Trade::amount),
    etl::sqlite::column("day", &Trade::day), etl::sqlite::column("settled", &Trade::settled),
    etl::sqlite::column("reference", &Trade::reference), etl::sqlite::column("note", &Trade::note));

template <class T>
T checked(etl::Result<T> result) {
  if (!result) throw etl::Exception(result.error());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

[[nodiscard]] std::vector<Trade> make_trades(std::size_t rows);

/// Rows and a checksum over the table, the same for all sides.
[[nodiscard]] std::string contents(const std::string& file);

struct Side {
  std::string name;
  std::vector<double> ns{};
  std::vector<double> cpu{};
  std::string contents{};
};

[[nodiscard]] double median(std::vector<double> values);

/// A folder that goes with this object.
class Folder {
 public:
  explicit Folder(const Args& args);
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }
  /// The name of a database that is not there, whatever was before.
  [[nodiscard]] std::string fresh(const std::string& name) const;
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

/// Rows through `etl::run`: what checkpoints cost. Returns the exit code.
int measure_delivery(const Args& args);

}  // namespace bench

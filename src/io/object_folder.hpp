#pragma once
/// The files and folders of a `FolderStore`.

#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include <etl/error.hpp>
#include <etl/io/digest.hpp>
#include <etl/io/object_store.hpp>

#include "posix.hpp"

namespace etl::inline v0::io::detail {

/// The folder with the temporary files of puts, and with a folder for each upload.
inline constexpr std::string_view uploads_name = ".etl-uploads";

[[nodiscard]] Error store_failure(StoreProblem problem, std::string_view what, const std::filesystem::path& path,
                                  std::string_view why = {});
[[nodiscard]] Error stopped_failure(std::string_view what, const std::filesystem::path& path);
/// The path of the object with this key, whether it exists or not.
[[nodiscard]] Result<std::filesystem::path> object_path(const std::filesystem::path& root, const std::string& key);
[[nodiscard]] ObjectInfo object_info(std::string key, const struct stat& info);
/// A name that no other file has.
[[nodiscard]] std::string unique_name(std::string_view begin);
/// Deletes the temporary files of writers that have died.
void sweep_puts(const std::filesystem::path& root);

/// Removes empty folders from `folder` up to `root`; `root` itself stays.
void remove_empty(const std::filesystem::path& root, std::filesystem::path folder);

/// A file that becomes an object when it is complete. If it is destroyed before, it is deleted.
class NewObject {
 public:
  /// `sha256`: the digest that the bytes must have, or empty.
  [[nodiscard]] static Result<NewObject> make(const std::filesystem::path& root, std::string key,
                                              const PutOptions& options);
  NewObject(NewObject&&) = default;
  NewObject& operator=(NewObject&&) = delete;
  ~NewObject();

  [[nodiscard]] Result<void> write(std::string_view bytes);
  /// Makes the file durable and moves it to its place.
  [[nodiscard]] Result<ObjectInfo> commit();

 private:
  NewObject() = default;
  [[nodiscard]] int take_place() const noexcept;
  [[nodiscard]] Error failed(int code) const;

  std::filesystem::path root_{}, target_{}, made_{};
  std::string key_{};
  std::string sha256_{};
  bool if_none_match_ = false;
  Fd file_{};
  std::optional<Digest> digest_{};
};

}  // namespace etl::inline v0::io::detail

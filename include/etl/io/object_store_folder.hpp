#pragma once
/// A folder as a store of objects.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include <etl/config.hpp>
#include <etl/error.hpp>
#include <etl/io/object_store.hpp>

namespace etl::inline v0::io {

/// Objects are the regular files below a folder, and a key is the path from there: "2024/01/orders.csv". Files that
/// others put there are objects too.
///
/// A put writes to a temporary file in the folder `.etl-uploads`, syncs it, renames it, and syncs the folders: whatever
/// happens, a key has its old object or its new one. Parts of an upload are files there until it is completed. If an
/// object is replaced, a reader that has opened it still reads the old object. `ObjectInfo::etag` is made of the file's
/// size, time of change (ns) and number; `sha256` is not kept.
///
/// A key has no empty part, no part "." or "..", does not begin with "/" or with ".etl-uploads", and has no NUL and at
/// most 1024 bytes (as in S3). Unlike in S3, one part has at most 255 bytes, and "a" and "a/b" cannot both exist: an
/// error says so. A folder that loses its last object is removed. Symbolic links are followed, but links to folders are
/// not listed.
///
/// A cheap copy is the same store. Thread-safe, and several processes may use the folder at once.
class FolderStore {
 public:
  /// Makes the folder and its parents if they are missing.
  [[nodiscard]] static Result<FolderStore> open(const std::filesystem::path& folder);

  /// Puts all bytes at once.
  [[nodiscard]] Result<ObjectInfo> put(const std::string& key, std::string_view bytes, const PutOptions& options = {},
                                       const std::stop_token& stop = {}) const;
  /// Begins to read an object, or a part of it.
  [[nodiscard]] Result<ObjectBody> get(const std::string& key, const GetOptions& options = {},
                                       const std::stop_token& stop = {}) const;
  /// What `get` would give, without bytes.
  [[nodiscard]] Result<ObjectInfo> head(const std::string& key, const std::stop_token& stop = {}) const;
  /// A page of the objects whose keys begin alike.
  [[nodiscard]] Result<ObjectPage> list(const ListOptions& options = {}, const std::stop_token& stop = {}) const;
  /// Deletes an object, if there is one.
  [[nodiscard]] Result<void> remove(const std::string& key, const std::stop_token& stop = {}) const;
  /// Begins an object in parts.
  [[nodiscard]] Result<Upload> begin_upload(const std::string& key, const PutOptions& options = {},
                                            const std::stop_token& stop = {}) const;
  /// Puts a part, or puts it again.
  [[nodiscard]] Result<UploadedPart> put_part(const Upload& upload, std::uint32_t number, std::string_view bytes,
                                              const std::stop_token& stop = {}) const;
  /// Makes the object of these parts, in the order of their numbers.
  [[nodiscard]] Result<ObjectInfo> complete_upload(const Upload& upload, std::span<const UploadedPart> parts,
                                                   const PutOptions& options = {},
                                                   const std::stop_token& stop = {}) const;
  /// Drops the parts of an upload, if there is one.
  [[nodiscard]] Result<void> abort_upload(const Upload& upload, const std::stop_token& stop = {}) const;
  /// A page of the uploads that are under way.
  [[nodiscard]] Result<UploadPage> uploads(const ListOptions& options = {}, const std::stop_token& stop = {}) const;
  /// The store in messages; the key follows it.
  [[nodiscard]] std::string name() const { return (folder_ / "").string(); }

  /// The folder, as an absolute path.
  [[nodiscard]] const std::filesystem::path& folder() const noexcept { return folder_; }

 private:
  explicit FolderStore(std::filesystem::path folder) : folder_(std::move(folder)) {}
  std::filesystem::path folder_;
};

static_assert(ObjectStore<FolderStore>);

}  // namespace etl::inline v0::io

#pragma once
/// Stores of objects: a folder (`FolderStore`), S3 (`etl::s3::Store`), or your own store.
///
///     etl::io::AnyObjectStore store = etl::value(etl::io::FolderStore::open("staging"));
///     auto made = store.put("2024/01/orders.csv", bytes, {.if_none_match = true});

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <etl/config.hpp>
#include <etl/error.hpp>
#include <etl/io/source.hpp>

namespace etl::inline v0::io {

/// Reasons of a store to refuse a call, as values of `Error::code`. A store also returns other errors, such as those of
/// `etl::http`.
enum class StoreProblem {
  Missing = 1,  ///< no object of this key, no such bucket or no such upload; equals `no_such_file_or_directory`
  Exists,       ///< the object exists, and `PutOptions::if_none_match` is set; equals `file_exists`
  Changed,      ///< the object has another etag than `GetOptions::if_match`
  Digest,       ///< the bytes do not have the given digest
  Key,          ///< the store cannot have an object with this key; equals `invalid_argument`
  Range,        ///< the object ends before `GetOptions::offset`
  Part,         ///< an upload is completed with a part that the store does not have
};
/// The category of `StoreProblem`. Thread-safe: stateless.
[[nodiscard]] const std::error_category& store_category() noexcept;
/// The error code of a `StoreProblem`, found by `std::error_code`.
[[nodiscard]] inline std::error_code make_error_code(StoreProblem problem) noexcept {
  return {static_cast<int>(problem), store_category()};
}

/// An object without its bytes.
struct ObjectInfo {
  std::string key{};       ///< its key
  std::uint64_t size = 0;  ///< its number of bytes
  /// A text that differs after every put of other bytes, as the store writes it, including quotes. Empty if the store
  /// has none.
  std::string etag{};
  std::chrono::system_clock::time_point modified{};  ///< when it was put; the epoch if not known
  std::string sha256{};  ///< SHA-256 of all its bytes, in lower-case hex; empty if not known
};

/// Settings of a put, or of an upload of parts. An aggregate.
struct PutOptions {
  /// The SHA-256 of all bytes, in hex. Other bytes are refused (`StoreProblem::Digest`), and nothing is stored.
  std::string sha256{};
  bool if_none_match = false;  ///< refuses to replace an object (`StoreProblem::Exists`)
  std::string content_type{};  ///< such as "text/csv", where the store keeps it
};

/// Which bytes of an object. An aggregate.
struct GetOptions {
  std::uint64_t offset = 0;             ///< the first byte, from 0; may be the object's size, which gives no bytes
  std::optional<std::uint64_t> size{};  ///< largest number of bytes; if not given, all to the end
  std::string if_match{};  ///< fails with `StoreProblem::Changed` unless the object has this `ObjectInfo::etag`
};

/// An object whose bytes are read while they arrive.
struct ObjectBody {
  ObjectInfo info{};  ///< describes the whole object
  /// The requested bytes. A body that ends early is an error, never an end.
  Source bytes{};
};

/// Which keys. An aggregate.
struct ListOptions {
  std::string prefix{};     ///< only keys that begin with it
  std::string next{};       ///< `ObjectPage::next` of the previous page; empty: the first page
  std::size_t most = 1000;  ///< largest number of keys in a page, at least 1; a store may give fewer
};
/// A page of a listing.
struct ObjectPage {
  std::vector<ObjectInfo> objects{};  ///< sorted by the bytes of their keys
  std::string next{};                 ///< value of `ListOptions::next` for the next page; empty after the last page
};

/// An upload of parts that is under way. A value, which a checkpoint may keep.
struct Upload {
  std::string key{};                                ///< key of the object that it will be
  std::string id{};                                 ///< given by the store
  std::chrono::system_clock::time_point started{};  ///< when it began; the epoch if not known
  /// By this mark `complete_upload` recognises an object that this upload has made. Empty if the upload comes from a
  /// list of uploads.
  std::string mark{};
};
/// A part that the store has.
struct UploadedPart {
  std::uint32_t number = 1;  ///< from 1 to 10000: their order in the object
  std::string etag{};        ///< given by the store
};
/// A page of uploads that are under way.
struct UploadPage {
  std::vector<Upload> uploads{};  ///< sorted by the bytes of their keys
  std::string next{};             ///< value of `ListOptions::next` for the next page; empty after the last page
};

/// A store of objects under keys. All calls are const, may come from several threads at once, and end early when their
/// stop token is stopped. If a server refuses a call temporarily, the store itself tries again.
///
/// - `put`: all bytes at once. Afterwards the object exists, durable and whole; after an error it is unchanged.
/// - `get`: some of an object's bytes.
/// - `head`: what `get` would give, without bytes.
/// - `list`: the keys that begin alike, page by page.
/// - `remove`: no error if the object does not exist.
/// - `begin_upload`, `put_part`, `complete_upload`: an object in parts, which may be put in any order and by several
///   threads, and again. The object appears with `complete_upload`. Every part except the last must have at least 5
///   MiB.
/// - `abort_upload`: drops the parts. No error if the upload does not exist.
/// - `uploads`: uploads that were neither completed nor aborted, to clean up after a crash.
/// - `copy(from, to, stop)`, which not every store has: a copy within the store, without sending its bytes.
/// - `name`: the store in messages, such as `s3://bucket/` or `/srv/staging/`; the key follows it.
template <class S>
concept ObjectStore = requires(const S& store, const std::string& key, std::string_view bytes, const PutOptions& put,
                               const GetOptions& get, const ListOptions& list, const Upload& upload,
                               std::uint32_t number, std::span<const UploadedPart> parts, const std::stop_token& stop) {
  { store.put(key, bytes, put, stop) } -> std::same_as<Result<ObjectInfo>>;
  { store.get(key, get, stop) } -> std::same_as<Result<ObjectBody>>;
  { store.head(key, stop) } -> std::same_as<Result<ObjectInfo>>;
  { store.list(list, stop) } -> std::same_as<Result<ObjectPage>>;
  { store.remove(key, stop) } -> std::same_as<Result<void>>;
  { store.begin_upload(key, put, stop) } -> std::same_as<Result<Upload>>;
  { store.put_part(upload, number, bytes, stop) } -> std::same_as<Result<UploadedPart>>;
  { store.complete_upload(upload, parts, put, stop) } -> std::same_as<Result<ObjectInfo>>;
  { store.abort_upload(upload, stop) } -> std::same_as<Result<void>>;
  { store.uploads(list, stop) } -> std::same_as<Result<UploadPage>>;
  { store.name() } -> std::convertible_to<std::string>;
} && std::copy_constructible<S>;  // last: whether a `Result<S>` is one must not depend on this

/// Any store, chosen when the program runs. A cheap copy is the same store. Thread-safe. Itself an `ObjectStore`.
class AnyObjectStore {
 public:
  /// Keeps a copy of the store.
  template <class S>
    requires(!std::same_as<S, AnyObjectStore> && ObjectStore<S>)
  AnyObjectStore(S store)  // NOLINT(google-explicit-constructor)
      : store_(std::make_shared<const Model<S>>(std::move(store))) {}

  /// Puts all bytes at once.
  [[nodiscard]] Result<ObjectInfo> put(const std::string& key, std::string_view bytes, const PutOptions& options = {},
                                       const std::stop_token& stop = {}) const {
    return store_->put(key, bytes, options, stop);
  }
  /// Begins to read an object, or a part of it.
  [[nodiscard]] Result<ObjectBody> get(const std::string& key, const GetOptions& options = {},
                                       const std::stop_token& stop = {}) const {
    return store_->get(key, options, stop);
  }
  /// What `get` would give, without bytes.
  [[nodiscard]] Result<ObjectInfo> head(const std::string& key, const std::stop_token& stop = {}) const {
    return store_->head(key, stop);
  }
  /// A page of the objects whose keys begin alike.
  [[nodiscard]] Result<ObjectPage> list(const ListOptions& options = {}, const std::stop_token& stop = {}) const {
    return store_->list(options, stop);
  }
  /// Deletes an object, if there is one.
  [[nodiscard]] Result<void> remove(const std::string& key, const std::stop_token& stop = {}) const {
    return store_->remove(key, stop);
  }
  /// Makes a copy of an object in the store, without sending its bytes. A store that has no `copy` gives an error with
  /// the code `std::errc::operation_not_supported`.
  [[nodiscard]] Result<void> copy(const std::string& from, const std::string& to,
                                  const std::stop_token& stop = {}) const {
    return store_->copy(from, to, stop);
  }
  /// Begins an object in parts.
  [[nodiscard]] Result<Upload> begin_upload(const std::string& key, const PutOptions& options = {},
                                            const std::stop_token& stop = {}) const {
    return store_->begin_upload(key, options, stop);
  }
  /// Puts a part, or puts it again.
  [[nodiscard]] Result<UploadedPart> put_part(const Upload& upload, std::uint32_t number, std::string_view bytes,
                                              const std::stop_token& stop = {}) const {
    return store_->put_part(upload, number, bytes, stop);
  }
  /// Makes the object of these parts, in the order of their numbers.
  [[nodiscard]] Result<ObjectInfo> complete_upload(const Upload& upload, std::span<const UploadedPart> parts,
                                                   const PutOptions& options = {},
                                                   const std::stop_token& stop = {}) const {
    return store_->complete_upload(upload, parts, options, stop);
  }
  /// Drops the parts of an upload, if there is one.
  [[nodiscard]] Result<void> abort_upload(const Upload& upload, const std::stop_token& stop = {}) const {
    return store_->abort_upload(upload, stop);
  }
  /// A page of the uploads that are under way.
  [[nodiscard]] Result<UploadPage> uploads(const ListOptions& options = {}, const std::stop_token& stop = {}) const {
    return store_->uploads(options, stop);
  }
  /// The store in messages; the key follows it.
  [[nodiscard]] std::string name() const { return store_->name(); }

 private:
  struct Interface {
    Interface() = default;
    Interface(const Interface&) = delete;
    Interface& operator=(const Interface&) = delete;
    virtual ~Interface() = default;
    virtual Result<ObjectInfo> put(const std::string&, std::string_view, const PutOptions&,
                                   const std::stop_token&) const = 0;
    virtual Result<ObjectBody> get(const std::string&, const GetOptions&, const std::stop_token&) const = 0;
    virtual Result<ObjectInfo> head(const std::string&, const std::stop_token&) const = 0;
    virtual Result<ObjectPage> list(const ListOptions&, const std::stop_token&) const = 0;
    virtual Result<void> remove(const std::string&, const std::stop_token&) const = 0;
    virtual Result<void> copy(const std::string&, const std::string&, const std::stop_token&) const = 0;
    virtual Result<Upload> begin_upload(const std::string&, const PutOptions&, const std::stop_token&) const = 0;
    virtual Result<UploadedPart> put_part(const Upload&, std::uint32_t, std::string_view,
                                          const std::stop_token&) const = 0;
    virtual Result<ObjectInfo> complete_upload(const Upload&, std::span<const UploadedPart>, const PutOptions&,
                                               const std::stop_token&) const = 0;
    virtual Result<void> abort_upload(const Upload&, const std::stop_token&) const = 0;
    virtual Result<UploadPage> uploads(const ListOptions&, const std::stop_token&) const = 0;
    virtual std::string name() const = 0;
  };
  template <class S>
  struct Model final : Interface {
    explicit Model(S made) : store(std::move(made)) {}
    Result<ObjectInfo> put(const std::string& key, std::string_view bytes, const PutOptions& options,
                           const std::stop_token& stop) const override {
      return store.put(key, bytes, options, stop);
    }
    Result<ObjectBody> get(const std::string& key, const GetOptions& options,
                           const std::stop_token& stop) const override {
      return store.get(key, options, stop);
    }
    Result<ObjectInfo> head(const std::string& key, const std::stop_token& stop) const override {
      return store.head(key, stop);
    }
    Result<ObjectPage> list(const ListOptions& options, const std::stop_token& stop) const override {
      return store.list(options, stop);
    }
    Result<void> remove(const std::string& key, const std::stop_token& stop) const override {
      return store.remove(key, stop);
    }
    Result<void> copy(const std::string& from, const std::string& to, const std::stop_token& stop) const override {
      if constexpr (requires { store.copy(from, to, stop); })
        return store.copy(from, to, stop);
      else
        return failure(Error{.code = std::make_error_code(std::errc::operation_not_supported),
                             .context = store.name() + ": this store cannot copy objects"});
    }
    Result<Upload> begin_upload(const std::string& key, const PutOptions& options,
                                const std::stop_token& stop) const override {
      return store.begin_upload(key, options, stop);
    }
    Result<UploadedPart> put_part(const Upload& upload, std::uint32_t number, std::string_view bytes,
                                  const std::stop_token& stop) const override {
      return store.put_part(upload, number, bytes, stop);
    }
    Result<ObjectInfo> complete_upload(const Upload& upload, std::span<const UploadedPart> parts,
                                       const PutOptions& options, const std::stop_token& stop) const override {
      return store.complete_upload(upload, parts, options, stop);
    }
    Result<void> abort_upload(const Upload& upload, const std::stop_token& stop) const override {
      return store.abort_upload(upload, stop);
    }
    Result<UploadPage> uploads(const ListOptions& options, const std::stop_token& stop) const override {
      return store.uploads(options, stop);
    }
    std::string name() const override { return store.name(); }
    S store;
  };
  std::shared_ptr<const Interface> store_;
};

}  // namespace etl::inline v0::io

template <>
struct std::is_error_code_enum<etl::io::StoreProblem> : std::true_type {};

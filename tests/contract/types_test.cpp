// Items and results of awkward types: move-only, not default-constructible, not assignable, throwing, over-aligned.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <ranges>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <etl/bucket.hpp>
#include <etl/run.hpp>
#include <etl/testing/virtual_executor.hpp>

#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/scripted.hpp"
#include "support/sync.hpp"

namespace types_test {

namespace {

constexpr std::uint64_t items = 500;

struct MoveOnly {
  explicit MoveOnly(std::uint64_t n) : value(std::make_unique<std::uint64_t>(n)) {}
  std::unique_ptr<std::uint64_t> value;
};

struct NoDefault {
  explicit NoDefault(std::uint64_t n) : value(n) {}
  std::uint64_t value;
};

struct NotAssignable {
  NotAssignable(std::uint64_t n) : value(n) {}  // NOLINT(google-explicit-constructor)
  NotAssignable(const NotAssignable&) = default;
  NotAssignable& operator=(const NotAssignable&) = delete;
  const std::uint64_t value;
};

/// Moved as memory is copied, but one owner at a time: a descriptor, say.
struct MoveOnlyPlain {
  explicit MoveOnlyPlain(std::uint64_t n) : value(n) {}
  MoveOnlyPlain(const MoveOnlyPlain&) = delete;
  MoveOnlyPlain(MoveOnlyPlain&&) = default;
  MoveOnlyPlain& operator=(const MoveOnlyPlain&) = delete;
  MoveOnlyPlain& operator=(MoveOnlyPlain&&) = default;
  ~MoveOnlyPlain() = default;
  std::uint64_t value;
};
static_assert(std::is_trivially_copyable_v<MoveOnlyPlain> && !std::is_copy_constructible_v<MoveOnlyPlain>);

/// The same, and it cannot be assigned.
struct MovedOnce {
  explicit MovedOnce(std::uint64_t n) : value(n) {}
  MovedOnce(MovedOnce&&) = default;
  MovedOnce& operator=(MovedOnce&&) = delete;
  ~MovedOnce() = default;
  const std::uint64_t value;
};
static_assert(std::is_trivially_copyable_v<MovedOnce> && !std::is_move_assignable_v<MovedOnce>);

struct alignas(256) Wide {
  Wide() = default;
  explicit Wide(std::uint64_t n) : value(n) {}
  std::uint64_t value = 0;
};

std::uint64_t value_of(const MoveOnly& x) { return *x.value; }
std::uint64_t value_of(const std::uint64_t& x) { return x; }
template <class X>
std::uint64_t value_of(const X& x) {
  return x.value;
}

/// Sums up; alignment is checked where the items lie.
struct Sum {
  std::atomic<std::uint64_t> sum = 0;
  std::atomic<int> misaligned = 0;
  template <class X>
  void add(const X& x) {
    sum += value_of(x);
    if (reinterpret_cast<std::uintptr_t>(&x) % alignof(X) != 0) ++misaligned;
  }
};

/// E to T; the item is only read.
template <class E, class T>
struct Convert {
  Sum* sum;
  void extract(etl::Emitter<E>& out) {
    for (std::uint64_t i = 0; i < items; ++i)
      if (!out.push(E(i))) return;
  }
  void transform(const E& in, etl::Out<T>& out) const {
    const std::uint64_t n = value_of(in);
    if (n % 10 == 0) return;
    out.push(T(n));
    if (n % 10 == 1) out.push(T(n));
    if (n % 10 == 2) out.reject("two");
  }
  void load(std::span<const T> batch) const {
    for (const T& t : batch) sum->add(t);
  }
};

/// No transform: what is extracted is loaded.
template <class E>
struct Pass {
  Sum* sum;
  void extract(etl::Emitter<E>& out) {
    for (std::uint64_t i = 0; i < items; ++i)
      if (!out.push(E(i))) return;
  }
  void load(std::span<const E> batch) {
    for (const E& e : batch) sum->add(e);
  }
};

template <class E, class T>
void check_convert() {
  std::uint64_t expected = 0;
  for (std::uint64_t n = 0; n < items; ++n) expected += n % 10 == 0 || n % 10 == 2 ? 0 : n % 10 == 1 ? 2 * n : n;
  for (const etl::Mode mode : {etl::Mode::Parallel, etl::Mode::Fused}) {
    for (const etl::Order order : {etl::Order::None, etl::Order::Source}) {
      Sum sum;
      const etl::RunReport r =
          etl::run(Convert<E, T>{&sum},
                   {.mode = mode, .batch_size = 7, .workers = 3, .order = order, .errors = {.max_rejects = items}});
      CHECK(test::unsound(r) == "");
      CHECK(r.outcome == etl::Outcome::CompletedWithRejects);
      CHECK(sum.sum == expected);
      CHECK(sum.misaligned == 0);
    }
  }
}

template <class E>
void check_pass() {
  for (const etl::Mode mode : {etl::Mode::Parallel, etl::Mode::Fused}) {
    Sum sum;
    const etl::RunReport r = etl::run(Pass<E>{&sum}, {.mode = mode, .batch_size = 7, .workers = 3});
    CHECK(r.outcome == etl::Outcome::Completed);
    CHECK(sum.sum == items * (items - 1) / 2);
    CHECK(sum.misaligned == 0);
  }
}

template <class E>
void check_bucket() {
  Sum sum;
  etl::Bucket<E> bucket(etl::concurrent([&sum](std::span<const E> batch) {
                          for (const E& e : batch) sum.add(e);
                        }),
                        {.batch_size = 7, .workers = 2});
  {
    auto producer = bucket.producer();
    for (std::uint64_t i = 0; i < items; ++i)
      if (i % 2 == 0) producer.push(E(i));
  }
  for (std::uint64_t i = 0; i < items; ++i)
    if (i % 2 == 1) bucket.push(E(i));
  const etl::RunReport r = bucket.finish();
  CHECK(r.outcome == etl::Outcome::Completed);
  CHECK(sum.sum == items * (items - 1) / 2);
  CHECK(sum.misaligned == 0);
}

/// Throws at its n-th copy or move construction or assignment.
struct Throwing {
  static inline std::atomic<std::int64_t> until = 0, alive = 0;
  static void step() {
    if (until.fetch_sub(1) == 1) throw std::runtime_error("cannot be moved");
  }
  explicit Throwing(std::uint64_t n) : value(n) { ++alive; }
  Throwing() { ++alive; }
  Throwing(const Throwing& o) : value(o.value) {
    step();
    ++alive;
  }
  Throwing(Throwing&& o) : value(o.value) {  // NOLINT(performance-noexcept-move-constructor)
    step();
    ++alive;
  }
  Throwing& operator=(const Throwing& o) {
    step();
    value = o.value;
    return *this;
  }
  Throwing& operator=(Throwing&& o) {  // NOLINT(performance-noexcept-move-constructor)
    step();
    value = o.value;
    return *this;
  }
  ~Throwing() { --alive; }
  std::uint64_t value = 0;
};

/// Says that it can be copied, and cannot.
struct Mistaken {
  explicit Mistaken(std::uint64_t n) { values.push_back(std::make_unique<std::uint64_t>(n)); }
  std::vector<std::unique_ptr<std::uint64_t>> values;
};
static_assert(std::is_copy_constructible_v<Mistaken>);

std::uint64_t value_of(const Mistaken& x) { return *x.values.at(0); }

/// Every third load asks for its results again.
template <class E>
struct Again {
  Sum* sum;
  mutable std::atomic<int> calls = 0;
  [[nodiscard]] std::uint64_t key(const E& e) const { return value_of(e) % 11; }
  [[nodiscard]] std::string describe(const E& e) const { return std::to_string(value_of(e)); }
  void extract(etl::Emitter<E>& out) const {
    for (std::uint64_t i = 0; i < items; ++i)
      if (!out.push(E(i))) return;
  }
  void load(std::span<const E> batch, etl::BatchContext& context) const {
    const bool again = ++calls % 3 == 0;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (value_of(batch[i]) % 100 == 99)
        context.reject(i, etl::rejected("99"));
      else if (again && i % 2 == 0)
        context.retry(i, etl::transient("again"));
      else
        sum->add(batch[i]);
    }
  }
};

}  // namespace

TEST_CASE("G2: move-only items and results") {
  check_convert<MoveOnly, MoveOnly>();
  check_pass<MoveOnly>();
  check_bucket<MoveOnly>();
}

TEST_CASE("G2: move-only items and results that are plain data") {
  check_convert<MoveOnlyPlain, MoveOnlyPlain>();
  check_pass<MoveOnlyPlain>();
  check_bucket<MoveOnlyPlain>();
  check_convert<MovedOnce, MovedOnce>();
  check_pass<MovedOnce>();
  check_bucket<MovedOnce>();
}

TEST_CASE("G5: items that say wrongly that they can be copied are moved, and come back for their letters") {
  check_convert<Mistaken, Mistaken>();
  check_pass<Mistaken>();
  check_bucket<Mistaken>();
  for (const etl::Order order : {etl::Order::None, etl::Order::ByKey}) {
    Sum sum;
    std::vector<std::string> described;
    etl::Options options{.batch_size = 7, .workers = 3, .order = order, .errors = {.max_rejects = items}};
    options.retry.initial_delay = std::chrono::milliseconds(1);
    options.retry.max_attempts = 100;
    options.errors.on_reject = [&](const etl::Rejection& r) { described.emplace_back(r.description); };
    REQUIRE(etl::run(Again<Mistaken>{&sum}, options).outcome == etl::Outcome::CompletedWithRejects);
    std::ranges::sort(described);
    CHECK(described == std::vector<std::string>{"199", "299", "399", "499", "99"});
    CHECK(sum.sum == items * (items - 1) / 2 - 99 - 199 - 299 - 399 - 499);
  }
}

TEST_CASE("G2: items and results without a default constructor") {
  check_convert<NoDefault, NoDefault>();
  check_pass<NoDefault>();
  check_bucket<NoDefault>();
}

TEST_CASE("G2: items and results that cannot be assigned") {
  check_convert<NotAssignable, NotAssignable>();
  check_convert<std::uint64_t, NotAssignable>();
  check_pass<NotAssignable>();
  check_bucket<NotAssignable>();
}

TEST_CASE("G2: over-aligned items and results") {
  check_convert<Wide, Wide>();
  check_pass<Wide>();
  check_bucket<Wide>();
}

namespace {

using Handle = test::Counted<struct HandleTag>;
using Value = test::Counted<struct ValueTag>;

}  // namespace

}  // namespace types_test
template <>
inline constexpr bool etl::reuse_slots<types_test::Handle> = false;
namespace types_test {

TEST_CASE("G3: every item and result that was constructed is destroyed, on every end") {
  const test::Watchdog watchdog("constructions and destructions");
  for (int end = 0; end < 4; ++end) {
    for (const etl::Mode mode : {etl::Mode::Parallel, etl::Mode::Fused}) {
      Value::counts().reset();
      Handle::counts().reset();
      etl::StopSource stop;
      struct Ends {
        int end;
        etl::StopSource& stop;
        void extract(etl::Emitter<Value>& out) {
          for (std::uint64_t i = 0; i < 300; ++i) {
            if (i == 200 && end == 1) stop.request_drain();
            if (i == 200 && end == 2) stop.request_abandon();
            if (!out.push(Value(i))) return;
          }
        }
        void transform(const Value& in, etl::Out<Handle>& out) const {
          if (in.value == 150 && end == 3) throw std::runtime_error("half way");
          out.push(Handle(in.value));
        }
        void load(std::span<const Handle>) const {}
      } p{end, stop};
      const etl::RunReport r = etl::run(p, {.mode = mode, .batch_size = 8, .workers = 3}, stop.stop_token());
      CHECK(test::unsound(r) == "");
      CHECK(Value::counts().alive() == 0);
      CHECK(Handle::counts().alive() == 0);
      CHECK(Handle::counts().assigned == 0);  // never overwritten: destroyed with its batch
    }
  }
}

TEST_CASE("G3: handles are released as soon as their batch is settled, when reuse_slots is false") {
  struct Opens {
    std::vector<std::int64_t>& alive;
    void extract(etl::Emitter<Handle>& out) {
      for (std::uint64_t i = 0; i < 30; ++i) {
        out.push(Handle(i));
        alive.push_back(Handle::counts().alive());
      }
    }
    void load(std::span<const Handle>) const {}
  };
  Handle::counts().reset();
  std::vector<std::int64_t> alive;
  const etl::RunReport r = etl::run(Opens{alive}, {.mode = etl::Mode::Fused, .batch_size = 5});
  CHECK(r.outcome == etl::Outcome::Completed);
  for (std::size_t i = 0; i < alive.size(); ++i) CHECK(alive[i] == static_cast<std::int64_t>((i + 1) % 5));
  CHECK(Handle::counts().alive() == 0);
}

TEST_CASE("G4: a copy or move that throws fails the run, whichever one it is") {
  const test::Watchdog watchdog("moves that throw");
  struct Moves {
    void extract(etl::Emitter<Throwing>& out) {
      for (std::uint64_t i = 0; i < 40; ++i) {
        const Throwing item(i);
        if (!out.push(item)) return;
      }
    }
    void transform(const Throwing& in, etl::Out<Throwing>& out) const {
      out.push(in);
      out.push(Throwing(in.value));
    }
    void load(std::span<const Throwing>) const {}
  };
  for (const etl::Mode mode : {etl::Mode::Parallel, etl::Mode::Fused}) {
    bool whole = false;
    std::int64_t at = 1;
    for (; !whole && at < 1000; ++at) {
      Throwing::until = at;
      const etl::RunReport r = etl::run(Moves{}, {.mode = mode, .batch_size = 6, .workers = 2, .capacity = 2});
      whole = Throwing::until > 0;
      CAPTURE(at, r.text());
      CHECK(test::unsound(r) == "");
      CHECK(r.outcome == (whole ? etl::Outcome::Completed : etl::Outcome::Failed));
      CHECK(Throwing::alive == 0);
      if (!whole && !r.errors.empty()) CHECK(r.errors[0].error.message().find("cannot be moved") != std::string::npos);
    }
    CHECK(whole);
    CHECK(at > 100);
  }
}

namespace {

/// Asks, when a chunk is acknowledged, how many results made of it are still there.
struct Acknowledged {
  std::vector<std::int64_t>& left;
  int chunks;
  void extract(etl::Emitter<std::uint64_t>& out) {
    for (int chunk = 0; chunk < chunks; ++chunk) {
      out.retain(std::make_shared<int>(chunk), [this](bool) { left.push_back(Handle::counts().alive()); });
      for (std::uint64_t i = 0; i < 8; ++i)
        if (!out.push(i)) return;
    }
  }
  [[nodiscard]] std::uint64_t key(const std::uint64_t& n) const { return n; }
  [[nodiscard]] Handle transform(const std::uint64_t& n) const { return Handle(n); }
  void load(std::span<const Handle>) const {}
};

}  // namespace

TEST_CASE("G13: results that are not reused are gone before their chunk is acknowledged and released") {
  Handle::counts().reset();
  std::vector<std::int64_t> left;
  REQUIRE(etl::run(Acknowledged{left, 4}, {.mode = etl::Mode::Fused, .batch_size = 16}).ok());
  CHECK(left == std::vector<std::int64_t>(4, 0));
  left.clear();
  REQUIRE(etl::run(Acknowledged{left, 1}, {.batch_size = 8, .workers = 2, .order = etl::Order::ByKey}).ok());
  CHECK(left == std::vector<std::int64_t>(1, 0));
}

namespace {

using Record = std::pair<int, std::string>;
using Tied = std::tuple<int&, std::string&>;

/// Items that refer to what the source has.
struct Ties {
  std::vector<Record>& records;
  std::vector<Record> loaded{};
  [[nodiscard]] auto extract() const {
    return records | std::views::transform([](Record& r) { return std::tie(r.first, r.second); });
  }
  void load(std::span<const Tied> batch, etl::BatchContext& context) {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const auto& [number, text] = batch[i];
      if (number % 5 == 3 && !again.exchange(true))
        context.retry(i, etl::transient("once more"));
      else
        loaded.emplace_back(number, text);
    }
  }
  std::atomic<bool> again = false;
};

struct Proxy {
  std::uint64_t* value;
  const Proxy& operator=(Proxy&& other) const {  // NOLINT: as those of views do
    *value = *other.value;
    return *this;
  }
  Proxy(std::uint64_t& of) : value(&of) {}  // NOLINT(google-explicit-constructor)
  Proxy(Proxy&&) = default;
};

}  // namespace

TEST_CASE("G2: an item that refers to others is never assigned over, which would change those") {
  static_assert(!etl::detail::reusable<Tied> && !etl::detail::reusable<std::pair<int, std::string&>>);
  static_assert(!etl::detail::reusable<std::tuple<int, std::pair<Tied, int>>> && !etl::detail::reusable<Proxy>);
  static_assert(!etl::detail::reusable<std::vector<bool>::reference>);
  static_assert(etl::detail::reusable<std::tuple<int, std::string>> && etl::detail::reusable<Record>);
  static_assert(etl::detail::reusable<std::string_view> && etl::detail::reusable<std::reference_wrapper<int>>);
  std::vector<Record> records;
  for (int i = 0; i < 50; ++i) records.emplace_back(i, std::to_string(i));
  const std::vector<Record> before = records;
  Ties ties{records};
  etl::Options options{.mode = etl::Mode::Fused, .batch_size = 4};
  options.retry.initial_delay = std::chrono::milliseconds(1);
  REQUIRE(etl::run(ties, options).ok());
  std::ranges::sort(ties.loaded);
  CHECK(records == before);
  CHECK(ties.loaded == before);
}

namespace {

struct Keeps {
  std::optional<std::string> answer = "the same answer for every item";
  etl::Result<std::string> result = "the same result for every item";
};

template <class Answer>
struct Refers {
  std::vector<std::string> loaded{};
  void extract(etl::Emitter<int>& out) {
    for (int i = 0; i < 3; ++i) out.push(i);
  }
  [[nodiscard]] Keeps worker() const { return {}; }
  [[nodiscard]] Answer& transform(const int&, Keeps& keeps) const {
    if constexpr (std::is_same_v<Answer, std::optional<std::string>>)
      return keeps.answer;
    else
      return keeps.result;
  }
  void load(std::span<const std::string> batch) { loaded.assign(batch.begin(), batch.end()); }
};

}  // namespace

TEST_CASE("G2: a transform that returns a reference keeps what it refers to") {
  Refers<std::optional<std::string>> optional;
  REQUIRE(etl::run(optional, {.mode = etl::Mode::Fused}).ok());
  CHECK(optional.loaded == std::vector<std::string>(3, "the same answer for every item"));
  Refers<etl::Result<std::string>> result;
  REQUIRE(etl::run(result, {.mode = etl::Mode::Fused}).ok());
  CHECK(result.loaded == std::vector<std::string>(3, "the same result for every item"));
}

namespace {

/// Numbers that say when they are gone.
struct Owning {
  explicit Owning(std::atomic<bool>& when_gone) : gone(&when_gone) {}
  Owning(Owning&& other) noexcept : numbers(std::move(other.numbers)), gone(std::exchange(other.gone, nullptr)) {}
  Owning& operator=(Owning&&) = delete;
  ~Owning() {
    if (gone != nullptr) *gone = true;
  }
  [[nodiscard]] auto begin() const { return numbers.begin(); }
  [[nodiscard]] auto end() const { return numbers.end(); }
  std::vector<int> numbers{1, 2, 3};
  std::atomic<bool>* gone;
};

/// Items that refer to what a range or a list of partitions owns.
struct Refer {
  std::atomic<bool>& gone;
  std::vector<int> seen{};
  void load(std::span<const std::reference_wrapper<const int>> batch) {
    for (const int& number : batch) seen.push_back(gone ? 0 : number);
  }
};
struct ReferToRange : Refer {
  using extracted = std::reference_wrapper<const int>;
  using loaded = extracted;
  [[nodiscard]] Owning extract() const { return Owning(gone); }
};
struct ReferToRangeOfPartition : Refer {
  using extracted = std::reference_wrapper<const int>;
  using loaded = extracted;
  [[nodiscard]] std::vector<int> partitions() const { return {1}; }
  [[nodiscard]] Owning extract(int) const { return Owning(gone); }
};
struct ReferToPartition : Refer {
  using loaded = std::reference_wrapper<const int>;
  [[nodiscard]] Owning partitions() const { return Owning(gone); }
  void extract(const int& partition, etl::Emitter<std::reference_wrapper<const int>>& out) const {
    out.push(std::cref(partition));
  }
};

template <class P>
void check_referred() {
  for (const etl::Mode mode : {etl::Mode::Parallel, etl::Mode::Fused}) {
    std::atomic<bool> gone = false;
    P pipeline{{gone}};
    etl::Options options{.mode = mode, .extractors = 1};
    options.executor = etl::Executor(std::make_shared<etl::testing::VirtualExecutor>(1));
    REQUIRE(etl::run(pipeline, options).ok());
    std::ranges::sort(pipeline.seen);
    CHECK(pipeline.seen == std::vector<int>{1, 2, 3});
    CHECK(gone);
  }
}

}  // namespace

TEST_CASE("G3: what a source gives by value lives until the items that refer to it are settled") {
  check_referred<ReferToRange>();
  check_referred<ReferToRangeOfPartition>();
  check_referred<ReferToPartition>();
}

}  // namespace types_test

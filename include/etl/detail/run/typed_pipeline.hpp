#pragma once
/// Implements the engine's calls for a user's pipeline.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <etl/config.hpp>
#include <etl/detail/load/typed_stage.hpp>
#include <etl/detail/meta/traits.hpp>
#include <etl/detail/run/pipeline_calls.hpp>
#include <etl/emitter.hpp>
#include <etl/error.hpp>

namespace etl::inline v0::detail {

template <class P, class Tx = NoTransaction>
class TypedPipeline : public TypedStage<P, Tx, PipelineCalls> {
  using Stage = TypedStage<P, Tx, PipelineCalls>;
  using Stage::constant, Stage::pipeline_;

 public:
  using E = typename Stage::E;
  using Stage::Stage;

  [[nodiscard]] const PipelineTraits& pipeline_traits() const noexcept override {
    static constexpr PipelineTraits traits{.has_payload = HasSerialize<P, E> || HasDescribe<P, E>,
                                           .replays = HasDeserialize<P, E> || HasRestore<P, E>,
                                           .has_partitions = HasPartitions<P>,
                                           .identifies_partitions = identifies_partitions(),
                                           .has_fingerprint = HasFingerprint<P>,
                                           .acknowledges = acknowledging<P>,
                                           .has_pre_process = HasPreProcess<P>,
                                           .has_post_process = HasPostProcess<P>,
                                           .has_expected_items = HasExpectedItems<P>,
                                           .has_expected_bytes = HasExpectedBytes<P>};
    return traits;
  }
  [[nodiscard]] std::string fingerprint() override {
    if constexpr (HasFingerprint<P>)
      return constant().fingerprint();
    else
      return {};
  }
  [[nodiscard]] std::optional<Error> pre_process([[maybe_unused]] const std::stop_token& stop) override {
    if constexpr (requires(P& p) { p.pre_process(std::stop_token{}); })
      return error_of([&]() -> decltype(auto) { return pipeline_.pre_process(stop); });
    else if constexpr (HasPreProcess<P>)
      return error_of([&]() -> decltype(auto) { return pipeline_.pre_process(); });
    else
      return std::nullopt;
  }
  [[nodiscard]] std::optional<Error> post_process([[maybe_unused]] const RunReport& report,
                                                  [[maybe_unused]] const std::stop_token& stop) override {
    if constexpr (requires(P& p) { p.post_process(report, stop); })
      return error_of([&]() -> decltype(auto) { return pipeline_.post_process(report, stop); });
    else if constexpr (requires(P& p) { p.post_process(report); })
      return error_of([&]() -> decltype(auto) { return pipeline_.post_process(report); });
    else if constexpr (HasPostProcess<P>)
      return error_of([&]() -> decltype(auto) { return pipeline_.post_process(); });
    else
      return std::nullopt;
  }
  [[nodiscard]] std::uint64_t expected_items() override {
    if constexpr (HasExpectedItems<P>)
      return static_cast<std::uint64_t>(constant().expected_items());
    else
      return 0;
  }
  [[nodiscard]] std::uint64_t expected_bytes() override {
    if constexpr (HasExpectedBytes<P>)
      return static_cast<std::uint64_t>(constant().expected_bytes());
    else
      return 0;
  }
  [[nodiscard]] std::optional<Error> extract(Lane& lane,
                                             [[maybe_unused]] std::atomic<std::uint64_t>& expected) override {
    if constexpr (HasPartitions<P>) {
      return std::nullopt;
    } else {
      emitter_t<P, E> out(lane);
      if constexpr (requires { pipeline_.extract(out); }) {
        return error_of([&]() -> decltype(auto) { return pipeline_.extract(out); });
      } else {
        with_range([this]() -> decltype(auto) { return pipeline_.extract(); }, out,
                   [&](auto& range) {
                     if constexpr (std::ranges::sized_range<decltype(range)>)
                       if (expected == 0) expected = static_cast<std::uint64_t>(std::ranges::size(range));
                     push_range(range, out);
                   });
        return std::nullopt;
      }
    }
  }
  [[nodiscard]] std::unique_ptr<PartitionList> partitions() override {
    if constexpr (HasPartitions<P>)
      return std::make_unique<List<decltype(constant().partitions())>>(constant());
    else
      return nullptr;
  }

 private:
  [[nodiscard]] static consteval bool identifies_partitions() {
    if constexpr (HasPartitions<P>)
      return IdentifiesPartitions<P>;
    else
      return false;
  }

  /// `Partitions` is a reference type if the pipeline keeps its partitions.
  template <class Partitions>
  class List final : public PartitionList {
   public:
    explicit List(const P& pipeline)
        : pipeline_(pipeline), partitions_(pipeline.partitions()), next_(std::ranges::begin(partitions_)) {}
    [[nodiscard]] std::vector<PartitionName> names() override {
      std::vector<PartitionName> names;
      for (auto&& partition : partitions_) {
        if constexpr (IdentifiesPartitions<P>)
          names.push_back({partition_id_of(pipeline_, partition), partition_fingerprint_of(pipeline_, partition)});
        else
          names.push_back({std::to_string(names.size()), {}});
      }
      return names;
    }
    [[nodiscard]] std::size_t count(std::size_t most) override {
      std::size_t n = 0;
      for (auto at = std::ranges::begin(partitions_); n < most && at != std::ranges::end(partitions_); ++at) ++n;
      return n;
    }
    [[nodiscard]] bool at_end() override { return next_ == std::ranges::end(partitions_); }
    [[nodiscard]] std::unique_ptr<PartitionSource> take_next() override {
      auto source = std::make_unique<Source>(pipeline_, next_);
      ++next_;
      return source;
    }

   private:
    using Iterator = std::ranges::iterator_t<std::remove_reference_t<Partitions>>;
    class Source final : public PartitionSource {
     public:
      Source(const P& pipeline, Iterator at) : pipeline_(pipeline), at_(std::move(at)) {}
      [[nodiscard]] std::optional<Error> extract(Lane& lane) override {
        emitter_t<P, E> out(lane);
        if constexpr (requires { pipeline_.extract(*at_, out); }) {
          return error_of([&]() -> decltype(auto) { return pipeline_.extract(*at_, out); });
        } else {
          with_range([this]() -> decltype(auto) { return pipeline_.extract(*at_); }, out,
                     [&](auto& range) { push_range(range, out); });
          return std::nullopt;
        }
      }

     private:
      const P& pipeline_;
      const Iterator at_;
    };
    const P& pipeline_;
    Partitions partitions_;
    Iterator next_;
  };

  /// Calls `use` with the range that `make` returns. A range that is returned by value may own what its items refer
  /// to, so it lives until the items are settled.
  template <class Make, class Use>
  static void with_range(Make&& make, Emitter<E>& out, Use&& use) {
    using Range = std::invoke_result_t<Make&>;
    if constexpr (std::is_reference_v<Range>) {
      auto&& range = make();
      use(range);
    } else {
      struct Kept {
        explicit Kept(Make& make_it) : range(make_it()) {}
        Range range;
      };
      const auto kept = std::make_shared<Kept>(make);
      out.retain(kept);
      use(kept->range);
    }
  }

  template <class Range>
  static void push_range(Range& range, Emitter<E>& out) {
    for (auto&& item : range) {
      if constexpr (std::is_same_v<std::remove_cvref_t<decltype(item)>, E>) {
        if (!out.push(std::forward<decltype(item)>(item))) return;
      } else {
        if (!out.push(E(std::forward<decltype(item)>(item)))) return;
      }
    }
  }
};

}  // namespace etl::inline v0::detail

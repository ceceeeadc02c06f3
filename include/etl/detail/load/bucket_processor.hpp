#pragma once
/// Makes a bucket's processor the last stage of a pipeline.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <type_traits>
#include <utility>

#include <etl/batch_context.hpp>
#include <etl/bucket_options.hpp>
#include <etl/concurrent.hpp>
#include <etl/config.hpp>
#include <etl/detail/load/stage_calls.hpp>
#include <etl/detail/load/typed_stage.hpp>
#include <etl/detail/meta/traits.hpp>
#include <etl/pipeline.hpp>

namespace etl::inline v0::detail {

template <class F, class T>
concept PlainProcessor = requires(F& f, std::span<const T> batch) {
  { f(batch) } -> VoidLike;
};
template <class F, class T>
concept ContextProcessor = requires(F& f, std::span<const T> batch, BatchContext& context) {
  { f(batch, context) } -> VoidLike;
};
/// A callable that can process the batches of a Bucket<T>.
template <class F, class T>
concept Processor = Item<T> && (ContextProcessor<F, T> || PlainProcessor<F, T>);

template <class F, class T>
decltype(auto) call_processor(F& f, std::span<const T> batch, BatchContext& context) {
  if constexpr (ContextProcessor<F, T>)
    return f(batch, context);
  else
    return f(batch);
}

template <class F>
inline constexpr bool is_concurrent = false;
template <class F>
inline constexpr bool is_concurrent<Concurrent<F>> = true;

/// A pipeline whose `load` is the processor. The processor is called once at a time, unless it was given with
/// `concurrent`.
template <class T, class F>
struct ProcessorPipeline {
  using extracted = T;
  using loaded = T;
  auto load(std::span<const T> batch, BatchContext& context)
    requires(!is_concurrent<F>)
  {
    return call_processor(Referred<F>::of(processor), batch, context);
  }
  auto load(std::span<const T> batch, BatchContext& context) const
    requires is_concurrent<F>
  {
    return call_processor(processor, batch, context);
  }
  [[nodiscard]] std::size_t bytes(const T& item) const {
    if (weight) return weight(item);
    const auto& weighs = Referred<F>::of(processor);
    if constexpr (requires {
                    { weighs.bytes(item) } -> std::convertible_to<std::size_t>;
                  })
      return weighs.bytes(item);
    else
      return default_weight(item);
  }
  F processor;
  std::function<std::size_t(const T&)> weight{};
};

/// Hides the type of the processor from the bucket.
template <class T>
class ProcessorOf {
 public:
  ProcessorOf() = default;
  ProcessorOf(const ProcessorOf&) = delete;
  ProcessorOf& operator=(const ProcessorOf&) = delete;
  virtual ~ProcessorOf() = default;
  [[nodiscard]] virtual StageCalls& calls() noexcept = 0;
  /// See `BucketOptions::bytes`.
  [[nodiscard]] virtual std::uint64_t weight(const T& item) const = 0;
};

template <class T, class F>
class TypedProcessor final : public ProcessorOf<T> {
 public:
  explicit TypedProcessor(F processor, std::function<std::size_t(const T&)> weight = {})
      : pipeline_{std::move(processor), std::move(weight)}, calls_(pipeline_) {}
  [[nodiscard]] StageCalls& calls() noexcept override { return calls_; }
  [[nodiscard]] std::uint64_t weight(const T& item) const override { return pipeline_.bytes(item); }

 private:
  ProcessorPipeline<T, F> pipeline_;
  TypedStage<ProcessorPipeline<T, F>> calls_;
};

}  // namespace etl::inline v0::detail

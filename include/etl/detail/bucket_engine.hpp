#pragma once
/// A bucket's processor as the last stage of a pipeline.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

#include <etl/batch_context.hpp>
#include <etl/config.hpp>
#include <etl/detail/batch.hpp>
#include <etl/detail/batcher.hpp>
#include <etl/detail/environment.hpp>
#include <etl/detail/stage.hpp>
#include <etl/detail/traits.hpp>
#include <etl/executor.hpp>
#include <etl/options.hpp>
#include <etl/report.hpp>

namespace etl::inline v0::detail {

template <class F, class T>
concept PlainProcessor = requires(F& f, std::span<const T> batch) {
  { f(batch) } -> VoidLike;
};
template <class F, class T>
concept ContextProcessor = requires(F& f, std::span<const T> batch, BatchContext& context) {
  { f(batch, context) } -> VoidLike;
};
/// What a Bucket<T> can hand its batches to.
template <class F, class T>
concept Processor = Item<T> && (ContextProcessor<F, T> || PlainProcessor<F, T>);

template <class F, class T>
decltype(auto) call_processor(F& f, std::span<const T> batch, BatchContext& context) {
  if constexpr (ContextProcessor<F, T>)
    return f(batch, context);
  else
    return f(batch);
}

/// Concurrent when the processor can be called while constant.
template <class T, class F>
struct ProcessorPipeline {
  using extracted = T;
  using loaded = T;
  auto load(std::span<const T> batch, BatchContext& context) { return call_processor(processor, batch, context); }
  auto load(std::span<const T> batch, BatchContext& context) const
    requires Processor<const F, T>
  {
    return call_processor(processor, batch, context);
  }
  [[nodiscard]] std::size_t bytes(const T& item) const {
    if constexpr (requires {
                    { processor.bytes(item) } -> std::convertible_to<std::size_t>;
                  })
      return processor.bytes(item);
    else
      return sizeof(T);
  }
  F processor;
};

/// Hides the type of the processor from the bucket.
template <class T>
class BucketEngine {
 public:
  BucketEngine() = default;
  BucketEngine(const BucketEngine&) = delete;
  BucketEngine& operator=(const BucketEngine&) = delete;
  virtual ~BucketEngine() = default;
  virtual BatchProcessor<T>& stage() noexcept = 0;
  virtual void attach(Batcher<T>& batcher, const Executor& executor) = 0;
  virtual void report(RunReport& report) const = 0;
  virtual void status(RunStatus& status) const = 0;
  /// What the processor's `bytes` says of an item, or else its size. Throws what that throws.
  [[nodiscard]] virtual std::uint64_t weight(const T& item) const = 0;
};

template <class T, class F>
class ProcessorEngine final : public BucketEngine<T> {
 public:
  ProcessorEngine(F processor, const Options& options, const Environment& environment)
      : pipeline_{std::move(processor)}, stage_(pipeline_, options, environment, options.workers) {}
  BatchProcessor<T>& stage() noexcept override { return stage_; }
  void attach(Batcher<T>& batcher, const Executor& executor) override { stage_.attach(batcher, executor); }
  void report(RunReport& report) const override { stage_.report(report); }
  void status(RunStatus& status) const override { stage_.status(status); }
  [[nodiscard]] std::uint64_t weight(const T& item) const override { return pipeline_.bytes(item); }

 private:
  ProcessorPipeline<T, F> pipeline_;
  PipelineStage<ProcessorPipeline<T, F>> stage_;
};

}  // namespace etl::inline v0::detail

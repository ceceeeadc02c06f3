#pragma once
/// Everything that is compiled once.

#include <etl/impl/bucket.ipp>
#include <etl/impl/checkpoint.ipp>
#include <etl/impl/circuit_breaker.ipp>
#include <etl/impl/executor.ipp>
#include <etl/impl/manager.ipp>
#include <etl/impl/memory_budget.ipp>
#include <etl/impl/options.ipp>
#include <etl/impl/rate_limit.ipp>
#include <etl/impl/replay.ipp>
#include <etl/impl/report.ipp>
#include <etl/impl/retry.ipp>
#include <etl/impl/run.ipp>
#include <etl/impl/seq_ranges.ipp>
#include <etl/impl/shared_intake.ipp>
#include <etl/impl/signals.ipp>
#include <etl/impl/start.ipp>
#include <etl/impl/text.ipp>
#include <etl/impl/waiter.ipp>
#include <etl/impl/work.ipp>

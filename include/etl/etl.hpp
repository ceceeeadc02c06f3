#pragma once
/// The core of etl: pipelines, buckets, the manager. Connectors are included by name.

#include <etl/bucket.hpp>
#include <etl/concurrent.hpp>
#include <etl/delivery/level.hpp>
#include <etl/delivery/replay.hpp>
#include <etl/error.hpp>
#include <etl/executor.hpp>
#include <etl/fields.hpp>
#include <etl/manager.hpp>
#include <etl/memory_budget.hpp>
#include <etl/options.hpp>
#include <etl/options_from_environment.hpp>
#include <etl/pipeline.hpp>
#include <etl/report.hpp>
#include <etl/rows.hpp>
#include <etl/run.hpp>
#include <etl/signals.hpp>
#include <etl/start.hpp>
#include <etl/stop.hpp>
#include <etl/text.hpp>

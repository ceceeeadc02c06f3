#pragma once
/// Everything that is compiled once.

#include <etl/impl/bucket.ipp>
#include <etl/impl/executor.ipp>
#include <etl/impl/manager.ipp>
#include <etl/impl/report.ipp>
#include <etl/impl/run.ipp>
#include <etl/impl/shared_intake.ipp>
#include <etl/impl/signals.ipp>

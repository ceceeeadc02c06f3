#pragma once
/// Stops on signals such as Ctrl-C (contract G10).

#include <csignal>
#include <initializer_list>

#include <etl/config.hpp>
#include <etl/stop.hpp>

namespace etl::inline v0 {

/// A `StopToken` that signals control: the first signal drains, the second abandons, and a third has its former effect
/// (it usually ends the process). The former handling is restored when the last copy of the returned value is
/// destroyed, so `etl::run(p, options, etl::stop_on_signals())` needs no clean-up. A signal that the process ignores
/// (`nohup`, a shell's background job) stays ignored. Throws `std::system_error` if a signal cannot be caught or the
/// watching thread cannot start; the signals are then handled as before. A child of fork() may only destroy the value,
/// and should do this first: until then a signal to the child stops the parent's runs.
///
/// When the first signal comes and the standard error is a terminal, `note` is written there, so that a person knows
/// that the signal has arrived. If `note` is null, nothing is written.
[[nodiscard]] StopToken stop_on_signals(std::initializer_list<int> signals = {SIGINT, SIGTERM},
                                        const char* note = "stopping; a second signal drops what is queued");

}  // namespace etl::inline v0

#if !defined(ETLPIPE_COMPILED_CORE)
#include <etl/impl/signals.ipp>
#endif

#pragma once
/// Catch2, v2 or v3. Use only what both have: no SKIP, no Contains. Assertions are for the test's own thread: collect
/// on workers, assert here.

// An exception within an assertion ends the test case. To catch each there takes a tenth of the compile time.
#define CATCH_CONFIG_FAST_COMPILE
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12, false alarm inside Catch2
#endif
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;  // as in v2
#else
#include <catch2/catch.hpp>
#endif
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

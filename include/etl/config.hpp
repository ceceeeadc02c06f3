#pragma once
/// Version of the library and the inline namespace that carries it.
/// The namespace is `etl`, the package `etlpipe`: every macro starts with `ETLPIPE_`.

#define ETLPIPE_VERSION_MAJOR 0
#define ETLPIPE_VERSION_MINOR 1
#define ETLPIPE_VERSION_PATCH 0
#define ETLPIPE_VERSION "0.1.0"

/// Forces inlining of a hot function: GCC does not inline `push` by itself, which makes it three times slower.
#if defined(__GNUC__)
#define ETLPIPE_ALWAYS_INLINE [[gnu::always_inline]] inline
#define ETLPIPE_NOINLINE [[gnu::noinline]]
#define ETLPIPE_PURE [[gnu::pure]]
#else
#define ETLPIPE_ALWAYS_INLINE inline
#define ETLPIPE_NOINLINE
#define ETLPIPE_PURE
#endif

/// Code that does not depend on a user's types is compiled once, into the library `etlpipe::core`. Its users define
/// ETLPIPE_COMPILED_CORE (CMake and pkg-config define it). Without this macro (`etlpipe::core_header_only`) there is no
/// library, and the same code is inline.
#if defined(ETLPIPE_COMPILED_CORE)
#define ETLPIPE_COMPILED
#else
#define ETLPIPE_COMPILED inline
#endif

// `inline namespace v0`: programs built against different major versions do not link by accident.
namespace etl::inline v0 {}

#pragma once
/// ETLPIPE_TEST_SANITIZED, ETLPIPE_TEST_TSAN: what the test is compiled with. How often long tests repeat.

#if defined(__SANITIZE_THREAD__)
#define ETLPIPE_TEST_TSAN
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ETLPIPE_TEST_TSAN
#endif
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(ETLPIPE_TEST_TSAN)
#define ETLPIPE_TEST_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ETLPIPE_TEST_SANITIZED
#endif
#endif

namespace test {

/// How often a long test repeats: `count` times, and an eighth of it under a sanitizer, where each round takes about
/// ten times as long.
template <class N>
constexpr N fewer_if_sanitized(N count) {
#ifdef ETLPIPE_TEST_SANITIZED
  return (count + 7) / 8;
#else
  return count;
#endif
}

}  // namespace test

#pragma once
/// ETLPIPE_TEST_SANITIZED, ETLPIPE_TEST_TSAN: what the test is compiled with.

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

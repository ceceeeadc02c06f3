#pragma once
// The stores of objects whose URLs a program takes where it takes files.

#ifdef ETLPIPE_WITH_S3
#include <etl/s3/store.hpp>
#endif

namespace program {

/// First in `main`.
inline void add_stores() {
#ifdef ETLPIPE_WITH_S3
  etl::s3::add_scheme();
#endif
}

}  // namespace program

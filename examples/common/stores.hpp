#pragma once
// The object stores whose URLs a program accepts in place of files.

#ifdef ETLPIPE_WITH_S3
#include <etl/s3/store.hpp>
#endif

namespace program {

/// Adds the stores. Called first in `main`.
inline void add_stores() {
#ifdef ETLPIPE_WITH_S3
  etl::s3::add_scheme();
#endif
}

}  // namespace program

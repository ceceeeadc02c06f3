# What the component needs. Read by this project's build and by the installed package.
etlpipe_find_dependency(Threads)
etlpipe_find_dependency(ZLIB)
etlpipe_find_dependency(OpenSSL 1.1 COMPONENTS Crypto)
# Beside the package of a library that was built with ISA-L, and only there (src/io/CMakeLists.txt).
include(${CMAKE_CURRENT_LIST_DIR}/etlpipe-io-isal.cmake OPTIONAL)
# The same of libarchive.
include(${CMAKE_CURRENT_LIST_DIR}/etlpipe-io-libarchive.cmake OPTIONAL)

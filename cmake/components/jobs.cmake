# What the component needs. Read by this project's build and by the installed package.
etlpipe_find_component(io)
etlpipe_find_dependency(ZLIB)
# The databases that it was built with, in a file beside that of the package (src/jobs/CMakeLists.txt).
include(${CMAKE_CURRENT_LIST_DIR}/etlpipe-jobs-databases.cmake OPTIONAL)

# What the component needs. Read by this project's build and by the installed package.
etlpipe_find_component(io)
etlpipe_find_dependency(CURL 7.85)
etlpipe_find_dependency(ZLIB)
# CMake 3.30 warns when it is to find Boost by a module of its own, which newer versions no longer have.
if(POLICY CMP0167)
  cmake_policy(SET CMP0167 NEW)
endif()
etlpipe_find_dependency(Boost 1.81 COMPONENTS json)

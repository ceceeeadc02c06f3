# Warnings, sanitizers and coverage, for this project's own targets. Nothing here reaches a consumer.
option(ETLPIPE_WERROR "Treat warnings as errors in etlpipe's own targets" OFF)
option(ETLPIPE_UNITY_BUILD "Compile sources of a component together, which is faster from scratch" ${CMAKE_UNITY_BUILD})
option(ETLPIPE_COVERAGE "Instrument etlpipe's own targets for gcov" OFF)
option(ETLPIPE_CCACHE "Compile through ccache when it is installed" ${PROJECT_IS_TOP_LEVEL})
set(ETLPIPE_SANITIZE "" CACHE STRING "Sanitizers for etlpipe's own targets: address,undefined or thread")

if(ETLPIPE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(ETLPIPE_CCACHE_PROGRAM ccache)
  if(ETLPIPE_CCACHE_PROGRAM)
    # Precompiled headers are named by their content (ccache manual, "Precompiled headers").
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros
                                    ${ETLPIPE_CCACHE_PROGRAM})
  endif()
endif()

# As a sub-project, our headers are the consumer's system headers: they see no warning of ours.
if(NOT PROJECT_IS_TOP_LEVEL)
  set_property(DIRECTORY PROPERTY SYSTEM ON)
endif()

set(etlpipe_warnings
    -Wall
    -Wextra
    -Wpedantic
    -Wshadow
    -Wconversion
    -Wsign-conversion
    -Wold-style-cast
    -Wcast-align
    -Wcast-qual
    -Wdouble-promotion
    -Wextra-semi
    -Wformat=2
    -Wimplicit-fallthrough
    -Wnon-virtual-dtor
    -Woverloaded-virtual
    -Wunused)
# False alarms of GCC: within std::string::insert (PR 105651), and about an empty std::optional (PR 80635).
set(etlpipe_warnings_GNU -Wduplicated-cond -Wlogical-op)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  list(APPEND etlpipe_warnings_GNU -Wno-restrict)
endif()
list(APPEND etlpipe_warnings_GNU -Wno-maybe-uninitialized)
set(etlpipe_warnings_Clang -Wrange-loop-analysis -Wunreachable-code)

# Call for every target of this project that compiles something.
function(etlpipe_developer_options target)
  target_compile_options(${target} PRIVATE ${etlpipe_warnings} ${etlpipe_warnings_${CMAKE_CXX_COMPILER_ID}}
                                           $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
  # In a unity build GCC takes the sources for headers, in which a class must not have a member of a local type.
  target_compile_options(${target} PRIVATE $<$<AND:$<CXX_COMPILER_ID:GNU>,$<BOOL:$<TARGET_PROPERTY:UNITY_BUILD>>>:-Wno-subobject-linkage>)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF COMPILE_WARNING_AS_ERROR ${ETLPIPE_WERROR})
  if(ETLPIPE_SANITIZE)
    set(flags -fsanitize=${ETLPIPE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_compile_options(${target} PRIVATE ${flags})
    target_link_options(${target} PRIVATE ${flags})
  endif()
  if(ETLPIPE_COVERAGE)
    target_compile_options(${target} PRIVATE --coverage -fprofile-update=atomic)
    target_link_options(${target} PRIVATE --coverage)
  endif()
endfunction()

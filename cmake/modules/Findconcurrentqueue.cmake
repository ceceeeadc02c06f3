# Finds moodycamel's concurrentqueue (header-only): target concurrentqueue::concurrentqueue.
# Both spellings will do: <concurrentqueue/concurrentqueue.h> (Debian, no CMake file) and
# <moodycamel/concurrentqueue.h> (upstream, vcpkg, Conan).
#
# Versions before 1.0.5 reuse blocks with too weak a memory order (cameron314/concurrentqueue issue 404). On x86 the
# machine code is the same either way; on weakly ordered processors such a version is refused, unless
# ETLPIPE_ALLOW_UNFIXED_CONCURRENTQUEUE is set. The header has no version macro, so the fix itself is looked for.
if(NOT TARGET concurrentqueue::concurrentqueue)
  find_package(concurrentqueue CONFIG QUIET)
endif()
if(NOT TARGET concurrentqueue::concurrentqueue)
  find_package(unofficial-concurrentqueue CONFIG QUIET)
  if(TARGET unofficial::concurrentqueue::concurrentqueue)
    add_library(concurrentqueue::concurrentqueue INTERFACE IMPORTED)
    target_link_libraries(concurrentqueue::concurrentqueue INTERFACE unofficial::concurrentqueue::concurrentqueue)
    get_target_property(_cq_hints unofficial::concurrentqueue::concurrentqueue INTERFACE_INCLUDE_DIRECTORIES)
  endif()
elseif(TARGET concurrentqueue::concurrentqueue)
  get_target_property(_cq_hints concurrentqueue::concurrentqueue INTERFACE_INCLUDE_DIRECTORIES)
endif()

find_path(
  concurrentqueue_INCLUDE_DIR
  NAMES moodycamel/concurrentqueue.h concurrentqueue/concurrentqueue.h
  HINTS ${_cq_hints}
  PATH_SUFFIXES concurrentqueue)
mark_as_advanced(concurrentqueue_INCLUDE_DIR)
unset(_cq_hints)

set(concurrentqueue_HEADER "")
foreach(_cq_spelling moodycamel concurrentqueue)
  if(NOT concurrentqueue_HEADER AND EXISTS "${concurrentqueue_INCLUDE_DIR}/${_cq_spelling}/concurrentqueue.h")
    set(concurrentqueue_HEADER "${concurrentqueue_INCLUDE_DIR}/${_cq_spelling}/concurrentqueue.h")
  endif()
endforeach()

set(concurrentqueue_HAS_FIX_404 FALSE)
if(concurrentqueue_HEADER)
  file(STRINGS "${concurrentqueue_HEADER}" _cq_counts REGEX "elementsCompletelyDequeued\\.fetch_add\\(")
  if(_cq_counts MATCHES "memory_order_acq_rel" AND NOT _cq_counts MATCHES "memory_order_release")
    set(concurrentqueue_HAS_FIX_404 TRUE)
  endif()
endif()

set(_cq_usable TRUE)
set(_cq_reason "")
if((concurrentqueue_HEADER OR TARGET concurrentqueue::concurrentqueue) AND NOT concurrentqueue_HAS_FIX_404)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86|x86_64|AMD64|amd64|i[3-6]86)$")
    if(NOT concurrentqueue_FIND_QUIETLY AND NOT concurrentqueue_NOTED)
      message(STATUS "concurrentqueue without the fix of its issue 404: harmless on ${CMAKE_SYSTEM_PROCESSOR}")
      set(concurrentqueue_NOTED TRUE CACHE INTERNAL "")
    endif()
  elseif(NOT ETLPIPE_ALLOW_UNFIXED_CONCURRENTQUEUE)
    set(_cq_usable FALSE)
    set(_cq_reason
        "it lacks the fix of cameron314/concurrentqueue issue 404, needed on ${CMAKE_SYSTEM_PROCESSOR}: use 1.0.5 or later")
  endif()
endif()

include(FindPackageHandleStandardArgs)
if(TARGET concurrentqueue::concurrentqueue)
  set(concurrentqueue_TARGET concurrentqueue::concurrentqueue)
  find_package_handle_standard_args(
    concurrentqueue REQUIRED_VARS concurrentqueue_TARGET _cq_usable REASON_FAILURE_MESSAGE "${_cq_reason}")
else()
  find_package_handle_standard_args(
    concurrentqueue REQUIRED_VARS concurrentqueue_INCLUDE_DIR _cq_usable REASON_FAILURE_MESSAGE "${_cq_reason}")
  if(concurrentqueue_FOUND)
    add_library(concurrentqueue::concurrentqueue INTERFACE IMPORTED)
    set_target_properties(concurrentqueue::concurrentqueue PROPERTIES INTERFACE_INCLUDE_DIRECTORIES
                                                                      "${concurrentqueue_INCLUDE_DIR}")
  endif()
endif()
if(_cq_reason)
  set(concurrentqueue_NOT_FOUND_MESSAGE "${_cq_reason}")
endif()
unset(_cq_usable)
unset(_cq_reason)
unset(_cq_counts)
unset(_cq_spelling)

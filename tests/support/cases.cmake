# The one way to register tests of a program from outside: tests/support/run_cases.py.
include(${CMAKE_CURRENT_LIST_DIR}/python.cmake)
set(etlpipe_run_cases ${Python3_EXECUTABLE} -B ${PROJECT_SOURCE_DIR}/tests/support/run_cases.py)

# Data that is no part of this tree. Cases that need it are not registered without it.
cmake_path(SET etlpipe_test_data NORMALIZE ${PROJECT_SOURCE_DIR}/../shared/data)
if(DEFINED ENV{ETLPIPE_TEST_DATA})
  set(etlpipe_test_data $ENV{ETLPIPE_TEST_DATA})
endif()

# etlpipe_add_cases(PREFIX PROGRAM SUITE [LABEL label] [TIMEOUT seconds] [EXCLUDE regex] [POSTGRES regex]
#                   [PYTHON interpreter] [ENVIRONMENT ...] [CONFIGURATIONS ...] [SERIAL])
# A ctest case PREFIX.<case> for each case of the suite, a file or folder beside the caller. Cases that match POSTGRES use
# the server that the tests share.
function(etlpipe_add_cases prefix program suite)
  cmake_parse_arguments(PARSE_ARGV 3 arg "SERIAL" "LABEL;TIMEOUT;EXCLUDE;POSTGRES;PYTHON" "ENVIRONMENT;CONFIGURATIONS")
  set(suite ${CMAKE_CURRENT_SOURCE_DIR}/${suite})
  file(GLOB files CONFIGURE_DEPENDS ${suite} ${suite}/*.py)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${files})
  set(run_cases ${etlpipe_run_cases})
  if(arg_PYTHON)
    list(POP_FRONT run_cases)
    list(PREPEND run_cases ${arg_PYTHON})
  endif()
  execute_process(COMMAND ${run_cases} ${suite} --list OUTPUT_VARIABLE names COMMAND_ERROR_IS_FATAL ANY
                  OUTPUT_STRIP_TRAILING_WHITESPACE)
  string(REPLACE "\n" ";" names "${names}")
  if(arg_EXCLUDE)
    list(FILTER names EXCLUDE REGEX "${arg_EXCLUDE}")
  endif()
  set(configurations "")
  if(arg_CONFIGURATIONS)
    set(configurations CONFIGURATIONS ${arg_CONFIGURATIONS})
  endif()
  string(REGEX MATCH "^[^.]+" label ${prefix})
  if(arg_LABEL)
    set(label ${arg_LABEL})
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 600)
  endif()
  foreach(name ${names})
    set(test ${prefix}.${name})
    set(environment ETLPIPE_SANITIZE=${ETLPIPE_SANITIZE} ETLPIPE_TEST_DATA=${etlpipe_test_data} ${arg_ENVIRONMENT})
    add_test(NAME ${test} ${configurations} COMMAND ${run_cases} ${suite} $<TARGET_FILE:${program}> ${name})
    if(arg_POSTGRES AND name MATCHES "${arg_POSTGRES}")
      list(APPEND environment ETLPIPE_POSTGRES=${PROJECT_BINARY_DIR}/tests/postgres)
      set_property(TEST ${test} PROPERTY FIXTURES_REQUIRED postgres)
    endif()
    set_tests_properties(${test} PROPERTIES LABELS ${label} TIMEOUT ${arg_TIMEOUT} ENVIRONMENT "${environment}")
    if(arg_SERIAL)
      set_property(TEST ${test} PROPERTY RUN_SERIAL ON)
    endif()
  endforeach()
endfunction()

# etlpipe_add_soak(NAME PROGRAM SUITE CASE...): cases at full count, in one test.
function(etlpipe_add_soak name program suite)
  add_test(NAME ${name} CONFIGURATIONS Soak COMMAND ${etlpipe_run_cases} ${CMAKE_CURRENT_SOURCE_DIR}/${suite}
                                                    $<TARGET_FILE:${program}> ${ARGN})
  set_tests_properties(${name} PROPERTIES LABELS soak TIMEOUT 14400 RUN_SERIAL ON
                       ENVIRONMENT "ETLPIPE_SOAK=1;ETLPIPE_SANITIZE=${ETLPIPE_SANITIZE};ETLPIPE_TEST_DATA=${etlpipe_test_data}")
endfunction()

# One compiler call with pkg-config's flags for core, with the library and without, and for each component.
# -D here= work= compiler= pc= components=
file(REMOVE_RECURSE ${work})
file(MAKE_DIRECTORY ${work})
set(ENV{PKG_CONFIG_PATH} ${pc})
foreach(package core core-header-only ${components})
  set(source ${here}/pkg_config/${package}.cpp)
  if(package MATCHES "^core")
    set(source ${here}/consumer/main.cpp)
  endif()
  execute_process(
    COMMAND pkg-config --print-errors --cflags --libs etlpipe-${package}
    OUTPUT_VARIABLE flags
    OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  separate_arguments(flags UNIX_COMMAND "${flags}")
  execute_process(COMMAND ${compiler} -std=c++20 -Wall ${source} ${flags} -o ${work}/${package}
                          COMMAND_ERROR_IS_FATAL ANY COMMAND_ECHO STDOUT)
  execute_process(COMMAND ${work}/${package} COMMAND_ERROR_IS_FATAL ANY)
endforeach()

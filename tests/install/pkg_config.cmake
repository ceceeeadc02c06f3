# One compiler call with pkg-config's flags. -D source= work= compiler= pc=
file(REMOVE_RECURSE ${work})
file(MAKE_DIRECTORY ${work})
set(ENV{PKG_CONFIG_PATH} ${pc})
execute_process(
  COMMAND pkg-config --print-errors --cflags --libs etlpipe-core
  OUTPUT_VARIABLE flags
  OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
separate_arguments(flags UNIX_COMMAND "${flags}")
execute_process(COMMAND ${compiler} -std=c++20 -Wall ${source} ${flags} -o ${work}/consumer COMMAND_ERROR_IS_FATAL ANY
                        COMMAND_ECHO STDOUT)
execute_process(COMMAND ${work}/consumer COMMAND_ERROR_IS_FATAL ANY)

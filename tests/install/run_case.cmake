# Configures, builds and runs one consumer project in a fresh folder.
# -D project= work= compiler= generator= options= [program=consumer] [configure_only=ON] [fails_with=<part of the configure error>]
file(REMOVE_RECURSE ${work})
separate_arguments(options UNIX_COMMAND "${options}")

# Strict warnings of the consumer's own, as errors, and optimised, since GCC finds some of them only then: our headers
# must add none.
execute_process(
  COMMAND ${CMAKE_COMMAND} -G ${generator} -S ${project} -B ${work} -D CMAKE_CXX_COMPILER=${compiler} -D
          CMAKE_BUILD_TYPE=Release -D "CMAKE_CXX_FLAGS=-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror" ${options}
  RESULT_VARIABLE result
  OUTPUT_VARIABLE output
  ERROR_VARIABLE output)
if(fails_with)
  string(REGEX REPLACE "[ \n]+" " " one_line "${output}")
  string(FIND "${one_line}" "${fails_with}" at)
  if(result EQUAL 0)
    message(FATAL_ERROR "configured, but should have failed with: ${fails_with}\n${output}")
  elseif(at EQUAL -1)
    message(FATAL_ERROR "failed, but without saying: ${fails_with}\n${output}")
  endif()
  return()
endif()
if(NOT result EQUAL 0)
  message(FATAL_ERROR "did not configure\n${output}")
endif()
if(configure_only)
  return()
endif()

execute_process(COMMAND ${CMAKE_COMMAND} --build ${work} COMMAND_ERROR_IS_FATAL ANY)
if(NOT program)
  set(program consumer)
endif()
execute_process(COMMAND ${work}/${program} COMMAND_ERROR_IS_FATAL ANY)

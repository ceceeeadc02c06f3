# Configures etlpipe itself. -D source= work= compiler= generator= options= [says=] [fails_with=]
file(REMOVE_RECURSE ${work})
separate_arguments(options UNIX_COMMAND "${options}")
execute_process(
  COMMAND ${CMAKE_COMMAND} -G ${generator} -S ${source} -B ${work} -D CMAKE_CXX_COMPILER=${compiler} ${options}
  RESULT_VARIABLE result
  OUTPUT_VARIABLE output
  ERROR_VARIABLE output)
string(REGEX REPLACE "[ \n]+" " " text "${output}")
if(fails_with)
  if(result EQUAL 0 OR NOT text MATCHES "${fails_with}")
    message(FATAL_ERROR "it should fail with \"${fails_with}\":\n${output}")
  endif()
elseif(NOT result EQUAL 0 OR NOT text MATCHES "${says}")
  message(FATAL_ERROR "it should say \"${says}\", and end with 0, not ${result}:\n${output}")
endif()

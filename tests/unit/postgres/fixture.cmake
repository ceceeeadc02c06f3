# One server for all tests of the component, which ctest starts before the first and stops after the last.
set(server ${CMAKE_CURRENT_BINARY_DIR}/postgres)
set(script ${PROJECT_SOURCE_DIR}/scripts/postgres_for_tests.sh)
add_test(NAME postgres.start COMMAND ${script} start ${server})
add_test(NAME postgres.stop COMMAND ${script} stop ${server})
set_tests_properties(postgres.start PROPERTIES FIXTURES_SETUP postgres TIMEOUT 120)
set_tests_properties(postgres.stop PROPERTIES FIXTURES_CLEANUP postgres TIMEOUT 120)
set(test_properties FIXTURES_REQUIRED postgres ENVIRONMENT ETLPIPE_POSTGRES=${server})

if(TARGET example_13_postgres)
  add_test(NAME example.13_postgres.with_server COMMAND sh -c "exec \"$0\" \"$(cat \"$1\")\"" $<TARGET_FILE:example_13_postgres> ${server}/url)
  set_tests_properties(example.13_postgres.with_server PROPERTIES LABELS example TIMEOUT 60 FIXTURES_REQUIRED postgres
                                                                  PASS_REGULAR_EXPRESSION "2 rope 0 toy,sea")
endif()

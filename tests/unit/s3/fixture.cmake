# One server for all tests of the component, where its programs are installed: ctest starts it before the first and stops
# it after the last. Elsewhere the tests use the scripted server alone.
find_program(ETLPIPE_RADOSGW radosgw)
if(ETLPIPE_RADOSGW)
  set(server ${CMAKE_CURRENT_BINARY_DIR}/s3)
  set(script ${PROJECT_SOURCE_DIR}/scripts/s3_for_tests.sh)
  add_test(NAME s3.start COMMAND ${script} ${server} start)
  add_test(NAME s3.stop COMMAND ${script} ${server} stop)
  set_tests_properties(s3.start PROPERTIES FIXTURES_SETUP s3 TIMEOUT 120)
  set_tests_properties(s3.stop PROPERTIES FIXTURES_CLEANUP s3 TIMEOUT 60)
  set(test_properties FIXTURES_REQUIRED s3 ENVIRONMENT ETLPIPE_S3=${server}/settings)
endif()

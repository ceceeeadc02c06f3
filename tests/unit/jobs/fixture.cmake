# The server that the tests of the component postgres have, too.
set(test_properties "")
if(TARGET etlpipe_postgres)
  set(test_properties FIXTURES_REQUIRED postgres ENVIRONMENT ETLPIPE_POSTGRES=${CMAKE_CURRENT_BINARY_DIR}/postgres)
endif()

etlpipe_find_component(io)

# What the component needs. Read by this project's build and by the installed package.
etlpipe_find_component(io)
etlpipe_find_dependency(CURL 7.85)

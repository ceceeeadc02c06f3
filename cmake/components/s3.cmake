# What the component needs. Read by this project's build and by the installed package.
etlpipe_find_component(http)
etlpipe_find_dependency(EXPAT 2.4)

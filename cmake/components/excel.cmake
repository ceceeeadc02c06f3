# What the component needs. Read by this project's build and by the installed package.
etlpipe_find_component(io)
etlpipe_find_dependency(LibZip 1.7)
etlpipe_find_dependency(EXPAT 2.4)
etlpipe_find_dependency(FreeXL)

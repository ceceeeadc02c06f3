# What the component needs. Read by this project's build and by the installed package.
etlpipe_find_component(io)
etlpipe_find_dependency(Boost 1.81 COMPONENTS json)

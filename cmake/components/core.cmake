# What the component needs. Read by this project's build and by the installed package.
etlpipe_find_dependency(Threads)
etlpipe_find_dependency(Asio 1.22)
etlpipe_find_dependency(concurrentqueue)
etlpipe_find_dependency(fmt 9)
etlpipe_find_dependency(tl-expected 1.0)

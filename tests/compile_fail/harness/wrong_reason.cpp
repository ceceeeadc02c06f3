// expect: a pipeline needs extract
#ifndef ETLPIPE_FIX
static_assert(false, "a pipeline needs load");
static_assert(false, "a pipeline needs extract");
#endif
int main() {}

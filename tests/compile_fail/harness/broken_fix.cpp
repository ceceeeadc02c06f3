// expect: a pipeline needs extract
static_assert(false, "a pipeline needs extract");
int main() {}

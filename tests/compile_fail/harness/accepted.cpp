// expect: a pipeline needs extract
#include <etl/config.hpp>

template <class T>
void run(const T&) {
#ifndef ETLPIPE_FIX
  static_assert(sizeof(T) == 0, "a pipeline needs extract");
#endif
}

int main() { run(1); }

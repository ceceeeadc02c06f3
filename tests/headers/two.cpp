#include "all_headers.hpp"

int two();
int two() { return 2; }

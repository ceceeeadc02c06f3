// With two.cpp: every header in two translation units of one program. A function that is neither a template nor inline
// does not link.
#include "all_headers.hpp"

int two();

int main() { return two() - 2; }

#include <etl/bad.hpp>

int main() { return static_cast<int>(bad("x")); }

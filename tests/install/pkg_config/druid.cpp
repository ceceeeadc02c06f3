// With the flags of etlpipe-druid alone it must link.
#include <etl/druid/spec.hpp>

int main() { return etl::druid::problems({.mode = etl::druid::Append{}}).empty() ? 1 : 0; }

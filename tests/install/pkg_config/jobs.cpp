// With the flags of etlpipe-jobs alone it must link.
#include <etl/jobs/store.hpp>

int main() { return etl::jobs::open("sqlite::memory:").has_value() ? 0 : 1; }

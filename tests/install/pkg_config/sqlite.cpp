// With the flags of etlpipe-sqlite alone it must link.
#include <etl/sqlite/database.hpp>

int main() { return etl::sqlite::Database::open(":memory:").has_value() ? 0 : 1; }

// With the flags of etlpipe-postgres alone it must link.
#include <etl/postgres/connection.hpp>

int main() { return !etl::postgres::Connection::open("no URL").has_value() ? 0 : 1; }

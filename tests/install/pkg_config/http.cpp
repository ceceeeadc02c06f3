// With the flags of etlpipe-http alone it must link.
#include <etl/http/client.hpp>

int main() { return etl::http::Client::make().has_value() ? 0 : 1; }

// With the flags of etlpipe-io alone it must link.
#include <etl/io/gzip.hpp>

int main() { return etl::io::decode(etl::io::from_memory("plain")).has_value() ? 0 : 1; }

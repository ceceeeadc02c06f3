// With the flags of etlpipe-s3 alone it must link.
#include <etl/s3/store.hpp>

int main() { return etl::s3::Store::open({.bucket = "no bucket"}).has_value() ? 1 : 0; }

// With the flags of etlpipe-csv alone it must link.
#include <etl/csv/mapping.hpp>

int main() { return etl::csv::Mapping::parse(R"({"files": [{"pattern": "*"}]})").has_value() ? 0 : 1; }

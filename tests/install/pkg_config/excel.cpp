// With the flags of etlpipe-excel alone it must link.
#include <etl/excel/sheet.hpp>

int main() { return etl::excel::open("no_workbook.xlsx").has_value() ? 1 : 0; }

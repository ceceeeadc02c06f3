// With the flags of etlpipe-uniprot alone it must link.
#include <etl/uniprot/parse.hpp>

int main() {
  return [] {
    etl::uniprot::Entry entry;
    return static_cast<bool>(etl::uniprot::parse("ID", entry));
  }()
             ? 0
             : 1;
}

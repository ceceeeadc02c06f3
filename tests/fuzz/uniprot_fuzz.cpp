// Any bytes: no crash, the same entry by views and by an owning parse, and JSON that is JSON.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <etl/uniprot/format.hpp>
#include <etl/uniprot/parse.hpp>

#include "support/json.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace uniprot = etl::uniprot;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static uniprot::Entry entry, owned;
  const auto problem = uniprot::parse(text, entry);
  const auto same = uniprot::parse(text, owned, uniprot::Parse::Owning);
  if (problem.has_value() != same.has_value()) std::abort();
  if (problem && (problem->reason != same->reason || problem->line != same->line)) std::abort();
  static_cast<void>(uniprot::EntryView::of(text));
  if (problem) return 0;
  std::string json, json_of_owned, fasta;
  uniprot::append_json(json, entry, "");
  uniprot::append_json(json_of_owned, owned, "");
  uniprot::append_fasta(fasta, entry);
  if (json != json_of_owned) std::abort();
  // An object may have the same keyword or gene name twice as a key of its evidence; only that is let pass.
  if (!test::Json::parse(json) && json.find("evidence\":{") == json.npos) std::abort();
  return 0;
}

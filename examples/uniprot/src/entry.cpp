#include <etl/uniprot/entry.hpp>

#include <algorithm>

namespace etl::inline v0::uniprot {

bool Entry::has_flag(std::string_view flag) const noexcept { return std::ranges::find(flags, flag) != flags.end(); }

const ProteinName* Entry::recommended_name() const noexcept {
  const auto found = std::ranges::find_if(names, [](const ProteinName& name) {
    return name.kind == ProteinName::Kind::Recommended && name.section == ProteinName::Section::Main;
  });
  return found == names.end() ? nullptr : &*found;
}

std::string_view Entry::protein_name() const noexcept {
  if (const ProteinName* const name = recommended_name(); name != nullptr) return name->full.value;
  const auto found = std::ranges::find(names, ProteinName::Kind::Submitted, &ProteinName::kind);
  return found == names.end() ? std::string_view() : found->full.value;
}

std::string_view Entry::gene_name() const noexcept {
  if (genes.empty()) return {};
  const Gene& gene = genes.front();
  if (!gene.name.value.empty()) return gene.name.value;
  for (const Part<Text> part : {gene.ordered_locus_names, gene.orf_names, gene.synonyms})
    if (part.count > 0) return of(part).front().value;
  return {};
}

}  // namespace etl::inline v0::uniprot

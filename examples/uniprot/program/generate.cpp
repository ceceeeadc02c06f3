// etl-uniprot generate: writes invented entries in the form of a release, for trials and benchmarks.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <etl/io/sink.hpp>
#include <etl/uniprot/checksum.hpp>

#include "common/standard_streams.hpp"
#include "options.hpp"

namespace program {
namespace {

using std::string_view;

// SplitMix64 (Steele, Lea, Flood 2014), which gives the same numbers with every standard library.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    state_ += 0x9E3779B97F4A7C15U;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
  }
  std::uint64_t below(std::uint64_t n) { return next() % n; }
  std::uint64_t between(std::uint64_t low, std::uint64_t high) { return low + below(high - low + 1); }
  bool chance(std::uint64_t percent) { return below(100) < percent; }
  template <class Range>
  const auto& of(const Range& range) {
    return range[below(std::size(range))];
  }

 private:
  std::uint64_t state_;
};

struct Organism {
  string_view mnemonic, name, lineage;
  std::uint32_t taxon;
};
constexpr std::array<Organism, 6> organisms{{
    {"HUMAN", "Homo sapiens (Human)",
     "Eukaryota; Metazoa; Chordata; Craniata; Vertebrata; Euteleostomi; Mammalia; Eutheria; Euarchontoglires; "
     "Primates; Haplorrhini; Catarrhini; Hominidae; Homo",
     9606},
    {"MOUSE", "Mus musculus (Mouse)",
     "Eukaryota; Metazoa; Chordata; Craniata; Vertebrata; Euteleostomi; Mammalia; Eutheria; Euarchontoglires; Glires; "
     "Rodentia; Myomorpha; Muroidea; Muridae; Murinae; Mus; Mus",
     10090},
    {"YEAST", "Saccharomyces cerevisiae (strain ATCC 204508 / S288c) (Baker's yeast)",
     "Eukaryota; Fungi; Dikarya; Ascomycota; Saccharomycotina; Saccharomycetes; Saccharomycetales; Saccharomycetaceae; "
     "Saccharomyces",
     559292},
    {"ECOLI", "Escherichia coli (strain K12)",
     "Bacteria; Pseudomonadota; Gammaproteobacteria; Enterobacterales; Enterobacteriaceae; Escherichia", 83333},
    {"ARATH", "Arabidopsis thaliana (Mouse-ear cress)",
     "Eukaryota; Viridiplantae; Streptophyta; Embryophyta; Tracheophyta; Spermatophyta; Magnoliopsida; eudicotyledons; "
     "Gunneridae; Pentapetalae; rosids; malvids; Brassicales; Brassicaceae; Camelineae; Arabidopsis",
     3702},
    {"BACSU", "Bacillus subtilis (strain 168)", "Bacteria; Bacillota; Bacilli; Bacillales; Bacillaceae; Bacillus",
     224308},
}};
constexpr std::array<string_view, 10> enzymes{"kinase",      "phosphatase", "synthase", "reductase", "dehydrogenase",
                                              "transferase", "hydrolase",   "ligase",   "isomerase", "permease"};
constexpr std::array<string_view, 10> substrates{"Adenosine",
                                                 "Glucose-6-phosphate",
                                                 "Citrate",
                                                 "Serine/threonine",
                                                 "NADH",
                                                 "Fructose 1,6-bisphosphate",
                                                 "Alpha-ketoglutarate",
                                                 "Acetyl-CoA",
                                                 "Ribose-5-phosphate",
                                                 "L-glutamate"};
constexpr std::array<string_view, 12> keywords{
    "ATP-binding",        "Cytoplasm",     "Direct protein sequencing", "Kinase",
    "Membrane",           "Metal-binding", "Nucleotide-binding",        "Phosphoprotein",
    "Reference proteome", "Transferase",   "Transmembrane helix",       "Zinc"};
constexpr std::array<string_view, 8> databases{"EMBL", "RefSeq", "PDB", "GeneID", "KEGG", "InterPro", "Pfam", "GO"};
constexpr std::array<string_view, 8> authors{"Abe K.",      "Brown T.J.",   "Chen Y.-M.",  "Dupont P.",
                                             "Eriksson L.", "Fischer E.H.", "Garcia R.M.", "Huang W."};
constexpr std::array<string_view, 24> words{"the",       "binding",  "of",        "protein",  "in",        "cell",
                                            "complex",   "with",     "and",       "domain",   "regulates", "membrane",
                                            "activity",  "required", "for",       "response", "to",        "stress",
                                            "signaling", "pathway",  "interacts", "during",   "assembly",  "transport"};
constexpr std::array<string_view, 12> months{"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                             "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};

// Codes with their frequency in Swiss-Prot (per mille) and the average mass of the residue in Da.
struct Residue {
  char code;
  std::uint16_t per_mille;
  double mass;
};
constexpr std::array<Residue, 20> residues{
    {{'A', 83, 71.0788},  {'R', 55, 156.1875}, {'N', 41, 114.1038}, {'D', 55, 115.0886}, {'C', 14, 103.1388},
     {'Q', 39, 128.1307}, {'E', 67, 129.1155}, {'G', 71, 57.0519},  {'H', 23, 137.1411}, {'I', 59, 113.1594},
     {'L', 97, 113.1594}, {'K', 58, 128.1741}, {'M', 24, 131.1926}, {'F', 39, 147.1766}, {'P', 47, 97.1167},
     {'S', 66, 87.0782},  {'T', 53, 101.1051}, {'W', 11, 186.2132}, {'Y', 29, 163.1760}, {'V', 69, 99.1326}}};

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed) {}

  /// The text of entry `number`, counted from 0. Valid until the next call.
  string_view entry(std::uint64_t number) {
    out_.clear();
    const Organism& organism = random_.of(organisms);
    const std::string accession = make_accession(number);
    const bool reviewed = random_.chance(70);
    make_sequence();
    head(accession, organism, reviewed);
    names();
    const auto gene = gene_name();
    line("GN", fmt::format("Name={}; Synonyms={}, {};", gene, gene_name(), gene_name()));
    wrap("OS", fmt::format("{}.", organism.name));
    wrap("OC", fmt::format("{}.", organism.lineage));
    line("OX", fmt::format("NCBI_TaxID={};", organism.taxon));
    references();
    comments();
    cross_references(accession);
    line("PE", reviewed ? "1: Evidence at protein level;" : "3: Inferred from homology;");
    keyword_lines();
    features(accession);
    tail();
    return out_;
  }

 private:
  void line(string_view code, string_view text) { fmt::format_to(std::back_inserter(out_), "{}   {}\n", code, text); }
  // Writes lines of at most 75 columns of text, broken at blanks.
  void wrap(string_view code, string_view text, string_view indent = "   ", string_view first = "   ") {
    const std::size_t width = 78 - indent.size();
    string_view lead = first;
    while (!text.empty()) {
      std::size_t end = text.size() <= width ? text.size() : text.rfind(' ', width);
      if (end == text.npos || end == 0) end = std::min(text.find(' '), text.size());
      fmt::format_to(std::back_inserter(out_), "{}{}{}\n", code, lead, text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
      lead = indent;
    }
  }
  // Accessions of six letters and digits such as O12345 as long as there are enough, then of ten (user manual,
  // "Accession numbers").
  static std::string make_accession(std::uint64_t n) {
    constexpr string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", tops = "OPQ";
    constexpr string_view both = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const auto digit = [&n](string_view of) {
      const char c = of[n % of.size()];
      n /= of.size();
      return c;
    };
    const string_view digits = both.substr(0, 10);
    constexpr std::uint64_t short_ones = 3ULL * 10 * 36 * 36 * 36 * 10;
    if (n < short_ones) {
      std::string a(6, ' ');
      a[5] = digit(digits), a[4] = digit(both), a[3] = digit(both), a[2] = digit(both), a[1] = digit(digits);
      a[0] = digit(tops);
      return a;
    }
    n -= short_ones;
    std::string a = "A0A00AA0A0";
    a[9] = digit(digits), a[8] = digit(both), a[7] = digit(both), a[6] = digit(letters), a[5] = digit(digits);
    a[4] = digit(both), a[3] = digit(both), a[2] = digit(letters);
    return a;
  }
  void make_sequence() {
    // The lengths are distributed as in Swiss-Prot: log-normal around 300, from 20 to 35000.
    double sum = 0;
    for (int i = 0; i < 12; ++i) sum += static_cast<double>(random_.next() >> 11) * 0x1p-53;
    const double length = std::exp(5.7 + 0.75 * (sum - 6));
    sequence_.resize(static_cast<std::size_t>(std::clamp(length, 20.0, 35000.0)));
    mass_ = 18.01524;
    constexpr std::size_t methionine = 12;  // index of the first residue
    for (std::size_t n = 0; n < sequence_.size(); ++n) {
      std::uint64_t at = random_.below(1000);
      std::size_t i = n == 0 ? methionine : 0;
      while (n > 0 && at >= residues[i].per_mille) at -= residues[i++].per_mille;
      sequence_[n] = residues[i].code;
      mass_ += residues[i].mass;
    }
  }
  std::string date(std::uint64_t from, std::uint64_t to) {
    return fmt::format("{:02}-{}-{}", random_.between(1, 28), random_.of(months), random_.between(from, to));
  }
  std::string evidence() {
    switch (random_.below(3)) {
      case 0: return fmt::format("ECO:0000269|PubMed:{}", random_.between(1'000'000, 38'000'000));
      case 1: return "ECO:0000255";
      default: return fmt::format("ECO:0000250|UniProtKB:P{:05}", random_.below(100'000));
    }
  }
  std::string gene_name() {
    std::string name;
    for (int i = 0; i < 3; ++i) name += static_cast<char>('a' + random_.below(26));
    return name + static_cast<char>('A' + random_.below(26)) + std::to_string(random_.below(100));
  }
  std::string sentence(std::uint64_t count) {
    std::string text(random_.of(words));
    text.front() = static_cast<char>(text.front() - 'a' + 'A');
    for (std::uint64_t i = 1; i < count; ++i) text.append(" ").append(random_.of(words));
    return text;
  }
  void head(string_view accession, const Organism& organism, bool reviewed) {
    const std::string name =
        fmt::format("{}_{}", reviewed ? accession.substr(accession.size() - 5) : accession, organism.mnemonic);
    fmt::format_to(std::back_inserter(out_), "ID   {:<24}{:<12}{:>8} AA.\n", name,
                   reviewed ? "Reviewed;" : "Unreviewed;", sequence_.size());
    line("AC", fmt::format("{};", accession));
    line("DT", fmt::format("{}, integrated into UniProtKB/{}.", date(1990, 2005), reviewed ? "Swiss-Prot" : "TrEMBL"));
    line("DT", fmt::format("{}, sequence version {}.", date(2006, 2015), random_.between(1, 5)));
    line("DT", fmt::format("{}, entry version {}.", date(2016, 2024), random_.between(1, 200)));
    reviewed_ = reviewed;
  }
  void names() {
    const std::string name = fmt::format("{} {} {}", random_.of(substrates), random_.of(enzymes), random_.below(1000));
    if (!reviewed_) {
      line("DE", fmt::format("SubName: Full={} {{{}}};", name, evidence()));
      return;
    }
    line("DE", fmt::format("RecName: Full={} {{{}}};", name, evidence()));
    line("DE", fmt::format("         Short={}{};", random_.of(enzymes).substr(0, 3), random_.below(1000)));
    line("DE", fmt::format("         EC={}.{}.{}.{};", random_.between(1, 6), random_.between(1, 12),
                           random_.between(1, 20), random_.between(1, 99)));
    if (random_.chance(60))
      line("DE", fmt::format("AltName: Full={} {};", random_.of(substrates), random_.of(enzymes)));
    if (random_.chance(10)) line("DE", "Flags: Precursor;");
  }
  void references() {
    const std::uint64_t count = random_.between(1, reviewed_ ? 8 : 2);
    for (std::uint64_t i = 1; i <= count; ++i) {
      line("RN", fmt::format("[{}]", i));
      wrap("RP",
           i == 1 ? "NUCLEOTIDE SEQUENCE [LARGE SCALE GENOMIC DNA]." : "FUNCTION, SUBUNIT, AND SUBCELLULAR LOCATION.");
      if (random_.chance(30)) line("RC", fmt::format("STRAIN=S{}; TISSUE=Brain;", random_.below(1000)));
      line("RX", fmt::format("PubMed={}; DOI=10.1016/j.cell.{}.{:02}.{:03};", random_.between(1'000'000, 38'000'000),
                             random_.between(2000, 2024), random_.between(1, 12), random_.below(1000)));
      std::string list;
      for (std::uint64_t n = random_.between(2, 14); n > 0; --n)
        list.append(random_.of(authors)).append(n > 1 ? ", " : ";");
      wrap("RA", list);
      wrap("RT", fmt::format("\"{}.\";", sentence(random_.between(8, 18))));
      line("RL", fmt::format("J. Biol. Chem. {}:{}-{}({}).", random_.between(200, 300), random_.between(1, 9000),
                             random_.between(9001, 9999), random_.between(1990, 2024)));
    }
  }
  void comments() {
    const auto comment = [this](string_view topic, const std::string& text) {
      wrap("CC", fmt::format("-!- {}: {}", topic, text), "       ");
    };
    comment("FUNCTION", fmt::format("{} (PubMed:{}). {}. {{{}, {}}}.", sentence(25),
                                    random_.between(1'000'000, 38'000'000), sentence(20), evidence(), evidence()));
    if (!reviewed_) return;
    comment("SUBUNIT", fmt::format("{}. {{{}}}.", sentence(12), evidence()));
    comment("SUBCELLULAR LOCATION", fmt::format("Cytoplasm {{{}}}. Nucleus {{{}}}.", evidence(), evidence()));
    if (random_.chance(50)) comment("TISSUE SPECIFICITY", fmt::format("{}. {{{}}}.", sentence(15), evidence()));
    if (random_.chance(40)) comment("PTM", fmt::format("{}. {{{}}}.", sentence(18), evidence()));
    comment("SIMILARITY", fmt::format("Belongs to the {} family. {{ECO:0000305}}.", random_.of(enzymes)));
    line("CC", "---------------------------------------------------------------------------");
    line("CC", "Made up by a generator: no such protein is known, and no rights are reserved.");
    line("CC", "---------------------------------------------------------------------------");
  }
  void cross_references(string_view accession) {
    for (std::uint64_t n = random_.between(4, reviewed_ ? 40 : 12); n > 0; --n) {
      const string_view database = random_.of(databases);
      const std::uint64_t id = random_.below(10'000'000);
      if (database == "GO")
        line("DR", fmt::format("GO; GO:{:07}; F:{} activity; IEA:InterPro.", id, random_.of(enzymes)));
      else if (database == "RefSeq")
        line("DR", fmt::format("RefSeq; NP_{:06}.1; NM_{:06}.2. [{}-1]", id % 1'000'000, id % 999'983, accession));
      else
        line("DR", fmt::format("{}; {}{:06}; -.", database, database.substr(0, 2), id));
    }
  }
  void keyword_lines() {
    std::string list;
    const std::uint64_t first = random_.below(3);
    for (std::uint64_t i = first; i < keywords.size(); i += random_.between(1, 3)) {
      if (!list.empty()) list += "; ";
      list += keywords[i];
      if (random_.chance(40)) list += fmt::format(" {{{}}}", evidence());
    }
    wrap("KW", list + ".");
  }
  void feature(string_view type, std::uint64_t from, std::uint64_t to, const std::string& note,
               const std::string& id = {}) {
    line("FT", fmt::format("{:<16}{}", type, from == to ? std::to_string(from) : fmt::format("{}..{}", from, to)));
    if (!note.empty()) wrap("FT", fmt::format("/note=\"{}\"", note), "                   ", "                   ");
    wrap("FT", fmt::format("/evidence=\"{}\"", evidence()), "                   ", "                   ");
    if (!id.empty()) wrap("FT", fmt::format("/id=\"{}\"", id), "                   ", "                   ");
  }
  void features(string_view accession) {
    const std::uint64_t length = sequence_.size();
    feature("CHAIN", 1, length, fmt::format("{} {}", random_.of(substrates), random_.of(enzymes)),
            fmt::format("PRO_{:010}", random_.below(10'000'000'000ULL)));
    for (std::uint64_t n = random_.below(reviewed_ ? 18 : 4); n > 0; --n) {
      const std::uint64_t from = random_.between(1, length), to = random_.between(from, std::min(length, from + 40));
      switch (random_.below(5)) {
        case 0: feature("DOMAIN", from, to, fmt::format("{} {}", random_.of(enzymes), random_.below(10))); break;
        case 1: feature("MOD_RES", from, from, "Phosphoserine"); break;
        case 2: feature("HELIX", from, to, ""); break;
        case 3:
          feature("VARIANT", from, from,
                  fmt::format("A -> {} (in dbSNP:rs{})", random_.of(residues).code, random_.below(100'000'000)),
                  fmt::format("VAR_{:06}", random_.below(1'000'000)));
          break;
        default: feature("REGION", from, to, sentence(random_.between(3, 16)) + " of " + std::string(accession)); break;
      }
    }
  }
  void tail() {
    line("SQ", fmt::format("SEQUENCE   {} AA;  {} MW;  {:016X} CRC64;", sequence_.size(), std::llround(mass_),
                           etl::uniprot::crc64(sequence_)));
    for (std::size_t at = 0; at < sequence_.size(); at += 60) {
      out_ += "    ";
      for (std::size_t group = at; group < std::min(at + 60, sequence_.size()); group += 10)
        (out_ += ' ').append(sequence_, group, 10);
      out_ += '\n';
    }
    out_ += "//\n";
  }

  Random random_;
  std::string out_;
  std::string sequence_;
  double mass_ = 0;
  bool reviewed_ = false;
};

}  // namespace

int generate(const Generate& options) {
  const auto failed = [](const etl::Error& error) {
    say("etl-uniprot: {}\n", error.message());
    return 1;
  };
  auto sink = etl::io::create_output(options.out);
  if (!sink) return failed(sink.error());
  Generator generator(options.seed);
  for (std::uint64_t i = 0; i < options.entries; ++i)
    if (auto written = (*sink)->write(generator.entry(i)); !written) return failed(written.error());
  if (auto finished = (*sink)->finish(); !finished) return failed(finished.error());
  return 0;
}

}  // namespace program

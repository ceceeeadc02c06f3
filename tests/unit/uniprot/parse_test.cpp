#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <etl/io/source.hpp>
#include <etl/uniprot/arena.hpp>
#include <etl/uniprot/checksum.hpp>
#include <etl/uniprot/entries.hpp>
#include <etl/uniprot/format.hpp>
#include <etl/uniprot/parse.hpp>

#include "support/catch.hpp"
#include "support/json.hpp"

namespace parse_test {

using namespace etl::uniprot;

namespace {

constexpr std::string_view head =
    "ID   AB_TEST                 Reviewed;          12 AA.\n"
    "AC   P00001; Q99999;\n";
constexpr std::string_view residues = "MKLVAAAAGHWY";

std::string tail(std::string_view sequence = residues) {
  return fmt::format("SQ   SEQUENCE   {} AA;  1234 MW;  {:016X} CRC64;\n     {} {}\n//\n", sequence.size(),
                     crc64(sequence), sequence.substr(0, 10), sequence.substr(10));
}
// A good entry with these lines in its middle.
std::string after_head(std::string_view text) { return std::string(head).append(text); }
std::string entry_with(std::string_view lines) { return std::string(head).append(lines).append(tail()); }

struct Parsed {
  std::string text;
  Entry entry;
  std::optional<Problem> problem;
  explicit Parsed(std::string of, Parse mode = Parse::Views) : text(std::move(of)), problem(parse(text, entry, mode)) {}
  Parsed(const Parsed&) = delete;
  Parsed& operator=(const Parsed&) = delete;
};
void require_good(const Parsed& p) {
  INFO((p.problem ? fmt::format("{}:{}: {}", p.problem->line, p.problem->column, p.problem->reason) : ""));
  REQUIRE_FALSE(p.problem);
}
std::string problem_of(std::string text) {
  const Parsed p(std::move(text));
  return p.problem ? fmt::format("{}:{}: {}", p.problem->line, p.problem->column, p.problem->reason) : "none";
}
bool starts_with(const std::string& text, std::string_view start) { return text.starts_with(start); }
std::vector<std::string> values(const Entry& e, Part<Text> part) {
  std::vector<std::string> list;
  for (const Text& t : e.of(part)) list.emplace_back(t.value);
  return list;
}
std::vector<std::string> strings(const Entry& e, Part<std::string_view> part) {
  const auto span = e.of(part);
  return {span.begin(), span.end()};
}
using Strings = std::vector<std::string>;

}  // namespace

TEST_CASE("crc64: the value that UniProt gives for known sequences") {
  CHECK(crc64("") == 0);
  // Q9Y736, an entry of 153 residues; its SQ line says 01153CF30C2DEDFF.
  CHECK(
      crc64(
          "MQIFVKTLTGKTITLEVESSDTIDNVKTKIQDKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQKESTLHLVLRLRGGMQIFVKTLTGKTITLEVESSDTIDNVKTKIQ"
          "DKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQKESTLHLVLRLRGGN") == 0x01153CF30C2DEDFF);
}

TEST_CASE("parse: identity, dates and sequence") {
  const Parsed p(
      entry_with("DT   22-APR-2020, integrated into UniProtKB/Swiss-Prot.\n"
                 "DT   07-JAN-2015, sequence version 3.\n"
                 "DT   31-DEC-2021, entry version 7.\n"));
  require_good(p);
  CHECK(p.entry.entry_name == "AB_TEST");
  CHECK(p.entry.reviewed());
  CHECK(p.entry.accession() == "P00001");
  CHECK(p.entry.accessions == std::vector<std::string_view>{"P00001", "Q99999"});
  CHECK(p.entry.created == Date{2020, 4, 22});
  CHECK(p.entry.sequence_updated == Date{2015, 1, 7});
  CHECK(p.entry.sequence_version == 3U);
  CHECK(p.entry.annotation_updated == Date{2021, 12, 31});
  CHECK(p.entry.entry_version == 7U);
  CHECK(p.entry.length == 12);
  CHECK(p.entry.mol_weight == 1234);
  CHECK(p.entry.sequence == residues);
}

TEST_CASE("parse: the old ID, DT and SQ lines") {
  const Parsed p(
      "ID   AB_TEST     STANDARD;      PRT;    12 AA.\nAC   P1;\n"
      "DT   01-JAN-1990 (Rel. 13, Created)\n"
      "DT   02-FEB-1991 (Rel. 14, Last sequence update)\n"
      "DT   03-MAR-1992 (IPI Human rel. 2.26, Last annotation update)\n"
      "SQ   SEQUENCE   12 AA;  1234 MW;  ECBA15FB CRC32;\n     MKLVAAAAGH WY\n//\n");
  require_good(p);
  CHECK(p.entry.data_class == "STANDARD");
  CHECK(p.entry.reviewed());
  CHECK(p.entry.declared_length == 12);
  CHECK(p.entry.created == Date{1990, 1, 1});
  CHECK(p.entry.created_release == "13");
  CHECK(p.entry.sequence_updated == Date{1991, 2, 2});
  CHECK(p.entry.annotation_release == "2.26");
  CHECK(p.entry.checksum.kind == Checksum::Kind::Crc32);
  CHECK(p.entry.checksum.value == 0xECBA15FB);
}

TEST_CASE("parse: names with their parts, components, flags and evidence over line ends") {
  const Parsed p(
      entry_with("DE   RecName: Full=Replicase {ECO:0000269|PubMed:1,\n"
                 "DE            ECO:0000305};\n"
                 "DE            Short=pp1a;\n"
                 "DE            Short=pp;\n"
                 "DE            EC=3.4.19.12 {ECO:0000303|PubMed:2};\n"
                 "DE   AltName: Full=ORF1a; 2;\n"
                 "DE   AltName: CD_antigen=CD4;\n"
                 "DE   Contains:\n"
                 "DE     RecName: Full=nsp1;\n"
                 "DE     AltName: Full=Leader;\n"
                 "DE   Contains:\n"
                 "DE     RecName: Full=nsp2;\n"
                 "DE   Includes:\n"
                 "DE     RecName: Full=Domain one;\n"
                 "DE   Flags: Precursor; Fragment;\n"));
  require_good(p);
  const Entry& e = p.entry;
  REQUIRE(e.names.size() == 7);
  CHECK(e.protein_name() == "Replicase");
  CHECK(strings(e, e.names[0].full.evidence) == Strings{"ECO:0000269|PubMed:1", "ECO:0000305"});
  CHECK(values(e, e.names[0].shorts) == Strings{"pp1a", "pp"});
  CHECK(values(e, e.names[0].ec_numbers) == Strings{"3.4.19.12"});
  CHECK(strings(e, e.of(e.names[0].ec_numbers)[0].evidence) == Strings{"ECO:0000303|PubMed:2"});
  CHECK(e.names[1].full.value == "ORF1a; 2");
  CHECK(e.names[2].type == "CD_antigen");
  CHECK(e.names[3].section == ProteinName::Section::Contains);
  CHECK(e.names[3].component == 0);
  CHECK(e.names[4].kind == ProteinName::Kind::Alternative);
  CHECK(e.names[4].component == 0);
  CHECK(e.names[5].component == 1);
  CHECK(e.names[6].section == ProteinName::Section::Includes);
  CHECK(e.names[6].component == 0);
  CHECK(e.flags == std::vector<std::string_view>{"Precursor", "Fragment"});
}

TEST_CASE("parse: an entry with submitted names only keeps them") {
  const Parsed p(entry_with("DE   SubName: Full=Uncharacterized protein {ECO:0000313|EMBL:ABC};\n"));
  require_good(p);
  CHECK(p.entry.recommended_name() == nullptr);
  CHECK(p.entry.protein_name() == "Uncharacterized protein");
}

TEST_CASE("parse: the old DE line") {
  const Parsed p(
      entry_with("DE   PROBABLE ACONITATE HYDRATASE, MITOCHONDRIAL PRECURSOR (EC 4.2.1.3)\n"
                 "DE   (CITRATE HYDRO-LYASE) (ACONITASE (B)) [CONTAINS: A (EC 1.1.1.1) (AA); B] (FRAGMENT).\n"));
  require_good(p);
  const Entry& e = p.entry;
  CHECK(e.protein_name() == "PROBABLE ACONITATE HYDRATASE, MITOCHONDRIAL");
  CHECK(values(e, e.names[0].ec_numbers) == Strings{"4.2.1.3"});
  CHECK(e.has_flag("Fragment"));
  CHECK(e.has_flag("Precursor"));
  CHECK(e.names[1].full.value == "CITRATE HYDRO-LYASE");
  CHECK(e.names[2].full.value == "ACONITASE (B)");
}

TEST_CASE("parse: genes, several and with evidence") {
  const Parsed p(
      entry_with("GN   Name=CALM1 {ECO:1, ECO:2}; Synonyms=CAM1 {ECO:0000303|PubMed:1, ECO:0000305}, CALM,\n"
                 "GN   CAM; OrderedLocusNames=b4466, JW5925; ORFNames=ECK2968;\n"
                 "GN   and\n"
                 "GN   Name=CALM2;\n"));
  require_good(p);
  const Entry& e = p.entry;
  REQUIRE(e.genes.size() == 2);
  CHECK(e.genes[0].name.value == "CALM1");
  CHECK(strings(e, e.genes[0].name.evidence) == Strings{"ECO:1", "ECO:2"});
  CHECK(values(e, e.genes[0].synonyms) == Strings{"CAM1", "CALM", "CAM"});
  CHECK(values(e, e.genes[0].ordered_locus_names) == Strings{"b4466", "JW5925"});
  CHECK(values(e, e.genes[0].orf_names) == Strings{"ECK2968"});
  CHECK(e.genes[1].name.value == "CALM2");
  // A semicolon ends a field only before a blank.
  const Parsed semicolon(
      entry_with("GN   Name=AbXYZ2;8 {ECO:0000313|EMBL:AAA00000.1}; Synonyms=A;b, c;\nGN   ORFNames=x;y;\n"));
  require_good(semicolon);
  REQUIRE(semicolon.entry.genes.size() == 1);
  CHECK(semicolon.entry.genes[0].name.value == "AbXYZ2;8");
  CHECK(values(semicolon.entry, semicolon.entry.genes[0].synonyms) == Strings{"A;b", "c"});
  CHECK(values(semicolon.entry, semicolon.entry.genes[0].orf_names) == Strings{"x;y"});
  const Parsed old(entry_with("GN   (CALM1 OR CAM1 OR CALM) AND (CALM2 OR CAM2) AND\nGN   CALM3.\n"));
  require_good(old);
  REQUIRE(old.entry.genes.size() == 3);
  CHECK(old.entry.genes[0].name.value == "CALM1");
  CHECK(values(old.entry, old.entry.genes[0].synonyms) == Strings{"CAM1", "CALM"});
  CHECK(old.entry.genes[2].name.value == "CALM3");
}

TEST_CASE("parse: organism, organelle, lineage, taxonomy, hosts") {
  const Parsed p(
      entry_with("OS   Severe acute respiratory syndrome coronavirus 2 (2019-nCoV)\nOS   (SARS-CoV-2).\n"
                 "OG   Plastid; Chloroplast {ECO:0000255}.\n"
                 "OC   Viruses; Riboviria;\nOC   Sarbecovirus.\n"
                 "OX   NCBI_TaxID=9606, 10090 {ECO:0000313|EMBL:A};\n"
                 "OH   NCBI_TaxID=9606; Homo sapiens (Human).\n"
                 "OH   NCBI_TaxID=7; Bats.\n"));
  require_good(p);
  CHECK(p.entry.organism == "Severe acute respiratory syndrome coronavirus 2 (2019-nCoV) (SARS-CoV-2)");
  CHECK(p.entry.organelle.value == "Plastid; Chloroplast");
  CHECK(p.entry.lineage == std::vector<std::string_view>{"Viruses", "Riboviria", "Sarbecovirus"});
  CHECK(p.entry.taxonomy_ids == std::vector<std::uint32_t>{9606, 10090});
  REQUIRE(p.entry.hosts.size() == 2);
  CHECK(p.entry.hosts[0].name == "Homo sapiens (Human)");
  CHECK(p.entry.hosts[1].taxonomy_id == 7);
}

TEST_CASE("parse: references") {
  const Parsed p(
      entry_with("RN   [1] {ECO:0000313|EMBL:X}\n"
                 "RP   NUCLEOTIDE SEQUENCE.\n"
                 "RC   STRAIN=K12 {ECO:0000269}; TISSUE=Brain, and Lung;\n"
                 "RX   PubMed=9927666; DOI=10.1002/(SICI)1;1<1::AID-PROT1>3.0.CO;2-4;\n"
                 "RG   The group;\nRG   another;\n"
                 "RA   Abe K., Brown T.J.,\nRA   Chen Y.;\n"
                 "RT   \"A calmodulin-\nRT   binding \"\"quoted\"\" alpha-\nRT   and beta-protein.\";\n"
                 "RL   Nature 1:2-3(2004).\n"
                 "RN   [2]\nRX   MEDLINE; 97307256.\nRL   Submitted.\n"));
  require_good(p);
  const Entry& e = p.entry;
  REQUIRE(e.references.size() == 2);
  const Reference& r = e.references[0];
  CHECK(strings(e, r.evidence) == Strings{"ECO:0000313|EMBL:X"});
  CHECK(r.position == "NUCLEOTIDE SEQUENCE");
  REQUIRE(e.of(r.comments).size() == 2);
  CHECK(e.of(r.comments)[0].key == "STRAIN");
  CHECK(e.of(r.comments)[0].text.value == "K12");
  CHECK(e.of(r.comments)[1].text.value == "Brain, and Lung");
  REQUIRE(e.of(r.ids).size() == 2);
  CHECK(e.of(r.ids)[1].text.value == "10.1002/(SICI)1;1<1::AID-PROT1>3.0.CO;2-4");
  CHECK(r.group == "The group; another");
  CHECK(r.authors == "Abe K., Brown T.J., Chen Y.");
  CHECK(r.title == "A calmodulin-binding \"\"quoted\"\" alpha- and beta-protein.");
  CHECK(e.of(e.references[1].ids)[0].key == "MEDLINE");
  CHECK(e.of(e.references[1].ids)[0].text.value == "97307256");
}

TEST_CASE("parse: comments, with the licence apart and the evidence taken out") {
  const Parsed p(
      entry_with("CC   -!- FUNCTION: Binds\nCC       calcium (PubMed:1). {ECO:0000269|PubMed:1,\n"
                 "CC       ECO:0000305}.\n"
                 "CC   -!- SUBCELLULAR LOCATION: Cytoplasm {ECO:0000250}. Nucleus {ECO:0000255}. Note=Both.\n"
                 "CC   ---------------\n"
                 "CC   Copyrighted by the\nCC   Consortium\n"
                 "CC   ---------------\n"));
  require_good(p);
  const Entry& e = p.entry;
  REQUIRE(e.comments.size() == 2);
  CHECK(e.comments[0].topic == "FUNCTION");
  CHECK(e.comments[0].text.value == "Binds calcium (PubMed:1).");
  CHECK(strings(e, e.comments[0].text.evidence) == Strings{"ECO:0000269|PubMed:1", "ECO:0000305"});
  CHECK(e.comments[1].text.value == "Cytoplasm. Nucleus. Note=Both.");
  CHECK(strings(e, e.comments[1].text.evidence) == Strings{"ECO:0000250", "ECO:0000255"});
  CHECK(e.license == "Copyrighted by the Consortium");
}

TEST_CASE("parse: cross-references, protein existence, keywords") {
  const Parsed p(
      entry_with("DR   CCDS; CCDS11001.1; -. [P62258-1]\n"
                 "DR   PDB; 1ABC; X-ray; 2.00 A; A/B=1-100.\n"
                 "PE   2: Evidence at transcript level;\n"
                 "KW   3D-structure; Coiled coil {ECO:0000256|SAM:Coils};\nKW   Reference proteome.\n"));
  require_good(p);
  const Entry& e = p.entry;
  REQUIRE(e.cross_references.size() == 2);
  CHECK(e.cross_references[0].isoform == "P62258-1");
  CHECK(strings(e, e.cross_references[0].properties) == Strings{"-"});
  CHECK(strings(e, e.cross_references[1].properties) == Strings{"X-ray", "2.00 A", "A/B=1-100"});
  CHECK(e.protein_existence == 2);
  REQUIRE(e.keywords.size() == 3);
  CHECK(e.keywords[1].value == "Coiled coil");
  CHECK(strings(e, e.keywords[1].evidence) == Strings{"ECO:0000256|SAM:Coils"});
}

TEST_CASE("parse: features of the modern form") {
  const Parsed p(
      entry_with("FT   CHAIN           <1..>4405\n"
                 "FT                   /note=\"Replicase /polyprotein\n"
                 "FT                   /1a \"\"x\"\"\n"
                 "FT                   end\"\n"
                 "FT                   /evidence=\"ECO:0000250|UniProtKB:P1,\n"
                 "FT                   ECO:0000255\"\n"
                 "FT                   /ligand=\"Zn(2+)\"\n"
                 "FT                   /id=\"PRO_1\"\n"
                 "FT   MOD_RES         12\n"
                 "FT   VAR_SEQ         P12345-2:?..?7\n"));
  require_good(p);
  const Entry& e = p.entry;
  REQUIRE(e.features.size() == 3);
  CHECK(e.features[0].type == "CHAIN");
  CHECK(e.features[0].location == "<1..>4405");
  CHECK(e.features[0].start.value == 1U);
  CHECK(e.features[0].start.modifier == '<');
  CHECK(e.features[0].end.modifier == '>');
  CHECK(e.features[0].note.value == "Replicase /polyprotein /1a \"\"x\"\" end");
  CHECK(strings(e, e.features[0].note.evidence) == Strings{"ECO:0000250|UniProtKB:P1", "ECO:0000255"});
  CHECK(e.features[0].id == "PRO_1");
  REQUIRE(e.of(e.features[0].others).size() == 1);
  CHECK(e.of(e.features[0].others)[0].key == "ligand");
  CHECK(e.of(e.features[0].others)[0].text.value == "Zn(2+)");
  CHECK(e.features[1].start.value == 12U);
  CHECK(e.features[1].end.value == 12U);
  CHECK(e.features[2].sequence == "P12345-2");
  CHECK_FALSE(e.features[2].start.value);
  CHECK(e.features[2].start.modifier == '?');
  CHECK(e.features[2].end.value == 7U);
}

TEST_CASE("parse: features of the old form") {
  const Parsed p(
      entry_with("FT   INIT_MET      0      0\n"
                 "FT   TRANSIT       1      ?       Mitochondrion\n"
                 "FT                                (Potential).\n"
                 "FT                                /FTId=PRO_0000.\n"
                 "FT   CARBOHYD      3      3       N-linked. {ECO:0000255}.\n"));
  require_good(p);
  const Entry& e = p.entry;
  REQUIRE(e.features.size() == 3);
  CHECK(e.features[0].location == "0..0");
  CHECK(e.features[0].note.value.empty());
  CHECK(e.features[1].location == "1..?");
  CHECK(e.features[1].note.value == "Mitochondrion (Potential).");
  CHECK(e.features[1].id == "PRO_0000");
  CHECK(strings(e, e.features[2].note.evidence) == Strings{"ECO:0000255"});
}

TEST_CASE("parse: residues in a note go on over a line end, words do not") {
  const Parsed p(
      entry_with("FT   VAR_SEQ         1..7\n"
                 "FT                   /note=\"QNFSF\n"
                 "FT                   SIF -> AAPL\n"
                 "FT                   QW (in isoform A\n"
                 "FT                   B)\"\n"
                 "FT   REGION          1..2\n"
                 "FT                   /note=\"Binds DNA\n"
                 "FT                   RNA\"\n"
                 "FT   CONFLICT      1      2       MKLV\n"
                 "FT                                AV -> A (in Ref. 1).\n"));
  require_good(p);
  CHECK(p.entry.features[0].note.value == "QNFSFSIF -> AAPLQW (in isoform A B)");
  CHECK(p.entry.features[1].note.value == "Binds DNA RNA");
  CHECK(p.entry.features[2].note.value == "MKLVAV -> A (in Ref. 1).");
}

TEST_CASE("parse: unknown lines are kept, annotators' lines are not") {
  const Parsed p(entry_with("ZZ   something new\nZZ   more\n**   internal\n"));
  require_good(p);
  CHECK(p.entry.unknown_lines == std::vector<std::string_view>{"ZZ   something new", "ZZ   more"});
}

TEST_CASE("parse: line ends of any system give the same entry") {
  const std::string lf = entry_with("CC   -!- FUNCTION: Binds\nCC       calcium.\nDR   PDB; 1ABC; -.\n");
  std::string crlf, cr;
  for (const char c : lf) {
    crlf += c == '\n' ? "\r\n" : std::string(1, c);
    cr += c == '\n' ? '\r' : c;
  }
  std::string expected;
  const Parsed p(lf);
  require_good(p);
  append_json(expected, p.entry, "");
  for (const std::string& other : {crlf, cr}) {
    const Parsed q(other);
    require_good(q);
    std::string json;
    append_json(json, q.entry, "");
    CHECK(json == expected);
  }
}

TEST_CASE("parse: an owning entry outlives the text, also when it is moved") {
  std::string text = entry_with("DE   RecName: Full=Replicase;\nKW   One; Two.\n");
  Entry entry;
  REQUIRE_FALSE(parse(text, entry, Parse::Owning));
  std::fill(text.begin(), text.end(), '#');
  const Entry moved = std::move(entry);
  CHECK(moved.accession() == "P00001");
  CHECK(moved.protein_name() == "Replicase");
  CHECK(moved.keywords[1].value == "Two");
  CHECK(moved.sequence == residues);
}

TEST_CASE("parse: an entry that is used again keeps nothing of the one before") {
  Entry entry;
  const std::string full = entry_with(
      "DE   RecName: Full=A;\nGN   Name=g;\nOS   Homo.\nOX   NCBI_TaxID=1;\nRN   [1]\nRL   X.\n"
      "CC   -!- A: b.\nDR   X; Y; Z.\nPE   1: x;\nKW   k.\nFT   HELIX  1..2\n");
  REQUIRE_FALSE(parse(full, entry));
  const std::string bare = entry_with("");
  REQUIRE_FALSE(parse(bare, entry));
  std::string again, fresh;
  append_json(again, entry, "");
  const Parsed other(bare);
  append_json(fresh, other.entry, "");
  CHECK(again == fresh);
}

TEST_CASE("parse: what is wrong is said with its line and column") {
  const std::string good = entry_with("");
  CHECK(problem_of(good) == "none");
  CHECK(problem_of("") == "1:1: an empty entry");
  CHECK(starts_with(problem_of("name;value\n1;2\n"), "1:1: no ID line"));
  CHECK(starts_with(problem_of("test1\n//\n"), "1:1: no ID line"));
  CHECK(problem_of(good.substr(0, good.size() - 3)) == "4:1: the file ends within the entry: no terminator //");
  CHECK(starts_with(problem_of("ID   AB_TEST   THIS_IS_WRONG;   12 AA.\nAC   P1;\n" + tail()),
                    "1:16: ID line: 'THIS_IS_WRONG' is not"));
  CHECK(starts_with(problem_of("ID   AB_TEST   Reviewed;   many AA.\nAC   P1;\n" + tail()),
                    "1:25: ID line: expected the length"));
  CHECK(problem_of("ID   AB_TEST   Reviewed;   12 AA.\n" + tail()) ==
        "1:1: no AC line: the entry has no accession number");
  CHECK(problem_of(after_head("//\n")) == "3:1: no SQ line: the entry has no sequence");
  CHECK(starts_with(problem_of(after_head(good)), "3:1: a second ID line"));
  CHECK(problem_of(after_head(tail("MKLVAAAAGHW"))) == "1:1: the ID line says 12 residues, the sequence has 11");
  std::string wrong = good;
  wrong.replace(wrong.find("   12 AA; "), 9, "   19 AA;");
  CHECK(problem_of(wrong) == "3:1: the SQ line says 19 residues, the sequence has 12");
  wrong = good;
  wrong.replace(wrong.find("MKLV"), 1, "A");
  CHECK(starts_with(problem_of(wrong), "3:1: the SQ line says CRC64 "));
  wrong = good;
  wrong.replace(wrong.find("MKLV") + 1, 1, "7");
  CHECK(problem_of(wrong) == "4:7: sequence: '7' is not an amino acid code");
  CHECK(problem_of(entry_with("CC   -!- A: b\xFF.\n")) == "3:14: byte 0xFF is not UTF-8");
  CHECK(problem_of(entry_with(std::string_view("DE   RecName: Full=A\0B;\n", 24))) == "3:21: a NUL byte");
  CHECK(problem_of(after_head("DT   01-JUL-1993, integ")) == "3:1: the file ends within the entry: no terminator //");
  const Parsed named(after_head("SQ   x\n//\n"));
  REQUIRE(named.problem);
  CHECK(named.entry.accession() == "P00001");
}

TEST_CASE("parse: what does not follow the format is kept as text, and the entry is good") {
  const auto kept = [](const std::string& lines) {
    const Parsed p(entry_with(lines));
    require_good(p);
    Strings all;
    for (const Unparsed& part : p.entry.unparsed)
      all.push_back(fmt::format("{} {}: {}: {}", part.kind, part.line, part.reason, part.text));
    return all;
  };
  CHECK(kept("") == Strings{});
  CHECK(kept("DT   31-FOO-2020, sequence version 1.\n") ==
        Strings{"DT 3: expected a date as in '22-APR-2020': DT   31-FOO-2020, sequence version 1."});
  CHECK(kept("DT   31-MAR-2020, sequence version x.\nDT   x\n").size() == 2);
  CHECK(kept("OX   NCBI_TaxID=12x;\n") == Strings{"OX 3: '12x' is not a taxonomy identifier: OX   NCBI_TaxID=12x;"});
  CHECK(kept("OX   9606;\n").size() == 1);
  CHECK(kept("OH   NCBI_TaxID=x; Man.\n").size() == 1);
  CHECK(kept("CC   -!- A: b.\nPE   9: What;\n") == Strings{"PE 4: expected a level from 1 to 5: PE   9: What;"});
  CHECK(kept("RP   X.\n") == Strings{"RP 3: no RN line comes before it: RP   X."});
  CHECK(kept("RN   1\nRP   X.\n") == Strings{"RN 3: expected a number in brackets: RN   1"});
  CHECK(kept("RN   [1]\nRX   1; PubMed=2;\n").size() == 1);
  CHECK(kept("DR   EMBL;\nDR   PDB; 1ABC; X-ray.\n") ==
        Strings{"DR 3: expected a database and an identifier: DR   EMBL;"});
  CHECK(
      kept("GN   Names=a;\nGN   ORFNames=b;\n") ==
      Strings{"GN 3: 'Names' is none of Name, Synonyms, OrderedLocusNames, ORFNames: GN   Names=a;\nGN   ORFNames=b;"});
  CHECK(kept("GN   abc;\n").size() == 1);
  CHECK(kept("DE   RecName: Full=A;\nDE            B\nDE            and C;\n") ==
        Strings{"DE 4: expected Full=, Short= or EC= and a name: DE            B\nDE            and C;"});
  CHECK(kept("DE   RecName: Full=A;\nDE   AltName: Nonsense\nDE            Short=b;\n") ==
        Strings{"DE 4: 'Nonsense Short' is none of Full, Short, EC, Allergen, Biotech, CD_antigen, INN: "
                "DE   AltName: Nonsense\nDE            Short=b;"});
  CHECK(kept("DE   RecName: Full=A;\nDE   AltName: Allergen=B;\nDE   AltName: Biotech=C;\nDE   AltName: CD_antigen=D;\n"
             "DE   AltName: INN=E;\n")
            .empty());
  CHECK(kept("FT                   /note=\"lost\"\n").size() == 1);
  CHECK(kept("FT   CHAIN\n") ==
        Strings{"FT 3: expected a location, as in 12, 3..30, <1..?20 or P12345-2:3..30: FT   CHAIN"});
  CHECK(kept("FT   CHAIN           1..x\n").size() == 1);
  CHECK(kept("FT   CHAIN           ?..12\n").empty());
  CHECK(kept("FT   CHAIN           1..12\nFT                   note\nFT                   /id=\"PRO_1\"\n") ==
        Strings{"FT 4: expected /note=, /evidence= or /id=: FT                   note"});
  CHECK(kept("FT   CHAIN           1..12\nFT                   /note=\"a\nFT                   b\n") ==
        Strings{"FT 4: the quote of the value is not closed: FT                   /note=\"a\nFT                   b"});
  CHECK(kept("DE   Ferredoxin (Fd (EC 1.1.1.1).\n") ==
        Strings{"DE 3: brackets of a name that do not match: DE   Ferredoxin (Fd (EC 1.1.1.1)."});
  CHECK(kept("DE   Ferredoxin [Contains: A; B.\n").size() == 1);
  CHECK(kept("DE   2-(acetyl)ferredoxin precursor (EC 1.1.1.1) [Contains: A (B); C] (Fragment).\n").empty());
  CHECK(kept("GN   (CALM1 OR CAM1 AND CALM2.\n") ==
        Strings{"GN 3: brackets of a gene that do not match: GN   (CALM1 OR CAM1 AND CALM2."});
  CHECK(kept("GN   (CALM1 OR CAM1) AND CALM2.\n").empty());
  CHECK(kept("CC   -!- FUNCTION: a\nCC       b.\nCC   -!- no topic\nCC       c.\nCC   -!- D: e.\n") ==
        Strings{"CC 5: expected a comment, as in '-!- TOPIC: text': CC   -!- no topic\nCC       c."});
  CHECK(kept("CC   just a text\nCC   -!- D: e.\n") ==
        Strings{"CC 3: expected a comment, as in '-!- TOPIC: text': CC   just a text"});
  CHECK(kept("CC   -!- D: e.\nCC   ----------\nCC   Copyrighted\nCC   by nobody.\n") ==
        Strings{"CC 5: the licence is not closed by a line of dashes: CC   Copyrighted\nCC   by nobody."});
  CHECK(kept("CC   ----------\nCC   Copyrighted\nCC   ----------\n").empty());
  CHECK(kept("DT   30-FEB-2002, sequence version 1.\n").size() == 1);
  CHECK(kept("DT   29-FEB-2004, sequence version 1.\n").empty());
  CHECK(kept("RN   [1]\nRX   PubMed 1018284\n") ==
        Strings{"RX 4: expected a key, as in PubMed=, and a value: RX   PubMed 1018284"});
  CHECK(kept("RN   [1]\nRX   MEDLINE; 97307256.\n").empty());
  CHECK(kept("CC   -!- FUNCTION: a\nCC       b: c.\nCC   SUBUNIT: d.\n") ==
        Strings{"CC 5: expected a comment, as in '-!- TOPIC: text': CC   SUBUNIT: d."});
  CHECK(kept("CC   -!- SUBUNIT Of two {ECO:0000269}.\n") ==
        Strings{"CC 3: expected a comment, as in '-!- TOPIC: text': CC   -!- SUBUNIT Of two {ECO:0000269}."});
  CHECK(kept("CC   -!- WEB RESOURCE: Name=A; URL=\"http://a\";\n").empty());
  CHECK(
      kept("FT   CHAIN           1..12\nFT                   /note=\"a\nFT                   /evidence=\"ECO:1\"\n") ==
      Strings{"FT 4: the quote of the value is not closed: FT                   /note=\"a"});
  CHECK(kept("x\n") == Strings{"x 3: a line of one character: x"});
}

TEST_CASE("parse: what stands beside a part that does not follow the format is read") {
  const Parsed p(
      entry_with("GN   Name=a; Foo=b; Synonyms=c;\n"
                 "FT   CHAIN           1..12\nFT                   note\nFT                   /id=\"PRO_1\"\n"));
  require_good(p);
  REQUIRE(p.entry.genes.size() == 1);
  CHECK(p.entry.genes[0].name.value == "a");
  CHECK(values(p.entry, p.entry.genes[0].synonyms) == Strings{"c"});
  REQUIRE(p.entry.features.size() == 1);
  CHECK(p.entry.features[0].id == "PRO_1");
  std::string json;
  append_json(json, p.entry, "");
  CHECK(json.find(R"("unparsed":[{"kind":"GN","line":3,"reason":"'Foo' is none of )") != std::string::npos);
  const Parsed good(entry_with("GN   Name=a;\n"));
  json.clear();
  append_json(json, good.entry, "");
  CHECK(json.find("unparsed") == std::string::npos);
}

TEST_CASE("parse: a comment or an old name that does not follow the format is there as text, too") {
  const Parsed p(entry_with("DE   Ferredoxin (Fd.\nCC   -!- no topic\nCC   -!- D: e.\n"));
  require_good(p);
  CHECK(p.entry.protein_name() == "Ferredoxin (Fd");
  REQUIRE(p.entry.comments.size() == 2);
  CHECK(p.entry.comments[0].topic.empty());
  CHECK(p.entry.comments[0].text.value == "no topic");
  CHECK(p.entry.comments[1].topic == "D");
}

TEST_CASE("parse: a semicolon separates only before a blank or at the end of a line") {
  const Parsed p(
      entry_with("DE   RecName: Full=A;b c;\nDE            EC=1;2;\nDE   Flags: Precursor; Fragment;\n"
                 "GN   Name=AbXYZ2;8 {ECO:0000313|EMBL:AAA00000.1}; Synonyms=x;y, z;\n"
                 "RN   [1]\nRC   STRAIN=K;12; TISSUE=a;B=c;\nRX   PubMed=1; DOI=10.1/a;b=c;\n"
                 "CC   -!- FUNCTION: a;b; c.\nDR   EMBL; A;1; b;2; -.\nKW   a;b; c {ECO:1}.\n"));
  require_good(p);
  const Entry& e = p.entry;
  CHECK(e.unparsed.empty());
  CHECK(e.protein_name() == "A;b c");
  CHECK(values(e, e.names[0].ec_numbers) == Strings{"1;2"});
  CHECK(e.flags == std::vector<std::string_view>{"Precursor", "Fragment"});
  CHECK(e.gene_name() == "AbXYZ2;8");
  CHECK(values(e, e.genes[0].synonyms) == Strings{"x;y", "z"});
  const auto comments = e.of(e.references[0].comments), ids = e.of(e.references[0].ids);
  REQUIRE(comments.size() == 2);
  CHECK(comments[0].text.value == "K;12");
  CHECK(comments[1].text.value == "a;B=c");
  REQUIRE(ids.size() == 2);
  CHECK(ids[1].text.value == "10.1/a;b=c");
  CHECK(e.comments[0].text.value == "a;b; c.");
  CHECK(e.cross_references[0].id == "A;1");
  CHECK(strings(e, e.cross_references[0].properties) == Strings{"b;2", "-"});
  REQUIRE(e.keywords.size() == 2);
  CHECK(e.keywords[0].value == "a;b");
}

TEST_CASE("parse: a very long line and text beyond ASCII are no problem") {
  const std::string text(200'000, 'x');
  const Parsed p(entry_with("CC   -!- FUNCTION: " + text + "\nCC       na\xC3\xAFve.\n"));
  require_good(p);
  CHECK(p.entry.comments[0].text.value.size() == text.size() + 8);
}

TEST_CASE("view: the first fields without a parse") {
  const std::string text =
      entry_with("OS   Homo sapiens (Human).\nOX   NCBI_TaxID=9606 {ECO:1};\nDR   PDB; 1ABC; -.\n");
  const EntryView v = EntryView::of(text);
  CHECK(v.entry_name == "AB_TEST");
  CHECK(v.data_class == "Reviewed");
  CHECK(v.accession == "P00001");
  CHECK(v.organism == "Homo sapiens (Human)");
  CHECK(v.taxonomy_id == 9606);
  CHECK(v.sequence_lines == "     MKLVAAAAGH WY");
  CHECK(EntryView::of("a,b\n1,2\n").accession.empty());
}

TEST_CASE("format: FASTA with UniProt's header and lines of 60") {
  std::string sequence(125, 'A');
  std::string text = fmt::format(
      "ID   AB_TEST                 Reviewed;         125 AA.\nAC   P00001;\n"
      "DT   07-JAN-2015, sequence version 3.\n"
      "DE   RecName: Full=Replicase;\nDE   Flags: Fragment;\nGN   Name=abc;\n"
      "OS   Escherichia coli (strain K12) (Common name).\nOX   NCBI_TaxID=83333;\nPE   1: Evidence at protein level;\n"
      "SQ   SEQUENCE   125 AA;  1 MW;  {:016X} CRC64;\n     {}\n//\n",
      crc64(sequence), sequence);
  const Parsed p(text);
  require_good(p);
  std::string fasta;
  append_fasta(fasta, p.entry);
  CHECK(fasta ==
        ">sp|P00001|AB_TEST Replicase (Fragment) OS=Escherichia coli (strain K12) OX=83333 GN=abc PE=1 SV=3\n" +
            std::string(60, 'A') + '\n' + std::string(60, 'A') + "\nAAAAA\n");
}

TEST_CASE("format: JSON is well formed whatever stands in the texts") {
  const Parsed p(entry_with(
      "CC   -!- A: \"quoted\" back\\slash \x01 na\xC3\xAFve.\nGN   Name=a\"b {ECO:1};\nKW   \"k\" {ECO:2}.\n"));
  require_good(p);
  std::string json;
  append_json(json, p.entry, "d41d8cd98f00b204e9800998ecf8427e");
  const auto leaves = test::Json::parse(json);
  REQUIRE(leaves);
  CHECK(leaves->at("comments.0.topic") == "A");
  CHECK(json.find(R"("text":"\"quoted\" back\\slash \u0001 naïve.")") != json.npos);
  CHECK(json.find(R"("keyword_evidence":{"\"k\"":["ECO:2"]})") != json.npos);
}

TEST_CASE("entries: a range is parsed, what lies around it is not") {
  const std::string text =
      entry_with("CC   -!- A: 1.\n") + "\n" + entry_with("x\n") + "broken\n//\n" + entry_with("KW   a.\n");
  const auto numbers = [&](const EntryRange& range) {
    Strings seen;
    const auto done = parse_entries(
        etl::io::from_memory(text, "four"), range,
        [&](const RawEntry& raw, const Entry& entry, const Problem* problem) {
          seen.push_back(fmt::format(
              "{}: {}", raw.line, problem != nullptr ? problem->reason.substr(0, 10) : std::string(entry.accession())));
          return true;
        });
    CHECK(done);
    return seen;
  };
  CHECK(numbers({}) == Strings{"1: P00001", "8: P00001", "14: no ID line", "16: P00001"});
  CHECK(numbers({.first = 2, .last = 3}) == Strings{"8: P00001", "14: no ID line"});
  CHECK(numbers({.first = 4}) == Strings{"16: P00001"});
  CHECK(numbers({.first = 5}).empty());
  CHECK(numbers({.first = 1, .last = 0}).empty());
  int calls = 0;
  CHECK(parse_entries(etl::io::from_memory(text, "four"), {},
                      [&](const RawEntry&, const Entry&, const Problem*) { return ++calls < 2; }));
  CHECK(calls == 2);
}

TEST_CASE("arena: one that was moved from is empty, and does not grow by its former size") {
  Arena arena;
  std::string_view text = arena.copy(std::string(5000, 'x'));
  for (int round = 0; round < 80; ++round) {  // 2^80 bytes, if it doubled each time
    Arena other = std::move(arena);
    CHECK(text == std::string(5000, 'x'));
    arena.clear();
    const std::string_view mine = arena.copy("mine");
    CHECK(mine == "mine");
    CHECK(text == std::string(5000, 'x'));  // not written over
    arena = std::move(other);
    CHECK(text == std::string(5000, 'x'));
    arena.clear();
    text = arena.copy(std::string(5000, 'x'));
  }
}

TEST_CASE("entries: they are counted without a parse") {
  const auto count = [](const std::string& text) { return count_entries(etl::io::from_memory(text, "text")).value(); };
  CHECK(count("") == 0);
  CHECK(count("\n\n") == 0);
  CHECK(count(entry_with("")) == 1);
  CHECK(count(entry_with("") + "broken\n//\n\nID   cut") == 3);
  CHECK(count("ID   a // b\nCC   //\n//\n") == 1);
  std::stop_source stop;
  stop.request_stop();
  CHECK_FALSE(count_entries(etl::io::from_memory(entry_with(""), "text"), stop.get_token()));
}

TEST_CASE("format: pretty JSON has a member a line") {
  const Parsed p(entry_with("KW   a; b.\n"));
  require_good(p);
  std::string plain, pretty;
  append_json(plain, p.entry, "");
  append_json(pretty, p.entry, "", JsonStyle::Pretty);
  CHECK(starts_with(pretty,
                    "{\n  \"accession\": \"P00001\",\n  \"accessions\": [\n    \"P00001\",\n    \"Q99999\"\n  ],"));
  CHECK(pretty.find("\n  \"names\": {},\n") != std::string::npos);
  CHECK(pretty.find("\n  \"genes\": [],\n") != std::string::npos);
  CHECK(pretty.ends_with("\"\n}"));
  std::string packed;  // the texts hold no blanks
  for (const char c : pretty)
    if (c != ' ' && c != '\n') packed += c;
  CHECK(packed == plain);
}

}  // namespace parse_test

"""Shows that the comparisons can fail: a right value passes, and each wrong one is reported."""
import copy
import hashlib
import json

import asserts
import compare
import verdicts
from harness import case

SEQUENCE = "MKVLAAGIVG"
MD5 = hashlib.md5(SEQUENCE.encode()).hexdigest()
TEXT = """ID   TEST_HUMAN              Reviewed;          10 AA.
CC   -!- FUNCTION: Does a thing-
CC       wise deed. {ECO:0000305}.
FT   CHAIN           1..10
FT                   /note="Test protein"
FT                   /evidence="ECO:0000255, ECO:0000269|PubMed:1"
FT                   /id="PRO_1"
SQ   SEQUENCE   10 AA;  1000 MW;  0123456789ABCDEF CRC64;
     MKVLAAGIVG
"""
ROW = {
    "file": "x.dat", "entry_index": "0", "accession": "P1", "entry_name": "TEST_HUMAN", "reviewed": "true",
    "data_class": "Reviewed", "n_accessions": "2", "all_accessions": "P1 P2", "length": "10", "length_actual": "10",
    "mol_weight": "1000", "crc": "0123456789ABCDEF", "crc_kind": "CRC64", "taxid": "9606", "host_taxids": "562",
    "organism": "Homo sapiens (Human).", "organelle": "Mitochondrion {ECO:0000305}.", "n_lineage": "2", "n_refs": "1",
    "n_features": "1", "n_keywords": "2", "n_dr_lines": "1", "n_comments": "1", "protein_existence": "1",
    "created": "07-JAN-2015", "created_version": "0", "sequence_update": "08-JAN-2015", "sequence_version": "2",
    "annotation_update": "16-JAN-2019", "annotation_version": "40", "sequence_md5": MD5,
}
DETAIL = {
    "lineage": ["Eukaryota", "Metazoa"], "keywords": ["Membrane", "Signal"], "sequence": SEQUENCE,
    "xrefs": [["EMBL", "X1", "-", "mRNA. [P1-2]"]], "comment_topics": ["FUNCTION"],
    "description": "RecName: Full=Test protein {ECO:0000305}; Short=TP; EC=1.1.1.1; Flags: Precursor;",
    "gene_name_biopython": [{"Name": "TST {ECO:1}", "Synonyms": ["A {ECO:1", "ECO:2}", "B"], "ORFNames": ["C"],
                             "OrderedLocusNames": ["D"]}],
    "features": [{"type": "CHAIN", "raw_location": "1..10", "id": "PRO_1", "qualifiers": {
        "note": "Test protein", "evidence": "ECO:0000255,ECO:0000269|PubMed:1"}}],
    "references": [{"number": 1, "positions": ["NUCLEOTIDE SEQUENCE, AND", "FUNCTION."],
                    "comments": [["TISSUE", "Liver"]],
                    "ids": [["PubMed", "1"]], "authors": "The group; Doe J., Roe R.", "title": "A title.",
                    "location": "Nature 1:2-3(2004)."}],
}
GOT = {
    "accession": "P1", "accessions": ["P1", "P2"], "entry_name": "TEST_HUMAN", "reviewed": True,
    "data_class": "Reviewed", "length": 10, "mol_weight": 1000, "crc64": "0123456789ABCDEF", "crc32": None,
    "sequence": SEQUENCE, "sequence_md5": MD5,
    "organism": "Homo sapiens (Human)", "taxonomy_id": 9606, "hosts": [562], "host_names": ["Escherichia coli"],
    "lineage": ["Eukaryota", "Metazoa"], "organelle": "Mitochondrion", "recommended_name": "Test protein",
    "protein_name": "Test protein", "flags": ["Precursor"],
    "names": {"recommended": {"full": {"value": "Test protein"}, "short": [{"value": "TP"}], "ec": ["1.1.1.1"]},
              "alternative": [], "submitted": [], "contains": [], "includes": []},
    "genes": [{"name": "TST", "synonyms": ["A", "B"], "ordered_locus_names": ["D"], "orf_names": ["C"]}],
    "keywords": ["Membrane", "Signal"],
    "references": [{"number": 1, "positions": ["NUCLEOTIDE SEQUENCE, AND FUNCTION"],
                    "comments": [{"type": "TISSUE", "text": "Liver"}], "ids": [{"database": "PubMed", "id": "1"}],
                    "group": "The group", "authors": "Doe J., Roe R.", "title": "A title.",
                    "location": "Nature 1:2-3(2004)"}],
    "features": [{"type": "CHAIN", "location": "1..10", "start": 1, "end": 10, "note": "Test protein", "id": "PRO_1",
                  "evidence": ["ECO:0000255", "ECO:0000269|PubMed:1"]}],
    "cross_references": [{"database": "EMBL", "id": "X1", "properties": ["-", "mRNA"], "isoform": "P1-2"}],
    "comments": [{"topic": "FUNCTION", "text": "Does a thing-wise deed."}], "protein_existence": 1,
    "dates": {"created": "2015-01-07", "sequence_update": "2015-01-08", "sequence_version": 2,
              "annotation_update": "2019-01-16", "entry_version": 40},
}
UNCHECKED = {("host_names", 0)}  # only their number is known
# Absent is as good.
EMPTY = {("crc32",), *(("names", kind) for kind in ("alternative", "submitted", "contains", "includes"))}


def leaves(value, path=()):
    """The paths of all values that hold no other."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [leaf for key, child in children for leaf in leaves(child, (*path, key))]
    return found or [path]


def lists(value, path=()):
    """The paths of all lists that are not empty."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * (isinstance(value, list) and bool(value)) + [one for key,
                     child in children for one in lists(child, (*path, key))]


def changed(path, change):
    """A copy of GOT with change(container, key) done at a path."""
    copied = copy.deepcopy(GOT)
    parent = copied
    for key in path[:-1]:
        parent = parent[key]
    change(parent, path[-1])
    return copied


def other(value):
    """A wrong value of the same kind."""
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) else ["x"] if isinstance(value, list) else f"{value or ''}x"


def replace(parent, key):
    """Puts a wrong value."""
    parent[key] = other(parent[key])


def remove(parent, key):
    """Takes the value away."""
    del parent[key]


def shorten(parent, key):
    """Takes the last item of a list away."""
    parent[key] = parent[key][:-1]


def double(parent, key):
    """Repeats the last item of a list."""
    parent[key] = [*parent[key], parent[key][-1]]


def mismatches(got):
    """What both comparisons find; an object of another shape is a mismatch too."""
    try:
        return [*compare.entry(ROW, got), *compare.detail(DETAIL, TEXT, got)]
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        return [repr(error)]


class Table:
    """Stands in for the data folder: one assertion."""

    def __init__(self, path, value):
        self.row = {"file": "x.dat", "path": path, "expected_json": json.dumps(value)}

    def table(self, name):
        """The assertion as one of Biopython's."""
        return [self.row] if "biopython" in name else []


ASSERTIONS = [
    ("record.entry_name", "TEST_HUMAN"), ("record.accessions", ["P1", "P2"]),
    ("record.seqinfo", [10, 1000, "0123456789ABCDEF"]),
    ("record.organism_classification", ["Eukaryota", "Metazoa"]), ("len(records)", 1), ("len(record.features)", 1),
    ("record.features[0].location.start", 0), ("record.features[0].location.end", 10),
    ("record.features[0].type", "CHAIN"),
    ("record.features[0].id", "PRO_1"), ("record.features[0].qualifiers['note']", "Test protein"),
    ("record.features[0].qualifiers['evidence']", "ECO:0000255,ECO:0000269|PubMed:1"),
    ("record.references[0].authors", "The group Doe J., Roe R."), ("record.references[0].title", "A title."),
    ("record.references[0].references[0]", ["PubMed", "1"]), ("len(record.references[0].references)", 1),
    ("seq_record.description", DETAIL["description"]), ("record.gene_name", DETAIL["gene_name_biopython"]),
    ("dates", ["07-JAN-2015", "08-JAN-2015", "16-JAN-2019"]), ("evidence", "1: Evidence at protein level"),
]
WRONG = {"record.gene_name": [{"Name": "x"}], "seq_record.description": "RecName: Full=x;", "evidence": "2: x",
         "dates": ["07-JAN-2015"]}


def outcome(exit_code=3, said="", loaded=("P1",), line=7, accession="P2", reason="ends before its //", path="/x.dat"):
    """What an ingest of a file of two entries left, the second of them broken."""
    proteins = [{"accession": a, "length": 10, "entry_json": "a\\u0000b"} for a in loaded]
    rejects = [{"file": "/x.dat", "line": line, "accession": accession, "reason": reason}] if line != 0 else []
    return verdicts.Outcome(path, exit_code, said, proteins, rejects, b"ID\nAC\nDE\nSQ\n//\nID\nAC\nDE\n")


JUDGE = verdicts.tally(["P1"], (1, "P2", verdicts.TRUNCATED))
JUDGEMENTS = [  # (judge, right, wrong ones)
    (JUDGE, outcome(), [outcome(exit_code=0), outcome(loaded=()), outcome(loaded=("P1", "P2")), outcome(line=0),
                        outcome(line=2), outcome(line=None), outcome(accession=None), outcome(reason="bad"),
                        outcome(path="/y.dat")]),
    (verdicts.tally(1), outcome(0, line=0), [outcome(3, line=0), outcome(0), outcome(0, line=0, loaded=())]),
    (verdicts.either(JUDGE, verdicts.tally(1)), outcome(0, line=0), [outcome(1)]),
    (verdicts.unchanged("P1", 10, None), outcome(0, line=0), [outcome(0, line=0, loaded=("P3",))]),
    (verdicts.unchanged("P1", 11, None), None, [outcome(0, line=0)]),
    (verdicts.intact(verdicts.tally(1), "P1", [r"\u0000"]), outcome(0, line=0), []),
    (verdicts.intact(verdicts.tally(1), "P1", ["lost"]), None, [outcome(0, line=0)]),
    (verdicts.nothing_in_it, outcome(1, "no entry", loaded=()),
     [outcome(0, "no entry", loaded=()), outcome(1, "no entry"), outcome(1, loaded=(), line=0)]),
]
FASTA = f">sp|P1|TEST_HUMAN Test protein OS=Homo sapiens OX=9606 GN=TST PE=1 SV=2\n{SEQUENCE[:5]}\n{SEQUENCE[5:]}\n"
HEADERS = {("x.dat", "P1"): "sp|P1|TEST_HUMAN Test protein OS=Homo sapiens GN=TST PE=1 SV=2"}
PNNL_ROW = {"Protein_Name": "TEST_HUMAN", "Accession": "P1; P2; ", "Sequence_AA_Count": "10", "MW": "1000",
            "EMBL": "X1; -; mRNA"}
PNNL_FASTA = f">TEST_HUMAN x; Accession=P1; P2; [Homo sapiens (Human)]\n{SEQUENCE}\n"


def fasta(text):
    """The mismatches of a FASTA text."""
    wanted = {"accession": "P1", "entry_name": "TEST_HUMAN", "sequence": SEQUENCE}
    return list(verdicts.fasta("x.dat", [wanted], text, HEADERS))


@case
def self_test(c):
    """A right value passes, and each wrong one is reported."""
    wrong = [f"right values fail: {found}" for found in mismatches(GOT)]

    def must_fail(what, found):
        c.holds(f"noticed: {what}", found)

    for path in leaves(GOT):
        for change in (replace, remove):
            if path not in UNCHECKED and not (change is remove and path in EMPTY):
                must_fail((change.__name__, path), mismatches(changed(path, change)))
    for path in lists(GOT):
        for change in (shorten, double):
            must_fail((change.__name__, path), mismatches(changed(path, change)))
    for path, value in ASSERTIONS:
        found = asserts.grade(Table(path, value), lambda _: [GOT])
        wrong += [f"right assertion fails: {path}: {found}"] if found[0] or found[1] != 1 else []
        must_fail(path, asserts.grade(Table(path, WRONG.get(path, other(value))), lambda _: [GOT])[0])
    for i, (judge, right, others) in enumerate(JUDGEMENTS):
        wrong += [f"judge {i}: right outcome fails: {found}" for found in (judge(right) if right else [])]
        for j, one in enumerate(others):
            must_fail(f"judge {i}, outcome {j}", list(judge(one)))
    wrong += [f"right FASTA fails: {found}" for found in fasta(FASTA)]
    for old, new in (SEQUENCE[5:], "A"), ("sp|P1", "sp|P2"), ("GN=TST", "GN=X"), (FASTA, ""), (FASTA, FASTA * 2):
        must_fail(f"FASTA with {new!r}", fasta(FASTA.replace(old, new)))
    wrong += verdicts.as_json("x", json.dumps([GOT]), [GOT])
    for output in ("[", "[]", json.dumps([changed(("length",), replace)])):
        must_fail(f"json {output[:9]}", verdicts.as_json("x", output, [GOT]))
    names = {"TEST_HUMAN": GOT}
    wrong += verdicts.pnnl_table([PNNL_ROW], names)[0] + verdicts.pnnl_fasta(PNNL_FASTA, names)[0]
    for column in PNNL_ROW:
        must_fail(f"PNNL {column}", verdicts.pnnl_table([{**PNNL_ROW, column: "1; 2"}], names)[0])
    for old in ("P2", "Human)", SEQUENCE):
        must_fail(f"PNNL FASTA {old}", verdicts.pnnl_fasta(PNNL_FASTA.replace(old, "x"), names)[0])
    must_fail("PNNL records", verdicts.pnnl_fasta("", names)[0])
    c.equal("right values that fail", [], wrong)

"""What must come of whole files: other formats, damaged files, compressed files, the database, PNNL's output."""
import collections
import hashlib
import json
import re

import compare
import expected
from harness import message
from uniprot_case import count, rows

# --- formats ------------------------------------------------------------


def first_difference(left, right):
    """Where two byte strings part."""
    at = next((i for i, (a, b) in enumerate(zip(left, right)) if a != b), min(len(left), len(right)))
    around = slice(at, at + 40)
    return f"{len(right)} bytes for {len(left)}, first difference at {at}: {right[around]!r} for {left[around]!r}"


def fasta_headers(data):
    """The headers by (flat file, accession), where the FASTA of a flat file is there."""
    return {("uniprot/flat/biopython/multi_ex.txt", row["id"].split("|")[1]): row["header"]
            for row in data.table("uniprot/expected_fasta_records.csv.gz") if row["file"].endswith("/multi_ex.fasta")}


def records(text):
    """(header, sequence) of each FASTA record."""
    for part in re.split(r"^>", text, flags=re.M)[1:]:
        header, _, sequence = part.partition("\n")
        yield header.rstrip(), re.sub(r"\s", "", sequence)


def header(text):
    """A FASTA header without what UniProt's headers did not have in 2010: the taxonomy id."""
    return re.sub(r" OX=\d+", "", text)


def fasta(name, details, text, headers):
    """Sequences and headers of a FASTA file."""
    found = list(records(text))
    if len(found) != len(details):
        yield f"{name} fasta records", len(details), len(found)
    for wanted, (head, sequence) in zip(details, found):
        place = f"{name} {wanted['accession']} fasta"
        if sequence != wanted["sequence"]:
            yield f"{place} sequence", wanted["sequence"], sequence
        if not re.match(rf"(sp|tr)\|{wanted['accession']}\|{re.escape(wanted['entry_name'])}( |$)", head):
            yield f"{place} header", f"sp|{wanted['accession']}|{wanted['entry_name']} ...", head
        known = headers.get((name, wanted["accession"]))
        if known and header(head) != known:
            yield f"{place} header", known, head


def as_json(name, output, objects):
    """The json format is one array of the same objects as ndjson."""
    try:
        found = json.loads(output)
    except json.JSONDecodeError as error:
        return [f"{name} json: {error}"]
    if found != objects:
        return [(f"{name} json", f"the {len(objects)} objects of ndjson", f"{type(found).__name__} of {len(found)}")]
    return []


# --- ingest -------------------------------------------------------------
class Outcome:
    """What one ingest left: exit code, message, rows of both tables."""

    def __init__(self, path, exit_code, said, proteins=(), rejects=(), data=b""):
        self.path, self.exit_code, self.said, self.data = str(path), exit_code, said, data
        self.proteins = {row["accession"]: row for row in proteins}
        self.rejects = list(rejects)


def ingest(grader, path, folder):
    """Ingests one file into a new database."""
    db = folder / "x.sqlite"
    done = grader.ingest(path, db=db)
    tables = [rows(db, f"SELECT * FROM {table}") if count(db,
                           table) else [] for table in ("proteins", "rejects")]
    return Outcome(path, done.returncode, message(done), *tables,
                   data=b"" if "/gzip/" in str(path) else expected.plain(path))


def entry_lines(data):
    """(first line, last line) of each entry, from 1."""
    first, lines = 1, re.split(rb"\r\n|\r|\n", data)
    for i, line in enumerate(lines, 1):
        if line.startswith(b"//") or i == len(lines):
            yield first, i
            first = i + 1


def tally(good, *bad, exit_code=None):
    """A judge: the accessions loaded (or their number), and per reject (entry from 0, accession, reason)."""
    code = (3 if bad else 0) if exit_code is None else exit_code

    def judge(got):
        loaded = sorted(got.proteins) if isinstance(good, list) else len(got.proteins)
        if loaded != (sorted(good) if isinstance(good, list) else good):
            yield "proteins", good, loaded
        if got.exit_code != code:
            yield "exit code", code, f"{got.exit_code}: {got.said}"
        if len(got.rejects) != len(bad):
            yield "rejects", len(bad), got.rejects
        spans = list(entry_lines(got.data))
        for (entry, accession, reason), row in zip(bad, sorted(got.rejects, key=lambda row: row["line"] or 0)):
            if row["file"] != got.path:
                yield "rejects.file", got.path, row["file"]
            if not spans[entry][0] <= (row["line"] or 0) <= spans[entry][1]:
                yield "rejects.line", f"within {spans[entry]}", row["line"]
            if accession is not None and row["accession"] != accession:
                yield "rejects.accession", accession, row["accession"]
            if not re.search(reason, row["reason"], re.I):
                yield "rejects.reason", f"/{reason}/", row["reason"]

    return judge


def either(*judges):
    """A judge that accepts what any of these accepts; else it shows the first one's mismatches."""
    def judge(got):
        found = [list(one(got)) for one in judges]
        return [] if [] in found else found[0]

    return judge


def nothing_in_it(got):
    """No entry, no crash, an exit code that says so and a message."""
    if got.proteins:
        yield "proteins", 0, len(got.proteins)
    if got.exit_code not in (1, 3):
        yield "exit code", "1 or 3", got.exit_code
    if not got.said and not got.rejects:
        yield "message", "why there is nothing in it", ""


def unchanged(accession, length, crc, md5=None):
    """A judge: the one entry is there with these values."""
    def judge(got):
        yield from tally([accession])(got)
        row = got.proteins.get(accession, collections.defaultdict(str))
        for column, wanted in (("length", length), ("crc64", crc), ("sequence_md5", md5)):
            if wanted is not None and row[column] != wanted:
                yield column, wanted, row[column]

    return judge


def intact(judge, accession, words):
    """A judge: as `judge`, and the entry's JSON still has these words."""
    def both(got):
        yield from judge(got)
        text = got.proteins.get(accession, {}).get("entry_json", "")
        yield from ((f"{accession} entry_json", word, text) for word in words if word not in text)

    return both


TRUNCATED = "truncat|end of file|ends|unterminated|incomplete|terminator|missing //|without"
DERIVED = "uniprot/malformed/derived"
# The verdicts of malformed_expected.csv and of the README, as judges. Where a verdict leaves a choice, either is right.
MALFORMED = {
    f"{DERIVED}/crlf.dat": tally(["A8AP56", "A9N0W4"]),
    # Not cut as its verdict says, but whole: `truncated` below does what it was meant for.
    f"{DERIVED}/cut_in_sequence.dat": tally(["A8AP56", "A9N0W4"]),
    f"{DERIVED}/seq_length_mismatch.dat": tally([], (0, "A8AP56", "length|residues| AA")),
    f"{DERIVED}/crc_mismatch.dat": tally([], (0, "A8AP56", "CRC")),
    f"{DERIVED}/unknown_line_code.dat": either(unchanged("A8AP56", None, None), tally([], (0, "A8AP56", "ZZ"))),
    f"{DERIVED}/empty.dat": either(tally([]), tally([], exit_code=1)),
    f"{DERIVED}/nul_byte.dat": either(tally(["A9N0W4"], (0, "A8AP56", "NUL")),
                                      intact(tally(["A8AP56", "A9N0W4"]), "A8AP56", [r"\u0000"])),
    f"{DERIVED}/valid_titin_length_34350.dat.gz": unchanged(
        "P87498", 34350, "A7AB340C847385DB", "3273ee889008e0bfd9e6ab4eb032ef37"),
    "uniprot/malformed/ERROR_ERROR.dat": tally([], *((i, None, "class|THIS_IS_WRONG") for i in range(2))),
    "uniprot/malformed/not_entries.dat": tally([], *((i, None, "ID") for i in range(4))),
    "uniprot/malformed/uniprot-truncated.dat": tally([], (0, "P31946", TRUNCATED)),
    "uniprot/wrong_format/enzyme.dat": nothing_in_it,
    "uniprot/wrong_format/ipi_excerpt.dat": tally(20),
}


def uncovered(data):
    """Files of the folder that have no judge, and the other way round."""
    found = {str(path.relative_to(data.root)) for folder in ("malformed", "wrong_format")
             for path in data.path(f"uniprot/{folder}").rglob("*") if path.is_file()}
    listed = {row["file"] for row in data.table("uniprot/malformed_expected.csv")}
    return [f"no judge or no file: {name}" for name in sorted((found | listed) ^ set(MALFORMED))]


def truncated(grader, folder):
    """A file that ends inside the sequence of its second entry."""
    path = folder / "cut.dat"
    data = expected.plain(grader.data.path(f"{DERIVED}/cut_in_sequence.dat"))
    path.write_bytes(data[:data.rindex(b"SQ   ") + 150])
    return tally(["A8AP56"], (1, "A9N0W4", TRUNCATED))(ingest(grader, path, folder))


def same_as_original(grader):
    """Both entries of crlf.dat have the values of their LF originals."""
    originals = {row["accession"]: row["file"] for row in grader.data.entries}
    found = grader.objects(f"{DERIVED}/crlf.dat")
    if len(found) != 2:
        yield "entries", 2, len(found)
    for got in found:
        like = next(one for one in grader.objects(originals[got["accession"]]) if one["accession"] == got["accession"])
        yield from ((f"{got['accession']} {key}", like[key], got.get(key)) for key in like if got.get(key) != like[key])


# --- gzip ---------------------------------------------------------------
CORRUPT = "gzip|corrupt|crc|truncat|end of (file|stream)|damaged|inflate|deflate"


def gzip_file(grader, row, folder):
    """A good file gives back its bytes and loads; a broken one is reported, by exit code and message."""
    path = grader.data.path(row["file"])
    done = grader.program.run("inspect", path, "--format", "dat")
    got = ingest(grader, path, folder)
    if row["gzip_exit"] == "0":
        if hashlib.md5(done.stdout).hexdigest() != row["md5_of_gzip_output"]:
            yield "inspect --format dat", f"{row['bytes_out_by_gzip']} bytes", f"{len(done.stdout)} bytes"
        plain = expected.plain(path)
        if sorted(got.proteins) != sorted({re.search(r"^AC   (\w+)", t, re.M)[1] for t in expected.entry_texts(plain)}):
            yield "proteins", "every entry", sorted(got.proteins)
        if (done.returncode, got.exit_code) != (0, 0):
            yield "exit codes", (0, 0), f"{done.returncode}, {got.exit_code}: {got.said}"
        return
    for command, code, said in ("inspect", done.returncode, message(done)), ("ingest", got.exit_code, got.said):
        if code not in (1, 3):
            yield f"{command} exit code", "1 or 3", code
        if not re.search(CORRUPT, said, re.I) and not any(re.search(CORRUPT, r["reason"], re.I) for r in got.rejects):
            yield f"{command} message", f"/{CORRUPT}/", said


# --- database -----------------------------------------------------------
# (column of `proteins`, the expected value)
COLUMNS = [
    ("entry_name", lambda row: row["entry_name"]),
    ("reviewed", lambda row: int(row["reviewed"] == "true")),
    ("data_class", lambda row: row["data_class"]),
    ("organism", lambda row: compare.plain(row["organism"])),
    ("taxonomy_id", lambda row: compare.number(row["taxid"])),
    ("length", lambda row: int(row["length"])),
    ("mol_weight", lambda row: int(row["mol_weight"])),
    ("crc64", lambda row: row["crc"] if row["crc_kind"] == "CRC64" else None),
    ("sequence_md5", lambda row: row["sequence_md5"]),
    ("created", lambda row: compare.iso(row["created"])),
    ("sequence_update", lambda row: compare.iso(row["sequence_update"])),
    ("annotation_update", lambda row: compare.iso(row["annotation_update"])),
]
# (table, the object's list)
TABLES = [("features", "features"), ("cross_references", "cross_references"), ("keywords", "keywords"),
          ("comments", "comments"), ("publications", "references"), ("genes", "genes"), ("accessions", "accessions")]


def database(grader, folder):
    """(mismatches, note): one row per accession, of one of the entries that have it; nothing else is there."""
    files = [grader.data.path(name) for name in grader.data.flat_files()]
    by_accession = collections.defaultdict(list)
    for row in grader.data.entries:
        by_accession[row["accession"]].append(row)
    done = grader.ingest(*files, "--tables", "full", db=folder / "all.sqlite")
    found = {row["accession"]: row for row in rows(folder / "all.sqlite", "SELECT * FROM proteins")}
    problems = [] if done.returncode == 0 else [("exit code", 0, f"{done.returncode}: {message(done)}")]
    if found.keys() != by_accession.keys():
        problems.append(("accessions", len(by_accession), sorted(found.keys() ^ by_accession.keys())))
    for accession, got in found.items():
        versions = [[(column, wanted(row), got[column]) for column, wanted in COLUMNS if wanted(row) != got[column]]
                    for row in by_accession[accession]]
        problems += [(f"{accession} {column}", wanted, have)
                      for column, wanted, have in min(versions, key=len, default=[])]
        problems += stored_once(accession, got)
    return problems + list(children(folder / "all.sqlite", found)), f"{len(files)} files, {len(found)} rows"


def stored_once(accession, row):
    """Columns agree with the row's own JSON."""
    entry = json.loads(row["entry_json"])
    for column in ("accession", "entry_name", "data_class", "length", "mol_weight", "sequence_md5", "sequence"):
        if entry[column] != row[column]:
            yield f"{accession} entry_json {column}", row[column], entry[column]


def size(entry, table, name):
    """The rows that an entry has in a table; of a gene, one for each of its names."""
    if table != "genes":
        return len(entry[name])
    return sum(bool(gene["name"]) + sum(len(gene[kind]) for kind in ("synonyms", "ordered_locus_names", "orf_names"))
               for gene in entry[name])


def children(db, proteins):
    """The full tables have as many rows per entry as the entry's JSON has values."""
    for table, name in TABLES:
        stored = {row["accession"]: row["n"] for row in
                  rows(db, f"SELECT accession, count(*) AS n FROM {table} GROUP BY accession")}
        for accession, row in proteins.items():
            wanted = size(json.loads(row["entry_json"]), table, name)
            if stored.get(accession, 0) != wanted:
                yield f"{accession} rows of {table}", wanted, stored.get(accession, 0)


# --- PNNL ---------------------------------------------------------------
OTHER = ("Protein_Name Accession Description RefSeq GI TREMBL Ensembl_Transcript Ensembl_Protein Ensembl_Gene "
         "Entrez_GeneID Entrez_GeneName SwissProt SwissProt_Name Chromosome Sequence_AA_Count MW Accession1 Accession2 "
         "Accession3 Accession4").split()


def without_tail(columns):
    """The columns of a DR line as PNNL writes them: without a last '-'."""
    return columns[:-1] if columns[-1] == "-" else columns


def last(found, like):
    """As many of the last values as `like` has: of several AC lines PNNL keeps the last."""
    return found[-len(like):]


def pnnl_table(table, by_name):
    """(mismatches, note) for the 90-column table: names, length, weight, accessions and one column per database."""
    problems, cells, total = [], 0, 0
    for row in table:
        total += 1
        got = by_name.get(row["Protein_Name"])
        if not got:
            problems.append((row["Protein_Name"], "an entry", None))
            continue
        accessions = [a for a in re.split(r"[; ]+", row["Accession"]) if a]
        pairs = {"Accession": last(got["accessions"], accessions), "Sequence_AA_Count": str(got["length"]),
                 "MW": str(got["mol_weight"])}
        wanted = {"Accession": accessions, "Sequence_AA_Count": row["Sequence_AA_Count"], "MW": row["MW"]}
        for column, value in row.items():
            if column in OTHER or column is None:
                continue
            wanted[column] = sorted(filter(None, (value or "").split("; ")))
            pairs[column] = sorted(part for x in got["cross_references"] if x["database"] == column
                                   for part in without_tail([x["id"], *x["properties"]]))
        cells += len(pairs)
        problems += [(f"{row['Protein_Name']} {column}", wanted[column], pairs[column])
                     for column in pairs if pairs[column] != wanted[column]]
    if total != len(by_name):
        problems.append(("rows", total, len(by_name)))
    return problems, f"{total} rows, {cells} cells"


def pnnl_fasta(text, by_name):
    """(mismatches, note) for the FASTA: sequence, accessions and organism."""
    problems, total = [], 0
    for head, sequence in records(text):
        total += 1
        name = head.split()[0]
        got = by_name.get(name, {"sequence": None, "accessions": [], "organism": ""})
        accessions = re.findall(r"\w+", re.search(r"Accession=([^\[]*)", head)[1])
        organism = re.search(r"\[(.*)\]$", head)[1]
        for field, wanted, have in (("sequence", sequence, got["sequence"]),
                                    ("accessions", accessions, last(got["accessions"], accessions)),
                                    ("organism", compare.text(organism), compare.text(got["organism"]))):
            if wanted != have:
                problems.append((f"{name} {field}", wanted, have))
    return problems + ([("records", total, len(by_name))] if total != len(by_name) else []), f"{total} records"

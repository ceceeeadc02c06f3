"""Compares what the program says of an entry with the expected values, field by field.

Only presentation is normalised: white space and line joins, evidence tags, the final '.' or ';', outer quotes,
the notation of dates, and 'a..b' against the two columns of old feature tables.
"""
import collections
import datetime
import hashlib
import re

import expected as files

MISSING = "(no such field)"
EVIDENCE = re.compile(r"\s*\{[^{}]*(?:ECO:|EI\d|PubMed:)[^{}]*\}")


def text(value):
    """A text without what is presentation; null is the empty text. Lines that end in '-' are joined without a space."""
    joined = re.sub(r"\s+", " ", value or "").strip()
    joined = re.sub(r"- ", "-", joined).strip('" ')
    return joined.rstrip(".; ")


def plain(value):
    """A text without evidence tags as well; '. {ECO:1}.' leaves one full stop."""
    without = re.sub(rf"(?<=\.){EVIDENCE.pattern}\.", "", value or "")
    return text(EVIDENCE.sub("", without))


def evidence(value):
    """The tags of an evidence text: 'ECO:1|a, ECO:2'."""
    return [tag for tag in re.split(r"\s*,\s*", (value or "").strip("{} ")) if tag]


def iso(date):
    """'07-JAN-2015' as '2015-01-07'; none is None."""
    return datetime.datetime.strptime(date.title(), "%d-%b-%Y").date().isoformat() if date else None


def get(value, path):
    """The value at a dotted path."""
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            return MISSING
        value = value[name]
    return value


def number(value):
    """An integer column; empty is None."""
    return int(value) if value else None


def length_of(path):
    """The number of values of a list."""
    return lambda got: len(get(got, path)) if isinstance(get(got, path), list) else MISSING


def at(path, normal=lambda value: value):
    """The value at a path, normalised unless it is missing."""
    return lambda got: MISSING if get(got, path) == MISSING else normal(get(got, path))


def version(column):
    """A version; dates before 2006 name a release of the database instead, which is no version of the entry."""
    return lambda row: number(row[column]) if row["created_version"] == "0" else None


def release(column):
    """The release that a date before 2006 names."""
    return lambda row: "" if row["created_version"] == "0" else row[column]


# (field, the expected value from the row, the value from the program's object)
ENTRY = [
    ("accession", lambda row: row["accession"], at("accession")),
    ("accessions", lambda row: row["all_accessions"].split(), at("accessions")),
    ("accessions.size", lambda row: int(row["n_accessions"]), length_of("accessions")),
    ("entry_name", lambda row: row["entry_name"], at("entry_name")),
    ("reviewed", lambda row: row["reviewed"] == "true", at("reviewed")),
    ("data_class", lambda row: row["data_class"], at("data_class")),
    ("length", lambda row: int(row["length"]), at("length")),
    ("sequence.size", lambda row: int(row["length_actual"]), at("sequence", len)),
    ("mol_weight", lambda row: int(row["mol_weight"]), at("mol_weight")),
    ("crc64", lambda row: row["crc"] if row["crc_kind"] == "CRC64" else None, at("crc64")),
    ("crc32", lambda row: row["crc"] if row["crc_kind"] == "CRC32" else None, lambda got: got.get("crc32")),
    ("taxonomy_id", lambda row: number(row["taxid"]), at("taxonomy_id")),
    ("hosts", lambda row: [int(host) for host in row["host_taxids"].split()], at("hosts")),
    ("host_names.size", lambda row: len(row["host_taxids"].split()), length_of("host_names")),
    ("organism", lambda row: plain(row["organism"]), at("organism", text)),
    ("organelle", lambda row: plain(row["organelle"]), at("organelle", text)),
    ("lineage.size", lambda row: int(row["n_lineage"]), length_of("lineage")),
    ("references.size", lambda row: int(row["n_refs"]), length_of("references")),
    ("features.size", lambda row: int(row["n_features"]), length_of("features")),
    ("cross_references.size", lambda row: int(row["n_dr_lines"]), length_of("cross_references")),
    ("keywords.size", lambda row: int(row["n_keywords"]), length_of("keywords")),
    ("comments.size", lambda row: int(row["n_comments"]), length_of("comments")),
    ("protein_existence", lambda row: number(row["protein_existence"]), at("protein_existence")),
    ("dates.created", lambda row: iso(row["created"]), at("dates.created")),
    ("dates.sequence_update", lambda row: iso(row["sequence_update"]), at("dates.sequence_update")),
    ("dates.annotation_update", lambda row: iso(row["annotation_update"]), at("dates.annotation_update")),
    ("dates.sequence_version", version("sequence_version"), at("dates.sequence_version")),
    ("dates.entry_version", version("annotation_version"), at("dates.entry_version")),
    *((f"dates.{date}_release", release(f"{column}_version"),
       lambda got, date=date: got["dates"].get(f"{date}_release", "").lstrip("0"))
      for date, column in (("created", "created"), ("sequence", "sequence"), ("annotation", "annotation"))),
    ("sequence_md5", lambda row: row["sequence_md5"], at("sequence_md5")),
    ("sequence", lambda row: row["sequence_md5"], at("sequence", lambda s: hashlib.md5(s.encode()).hexdigest())),
]


def entry(row, got):
    """The fields in which an entry differs from its row of expected_entries.csv: (field, expected, got)."""
    for field, wanted, found in ENTRY:
        if wanted(row) != found(got):
            yield field, wanted(row), found(got)


def differences(field, wanted, got):
    """Two lists item by item; first their sizes."""
    if not isinstance(got, list):
        yield field, wanted, got
        return
    if len(wanted) != len(got):
        yield f"{field}.size", len(wanted), len(got)
    for i, (left, right) in enumerate(zip(wanted, got)):
        if isinstance(left, dict) and isinstance(right, dict):
            for key in left:
                if left[key] != right.get(key, MISSING):
                    yield f"{field}[{i}].{key}", left[key], right.get(key, MISSING)
        elif left != right:
            yield f"{field}[{i}]", left, right


# --- one function per list: (what the detail says, what the program says)
def location(raw):
    """'P1-2:5..7', '5..7', '5     7' and '5' as (isoform, from, to)."""
    isoform, _, span = raw.rpartition(":")
    ends = re.split(r"\.\.|\s+", span.strip())
    return [isoform, ends[0], ends[-1]]


def position(end):
    """The number of a plain position; None for '?'. '<1', '>9' and '?5' are checked by `features` as raw text only."""
    return int(end) if end.isdigit() else None if end == "?" else end


def residues(note):
    """A note 'RESIDUES -> RESIDUES (...)' without the blanks of line ends, which Biopython removes in VAR_SEQ only."""
    change, _, rest = note.partition(" (")
    if not re.fullmatch(r"[A-Z ]+ -> [A-Z ]+", change):
        return note
    return re.sub(r"(?<=[A-Z]) (?=[A-Z])", "", change) + (rest and f" ({rest}")


def wanted_features(detail, entry_text):
    """The features of the detail; descriptions of the old layout end in their evidence."""
    for feature, columns in zip(detail["features"], files.old_locations(entry_text)):
        where = ["", *columns] if columns else location(feature["raw_location"])
        qualifiers = dict(feature["qualifiers"])
        tags = qualifiers.pop("evidence", "")
        note = qualifiers.pop("note", None)
        if "description" in qualifiers:
            note = qualifiers.pop("description")
            tags = "".join(re.findall(r"\{(ECO:[^{}]*)\}", note))
        yield {"type": feature["type"], "location": where, "start": position(where[1]), "end": position(where[2]),
               "note": residues(plain(note)), "id": feature["id"], "evidence": evidence(tags),
               **{name: text(value) for name, value in qualifiers.items()}}


def got_features(got, wanted):
    """The program's features in the same form; further qualifiers stand beside `note` or in `qualifiers`."""
    for feature, like in zip(got["features"], wanted):
        ends = {key: feature[key] if not isinstance(like[key], str) else like[key] for key in ("start", "end")}
        more = {**feature.get("qualifiers", {}), **feature}
        yield {"type": feature["type"], "location": location(feature["location"]), **ends,
               "note": text(feature["note"]), "id": feature["id"], "evidence": feature["evidence"],
               **{name: text(more[name]) for name in like if name.startswith("ligand") and name in more}}


def cross_reference(columns):
    """One DR line: a last column 'x. [P1-2]' names an isoform."""
    last, _, isoform = columns[-1].partition(" [")
    isoform = isoform.rstrip("]") if re.fullmatch(r"[A-Z0-9]+-\d+\]", isoform) else ""
    columns = [*columns[:-1], last] if isoform else columns
    return {"database": columns[0], "id": text(columns[1]), "properties": [text(c) for c in columns[2:]],
            "isoform": isoform or None}


def wanted_reference(reference):
    """A reference of the detail, whose authors hold the group too."""
    return {"number": reference["number"], "positions": text(" ".join(reference["positions"])),
            "comments": [[kind, plain(value)] for kind, value in reference["comments"]],
            "ids": [[database, text(id_)] for database, id_ in reference["ids"]],
            "authors": sorted(re.split(r"[,;] ", text(reference["authors"]))),
            "title": text(reference["title"]), "location": text(reference["location"])}


def got_reference(reference):
    """The program's reference in the same form."""
    names = [text(reference[part]) for part in ("group", "authors") if reference[part]]
    return {"number": reference["number"], "positions": text(" ".join(reference["positions"])),
            "comments": [[comment["type"], plain(comment["text"])] for comment in reference["comments"]],
            "ids": [[id_["database"], text(id_["id"])] for id_ in reference["ids"]],
            "authors": sorted(re.split(r"[,;] ", "; ".join(names))) if names else [""],
            "title": text(reference["title"]), "location": text(reference["location"])}


def names_of(description):
    """The names in a DE text of 2008 and later: {'RecName': {...}} as a sorted list, and the flags."""
    found, flags = [], []
    kind = ""
    for part in re.split(r";\s+(?=[A-Za-z_]+[:=])", EVIDENCE.sub("", description).rstrip("; ")):
        while head := re.match(r"(RecName|AltName|SubName|Contains|Includes|Flags):\s*", part):
            kind, part = head[1], part[head.end():]
        if kind == "Flags":
            flags += [text(flag) for flag in part.split(";")]
        else:
            found.append(text(part.partition("=")[2]))
    return sorted(found), sorted(flags)


def values(value):
    """All names in the program's `names`, evidence aside."""
    if isinstance(value, str):
        return [text(value)]
    if isinstance(value, dict):
        value = [part for key, part in value.items() if key != "evidence"]
    return [name for part in value or [] if part is not None for name in values(part)]


GENE_KEYS = {"name": "Name", "synonyms": "Synonyms", "ordered_locus_names": "OrderedLocusNames",
             "orf_names": "ORFNames"}


def wanted_genes(detail):
    """The gene names; Biopython cuts evidence lists at their commas, so they are joined before the tags go."""
    for gene in detail["gene_name_biopython"]:
        yield {key: plain(gene.get(name)) if key == "name" else
               [text(part) for part in EVIDENCE.sub("", ", ".join(gene.get(name, []))).split(", ") if part]
               for key, name in GENE_KEYS.items()}


def detail(wanted, entry_text, got, counts=None):
    """The fields in which an entry differs from its line of expected_detail.jsonl.gz: (field, expected, got)."""
    counts = collections.Counter() if counts is None else counts
    yield from differences("lineage", wanted["lineage"], got["lineage"])
    yield from differences("keywords", wanted["keywords"], got["keywords"])
    if wanted["sequence"] != got["sequence"]:
        yield "sequence", wanted["sequence"], got["sequence"]
    features = list(wanted_features(wanted, entry_text))
    found = list(got_features(got, features))
    for feature, have in zip(features, found):
        counts["feature qualifiers without a counterpart"] += len(feature.keys() - have.keys())
    shared = [{key: value for key, value in feature.items() if key in have} for feature, have in zip(features, found)]
    yield from differences("features", shared + features[len(found):], found + got["features"][len(features):])
    yield from differences("cross_references", [cross_reference(columns) for columns in wanted["xrefs"]],
                           [{**x, "id": text(x["id"]), "properties": [text(p) for p in x["properties"]]}
                            for x in got["cross_references"]])
    yield from differences("references", [wanted_reference(r) for r in wanted["references"]],
                           [got_reference(r) for r in got["references"]])
    yield from differences("comments.topic", wanted["comment_topics"], [c["topic"] for c in got["comments"]])
    yield from differences("comments.text", [plain(body) for _, body in files.comments(entry_text)],
                           [plain(c["text"]) for c in got["comments"]])
    yield from names(wanted, got, counts)


def names(wanted, got, counts):
    """Names, flags and genes: descriptions before 2008 are one text, gene names before 2004 Biopython cannot read."""
    if re.match(r"(RecName|SubName|AltName): ", wanted["description"]):
        found, flags = names_of(wanted["description"])
        yield from differences("names", found, sorted(values(got["names"])))
        yield from differences("flags", flags, sorted(got["flags"]))
        first = re.match(r"(?:RecName|SubName): Full=(.*?);(?: |$)", wanted["description"])
        if first and plain(first[1]) != text(got["protein_name"]):
            yield "protein_name", plain(first[1]), got["protein_name"]
        if wanted["description"].startswith("RecName: ") and plain(first[1]) != text(got["recommended_name"]):
            yield "recommended_name", plain(first[1]), got["recommended_name"]
    else:
        counts["descriptions in the old layout, not compared name by name"] += 1
        whole = text(wanted["description"])
        if not whole.startswith(text(got["protein_name"])) or bool(whole) != bool(got["protein_name"]):
            yield "protein_name", whole, got["protein_name"]
        yield from (("names", whole, name) for name in values(got["names"]) if name not in whole)
    genes = list(wanted_genes(wanted))
    if genes:
        yield from differences("genes", genes, [{**g, "name": text(g["name"])} for g in got["genes"]])
    else:
        counts["entries without expected gene names"] += 1

"""Values that the authors of Biopython and BioPerl wrote into their own tests, by the path they used."""
import collections
import json
import re

import compare


def feature(got, i, rest):
    """A feature by Biopython's names; its positions count from 0 and exclude the end."""
    found = got["features"][i]
    if rest == "location.start":
        return None if found["start"] is None else found["start"] - 1
    if rest == "location.end":
        return found["end"]
    if rest in ("type", "id"):
        return found[rest]
    name = re.fullmatch(r"qualifiers\['(\w+)'\]", rest)[1]
    if name == "evidence":
        return ",".join(found["evidence"])
    return {**found.get("qualifiers", {}), **found}.get(name, compare.MISSING)


def reference(got, i, rest):
    """A reference by Biopython's names; `authors` is the group too."""
    found = got["references"][i]
    if rest == "authors":
        return " ".join(found[part].rstrip(";") for part in ("group", "authors") if found[part])
    if rest == "title":
        return found["title"] or ""
    id_ = found["ids"][int(re.fullmatch(r"references\[(\d+)\]", rest)[1])]
    return [id_["database"], id_["id"]]


def value(objects, path):
    """The program's value at a path of an assertion, or None if nothing of the program corresponds to it."""
    got = objects[0]
    fixed = {
        "len(records)": lambda: len(objects),
        "seq_record.id": lambda: got["accession"],
        "seq_record.name": lambda: got["entry_name"],
        "record.entry_name": lambda: got["entry_name"],
        "record.accessions": lambda: got["accessions"],
        "record.organism_classification": lambda: got["lineage"],
        "record.seqinfo": lambda: [got["length"], got["mol_weight"], got["crc64"] or got["crc32"]],
        "record.gene_name": lambda: [{key: gene[key] for key in compare.GENE_KEYS} for gene in got["genes"]],
        "seq_record.description": lambda: got["names"],
        "len(record.features)": lambda: len(got["features"]),
        "len(record.references)": lambda: len(got["references"]),
        # BioPerl
        "id": lambda: got["entry_name"],
        "length": lambda: got["length"],
        "features": lambda: len(got["features"]),
        "references": lambda: len(got["references"]),
        "dates": lambda: [got["dates"][d] for d in ("created", "sequence_update", "annotation_update")],
        "evidence": lambda: got["protein_existence"],
        "release_of_last_annotation_update": lambda: int(got["dates"]["annotation_release"]),
        "release_of_last_sequence_update": lambda: int(got["dates"]["sequence_release"]),
    }
    if path in fixed:
        return fixed[path]
    if found := re.fullmatch(r"len\(record\.references\[(\d+)\]\.references\)", path):
        return lambda: len(got["references"][int(found[1])]["ids"])
    if found := re.fullmatch(r"record\.(features|references)\[(\d+)\]\.(.+)", path):
        read = feature if found[1] == "features" else reference
        return lambda: read(got, int(found[2]), found[3])
    return None


def wanted(path, json_text):
    """The value of an assertion in the program's form."""
    found = json.loads(json_text)
    if path == "dates":
        return [compare.iso(date) for date in found]
    if path == "evidence":
        return int(found.split(":")[0])
    if path == "record.gene_name":
        return list(compare.wanted_genes({"gene_name_biopython": found}))
    if path == "seq_record.description":
        return compare.names_of(found)[0]
    return found


def same(path, left, right):
    """Whether two values agree but for presentation."""
    if path == "seq_record.description":
        right = sorted(compare.values(right))
    if isinstance(left, str) and isinstance(right, str):
        squeeze = (lambda s: re.sub(r"\s", "", s)) if "evidence" in path else compare.text
        return squeeze(left) == squeeze(right)
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        return all(same("", a, b) for a, b in zip(left, right))
    return left == right


def grade(data, objects_of):
    """(mismatches, used, paths without a counterpart); objects_of(file) gives the program's objects."""
    problems, unused, used = [], collections.Counter(), 0
    for table in ("expected_biopython_asserts.csv", "expected_bioperl_asserts.csv"):
        for row in data.table(f"uniprot/{table}"):
            file, path = row["file"].split()[0], row["path"]
            read = value(objects_of(file), path)
            old_names = path == "seq_record.description" and "Name: " not in row["expected_json"]
            got = read() if read and not old_names else compare.MISSING
            if got == compare.MISSING:
                unused[re.sub(r"\d+", "N", path)] += 1
                continue
            used += 1
            if not same(path, wanted(path, row["expected_json"]), got):
                problems.append((f"{file} {path}", wanted(path, row["expected_json"]), got))
    return problems, used, unused

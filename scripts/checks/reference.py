#!/usr/bin/env python3
"""Makes the API reference with Doxygen (docs/reference/Doxyfile) and checks it: every public entity has a comment, no
link leads nowhere, and Doxygen has nothing to complain of.

    reference.py [--root DIR] [--output DIR]

Writes DIR/html (default: build/reference). Exits 1 and prints file:line for every fault.
"""
import argparse
import html.parser
import pathlib
import re
import shutil
import subprocess
import sys
import urllib.parse
import xml.etree.ElementTree as tree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import rules  # noqa: E402

# Names whose meaning C++ and its containers fix need no comment.
FIXED = re.compile(r"operator(=|==|<=>|\[\]|\+\+|\*|->)|size|empty|begin|end|data|front|back|clear|what|"
                   r"iterator_(concept|category)|value_type|difference_type|pointer|reference|type|std")

# Doxygen 1.9 takes a class that has its own specialisation as base for its own base.
FALSE_ALARM = "Detected potential recursive class relation"

NESTED = "#nested-classes"  # Doxygen 1.9 links to this heading also where all nested classes are private


def generate(root, output):
    """Runs Doxygen; yields its warnings."""
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    version = re.search(r'#define ETLPIPE_VERSION "([^"]*)"', rules.read(root / "include/etl/config.hpp")).group(1)
    settings = f"{rules.read(root / 'docs/reference/Doxyfile')}\nOUTPUT_DIRECTORY={output}\nPROJECT_NUMBER={version}\n"
    run = subprocess.run(["doxygen", "-"], cwd=root, input=settings, text=True, capture_output=True, check=False)
    yield from (line for line in run.stderr.splitlines() if line.strip() and FALSE_ALARM not in line)
    if run.returncode != 0:
        yield f"doxygen ended with {run.returncode}"


def documented(element):
    return any("".join(element.find(part).itertext()).strip()
               for part in ("briefdescription", "detaileddescription", "inbodydescription") if element.find(part) is not None)


def special(member, owner):
    """A copy, a move, a destructor, a default constructor: what it does is in its name."""
    name, arguments = member.findtext("name"), member.findtext("argsstring") or ""
    short = owner.split("::")[-1].split("<")[0]
    if name == "~" + short:
        return True
    return name == short and re.match(rf"\((const )?({short}(<[^>]*>)? ?&&?( \w+)?)?\)", arguments)


def undocumented(output):
    """(file, line, name) of each public entity without a comment. An overload has the comment of its name's first one, and
    an override that of what it overrides."""
    for path in sorted((output / "xml").glob("*.xml")):
        compound = tree.parse(path).getroot().find("compounddef")
        if compound is None or compound.get("kind") not in ("class", "struct", "namespace", "union"):
            continue
        owner = compound.findtext("compoundname")
        if re.search(r"(^|::)(detail|std)(::|$)", owner) or compound.get("prot") not in (None, "public"):
            continue
        place = compound.find("location")
        if not documented(compound):
            yield place.get("file"), int(place.get("line")), owner
        members = [m for m in compound.iter("memberdef") if m.get("prot") == "public"]
        said = {m.findtext("name") for m in members if documented(m)}
        for member in members:
            name = member.findtext("name")
            if member.get("kind") == "friend" and not (member.findtext("argsstring") or "").strip():
                continue  # a class
            at = member.find("location")
            if not (name in said or FIXED.fullmatch(name) or special(member, owner)
                    or member.find("reimplements") is not None or name.startswith("@")):
                yield at.get("file"), int(at.get("line")), f"{owner}::{name}{member.findtext('argsstring') or ''}"
            if member.get("kind") == "enum":
                for value in member.iter("enumvalue"):
                    if not documented(value) and not documented(member):
                        yield at.get("file"), int(at.get("line")), f"{owner}::{name}::{value.findtext('name')}"


class Links(html.parser.HTMLParser):
    """The ids of a page, and where it links to."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.targets = set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("id", "name"):
                self.ids.add(value)
            elif name in ("href", "src") and value:
                self.targets.append(value)


def broken_links(output):
    """(page, link) of each link to a page or an anchor that is not there."""
    folder = output / "html"
    pages = {path.name: Links(rules.read(path)) for path in sorted(folder.glob("*.html"))}
    for name, page in pages.items():
        for target in page.targets:
            url = urllib.parse.urlsplit(target)
            if url.scheme or url.netloc or target == NESTED:
                continue
            to = urllib.parse.unquote(url.path) or name
            if to not in pages and not (folder / to).exists():
                yield name, target
            elif to in pages and url.fragment and urllib.parse.unquote(url.fragment) not in pages[to].ids:
                yield name, target


def faults(root, output):
    """Makes the reference of the tree `root`; all that is wrong with it, one line each."""
    return [*generate(root, output),
            *(f"{file}:{line}: {name} has no comment" for file, line, name in sorted(set(undocumented(output)))),
            *(f"{page}: {link} leads nowhere" for page, link in broken_links(output))]


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=pathlib.Path, default=root)
    parser.add_argument("--output", type=pathlib.Path, default=root / "build/reference")
    arguments = parser.parse_args()
    output = arguments.output.resolve()
    found = faults(arguments.root, output)
    print("\n".join(found) or f"{output}/html/index.html")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

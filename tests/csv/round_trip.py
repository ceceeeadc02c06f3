"""Generated tables for the round-trip property: what etl-csv load has made of a value reads back as it was given."""
import csv
import datetime
import decimal
import io
import json
import random
import re

decimal.getcontext().prec = 400
WORDS = ["abc", "N/A", "Köln", "x\ty", 'a "b"', "two\nlines", "true story", "1 2", "0x10", "nan", "inf", "-", "1.2.3", "é", "€ 5"]


def digits(r, low, high):
    return str(r.randint(1, 9)) + "".join(r.choice("0123456789") for _ in range(r.randint(low, high) - 1))


def fraction(r):
    return "." + "".join(r.choice("0123456789") for _ in range(r.choice([1, 3, 6, 7, 9]))) if r.random() < 0.6 else ""


def day(r):
    return f"{r.choice([1, 999, 1970, 2024, 9999]):04}-{r.randint(1, 12):02}-{r.randint(1, 28):02}"


def moment(r):
    return (f"{day(r)}{r.choice(' T')}{r.randint(0, 23):02}:{r.randint(0, 59):02}" +
            (f":{r.randint(0, 59):02}{fraction(r)}" if r.random() < 0.8 else ""))


VALUES = {
    "small": lambda r: str(r.randint(-1000, 1000)),
    "long": lambda r: r.choice(["", "-"]) + digits(r, 15, 19),
    "huge": lambda r: r.choice(["", "-"]) + digits(r, 20, 40),
    "code": lambda r: r.choice(["0", "00", "-0", "+"]) + digits(r, 1, 9),
    "price": lambda r: f"{r.choice(['', '-'])}{r.randint(0, 99999)}.{r.randint(0, 99):02}",
    "precise": lambda r: f"{r.randint(0, 10**r.randint(1, 17))}.{digits(r, 1, 20)}",
    "power": lambda r: f"{r.choice(['', '-'])}{digits(r, 1, 4)}.{digits(r, 1, 18)}e{r.choice(['', '+', '-'])}{r.choice([0, 5, 22, 300, 310, 400])}",
    "bare": lambda r: r.choice([".5", "5.", "-.25", "-0", "0", "0.0", "1E5", "1e-320", "4.9e-324", "1.7976931348623157e308"]),
    "blank": lambda r: f" {r.randint(0, 9)}",
    "boolean": lambda r: r.choice(["true", "false", "True", "FALSE"]),
    "word": lambda r: r.choice(["t", "yes", "1", "0", "off"]),
    "day": day,
    "odd day": lambda r: r.choice(["0000-01-01", "2024-02-30", "20240101", "01/02/2024", "2024-1-1", "0000-00-00"]),
    "moment": moment,
    "zoned": lambda r: moment(r) + r.choice(["Z", "+01:00", "-0530", "+14:00", "z"]),
    "text": lambda r: r.choice(WORDS),
    "empty": lambda r: "",
}
USUAL = ["small", "price", "boolean", "day", "moment", "zoned", "text"]


class Table:
    """Two files of one table: of the first the table is made, the second comes later."""

    def __init__(self, seed):
        r = self.random = random.Random(seed)
        self.form = r.choice(["csv", "csv", "quoted", "comma", "json"])
        self.columns = r.randint(1, 8)
        self.nulls = ["NA"] if r.random() < 0.3 else []
        self.kinds = [[r.choice(USUAL)] if r.random() < 0.5 else r.choices(list(VALUES), k=r.randint(1, 3))
                      for _ in range(self.columns)]
        first = [self.row(f"a{i}") for i in range(r.randint(1, 40))]
        for kinds in self.kinds:  # then something else
            if r.random() < 0.5:
                kinds.append(r.choice(list(VALUES)))
        self.files = [first, [self.row(f"b{i}") for i in range(r.randint(1, 40))]]

    def row(self, name):
        return ["n" + name] + [self.cell(kinds) for kinds in self.kinds]

    def cell(self, kinds):
        r = self.random
        if r.random() < 0.1:
            return r.choice([*self.nulls, ""])
        text = VALUES[r.choice(kinds)](r)
        return text.replace(".", ",") if self.form == "comma" and re.fullmatch(r"-?[\d.]+(e[-+]?\d+)?", text) else text

    @property
    def name(self):
        return "json" if self.form == "json" else "csv"

    @property
    def options(self):
        more = [part for null in self.nulls for part in ("--null", null)]
        return more + (["--delimiter", "semicolon", "--decimal-comma"] if self.form == "comma" else [])

    def text(self, rows):
        names = ["name"] + [f"c{i}" for i in range(self.columns)]
        if self.form == "json":
            return "".join("{" + ", ".join(f'"{n}": {as_json(v)}' for n, v in zip(names, row)) + "}\n" for row in rows)
        out = io.StringIO()
        how = {"quoting": csv.QUOTE_ALL} if self.form == "quoted" else {}
        csv.writer(out, delimiter=";" if self.form == "comma" else ",", lineterminator="\n", **how).writerows([names, *rows])
        return out.getvalue()

    def wrong(self, row, got):
        """The first value of a row that was not loaded as it was given, or nothing."""
        for given, found in zip(row, got):
            comma = self.form == "comma"
            if not (found is None and (given == "" or given in self.nulls)) and not same(given, found, comma):
                return f"{given!r} reads back as {found!r}"
        return None


def as_json(text):
    """Numbers and truth values of JSON as such, all else as a text."""
    number = re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?", text)
    return text if number or text in ("true", "false") else json.dumps(text)


def number(text, comma):
    text = text.strip(" \t").replace(",", ".") if comma else text.strip(" \t")
    good = re.fullmatch(r"-?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", text) and not re.match(r"-?0\d", text)
    return decimal.Decimal(text) if good else None


def instant(text):
    """Wall-clock time or point in time, with all digits of its second; or nothing."""
    found = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(\.\d+)?)?([zZ]|[-+]\d\d:?(?:\d\d)?)?", text)
    if not found:
        return None
    *parts, rest, zone = found.groups()
    at = datetime.datetime(*[int(p or 0) for p in parts])
    if zone in ("z", "Z"):
        zone = "+00"
    passed = at - datetime.datetime(1970, 1, 1)
    if zone:
        shift = zone[1:].replace(":", "").ljust(4, "0")
        passed -= int(zone[0] + "1") * datetime.timedelta(hours=int(shift[:2]), minutes=int(shift[2:]))
    return zone is None, passed, decimal.Decimal(rest or 0)


def same(given, found, comma):
    if found is None:
        return False
    if given == found:
        return True
    wanted = number(given, comma)
    if wanted is not None:
        got = number(found, False)
        # PostgreSQL 15 writes the double 3.1e+22 as 3.1000000000000002e+22, which is the same double.
        same_double = "e" in found and len(wanted.normalize().as_tuple().digits) <= 15 and got is not None and float(
            got) == float(wanted)
        return got is not None and (got == wanted or same_double)
    truth = {"true": ("1", "t", "true"), "false": ("0", "f", "false")}.get(given.lower())
    if truth:
        return found in truth
    at = instant(given)
    return at is not None and at == instant(found)

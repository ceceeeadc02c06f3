"""Compares what etl-csv reads of workbooks with what openpyxl reads of them."""
import csv
import datetime
import io
import random
import re
import zipfile

import openpyxl
from openpyxl.utils.datetime import CALENDAR_MAC_1904, CALENDAR_WINDOWS_1900

from csv_case import case
from workbooks import MAIN, TYPES

SHEET = "xl/worksheets/sheet1.xml"
DATE, MOMENT, TIME, SPAN = "yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss.000", "hh:mm:ss", "[h]:mm:ss"
TEXTS = ["a", "Köln 東京 🙂 \u00a0", " blanks ", "two\nlines", 'a "quote", a comma', "<&>", "0012", "true", "2024-01-31", "'", "é"]
NUMBERS = [0, 1, -1, 2**31, 2**53, -(2**53), 0.1, -2.5, 1e-300, 1.5e308, 5e-324, 1 / 3, 123456789.987654321]
FORMULAS = {"1+2": "3", "A1/3": "0.3333333333333333", 'CONCATENATE("a","b")': "ab"}  # and their values


def agrees(got, value, number_format):
    """Whether a text of etl-csv means the value that openpyxl has read."""
    if value is None:
        return got == ""
    if isinstance(value, bool):
        return got == str(value).lower()
    if isinstance(value, (int, float)):
        return re.fullmatch(r"-?\d+(\.\d+)?(e[-+]\d+)?", got) is not None and float(got) == value
    if isinstance(value, datetime.datetime):
        if number_format == DATE:
            return got == value.date().isoformat()
        return "T" in got and abs(datetime.datetime.fromisoformat(got) - value) < datetime.timedelta(milliseconds=1)
    if isinstance(value, datetime.time):
        return got == value.isoformat()
    if isinstance(value, datetime.timedelta):
        seconds = int(value.total_seconds())
        return got == f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return got == value


def change(path, parts):
    """Rewrites parts of the workbook, or adds them: {name: a function of its text}."""
    with zipfile.ZipFile(path) as old:
        contents = {name: old.read(name) for name in old.namelist()}
    for name, made in parts.items():
        contents[name] = made(contents.get(name, b"").decode()).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in contents.items():
            new.writestr(name, content)


def compare(c, book, change_parts=None, options=()):
    """Saves the workbook, reads it by both, and compares all cells of all sheets."""
    path = c.folder / "book.xlsx"
    book.save(path)
    if change_parts:
        change(path, change_parts)
    read = openpyxl.load_workbook(path, data_only=True)
    for sheet in read:
        _, text, _ = c.run("cat", path, "--sheet", sheet.title, *options, wanted=0)
        got = list(csv.reader(io.StringIO(text, newline="")))
        c.equal(f"{sheet.title}: rows", sheet.max_row, len(got))
        for row, texts in zip(sheet.iter_rows(), got):
            c.equal(f"{sheet.title}: cells of row {row[0].row}", len(row), len(texts))
            for cell, one in zip(row, texts):
                c.holds(f"{sheet.title}!{cell.coordinate}: {cell.value!r} is {one!r}", agrees(one, cell.value, cell.number_format))
    return read


def column(sheet, number, values, number_format=None):
    for i, value in enumerate(values, 1):
        cell = sheet.cell(i, number, value)
        cell.number_format = number_format or cell.number_format


@case
def values(c):
    """Texts, numbers, booleans, errors and empty cells, of several sheets."""
    r = random.Random(1)
    book = openpyxl.Workbook()
    for title in ("Sheet", "Größe & 'more'", "third"):
        sheet = book[title] if title in book.sheetnames else book.create_sheet(title)
        column(sheet, 1, range(1, 201))
        column(sheet, 2, TEXTS)
        column(sheet, 3, NUMBERS)
        column(sheet, 4, [True, False, None, "#N/A", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#NULL!"])
        column(sheet, 6, (r.choice([r.random, lambda: r.randint(-10**9, 10**9), lambda: r.uniform(-1, 1) * 10.0**r.randint(-200, 200)])()
                          for _ in range(200)))  # column 5 is empty
    c.equal("the errors are errors", "e", compare(c, book)["third"]["D4"].data_type)


@case
def dates(c):
    """Dates, times and spans, of both epochs."""
    for epoch in (CALENDAR_WINDOWS_1900, CALENDAR_MAC_1904):
        book = openpyxl.Workbook()
        book.epoch = epoch
        first = datetime.datetime(1904, 1, 2) if epoch == CALENDAR_MAC_1904 else datetime.datetime(1900, 1, 1)
        days = [first, first + datetime.timedelta(58), datetime.datetime(1904, 3, 1), datetime.datetime(1999, 12, 31),
                datetime.datetime(2000, 2, 29), datetime.datetime(2024, 1, 31), datetime.datetime(9999, 12, 31)]
        column(book.active, 1, days, DATE)
        column(book.active, 2, [day + datetime.timedelta(hours=13, minutes=45, seconds=9, milliseconds=250) for day in days[:-1]], MOMENT)
        column(book.active, 3, [datetime.time(0, 0, 1), datetime.time(13, 45, 10), datetime.time(23, 59, 59)], TIME)
        column(book.active, 4, [datetime.timedelta(hours=36), datetime.timedelta(hours=100, seconds=5)], SPAN)
        read = compare(c, book)
        c.equal("epoch", epoch, read.epoch)
        c.equal("type", datetime.datetime, type(read.active["A1"].value))


@case
def shared(c):
    """Texts in the table of shared strings, as Excel writes them: openpyxl writes each where it is."""
    book = openpyxl.Workbook()
    column(book.active, 1, TEXTS + TEXTS[::-1])
    table = []

    def moved(text):
        table[:] = re.findall(r'<c [^>]*t="inlineStr"><is>(.*?)</is></c>', text, re.DOTALL)
        numbers = iter(range(len(table)))
        return re.sub(r't="inlineStr"><is>.*?</is>', lambda _: f't="s"><v>{next(numbers)}</v>', text, flags=re.DOTALL)

    read = compare(c, book, {
        SHEET: moved,
        "xl/sharedStrings.xml": lambda _: f'<sst xmlns="{MAIN}">' + "".join(f"<si>{text}</si>" for text in table) + "</sst>",
        "xl/_rels/workbook.xml.rels": lambda text: text.replace(
            "</Relationships>", f'<Relationship Id="s" Type="{TYPES}/sharedStrings" Target="sharedStrings.xml"/></Relationships>'),
        "[Content_Types].xml": lambda text: text.replace("</Types>", '<Override PartName="/xl/sharedStrings.xml" ContentType="application/'
                                                         'vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/></Types>')})
    c.equal("all are shared", 2 * len(TEXTS), len(table))
    c.equal("texts", TEXTS, [cell.value for cell in read.active["A"][:len(TEXTS)]])


@case
def formulas(c):
    """The values that were saved with formulas."""
    book = openpyxl.Workbook()
    column(book.active, 1, ["=" + formula for formula in FORMULAS])

    def with_values(text):
        saved = iter(FORMULAS.values())
        text = re.sub(r"</f><v ?/>|</f><v></v>", lambda _: f"</f><v>{next(saved)}</v>", text)
        return re.sub(r'<c ([^>]*?)(?: t="\w+")?>(<f>CONCATENATE)', r'<c \1 t="str">\2', text)

    read = compare(c, book, {SHEET: with_values})
    c.equal("values", [3, 1 / 3, "ab"], [cell.value for cell in read.active["A"]])


@case
def merged(c):
    """Merged cells: only the upper left one has the value."""
    book = openpyxl.Workbook()
    for i in range(1, 5):
        column(book.active, i, [f"{i}.{row}" for row in range(1, 5)])
    book.active.merge_cells("B2:C3")
    compare(c, book)
    _, text, _ = c.run("cat", c.folder / "book.xlsx", "--fill-merged", wanted=0)
    c.equal("filled", [["1.2", "2.2", "2.2", "4.2"], ["1.3", "2.2", "2.2", "4.3"]], [line.split(",") for line in text.splitlines()][1:3])

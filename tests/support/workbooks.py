"""Writes small workbooks."""
import zipfile
from xml.sax.saxutils import escape

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
TYPES = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"


def cell(value):
    if value is None:
        return "<c/>"
    if isinstance(value, str) and value.startswith("#"):
        return f'<c t="e"><v>{value}</v></c>'
    if isinstance(value, str):
        return f'<c t="inlineStr"><is><t>{escape(value)}</t></is></c>'
    if isinstance(value, tuple):  # a date, as its number
        return f'<c s="1"><v>{value[0]}</v></c>'
    return f"<c><v>{value!r}</v></c>"


def workbook(path, sheets):
    """Writes rows of values as an .xlsx: {name: rows}."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("_rels/.rels", f'<Relationships xmlns="{PACKAGE}"><Relationship Id="a" '
                     f'Type="{TYPES}/officeDocument" Target="xl/workbook.xml"/></Relationships>')
        listed = "".join(f'<sheet name="{name}" sheetId="{i}" r:id="r{i}"/>' for i, name in enumerate(sheets, 1))
        out.writestr("xl/workbook.xml", f'<workbook xmlns="{MAIN}" xmlns:r="{TYPES}"><sheets>{listed}</sheets></workbook>')
        parts = "".join(f'<Relationship Id="r{i}" Type="{TYPES}/worksheet" Target="worksheets/s{i}.xml"/>'
                        for i in range(1, len(sheets) + 1))
        out.writestr("xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{PACKAGE}">{parts}<Relationship Id="s" '
                     f'Type="{TYPES}/styles" Target="styles.xml"/></Relationships>')
        out.writestr("xl/styles.xml", f'<styleSheet xmlns="{MAIN}"><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/>'
                     "</cellXfs></styleSheet>")
        for i, rows in enumerate(sheets.values(), 1):
            text = "".join("<row>" + "".join(map(cell, row)) + "</row>" for row in rows)
            out.writestr(f"xl/worksheets/s{i}.xml",
                         f'<worksheet xmlns="{MAIN}"><sheetData>{text}</sheetData></worksheet>')
    return path


SALES = [["id", "name", "day", "price"], [1, 'a, "b"', (45322,), 1.5], [2, "line\nbreak", (45323,), None],
         [], [3, "c", (45324,), 0.1]]

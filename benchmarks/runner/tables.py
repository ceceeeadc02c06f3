"""Plain and Markdown tables, and targets that pass or fail."""


class Target:
    """`value` has to be at most (or at least) `limit`; None when a case was not measured."""

    def __init__(self, text, value, limit, at_least=False, unit="x"):
        self.text, self.value, self.limit, self.at_least, self.unit = text, value, limit, at_least, unit

    def verdict(self):
        if self.value is None:
            return "-"
        return "pass" if (self.value >= self.limit if self.at_least else self.value <= self.limit) else "FAIL"

    def row(self):
        sign = ">=" if self.at_least else "<="
        number = "-" if self.value is None else f"{self.value:.2f}" if self.value < 100 else f"{self.value:.0f}"
        return [self.text, f"{sign} {self.limit:g} {self.unit}", f"{number} {self.unit}", self.verdict()]


def ratio(a, b, key="ns"):
    """Median of case `a` over median of case `b`."""
    if a is None or b is None:
        return None
    return a.median(key) / b.median(key)


def table(head, rows, markdown=False):
    rows = [[str(cell) for cell in row] for row in rows]
    if markdown:
        lines = ["| " + " | ".join(head) + " |", "|" + "|".join(["---"] + ["--:"] * (len(head) - 1)) + "|"]
        return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])
    widths = [max(len(row[i]) for row in [head] + rows) for i in range(len(head))]
    def line(row):
        return "  ".join([row[0].ljust(widths[0])] + [cell.rjust(w) for cell, w in zip(row[1:], widths[1:])]).rstrip()
    return "\n".join([line(head), "  ".join("-" * w for w in widths)] + [line(row) for row in rows])


def targets_table(targets, markdown=False):
    return table(["target", "wanted", "measured", ""], [t.row() for t in targets], markdown)


def ns(value):
    if value is None:
        return "-"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"

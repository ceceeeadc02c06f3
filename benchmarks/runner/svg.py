"""A canvas for charts: enough SVG for bars, lines and ranges on linear and logarithmic axes."""

import math
from html import escape

INK, FAINT, GRID = "#222222", "#666666", "#e3e3e3"
FONT = "Helvetica, Arial, DejaVu Sans, sans-serif"


class Canvas:
    def __init__(self, width, height, title, subtitle=""):
        self.width, self.height, self.parts = width, height, []
        self.rect(0, 0, width, height, "#ffffff")
        self.text(20, 32, title, size=19, bold=True)
        if subtitle:
            self.text(20, 53, subtitle, size=12, colour=FAINT)

    def rect(self, x, y, width, height, fill, **more):
        self._add("rect", x=x, y=y, width=width, height=height, fill=fill, **more)

    def line(self, x1, y1, x2, y2, colour=INK, width=1, **more):
        self._add("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=colour, stroke_width=width, **more)

    def polyline(self, points, colour, width=2.5, **more):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._add("polyline", points=path, fill="none", stroke=colour, stroke_width=width, stroke_linejoin="round", **more)

    def dot(self, x, y, colour, radius=4, hollow=False):
        self._add("circle", cx=x, cy=y, r=radius, fill="#ffffff" if hollow else colour, stroke=colour, stroke_width=1.6)

    def text(self, x, y, text, size=12, colour=INK, anchor="start", bold=False, turn=None):
        more = {"font_weight": "bold"} if bold else {}
        if turn is not None:
            more["transform"] = f"rotate({turn} {x:.1f} {y:.1f})"
        self._add("text", escape(str(text)), x=x, y=y, font_size=size, fill=colour, text_anchor=anchor, **more)

    def _add(self, name, content=None, **attributes):
        words = []
        for key, value in attributes.items():
            value = f"{value:.1f}".rstrip("0").rstrip(".") if isinstance(value, float) else value
            words.append(f'{key.replace("_", "-")}="{value}"')
        tail = f">{content}</{name}>" if content is not None else "/>"
        self.parts.append(f"<{name} {' '.join(words)}{tail}")

    def save(self, path):
        head = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" height="{self.height}" '
                f'viewBox="0 0 {self.width} {self.height}" font-family="{FONT}">')
        with open(path, "w", encoding="utf-8") as out:
            out.write("\n".join([head] + self.parts + ["</svg>"]) + "\n")


class Axis:
    """Maps numbers to pixels."""

    def __init__(self, low, high, start, end, log=False):
        self.low, self.high, self.start, self.end, self.log = low, high, start, end, log

    def __call__(self, value):
        if self.log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + (self.end - self.start) * min(1.0, max(0.0, share))

    def ticks(self):
        if not self.log:
            step = nice_step((self.high - self.low) / 5)
            count = int((self.high - self.low) / step + 1e-9)
            return [self.low + i * step for i in range(count + 1)]
        decades = math.log10(self.high / self.low)
        digits = (1, 2, 5) if decades < 2.5 else (1,)
        found, power = [], math.floor(math.log10(self.low))
        while 10.0 ** power <= self.high:
            found += [d * 10.0 ** power for d in digits if self.low <= d * 10.0 ** power <= self.high * 1.0001]
            power += 1
        return found


def nice_step(rough):
    power = 10.0 ** math.floor(math.log10(rough))
    return next(d * power for d in (1, 2, 5, 10) if d * power >= rough * 0.999)


def round_up(value):
    """The next 1, 2 or 5 times a power of ten."""
    return nice_step(value)


def plain(value):
    """A short number without exponent."""
    return f"{value:,.0f}".replace(",", " ") if value >= 10 else f"{value:g}"


def legend(canvas, x, y, entries, hollow=()):
    """Coloured names in one line."""
    for name, colour in entries:
        canvas.dot(x + 5, y - 4, colour, radius=5, hollow=name in hollow)
        canvas.text(x + 15, y, name, size=12)
        x += 15 + 6.6 * len(name) + 22


def line_chart(canvas, box, title, series, x_values, x_label, y_axis, y_label):
    """`series` are (name, colour, [y or None per x value]); x values stand at equal distances."""
    x, y, width, height = box
    canvas.text(x, y - 12, title, size=14, bold=True)
    vertical = Axis(*y_axis[:2], y + height, y, log=y_axis[2])
    for tick in vertical.ticks():
        canvas.line(x, vertical(tick), x + width, vertical(tick), GRID)
        canvas.text(x - 8, vertical(tick) + 4, plain(tick), anchor="end")
    step = width / len(x_values)
    at = [x + step * (i + 0.5) for i in range(len(x_values))]
    for place, value in zip(at, x_values):
        canvas.text(place, y + height + 20, plain(value), anchor="middle")
    canvas.line(x, y + height, x + width, y + height, FAINT)
    canvas.text(x + width / 2, y + height + 40, x_label, colour=FAINT, anchor="middle")
    canvas.text(x - 52, y + height / 2, y_label, colour=FAINT, anchor="middle", turn=-90)
    for _, colour, values in series:
        points = [(place, vertical(v)) for place, v in zip(at, values) if v is not None]
        if points:
            canvas.polyline(points, colour)
        for point in points:
            canvas.dot(*point, colour, radius=3.5)

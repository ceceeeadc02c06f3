"""The charts of the committed results."""

from . import handoff, intake, latency
from .cases import find
from .svg import FAINT, GRID, INK, Axis, Canvas, legend, line_chart, plain, round_up
from .tables import ratio

ETL, ETL_LIGHT = "#0b6e4f", "#8cc9b0"
RIVAL, RIVAL_LIGHT = "#8a8f98", "#cdd0d5"
COLOURS = {"bare": "#222222", "mutex-queue": "#c44e52", "tbb-batch": "#4c72b0", "etl-adaptive-push": ETL, "etl-handover-push": "#e08214"}

LABELS = {
    "bare": "bare loop", "bare-fill": "bare loop, filled in place", "bare-idle-threads": "bare loop beside two idle threads",
    "bare-three-passes": "bare loop, transform as a pass of its own",
    "spsc-ring": "two spinning threads, a ring",
    "mutex-queue": "mutex queue, new vectors", "concurrentqueue-record": "concurrentqueue, by record",
    "concurrentqueue-batch": "concurrentqueue, by batch", "asio-post-batch": "asio::post, by batch",
    "tbb-record": "oneTBB, by record", "tbb-batch": "oneTBB, by batch", "tbb-batch-recycled": "oneTBB, recycled batches",
    "etl-adaptive-push": "etl adaptive, push", "etl-adaptive-fill": "etl adaptive, fill",
    "etl-handover-push": "etl handed over, push", "etl-handover-fill": "etl handed over, fill",
    "etl-never-push": "etl always handed over, push", "etl-fused-push": "etl fused, push", "etl-fused-fill": "etl fused, fill",
}
BARS = ["etl-adaptive-fill", "etl-adaptive-push", "etl-handover-fill", "etl-handover-push", "etl-fused-push",
        "spsc-ring", "tbb-batch-recycled", "tbb-batch", "mutex-queue", "asio-post-batch", "concurrentqueue-batch",
        "tbb-record", "concurrentqueue-record"]


def source(data):
    m = data["machine"]
    return f"{m['cpu']}, {m['cpus']} CPUs, {m['build']['compiler']} {m['build'].get('flags', '')}, {m['date']}; median of {data['settings']['rounds']} rounds"


def handoff_bars(data, cases, path):
    workloads = [(name, [impl for impl in BARS if find(cases, workload=name, impl=impl, batch=1000, pinned=False)])
                 for name in ("pod", "str", "convert")]
    row, gap, left, width = 28, 74, 250, 960
    height = 100 + sum(gap + row * len(impls) for _, impls in workloads)
    canvas = Canvas(width, height, "Handing over records: time per record, as a multiple of a bare loop", source(data))
    legend(canvas, 20, 82, [("etl, 2 CPUs", ETL), ("1 CPU", ETL_LIGHT), ("rival, 2 CPUs", RIVAL), ("1 CPU", RIVAL_LIGHT)])
    canvas.text(width - 20, 82, "left of the line: faster than the loop", colour=FAINT, anchor="end")
    top = 100
    for workload, impls in workloads:
        _bars(canvas, cases, workload, impls, (left, top + 36, width - left - 70, row))
        top += gap + row * len(impls)
    canvas.save(path)


def _bars(canvas, cases, workload, impls, box):
    x, y, width, row = box
    base = {pinned: find(cases, workload=workload, impl="bare", batch=1000, pinned=pinned) for pinned in (True, False)}
    canvas.text(20, y - 12, f"{handoff.TITLES[workload]}", size=14, bold=True)
    if base[False]:
        canvas.text(x + width, y - 12, f"bare loop: {base[False].median():.1f} ns", size=12, colour=FAINT, anchor="end")
    axis = Axis(0.4, 150, x, x + width, log=True)
    bottom = y + row * len(impls)
    for tick in (0.5, 1, 2, 5, 10, 20, 50, 100):
        canvas.line(axis(tick), y, axis(tick), bottom, INK if tick == 1 else GRID, 1.5 if tick == 1 else 1)
        canvas.text(axis(tick), bottom + 16, f"{tick:g}x", size=11, colour=FAINT, anchor="middle")
    for i, impl in enumerate(impls):
        line = y + i * row
        ours = impl.startswith("etl")
        canvas.text(x - 12, line + row / 2 + 4, LABELS[impl], anchor="end", bold=ours)
        for pinned, offset, colour in ((False, 3, ETL if ours else RIVAL), (True, 14, ETL_LIGHT if ours else RIVAL_LIGHT)):
            value = ratio(find(cases, workload=workload, impl=impl, batch=1000, pinned=pinned), base[pinned])
            if value is None:
                continue
            start, end = sorted((axis(1), axis(value)))
            canvas.rect(start, line + offset, max(1.5, end - start), 11 if not pinned else 8, colour)
            canvas.text(max(end, axis(1)) + 6, line + offset + 9, f"{value:.2f}" if value < 10 else f"{value:.0f}", size=10,
                        colour=INK if not pinned else FAINT)


def batch_sizes(data, cases, path):
    canvas = Canvas(960, 420, "Batch size: ns per 64-byte record", source(data))
    legend(canvas, 20, 80, [(LABELS[impl], COLOURS[impl]) for impl in handoff.BATCHED])
    for i, pinned in enumerate((True, False)):
        series = []
        for impl in handoff.BATCHED:
            found = [find(cases, workload="pod", impl=impl, batch=b, workers=2, pinned=pinned) for b in handoff.BATCH_SIZES]
            series.append((impl, COLOURS[impl], [c.median() if c else None for c in found]))
        line_chart(canvas, (75 + i * 465, 130, 400, 220), "1 CPU" if pinned else "2 CPUs", series, handoff.BATCH_SIZES,
                   "batch size", (1, 10000, True), "ns per record (log)")
    canvas.save(path)


def intake_scaling(data, cases, path):
    colours = {"handle": ETL, "shared": "#e08214", "mutex": "#c44e52"}
    canvas = Canvas(960, 420, "Threads pushing single items into one bucket: ns per item", source(data))
    legend(canvas, 20, 80, [(intake.LABELS[impl], colours[impl]) for impl in intake.IMPLS])
    highest = max((c.median() for c in cases if c.samples), default=1)
    for i, pinned in enumerate((True, False)):
        series = []
        for impl in intake.IMPLS:
            found = [find(cases, impl=impl, threads=t, pinned=pinned) for t in intake.THREADS]
            series.append((impl, colours[impl], [c.median() if c else None for c in found]))
        line_chart(canvas, (75 + i * 465, 130, 400, 220), "1 CPU" if pinned else "2 CPUs", series, intake.THREADS, "threads",
                   (0, round_up(highest), False), "ns per item")
    canvas.save(path)


def latency_ranges(data, cases, path):
    groups = []
    for label, batch, timeout in latency.SETTINGS:
        rows = [(f"{rate} items/s", find(cases, mode="rate", intake=i, rate=rate, batch=batch, **{"timeout-us": timeout}), i)
                for rate in latency.RATES for i in latency.INTAKES]
        groups.append((f"From push to load, {label}", rows))
    rows = [(f"timeout {ms} ms", find(cases, mode="timeout", intake=i, **{"timeout-us": ms * 1000}), i)
            for ms in latency.TIMEOUTS_MS for i in latency.INTAKES]
    groups.append(("Timeout flush: how late", rows))

    row, gap, left, width = 17, 78, 130, 960
    height = 95 + sum(gap + row * len(rows) for _, rows in groups)
    canvas = Canvas(width, height, "How long items wait", source(data))
    legend(canvas, 20, 80, [("own handle", ETL), ("shared intake", "#e08214")])
    canvas.text(width - 20, 80, "dot: median, bar: 99 of 100, thin line: the longest", colour=FAINT, anchor="end")
    top = 95
    for title, rows in groups:
        _ranges(canvas, title, rows, (left, top + 40, width - left - 40, row))
        top += gap + row * len(rows)
    canvas.save(path)


def _ranges(canvas, title, rows, box):
    x, y, width, row = box
    canvas.text(20, y - 12, title, size=14, bold=True)
    axis = Axis(1, 100_000, x, x + width, log=True)
    bottom = y + row * len(rows)
    for tick in axis.ticks():
        canvas.line(axis(tick), y, axis(tick), bottom, GRID)
        label = f"{tick / 1000:g} ms" if tick >= 1000 else f"{plain(tick)} us"
        canvas.text(axis(tick), bottom + 16, label, size=11, colour=FAINT, anchor="middle")
    for i, (label, case, kind) in enumerate(rows):
        middle = y + (i + 0.5) * row
        if i % 2 == 0:
            canvas.text(x - 12, middle + row / 2 + 4, label, anchor="end")
        if not case:
            continue
        colour = ETL if kind == "handle" else "#e08214"
        low, high, longest = (max(1, v) for v in (case.median("median_us"), case.median("p99_us"), max(case.values("max_us"))))
        canvas.line(axis(low), middle, axis(longest), middle, colour, 1.2)
        canvas.line(axis(low), middle, axis(high), middle, colour, 6, stroke_opacity=0.45)
        canvas.dot(axis(low), middle, colour, radius=4.5)


PLOTS = {"handoff": [("handoff.svg", handoff_bars), ("batch_size.svg", batch_sizes)],
         "intake": [("intake.svg", intake_scaling)],
         "latency": [("latency.svg", latency_ranges)],
         "swissprot": [],
         "sqlite": [], "postgres": [], "csv": [], "druid": []}

"""Draws a dashboard of deploy/grafana from the answers of its queries, roughly as Grafana lays it out."""
import math
import time

import matplotlib

matplotlib.use("Agg")
from matplotlib import font_manager, pyplot  # noqa: E402

CELL_W, CELL_H = 0.62, 0.42  # inches of a cell of the grid
COLOURS = {"green": "#56a64b", "yellow": "#e0b400", "red": "#e02f44", "blue": "#3274d9", "text": "#343741"}
CYCLE = ["#3274d9", "#56a64b", "#e0b400", "#e02f44", "#8f3bb8", "#ff780a", "#5794f2", "#b877d9", "#96d98d", "#c4162a", "#73bf69", "#a16fb1"]


def find_font():
    names = {font.name for font in font_manager.fontManager.ttflist}
    for wanted in ("WenQuanYi Micro Hei", "Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Zen Hei"):
        if wanted in names:
            return wanted
    raise SystemExit("FAILED: no Chinese font for the pictures (Debian: fonts-wqy-microhei)")


def text_of(value, unit, decimals=None):
    if unit == "s":
        for factor, name in ((1, "s"), (1e3, "ms"), (1e6, "µs")):
            if abs(value) * factor >= 1 or factor == 1e6:
                return f"{value * factor:.3g} {name}" if value else "0 s"
    if unit == "bytes":
        for name in ("B", "KiB", "MiB", "GiB", "TiB"):
            if abs(value) < 1024 or name == "TiB":
                return f"{value:.3g} {name}"
            value /= 1024
    if unit == "percentunit":
        return f"{100 * value:.3g} %"
    if unit == "dateTimeAsIso":
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(value / 1000))
    text = f"{value:.{decimals}f}" if decimals is not None else f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return text + {"reqps": " /s", "ops": " /s"}.get(unit, "")


def threshold_colour(panel, value):
    colour = "text"
    for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]:
        if step["value"] is None or value >= step["value"]:
            colour = step["color"]
    return COLOURS[colour]


def fixed_colours(panel):
    return {o["matcher"]["options"]: COLOURS[o["properties"][0]["value"]["fixedColor"]] for o in panel["fieldConfig"]["overrides"]}


def draw_series(axes, panel, series, alerts, begun, now):
    defaults, fixed = panel["fieldConfig"]["defaults"], fixed_colours(panel)
    colours = [fixed.get(name, CYCLE[i % len(CYCLE)]) for i, (name, _) in enumerate(series)]
    if defaults["custom"]["stacking"]["mode"] == "normal":
        times = sorted({t for _, points in series for t, _ in points})
        rows = [dict(points) for _, points in series]
        axes.stackplot(times, [[row.get(t, 0) for t in times] for row in rows], colors=colours, alpha=0.75,
                       labels=[name for name, _ in series], linewidth=0)
    else:
        for (name, points), colour in zip(series, colours):
            # A gap in the data is a gap in the line.
            xs, ys, last = [], [], None
            step = (now - begun) / 60
            for t, v in points:
                if last is not None and t - last > step:
                    xs.append(t)
                    ys.append(math.nan)
                xs.append(t)
                ys.append(v)
                last = t
            axes.plot(xs, ys, color=colour, linewidth=1.1, label=name, marker="." if len(points) < 3 else None)
    for at, _ in alerts:
        axes.axvline(at, color=COLOURS["red"], linewidth=0.6, linestyle=":", alpha=0.7)
    axes.set_xlim(begun, now)
    if "min" in defaults:
        axes.set_ylim(bottom=defaults["min"], top=max(axes.get_ylim()[1], 1e-9))
    ticks = [begun + (now - begun) * i / 4 for i in range(5)]
    axes.set_xticks(ticks, [time.strftime("%H:%M:%S", time.localtime(t)) for t in ticks], fontsize=6.5)
    axes.yaxis.set_major_locator(matplotlib.ticker.MaxNLocator(4))
    axes.yaxis.set_major_formatter(lambda value, _: text_of(value, defaults["unit"]))
    axes.tick_params(axis="y", labelsize=6.5)
    axes.grid(color="#e4e7eb", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    handles, names = axes.get_legend_handles_labels()
    axes.legend(handles[:8], names[:8], fontsize=5.8, ncol=2 if panel["gridPos"]["w"] < 12 else 4, loc="upper center",
                bbox_to_anchor=(0.5, -0.12), frameon=False, handlelength=1.2, columnspacing=1.0)


def draw_stat(axes, panel, series):
    defaults = panel["fieldConfig"]["defaults"]
    shown = series[:4]
    for i, (name, points) in enumerate(shown):
        x = (i + 0.5) / len(shown)
        value = points[-1][1]
        axes.text(x, 0.56, text_of(value, defaults["unit"], defaults.get("decimals")), ha="center", va="center",
                  fontsize=15 if len(shown) < 3 else 11, color=threshold_colour(panel, value), fontweight="bold")
        axes.text(x, 0.14, name, ha="center", va="center", fontsize=7, color="#6a7078")
    axes.axis("off")


def draw_bars(axes, panel, series):
    defaults = panel["fieldConfig"]["defaults"]
    series = sorted(series, key=lambda one: -one[1][-1][1])[:16][::-1]
    values = [points[-1][1] for _, points in series]
    lamps = [next((COLOURS[lamp] for lamp in ("green", "yellow", "red") if name.endswith(" " + lamp)),
                  COLOURS["blue"]) for name, _ in series]
    axes.barh(range(len(series)), values, color=lamps, height=0.7)
    axes.set_yticks(range(len(series)), [name for name, _ in series], fontsize=6.5)
    for i, value in enumerate(values):
        axes.text(value, i, " " + text_of(value, defaults["unit"], defaults.get("decimals")), va="center", fontsize=6.5)
    axes.set_xlim(0, 1.15 * max(values + [1e-9]))
    axes.set_xticks([])
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)


def draw_table(axes, panel, series):
    defaults = panel["fieldConfig"]["defaults"]
    rows = [(name, text_of(points[-1][1], defaults["unit"], defaults.get("decimals"))) for name, points in series][:12]
    for i, (name, value) in enumerate(rows):
        y = 1 - (i + 0.5) / max(8, len(rows))
        axes.text(0.02, y, name, fontsize=7.5, va="center")
        axes.text(0.98, y, value, fontsize=7.5, va="center", ha="right")
    axes.axis("off")


def draw(dashboard, drawn, alerts, begun, now, path):
    """`drawn` maps (uid, id of a panel) to its series; `alerts` are (time, name) of alerts that began to fire."""
    pyplot.rcParams["font.family"] = find_font()
    pyplot.rcParams["axes.unicode_minus"] = False
    rows = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in dashboard["panels"])
    figure = pyplot.figure(figsize=(24 * CELL_W, (rows + 2) * CELL_H), facecolor="#f4f5f7")
    total = rows + 2
    figure.text(0.01, 1 - 0.8 / total, dashboard["title"], fontsize=15, fontweight="bold", va="center")
    figure.text(0.01, 1 - 1.6 / total, dashboard["description"] + "  (dotted: an alert began)", fontsize=8, color="#6a7078", va="center")
    kinds = {"stat": draw_stat, "bargauge": draw_bars, "table": draw_table}
    for panel in dashboard["panels"]:
        g = panel["gridPos"]
        left, bottom = g["x"] / 24, 1 - (g["y"] + g["h"] + 2) / total
        width, height = g["w"] / 24, g["h"] / total
        figure.add_artist(matplotlib.patches.Rectangle((left + 0.003, bottom + 0.003), width - 0.006, height - 0.006, facecolor="white",
                                                       edgecolor="#dce1e6", linewidth=0.8, transform=figure.transFigure, zorder=-1))
        figure.text(left + 0.009, bottom + height - 0.62 / total, panel["title"], fontsize=8.5, fontweight="bold", va="center")
        stat = panel["type"] == "stat"
        margin = 0.06 if panel["type"] == "bargauge" else 0.012 if stat or panel["type"] == "table" else 0.042
        axes = figure.add_axes([left + margin, bottom + (0.25 if stat else 1.45 if panel["type"] == "timeseries" else 0.4) / total,
                                width - margin - 0.014, height - (1.3 if stat else 2.75 if panel["type"] == "timeseries" else 1.6) / total])
        axes.set_facecolor("white")
        series = drawn[dashboard["uid"], panel["id"]]
        if panel["type"] == "timeseries":
            draw_series(axes, panel, series, alerts, begun, now)
        else:
            kinds[panel["type"]](axes, panel, series)
    figure.savefig(path, dpi=88)
    pyplot.close(figure)
    # Few colours make a small file.
    from PIL import Image
    Image.open(path).convert("RGB").quantize(160, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(path, optimize=True)

"""Pictures of a report, drawn by matplotlib where it is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

#: What `pip install` brings it.
EXTRA = "jieqian[bench]"
_WIDE, _HIGH = 7.2, 3.2
_COLOURS = ("#2f5d8a", "#c2693a", "#5b8c5a", "#8a5a83", "#7a7a7a")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One picture: `series` by name, a value for each of `places`."""

    title: str
    kind: Literal["bars", "lines"]
    places: Sequence[str]
    series: Mapping[str, Sequence[float]]
    unit: str
    across: str = ""
    logarithmic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """One picture: a point for each name, at (across, up), with what each of the two may be: (least, most)."""

    title: str
    places: Mapping[str, tuple[float, float]]
    reaches: Mapping[str, tuple[tuple[float, float], tuple[float, float]]]
    across: str
    unit: str


def can_draw() -> bool:
    """Whether pictures can be drawn here."""
    return find_spec("matplotlib") is not None


def draw(charts: Sequence[Chart | Points], path: Path) -> Path | None:
    """All the charts, one under another, as one SVG file; None where matplotlib is missing."""
    if not can_draw():
        return None
    from matplotlib import rcParams
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    rcParams["svg.hashsalt"] = "jieqian"  # the same figures give the same file
    rcParams["text.parse_math"] = False  # a `$` in a model's name is no formula
    figure = Figure(figsize=(_WIDE, _HIGH * len(charts)), layout="constrained")
    FigureCanvasSVG(figure)
    for axes, chart in zip(figure.subplots(len(charts), squeeze=False)[:, 0], charts, strict=True):
        if isinstance(chart, Points):
            _plot_points(axes, chart)
        else:
            _plot(axes, chart)
    figure.savefig(path, format="svg", metadata={"Date": None})
    return path


def _plot(axes: Any, chart: Chart) -> None:
    places = range(len(chart.places))
    width = 0.8 / max(1, len(chart.series))
    for number, (name, values) in enumerate(chart.series.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        if chart.kind == "bars":
            axes.bar(
                [place + (number - (len(chart.series) - 1) / 2) * width for place in places],
                values,
                width,
                label=name,
                color=colour,
            )
        else:
            axes.plot(places, values, marker="o", label=name, color=colour)
    axes.set_xticks(list(places), chart.places)
    axes.set_title(chart.title, fontsize=10)
    axes.set_ylabel(chart.unit)
    axes.set_xlabel(chart.across)
    if chart.logarithmic:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(fontsize=8)


def _plot_points(axes: Any, chart: Points) -> None:
    for number, (name, (across, up)) in enumerate(chart.places.items()):
        (left, right), (low, high) = chart.reaches[name]
        axes.errorbar(
            [across],
            [up],
            xerr=[[max(0.0, across - left)], [max(0.0, right - across)]],
            yerr=[[max(0.0, up - low)], [max(0.0, high - up)]],
            fmt="o",
            capsize=3,
            label=name,
            color=_COLOURS[number % len(_COLOURS)],
        )
    axes.set_title(chart.title, fontsize=10)
    axes.set_xlabel(chart.across)
    axes.set_ylabel(chart.unit)
    axes.set_xlim(left=0)
    axes.set_ylim(0, 1)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)

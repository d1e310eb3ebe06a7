"""Pictures of the dashboard as Vega-Lite documents: figures in, a document out that `drawing.py` has drawn.

Colours are the names of the page's own tokens, so that one drawing serves light, dark and paper. A picture is made for
the width of a phone and grows with its card. Nothing is told by colour alone: lines differ in their strokes, and all of
it is told in words by the table beside the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from unicodedata import east_asian_width

Spec = dict[str, Any]

WIDE, HIGH = 380, 230
_ROW = 24
#: Where a label stops: a model's name can be of any length.
_LONGEST = 28
INK, QUIET, LINE, CARD = "var(--ink)", "var(--quiet)", "var(--line)", "var(--card)"
GOOD, BAD, WARN = "var(--chart-good)", "var(--chart-bad)", "var(--chart-warn)"
PLAIN, SOFT = "var(--chart-plain)", "var(--chart-soft)"
STAGE_COLOURS = {
    "queue_wait": "var(--chart-queue)",
    "poem_lookup": "var(--chart-poem)",
    "rag_retrieval": "var(--chart-retrieval)",
    "llm_generation": "var(--chart-generation)",
    "validation": "var(--chart-validation)",
    "other": "var(--chart-other)",
}
#: A rule or a word that stands for itself still needs a row to be drawn for.
_ONE: Spec = {"values": [{}]}
_NAMES_WIDE = 124
#: Names before lying bars, in a column of their own: how wide they are, only the reader's browser knows.
_NAMES: Spec = {
    "title": None,
    "labelColor": INK,
    "labelAlign": "left",
    "labelPadding": _NAMES_WIDE,
    "labelLimit": _NAMES_WIDE,
    "minExtent": _NAMES_WIDE,
    "maxExtent": _NAMES_WIDE,
    "ticks": False,
    "domain": False,
}
_CONFIG: Spec = {
    "background": None,
    "font": "sans-serif",
    "view": {"stroke": None},
    "aria": False,
    "axis": {
        "labelColor": QUIET,
        "labelFontSize": 12,
        "titleColor": QUIET,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "domainColor": LINE,
        "tickColor": LINE,
        "gridColor": LINE,
        "tickSize": 4,
    },
    "legend": {
        "orient": "bottom",
        "title": None,
        "labelColor": INK,
        "labelFontSize": 12,
        "labelLimit": 160,
        "symbolSize": 140,
        "columnPadding": 16,
        "offset": 8,
    },
    "text": {"fontSize": 12, "fill": INK},
    "bar": {"fill": PLAIN},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A line across a picture that says what a figure is held against: `at` in the picture's own unit."""

    at: float
    label: str
    met: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line over time: a value for each moment, None where nothing was measured."""

    name: str
    values: Sequence[float | None]
    colour: str
    dash: Sequence[int] = ()
    width: float = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a whole, or one bar."""

    name: str
    value: float
    colour: str
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One bar of a waterfall, from `start` to `end` in seconds."""

    name: str
    start: float
    end: float
    colour: str
    label: str


def histogram(edges: Sequence[float | None], counts: Sequence[int], marks: Sequence[Mark], *, across: str) -> Spec:
    """A bar a bin, each as wide as the others whatever it spans; `edges` in seconds, the last None where it is open.

    `marks`: lines at so many seconds.
    """
    closed = [edge for edge in edges if edge is not None]
    names = [*(f"{edge:g}" for edge in closed), *(["∞"] if len(closed) < len(edges) else [])]
    bars = [{"from": place + 0.04, "to": place + 0.96, "n": count} for place, count in enumerate(counts)]
    end = max(1, len(counts)) * 1.2  # room for the last label
    across_scale = {"domain": [0, end], "nice": False, "zero": False}
    axis = {
        "values": list(range(len(names))),
        "labelExpr": f"{_words(names)}[datum.value]",
        "grid": False,
        "title": _cut(across),
        "labelOverlap": "greedy",
    }
    layers: list[Spec] = [
        {
            "data": {"values": bars},
            "mark": {"type": "bar", "color": PLAIN},
            "encoding": {
                "x": {"field": "from", "type": "quantitative", "scale": across_scale, "axis": axis},
                "x2": {"field": "to"},
                "y": {"field": "n", "type": "quantitative", "axis": _counting()},
                "y2": {"datum": 0},
            },
        }
    ]
    top = max(counts, default=0) or 1
    for place, mark in enumerate(sorted(marks, key=lambda mark: mark.at)):
        at = _place_of(mark.at, closed)
        room = (1 - at / end) * WIDE * 0.86
        right = place < len(marks) - 1 or _wide(mark.label) > room
        layers += _upright(at, mark, top * (1.2 - 0.1 * place), right=right)
    return _picture({"layer": layers})


def _place_of(seconds: float, edges: Sequence[float]) -> float:
    """Where that time lies among bins that are drawn equally wide."""
    for place, (low, high) in enumerate(pairwise(edges)):
        if seconds <= high:
            return place + max(0.0, seconds - low) / (high - low)
    return float(max(0, len(edges) - 1)) + 0.5


def _upright(at: float, mark: Mark, height: float, *, right: bool) -> list[Spec]:
    x = {"datum": at, "type": "quantitative"}
    look = {"align": "right" if right else "left", "dx": -5 if right else 5, "baseline": "middle"}
    place = {"x": x, "y": {"datum": height, "type": "quantitative"}}
    return [_rule(mark, {"x": x}), *_label(mark, look, place)]


def _rule(mark: Mark, place: Spec) -> Spec:
    dash = [6, 3] if mark.met else [2, 3]
    look = {"type": "rule", "color": GOOD if mark.met else QUIET, "strokeWidth": 2, "strokeDash": dash}
    return {"data": _ONE, "mark": look, "encoding": place}


def _label(mark: Mark, look: Spec, place: Spec) -> list[Spec]:
    """What a rule stands for, on a ground of its own: bars and lines may be behind it."""
    encoding = {**place, "text": {"value": _cut(mark.label)}}
    ground = {"fill": CARD, "stroke": CARD, "strokeWidth": 5}
    inks = (ground, {"fill": GOOD if mark.met else QUIET})
    return [{"data": _ONE, "mark": {"type": "text", **look, **ink}, "encoding": encoding} for ink in inks]


def over_time(moments: Sequence[int], lines: Sequence[Line], marks: Sequence[Mark], *, up: str) -> Spec:
    """Lines over time; `moments` in milliseconds of wall-clock time, values and marks in one unit."""
    rows = [
        {"at": moment, "name": _cut(line.name), "value": value}
        for line in lines
        for moment, value in zip(moments, line.values, strict=True)
    ]
    names = [_cut(line.name) for line in lines]
    alone = _alone(lines)
    encoding: Spec = {
        "x": _time_axis(moments),
        "y": {"field": "value", "type": "quantitative", "axis": {"title": _cut(up), "tickCount": 5}},
        "color": {
            "field": "name",
            "type": "nominal",
            "scale": {"domain": names, "range": [line.colour for line in lines]},
            "legend": {"symbolType": "stroke", "symbolStrokeWidth": 3},
        },
        "strokeDash": {
            "field": "name",
            "type": "nominal",
            "scale": {"domain": names, "range": [list(line.dash) or [1, 0] for line in lines]},
        },
    }
    layers: list[Spec] = [
        {"data": {"values": rows}, "mark": {"type": "line", "strokeWidth": 2, "point": alone}, "encoding": encoding}
    ]
    for mark in marks:
        layers += _level(mark)
    return _picture({"layer": layers})


def _alone(lines: Sequence[Line]) -> bool | Spec:
    """A value between two that are missing has no line: it is shown as a point."""
    for line in lines:
        there = [False, *(value is not None for value in line.values), False]
        if any(mid and not (before or after) for before, mid, after in zip(there, there[1:], there[2:], strict=False)):
            return {"size": 24, "filled": True}
    return False


def _level(mark: Mark) -> list[Spec]:
    y = {"datum": mark.at, "type": "quantitative"}
    look = {"align": "right", "baseline": "bottom", "dy": -4}
    return [_rule(mark, {"y": y}), *_label(mark, look, {"x": {"value": "width"}, "y": y})]


def bars_over_time(
    moments: Sequence[int], step_ms: int, stacks: Sequence[Line], marks: Sequence[Mark], *, up: str
) -> Spec:
    """Bars over time, the first of `stacks` below; each covers its step."""
    names = [_cut(stack.name) for stack in stacks]
    below = [0.0] * len(moments)
    rows: list[Spec] = []
    for name, stack in zip(names, stacks, strict=True):
        for place, value in enumerate(stack.values):
            if value:
                at, base = moments[place], below[place]
                rows.append({"at": at, "to": at + step_ms, "name": name, "from": base, "value": base + value})
                below[place] += value
    top = max([*below, *(mark.at for mark in marks), 1e-9]) * 1.1
    colour = {
        "field": "name",
        "type": "nominal",
        "scale": {"domain": names, "range": [stack.colour for stack in stacks]},
        "legend": {"symbolType": "square"} if len(stacks) > 1 else None,
    }
    layers: list[Spec] = [
        {
            "data": {"values": rows},
            "mark": {"type": "bar"},
            "encoding": {
                "x": _time_axis([*moments, *([moments[-1] + step_ms] if moments else [])]),
                "x2": {"field": "to"},
                "y": {
                    "field": "value",
                    "type": "quantitative",
                    "scale": {"domain": [0, top], "nice": False},
                    "axis": {"title": _cut(up), "tickCount": 5, "format": "~s"},
                },
                "y2": {"field": "from"},
                "color": colour,
            },
        }
    ]
    for mark in marks:
        layers += _level(mark)
    return _picture({"layer": layers})


def pie(parts: Sequence[Part]) -> Spec:
    """Shares of a whole, from the top clockwise; the legend says each in words."""
    names = [_cut(part.label or part.name) for part in parts]
    rows = [{"name": names[place], "value": part.value, "order": place} for place, part in enumerate(parts)]
    spec = {
        # The page's own face is wider than the one the legend is measured with.
        "padding": {"left": 2, "top": 2, "bottom": 2, "right": 36},
        "data": {"values": rows},
        "mark": {"type": "arc", "innerRadius": 42, "outerRadius": 78, "stroke": CARD, "strokeWidth": 2},
        "encoding": {
            "theta": {"field": "value", "type": "quantitative", "stack": True},
            "order": {"field": "order"},
            "color": {
                "field": "name",
                "type": "nominal",
                "scale": {"domain": names, "range": [part.colour for part in parts]},
                "legend": {"orient": "right", "symbolType": "square", "labelLimit": 170, "rowPadding": 6},
            },
        },
    }
    return _picture(spec)


def waterfall(rows: Sequence[Row], *, across: str) -> Spec:
    """Bars under one another on one axis of time, each with its figure."""
    values = [
        {"place": place, "name": _cut(row.name), "from": row.start, "to": row.end, "label": _cut(row.label)}
        for place, row in enumerate(rows)
    ]
    end = max((row.end for row in rows), default=0.0) or 1.0
    names = [_cut(row.name) for row in rows]
    y = {
        "field": "place",
        "type": "ordinal",
        "sort": None,
        "axis": {**_NAMES, "labelExpr": f"{_words(names)}[datum.value]"},
    }
    x = {
        "field": "from",
        "type": "quantitative",
        "scale": {"domain": [0, end * 1.22], "nice": False},
        "axis": {"title": _cut(across), "tickCount": 5},
    }
    colours = {
        "field": "place",
        "type": "ordinal",
        "legend": None,
        "scale": {"domain": list(range(len(rows))), "range": [row.colour for row in rows]},
    }
    layers: list[Spec] = [
        {
            "mark": {"type": "bar", "height": {"band": 0.62}, "minBandSize": 2},
            "encoding": {"x": x, "x2": {"field": "to"}, "y": y, "color": colours},
        },
        {
            "mark": {"type": "text", "align": "left", "dx": 5, "baseline": "middle"},
            "encoding": {"x": {**x, "field": "to"}, "y": y, "text": {"field": "label"}},
        },
    ]
    return _picture({"data": {"values": values}, "layer": layers}, high=_ROW * len(rows) + 44)


def _picture(spec: Spec, *, high: int = HIGH) -> Spec:
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": WIDE,
        "height": high,
        "padding": 2,
        "autosize": {"type": "fit", "contains": "padding"},
        "config": _CONFIG,
        **spec,
    }


def _counting() -> Spec:
    """An axis of whole numbers."""
    return {"title": None, "tickCount": 5, "tickMinStep": 1, "format": "~s"}


def _time_axis(moments: Sequence[int]) -> Spec:
    """Moments are wall-clock times already, told to Vega as if they were UTC."""
    domain = [moments[0], moments[-1]] if len(moments) > 1 else None
    scale: Spec = {"type": "utc", **({"domain": domain, "nice": False} if domain else {})}
    axis = {"title": None, "tickCount": 5, "labelOverlap": "greedy", "grid": False}
    span = (moments[-1] - moments[0]) / 3_600_000 if len(moments) > 1 else 0
    axis["format"] = "%H:%M" if span <= 36 else "%m-%d" if span <= 24 * 200 else "%Y-%m"
    return {"field": "at", "type": "temporal", "scale": scale, "axis": axis}


def _words(names: Sequence[str]) -> str:
    """Those words as a list of Vega's expression language; anything in them stays text."""
    quoted = ("".join(f"\\u{unit:04x}" for unit in _units(name)) for name in names)
    return "[" + ",".join(f"'{each}'" for each in quoted) + "]"


def _units(text: str) -> list[int]:
    raw = text.encode("utf-16-be")
    return [int.from_bytes(raw[place : place + 2], "big") for place in range(0, len(raw), 2)]


def _wide(text: str) -> float:
    """About how wide it is in a picture; only the reader's browser knows."""
    return sum(12.0 if east_asian_width(character) in "WF" else 6.6 for character in _cut(text))


def _cut(text: str) -> str:
    """In one line, at a bearable length, without what XML forbids and what turns the direction of writing.

    Every word of a picture goes through here: at an escape character vl-convert 1.9 ends its process.
    """
    plain = "".join(character for character in " ".join(text.split()) if character.isprintable())
    return plain if len(plain) <= _LONGEST else f"{plain[: _LONGEST - 1]}…"

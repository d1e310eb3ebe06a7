"""What of the figures is looked at: the dashboard's address read, and what is wrong in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlencode

from jieqian.errors import InvalidRequest
from jieqian.metrics.figures import DAY, HOUR, MINUTE, Dimension, Span, Values, Which
from jieqian.web.clock import wall_clock

#: Spans up to this moment, in seconds, by the name they have in an address.
SPANS: Mapping[str, int] = {"15m": 15 * MINUTE, "1h": HOUR, "24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY}
USUAL = "24h"
#: A span with a beginning or an end of its own.
CHOSEN = "chosen"
#: How a time stands in the form and in the address: on the clock of this machine.
_FORM = "%Y-%m-%dT%H:%M"
_LONGEST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked for. `fields` are as they were sent; `faults` name a text by field."""

    name: str
    span: Span
    which: Which
    fields: Mapping[str, str]
    faults: Mapping[str, str] = field(default_factory=dict)

    def address(self, **changes: str | None) -> str:
        """The query of the same page with other fields; None takes one away."""
        kept = {name: value for name, value in self.fields.items() if name not in self.faults}
        return "?" + urlencode({name: value for name, value in {**kept, **changes}.items() if value})

    @property
    def narrowed(self) -> int:
        """By how many dimensions."""
        return len(self.which.wanted())


def read_asked(params: Mapping[str, str], values: Values, now: float) -> Asked:
    """What an address asks for; where that cannot be, the usual, and a fault beside the field."""
    known = ("span", "since", "until", *Dimension)
    fields = {name: params[name].strip()[:_LONGEST] for name in known if params.get(name, "").strip()}
    faults: dict[str, str] = {}
    wanted: dict[str, str] = {}
    for dimension in Dimension:
        given = fields.get(dimension)
        if given is None:
            continue
        if given in getattr(values, dimension):
            wanted[dimension] = given
        else:
            faults[dimension] = "dashboard.fault_value"
    name, span = _span(fields, faults, now)
    return Asked(name=name, span=span, which=Which(**wanted), fields=fields, faults=faults)


def _span(fields: dict[str, str], faults: dict[str, str], now: float) -> tuple[str, Span]:
    name = fields.get("span", USUAL)
    if name not in SPANS:
        if name != CHOSEN:
            faults["span"] = "dashboard.fault_span"
        name = USUAL
    usual = Span.around(now - SPANS[name], now)
    times = {}
    for end in ("since", "until"):
        if end in fields:
            try:
                read = datetime.fromisoformat(fields[end]).astimezone()
                times[end], fields[end] = read.timestamp(), read.strftime(_FORM)
            except (ValueError, OverflowError, OSError):  # no time, or none that this machine has a clock for
                faults[end] = "dashboard.fault_time"
    if not times or faults.keys() & {"since", "until"}:
        return name, usual
    until = times.get("until", now)
    since = times.get("since", until - SPANS[name])
    try:
        return CHOSEN, Span.around(since, until)
    except InvalidRequest:
        ends_first = "until" in times and ("since" not in times or since >= until)
        faults["until" if ends_first else "since"] = "dashboard.fault_order"
        return name, usual


def form_time(at: float) -> str:
    """As a field of the form takes it."""
    return wall_clock(at).strftime(_FORM)


def wall_ms(at: float) -> int:
    """The wall-clock time as milliseconds, as if the clock were UTC's: what pictures have on their axis."""
    offset = wall_clock(at).utcoffset()
    return round((at + (offset.total_seconds() if offset else 0)) * 1000)

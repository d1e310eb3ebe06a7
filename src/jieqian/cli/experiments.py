"""`jieqian experiments`: variants of a mode by share, and what came of each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from jieqian.cli.running import quoted_id, running_service
from jieqian.cli.screen import note, say, say_json, table
from jieqian.errors import UsageError
from jieqian.settings import load_settings
from jieqian.tasks.task import Mode

app = typer.Typer(no_args_is_help=True, help="Compare variants of a mode on real readings.")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The experiment's name.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_PARTS = ("model", "strategy", "template")
_HEADS = {
    "total": "time",
    "first_token": "first token",
    "degraded": "degraded",
    "failed": "failed",
    "liked": "thumbs up",
    "asked_again": "asked again",
}
_TIMES = ("total", "first_token")


@app.command(name="list")
def list_experiments(as_json: JsonOption = False) -> None:
    """List experiments, those started last first.

    Example: jieqian experiments list
    """
    found = _ask("GET", "")
    if as_json:
        say_json(found["experiments"])
        return
    rows = [
        (one["name"], one["state"], one["mode"], _variants(one), _when(one["started_at"]), _when(one["ended_at"]))
        for one in found["experiments"]
    ]
    table(("name", "state", "mode", "variants", "started", "ended"), rows)
    if not rows:
        note("There was none yet. `jieqian experiments start --help` shows how to start one.")


@app.command()
def start(
    name: NameArgument,
    variant: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=SHARE[,model=M][,strategy=S][,template=T]",
            help="One variant, its share of 100 callers and how it differs; at least two. The first is the measure.",
        ),
    ] = None,
    mode: Annotated[Mode, typer.Option(help="Whose callers take part.")] = Mode.QUALITY,
    as_json: JsonOption = False,
) -> None:
    """Start an experiment: from now on each caller of the mode has one of its variants.

    Example: jieqian experiments start larger --variant now=50 --variant large=50,model=qwen3:14b
    """
    body = {"name": name, "mode": mode.value, "variants": [_variant(told) for told in variant or ()]}
    made = _ask("POST", "", body)
    if as_json:
        say_json(made)
    else:
        say(f"{made['state']}: {made['name']}, {_variants(made)}")
        note(f"jieqian experiments show {made['name']} says what came of it; look as often as you like.")


@app.command()
def show(name: NameArgument, as_json: JsonOption = False) -> None:
    """Show what came of one: each variant's figures, and which differences are real.

    Example: jieqian experiments show larger
    """
    found = _ask("GET", f"/{_quoted(name)}")
    if as_json:
        say_json(found)
        return
    ended = f", ended {_when(found['ended_at'])}" if found["ended_at"] is not None else ""
    say(f"{found['name']}: {found['state']}, {found['mode']} mode, started {_when(found['started_at'])}{ended}")
    say(found["summary"])
    say("")
    _say_figures(found)
    say("")
    _say_comparisons(found)


@app.command()
def stop(name: NameArgument, as_json: JsonOption = False) -> None:
    """Stop one: readings asked for from now on are as without it. It cannot be started again.

    Example: jieqian experiments stop larger
    """
    made = _ask("POST", f"/{_quoted(name)}/stop")
    if as_json:
        say_json(made)
    else:
        say(f"{made['state']}: {made['name']}")


def _variant(told: str) -> dict[str, Any]:
    """`large=50,model=qwen3:14b` as the API has it. Raises `UsageError`."""
    head, *parts = told.split(",")
    name, _, share = head.partition("=")
    if not share.isascii() or not share.isdigit() or len(share) > 3:
        raise UsageError(f"--variant {told!r}: it begins with a name and a share of 100, as in now=50.", usage=True)
    made: dict[str, Any] = {"name": name.strip(), "share": int(share)}
    for part in parts:
        key, _, value = part.partition("=")
        if key.strip() not in _PARTS or not value.strip():
            raise UsageError(f"--variant {told!r}: {part!r} is none of model=, strategy=, template=.", usage=True)
        if key.strip() in made:
            raise UsageError(f"--variant {told!r}: {key.strip()} stands there twice.", usage=True)
        made[key.strip()] = value.strip()
    return made


def _variants(one: Mapping[str, Any]) -> str:
    return "; ".join(" ".join([f"{each['name']} {each['share']} %", *_differs(each)]) for each in one["variants"])


def _differs(variant: Mapping[str, Any]) -> list[str]:
    return [f"{part}={variant[part]}" for part in _PARTS if variant[part] is not None]


def _say_figures(found: Mapping[str, Any]) -> None:
    """A column a variant."""
    rows = [
        (head, *(str(one[key]) for one in found["outcome"]))
        for key, head in (
            ("callers", "callers"),
            ("readings", "readings"),
            ("cache_hits", "of them kept answers"),
            ("stopped", "stopped"),
            ("under_way", "under way"),
        )
    ]
    rows += [
        (head, *(_figure(measure, one["measures"][measure]) for one in found["outcome"]))
        for measure, head in _HEADS.items()
    ]
    rows.append(("p50 / p95", *(_percentiles(one["measures"]["total"]) for one in found["outcome"])))
    if any(one["model_errors"] for one in found["outcome"]):
        rows.append(("model errors", *(_errors(one["model_errors"]) for one in found["outcome"])))
    table(("", *(f"{one['name']} ({one['share']} %)" for one in found["outcome"])), rows)


def _figure(measure: str, told: Mapping[str, Any]) -> str:
    if told["value"] is None:
        return "–"
    if measure in _TIMES:
        low, high = (_seconds(told[end]) for end in ("low", "high"))
        return f"{_seconds(told['value'])} ({low} to {high})"
    return f"{told['value'] * 100:.1f} % ({told['low'] * 100:.1f} to {told['high'] * 100:.1f})"


def _percentiles(told: Mapping[str, Any]) -> str:
    return f"{_seconds(told['p50_ms'])} / {_seconds(told['p95_ms'])}" if "p50_ms" in told else "–"


def _seconds(ms: float | None) -> str:
    return "?" if ms is None else f"{ms / 1000:.2f} s"


def _errors(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{code} {number}" for code, number in counted.items()) or "–"


def _say_comparisons(found: Mapping[str, Any]) -> None:
    first = found["variants"][0]["name"]
    rows = [
        (
            f"{one['variant']} against {first}",
            _HEADS[one["measure"]],
            _change(one),
            f"yes: {one['better']} is better" if one["real"] else "no",
            _more(one["more_readings_for_worth"]),
            "–" if one["real"] else _more(one["more_readings_for_change"]),
        )
        for one in found["comparisons"]
    ]
    table(("variant", "measure", "change", "real?", "more for 10 % or 5 points", "more for this change"), rows)
    note(
        f"Real: the interval leaves out nought. However often you look, the chance that any is called real where none "
        f"is stays under {found['alpha']:.0%}. Under {found['fewest_callers']} callers with a figure nothing is said."
    )


def _change(one: Mapping[str, Any]) -> str:
    if one["change"] is None:
        return "–"
    unit = "%" if one["measure"] in _TIMES else "points"
    return f"{one['change'] * 100:+.1f} {unit} ({one['low'] * 100:+.1f} to {one['high'] * 100:+.1f})"


def _more(readings: int | None) -> str:
    return "?" if readings is None else f"{readings:,} readings"


def _when(seconds: float | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _quoted(name: str) -> str:
    return quoted_id(name, "jieqian experiments list")


def _ask(method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    async def ask() -> Any:
        async with running_service(load_settings()) as service:
            return await service.call(method, f"/api/v1/admin/experiments{path}", body)

    return asyncio.run(ask())

"""A reading told on a terminal or into a pipe, event by event."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol

from jieqian.cli.lot_text import care_lines, lot_lines
from jieqian.cli.screen import Flow, StatusLine, heading, lively, note, paragraphs, say, say_json
from jieqian.cli.words import Words
from jieqian.languages import Language
from jieqian.sections.section import SECTIONS

_TICK_SECONDS = 0.5


class Teller(Protocol):
    """Shows a reading as it comes."""

    def begin(self, task: Mapping[str, Any]) -> None:
        """The task as the API shows it."""
        ...

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        """One event of the contract's section 3, each once."""
        ...

    def lost(self) -> None:
        """The connection dropped; it is made again."""
        ...

    def stopped(self, sections: Mapping[str, Any]) -> None:
        """It was stopped; these sections are kept."""
        ...

    async def tick(self) -> None:
        """Show how time passes, until cancelled."""
        ...


class JsonTeller:
    """Prints the reading of the contract as JSON, and nothing else."""

    def begin(self, task: Mapping[str, Any]) -> None:
        """Nothing."""

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        """The last one holds it all."""
        if kind == "completed":
            say_json(data)

    def lost(self) -> None:
        """Nothing."""

    def stopped(self, sections: Mapping[str, Any]) -> None:
        """Nothing: there is no reading."""

    async def tick(self) -> None:
        """Nothing."""


class TextTeller:
    """Prints for a person.

    On a terminal sections are printed as they are written; where several are, one at a time. In a pipe, where nothing
    can be taken back, each is printed when it and those before it are finished. What goes on meanwhile is told on
    stderr.
    """

    def __init__(self) -> None:
        self._words = Words(Language.EN)
        self._status = StatusLine()
        self._flow = Flow()
        self._streams = lively(sys.stdout)
        self._stages: dict[str, float | None] = {}
        self._since = time.monotonic()
        self._doing = ""
        self._written: dict[str, str] = {}
        self._unshown: dict[str, str] = {}
        self._finished: dict[str, Mapping[str, Any]] = {}
        self._current: str | None = None
        self._again: set[str] = set()
        self._printed: set[str] = set()  # in a pipe

    def begin(self, task: Mapping[str, Any]) -> None:
        """From here on in the reading's language."""
        self._words = Words(Language(task["language"]))

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        """Show one event; kinds not known here are let pass."""
        show = getattr(self, f"_on_{kind}", None)
        if show is not None:
            show(data)

    def lost(self) -> None:
        """Say that nothing is lost."""
        self._status.clear()
        self._end_line()
        note(self._words("live.connection_lost"))

    def stopped(self, sections: Mapping[str, Any]) -> None:
        """Say what is kept."""
        self._status.clear()
        self._print_in_order(all_of_them=True)
        self._end_line()
        say()
        say(self._words("reading.stopped", kept=len(sections), of=len(SECTIONS)))

    async def tick(self) -> None:
        """Keep the status line's seconds going."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self._show_status()

    def _on_queued(self, data: Mapping[str, Any]) -> None:
        ahead, estimate = data["ahead"], data["estimate_seconds"]
        self._doing = self._words("live.queue_ahead", ahead=ahead) if ahead else ""
        if ahead and estimate is not None:
            self._doing += " " + self._words("live.queue_estimate", seconds=round(estimate))
        self._show_status()

    def _on_stage(self, data: Mapping[str, Any]) -> None:
        stage = str(data["stage"])
        if data["state"] == "started":
            self._stages.setdefault(stage, None)
            self._since, self._doing = time.monotonic(), str(data["message"])
            self._show_status()
            return
        self._stages[stage] = (self._stages.get(stage) or 0.0) + float(data["ms"])  # a model may take several attempts
        if not lively(sys.stderr):
            note(f"{self._stage_name(stage)}: {self._words.seconds(data['ms'])}")

    def _on_lot(self, data: Mapping[str, Any]) -> None:
        self._status.clear()
        heading(str(data["title"]))
        paragraphs(lot_lines(data, self._words))
        self._show_status()

    def _on_care(self, data: Mapping[str, Any]) -> None:
        self._status.clear()
        say()
        heading(self._words("care.title"))
        paragraphs(care_lines(data, self._words))

    def _on_section_delta(self, data: Mapping[str, Any]) -> None:
        if not self._streams:
            return
        name, text = data["section"], data["text"]
        if self._current is None:
            self._open(name)
        if name == self._current:
            self._status.clear()
            self._flow.write(text)
            self._written[name] = self._written.get(name, "") + text
        else:
            self._unshown[name] = self._unshown.get(name, "") + text

    def _on_section_reset(self, data: Mapping[str, Any]) -> None:
        name = data["section"]
        self._unshown.pop(name, None)
        shown = self._written.pop(name, "")
        if shown:
            self._end_line()
            say(f"({self._words('reading.taken_back', reason=data['reason'])})")
            self._again.add(name)
        if name == self._current:
            self._current = None
            self._go_on()

    def _on_section_finished(self, data: Mapping[str, Any]) -> None:
        name = data["section"]
        self._finished[name] = data
        if not self._streams:
            self._print_in_order()
            return
        if self._current not in (None, name):
            return
        self._close(name)
        self._go_on()
        self._show_status()

    def _print_in_order(self, *, all_of_them: bool = False) -> None:
        """The finished ones that come next in the reading; all of them once no more are to come."""
        for name in [section.value for section in SECTIONS if section.value not in self._printed]:
            if name in self._finished:
                self._close(name)
                self._printed.add(name)
            elif not all_of_them:
                return

    def _on_completed(self, data: Mapping[str, Any]) -> None:
        self._status.clear()
        self._print_in_order(all_of_them=True)
        self._end_line()
        if data.get("care"):
            return
        if data["sources"]:
            say()
            heading(self._words("reading.sources"))
            for source in data["sources"]:
                say(f"- {source['title']}")
        say()
        paragraphs(self._summary(data["timings"]))

    def _on_failed(self, _data: Mapping[str, Any]) -> None:
        self._status.clear()
        self._print_in_order(all_of_them=True)
        self._end_line()

    def _on_stopped(self, data: Mapping[str, Any]) -> None:
        self.stopped(data["sections"])

    def _open(self, name: str) -> None:
        self._status.clear()
        say()
        again = f" ({self._words('reading.again')})" if name in self._again else ""
        heading(self._words(f"section.{name}") + again)
        self._current = name

    def _close(self, name: str) -> None:
        """Print what is still missing of a finished section, and whose it is."""
        finished = self._finished.pop(name)
        self._unshown.pop(name, None)
        if self._current != name or self._written.get(name) != finished["text"]:
            self._end_line()
            self._open(name)
            self._flow.write(finished["text"])
        self._flow.end()
        self._current = None
        if finished["source"] == "commentary":
            say(f"({self._words('live.source_commentary')})")

    def _go_on(self) -> None:
        """After one section, those that were written beside it; the first that is not finished is shown from now on."""
        for name in (section.value for section in SECTIONS):
            if self._current is None and name in self._finished:
                self._close(name)
        waiting = next((name for name in self._unshown if name not in self._finished), None)
        if self._current is None and waiting is not None:
            self._open(waiting)
            self._written[waiting] = self._unshown.pop(waiting)
            self._flow.write(self._written[waiting])

    def _end_line(self) -> None:
        if self._current is not None:
            self._flow.end()
            self._current = None

    def _stage_name(self, stage: str) -> str:
        return self._words(f"stage.{stage}") if self._words.has(f"stage.{stage}") else stage

    def _show_status(self) -> None:
        """What took how long, and what goes on; not in the middle of a section's text."""
        if self._current is not None:
            return
        parts = [f"{self._stage_name(stage)} {self._words.seconds(ms)}" for stage, ms in self._stages.items() if ms]
        if self._doing:
            running = self._words.seconds((time.monotonic() - self._since) * 1000)
            parts.append(f"{self._doing} {running}")
        with suppress(OSError):
            self._status.show(" · ".join(parts))

    def _summary(self, timings: Mapping[str, Any]) -> list[str]:
        """Who wrote it, how fast, and where the time went."""
        words = self._words
        model = timings["llm_model"] if timings["sections_from_model"] else None
        who = [words("live.written_by", model=model) if model else words("live.by_commentary")]
        if (first := timings["time_to_first_token_ms"]) is not None:
            who.append(words("reading.first_text", seconds=f"{first / 1000:.1f}"))
        if model and timings["tokens_per_second"]:
            who.append(words("reading.speed", tokens=f"{timings['tokens_per_second']:.0f}"))
        stages = [
            f"{self._stage_name(stage)} {words.seconds(ms)}" for stage, ms in self._stages.items() if ms is not None
        ]
        stages.append(f"{words('reading.total')} {words.seconds(timings['total_time_ms'])}")
        lines = [" · ".join(who), " · ".join(stages)]
        if model and timings["degraded"]:
            lines.insert(0, words("live.degraded"))
        return lines

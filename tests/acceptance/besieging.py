"""One program that is killed at chosen moments, again and again, and the clients who keep asking it."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Queue

from lasting import Watcher, ask_surely, check_whole, drain, wait_for, what_is_left
from program import Client, Program, Received, wait_until

#: Set it to have the same moments again; every run prints its own.
SEED = int(os.environ.get("JIEQIAN_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 1_000_000)
WORKERS = 4


@dataclass(frozen=True)
class Engine:
    """Who writes, how many tasks live at a time, and the questions."""

    name: str
    live: int
    question: str
    writing: str  # the event that tells that a section is being written
    settings: dict[str, str]
    never_fails: bool = False  # left alone, it writes every section


@dataclass
class Siege:
    """One program that is killed, and the clients who keep asking it."""

    program: Program
    engine: Engine
    chance: random.Random
    clients: list[Client]
    threads: ThreadPoolExecutor
    heard: Queue[tuple[str, Received]] = field(default_factory=Queue)
    watchers: dict[str, Watcher] = field(default_factory=dict)
    asked: list[tuple[Client, Future[str]]] = field(default_factory=list)
    checkpoints: dict[tuple[str, str], str] = field(default_factory=dict)
    hit: Counter[str] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)

    def ask(self) -> None:
        place = len(self.asked)
        client = self.clients[place % len(self.clients)]
        body = {"collection": "yuelao", "lot": 1 + place % 20, "question": self.engine.question.format(place)}
        self.asked.append((client, self.threads.submit(ask_surely, client, f"key-{place}", **body)))

    def watch_the_accepted(self, *, all_of_them: bool = False) -> None:
        for client, asking in self.asked:
            if all_of_them or asking.done():
                task_id = asking.result()
                if task_id not in self.watchers:
                    self.watchers[task_id] = Watcher(client, task_id, self.heard)

    def keep_busy(self) -> None:
        """As many tasks as are to live at a time, every one of them watched."""
        ended = sum(watcher.ended for watcher in self.watchers.values())
        for _ in range(self.engine.live - (len(self.asked) - ended)):
            self.ask()
        self.watch_the_accepted(all_of_them=True)

    def strike(self, aim: str) -> None:
        """Kill it at such a moment."""
        chance, stage = self.chance, ("generation", "started")
        drain(self.heard)
        if aim == "start-up":
            time.sleep(chance.uniform(0.0, 0.5))
        elif aim == "accept":
            for _ in range(3):
                self.ask()
            time.sleep(chance.uniform(0.0, 0.03))
        elif aim == "queue":
            for _ in range(WORKERS):
                self.ask()
            self.watch_the_accepted(all_of_them=True)
        else:
            if aim == "retrieval":
                stage = ("retrieval", "started")
                self.ask()
                self.watch_the_accepted(all_of_them=True)
            kind = {"in a section": self.engine.writing, "between sections": "section_finished"}.get(aim)
            met = wait_for(self.heard, lambda event: _is(event, kind, stage), seconds=30)
            assert met or all(watcher.ended for watcher in self.watchers.values()), f"nothing happened before: {aim}"
            if aim in ("in a section", "commit"):
                time.sleep(chance.uniform(0.0, 0.12))
        self.program.kill()
        self.note()

    def strike_the_next_start(self) -> None:
        self.program.launch()
        time.sleep(self.chance.uniform(0.1, 2.5))
        self.program.kill()
        self.note()

    def note(self) -> None:
        """Remember what is on the disk: it must never change again."""
        for task_id, left in what_is_left(self.program.data_dir).items():
            for name, text in left.sections.items():
                assert self.checkpoints.setdefault((task_id, name), text) == text, "a finished section was changed"
            if left.status in ("queued", "running"):
                self.hit[left.moment] += 1

    def rise(self) -> None:
        """Start it again, and measure how long until what was running goes on."""
        running = [task_id for task_id, left in what_is_left(self.program.data_dir).items() if left.status == "running"]
        self.program.start()
        self.watch_the_accepted()
        for watcher in [self.watchers[task_id] for task_id in running if task_id in self.watchers]:
            begun = self.program.up_at
            wait_until(lambda watcher=watcher, begun=begun: watcher.ended or watcher.went_on(begun) is not None, 60)
            self.waits.append(watcher.went_on(begun) or 0.0)


def _is(event: Received, kind: str | None, stage: tuple[str, str]) -> bool:
    if kind is not None:
        return event.type == kind
    return event.type == "stage" and (event.data["stage"], event.data["state"]) == stage


def besiege(program: Program, engine: Engine, aims: list[str], say: Callable[[str], None]) -> Siege:
    chance = random.Random(SEED)
    chance.shuffle(aims)
    clients = [program.client() for _ in range(3)]
    for client in clients:
        client.call("GET", "/api/v1/modes")  # a session of their own, before anything is lost
    with ThreadPoolExecutor(16) as threads:
        siege = Siege(program, engine, chance, clients, threads)
        for aim in aims:
            siege.keep_busy()
            time.sleep(chance.uniform(0.0, 0.8))
            siege.strike(aim)
            if aim == "start-up":
                siege.strike_the_next_start()
            siege.rise()
        siege.watch_the_accepted(all_of_them=True)
        for watcher in siege.watchers.values():
            watcher.join()
    say(
        f"{engine.name}: seed {SEED}, {len(aims) + aims.count('start-up')} kills, {len(siege.watchers)} tasks accepted "
        f"and completed, {len(siege.checkpoints)} checkpoints kept; tasks hit: {dict(siege.hit)}; running tasks went "
        f"on at most {max(siege.waits, default=0.0):.2f} s after the service was up ({len(siege.waits)} measured)"
    )
    return siege


def check_nothing_was_lost(siege: Siege) -> None:
    at_the_end = what_is_left(siege.program.data_dir)
    assert set(at_the_end) == set(siege.watchers), "what was asked once is one task, and nobody's is lost"
    for task_id, watcher in siege.watchers.items():
        check_whole(watcher)
        left = at_the_end[task_id]
        assert left.status == "completed"
        reading = watcher.events[-1].data
        sources = {section["source"] for section in reading["sections"].values()}
        if left.deliveries <= 5 and siege.engine.never_fails:
            assert sources == {"model"}, "no crash costs a section"
        assert reading["timings"]["degraded"] is ("commentary" in sources)
    for (task_id, name), text in siege.checkpoints.items():
        assert at_the_end[task_id].sections[name] == text
    for client in siege.clients:
        listed = {task["task_id"] for task in client.call("GET", "/api/v1/tasks?limit=100").json()["tasks"]}
        assert listed == {asking.result() for asker, asking in siege.asked if asker is client}

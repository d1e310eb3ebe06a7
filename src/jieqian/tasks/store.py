"""What a store of tasks promises. Every change of state writes its events in the same transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from jieqian.cache.answer import CacheFilter, CacheStats, KeptAnswer, OwnReading
from jieqian.events.event import Event, StoredEvent
from jieqian.experiments.store import ExperimentStore
from jieqian.llm.gain import Gain
from jieqian.sections.section import Section
from jieqian.tasks.faq_store import FaqStore
from jieqian.tasks.task import Feedback, NewTask, Status, Task


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to an accepted request; `created` is False where the idempotency key brought back an earlier task.

    `ahead`: how many tasks wait before it, None where it does not wait or was there before. `begun`: a worker that was
    free has it already.
    """

    task: Task
    created: bool
    ahead: int | None = None
    begun: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """One provable draw. `result` is set once it was revealed."""

    id: str
    caller: str
    collection: str
    server_seed: str
    created_at: float
    result: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """An integrator's key; only the SHA-256 of the key itself is kept."""

    id: str
    name: str
    key_hash: str
    created_at: float
    revoked_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A link to one reading for whoever has it. Each reading has one at most."""

    token: str
    task_id: str
    with_question: bool
    created_at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class Notice:
    """An ended task that the operator's webhook was not told of yet, after so many tries."""

    task_id: str
    tries: int


#: What is written with the task itself, given how many queued tasks stand before it.
FirstEvents = Callable[[int], Sequence[Event]]


@dataclass(frozen=True, slots=True)
class Reused:
    """What a task that an earlier answer completes is stored with: its events and its timings."""

    events: Sequence[Event]
    timings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NearKey:
    """Where the answer to a near question of the same caller would be. Served only if `reading` still holds it."""

    key: str
    reading: OwnReading
    reuse: Callable[[KeptAnswer], Reused]


@dataclass(frozen=True, slots=True)
class FromCache:
    """Where a request looks for an answer before it waits for one: a key, and what is told if there is one.

    `near`: where it looks then, in this order.
    """

    key: str
    reuse: Callable[[KeptAnswer], Reused]
    near: Sequence[NearKey] = ()

    def found(self, look: Callable[[str], KeptAnswer | None]) -> tuple[KeptAnswer, Reused] | None:
        """The first answer there is, with what is told; `look` gives the one kept under a key."""
        if (answer := look(self.key)) is not None:
            return answer, self.reuse(answer)
        for one in self.near:
            answer = look(one.key)
            if answer is not None and one.reading.is_of(answer):
                return answer, one.reuse(answer)
        return None


@dataclass(frozen=True, slots=True)
class FreeWorker:
    """A worker with nothing to do, for a task that is only being accepted: it need not be claimed then.

    `begin` is called on the event loop, after the commit, if the task was leased to it: under `token` until
    `lease_expires_at` (of the steady clock, as is `now`).
    """

    token: str
    now: float
    lease_expires_at: float
    begin: Callable[[Task], None]


#: Called on the event loop, in the order of commits, with what was stored for a task (an empty list: it was erased).
Announce = Callable[[str, Sequence[StoredEvent]], None]


class TaskStore(FaqStore, ExperimentStore, Protocol):
    """The one owner of writes. What it stores it announces (`Announce`), after the commit and never before.

    Times are seconds since the epoch. Writes that take a lease `token` raise `LeaseLost` and change nothing unless the
    task is running under exactly that token. Every write returns only when it is as durable as it promises: `append`
    and `time_after_end` survive the end of the process, all others a power cut.
    """

    async def accept(
        self,
        new: NewTask,
        first_events: FirstEvents,
        max_queue: int,
        from_cache: FromCache | None = None,
        worker: FreeWorker | None = None,
    ) -> Accepted:
        """Store the request and its first events. Raises `QueueFull`, `IdempotencyMismatch`.

        Where an answer is kept under a key of `from_cache`, the task is stored as completed with it, however long
        the queue is. Where none waits before it, a `worker` that is free is given it at once.
        """
        ...

    async def task_of_key(self, caller: str, idempotency_key: str, now: float) -> tuple[Task, str] | None:
        """The task that key made in the 24 hours before `now`, with the hash of its request; None without one."""
        ...

    async def claim(self, token: str, now: float, lease_seconds: float, *, held: Collection[str] = ()) -> Task | None:
        """Lease the oldest task that is queued, or whose lease ran out; counts a delivery. None if there is none.

        `held`: tokens the caller itself works under. It never takes a task from itself, however late a heartbeat is.
        """
        ...

    async def heartbeat(self, task_id: str, token: str, expires_at: float) -> None:
        """Prolong the lease."""
        ...

    async def release(self, task_id: str, token: str, *, counts: bool) -> None:
        """Give a running task back to the queue; with `counts` False this delivery is not counted (an orderly stop)."""
        ...

    async def release_leases(self) -> int:
        """At the start of the data's only owner: leases of processes that are gone end now. Says how many.

        Where events may have been lost (a power cut) their tasks' ids jump forward.
        """
        ...

    async def append(self, task_id: str, token: str, events: Sequence[Event]) -> None:
        """Store events that change no state (stages, deltas, resets)."""
        ...

    async def keep_sources(
        self,
        task_id: str,
        token: str,
        sources: Sequence[Mapping[str, Any]],
        timings: Mapping[str, Any],
        events: Sequence[Event],
    ) -> None:
        """Keep the passages the reading stands on, each `{"id", "title", "text", ...}`. `timings` so far."""
        ...

    async def end_attempt(self, task_id: str, token: str, attempts: int, events: Sequence[Event]) -> None:
        """Count an attempt that ended with sections missing (one that a crash ended is made again, not counted)."""
        ...

    async def finish_section(
        self, task_id: str, token: str, section: Section, timings: Mapping[str, Any], events: Sequence[Event]
    ) -> None:
        """Keep a finished section: a checkpoint. `timings` as measured so far."""
        ...

    async def end(
        self,
        task_id: str,
        token: str,
        status: Status,
        timings: Mapping[str, Any],
        events: Sequence[Event],
        *,
        attempts: int | None = None,
        error: Mapping[str, Any] | None = None,
        keep: KeptAnswer | None = None,
    ) -> None:
        """End a running task after so many `attempts` (None: as many as were counted).

        With `keep` its answer is kept for those who ask the same, unless it cites an FAQ entry that is not approved
        (any more).
        """
        ...

    async def end_with(self, task_id: str, token: str, answer: KeptAnswer, reused: Reused) -> None:
        """Complete a running task that has no finished section with a kept answer."""
        ...

    async def answer(self, key: str) -> KeptAnswer | None:
        """The answer kept under that key."""
        ...

    async def renew_answer(self, key: str, now: float) -> bool:
        """Whether an answer is kept under that key; it counts as wanted `now`, so that others are thrown away first."""
        ...

    async def own_readings(self, new: NewTask, limit: int) -> list[OwnReading]:
        """Completed readings of the request's caller, newest first: of its lot, language, mode and earlier reading.

        Only the latest tasks are looked at (`MOST_OWN`); none with help lines, and none that is itself a copy of one to
        other words.
        """
        ...

    async def cache_stats(self) -> CacheStats:
        """How many answers are kept, and how often they served."""
        ...

    async def clear_cache(self, which: CacheFilter) -> int:
        """Throw those answers away; says how many."""
        ...

    async def stop(self, task_id: str, caller: str, now: float) -> Task:
        """Stop a queued or running task at once, its lease taken away; an ended one is unchanged (no events)."""
        ...

    async def erase(self, task_id: str, caller: str) -> None:
        """Erase question, reading, events, feedback, link and the kept answer it made. Raises `UnknownTask`."""
        ...

    async def get(self, task_id: str, caller: str | None = None) -> Task:
        """The task; with `caller`, only if it is theirs. Raises `UnknownTask`."""
        ...

    async def history(self, caller: str, limit: int, before_seq: int | None) -> list[Task]:
        """The caller's tasks, newest first."""
        ...

    async def events(self, task_id: str, after: int, limit: int) -> list[StoredEvent]:
        """The log from the first id over `after`."""
        ...

    async def ahead_of(self, task_ids: Sequence[str]) -> dict[str, int]:
        """For each of these tasks that is still queued, how many queued ones stand before it."""
        ...

    async def counts(self) -> dict[Status, int]:
        """How many tasks are queued and running (ended ones are not counted)."""
        ...

    async def add_feedback(self, task_id: str, caller: str, feedback: Feedback, now: float) -> None:
        """Keep or replace the caller's feedback. Raises `UnknownTask`."""
        ...

    async def median_total_ms(self, mode: str) -> float | None:
        """The median `total_time_ms` of the mode's last hundred completed tasks that asked a model, else None."""
        ...

    async def add_draw(self, draw: Draw) -> None:
        """Keep a draw before its commitment is given out."""
        ...

    async def get_draw(self, draw_id: str, caller: str) -> Draw:
        """The caller's draw. Raises `UnknownDraw`."""
        ...

    async def reveal_draw(self, draw_id: str, caller: str, result: Mapping[str, Any]) -> None:
        """Record the result, once only. Raises `UnknownDraw`, `DrawAlreadyRevealed`."""
        ...

    async def add_key(self, key: ApiKey) -> None:
        """Keep an API key's hash."""
        ...

    async def keys(self) -> list[ApiKey]:
        """All keys, oldest first."""
        ...

    async def find_key(self, key_hash: str) -> ApiKey | None:
        """The key with that hash that was not revoked."""
        ...

    async def revoke_key(self, key_id: str, now: float) -> bool:
        """Revoke; False if there is no such key."""
        ...

    async def share(self, share: Share, caller: str) -> Share:
        """Keep a link to the caller's task, in place of an earlier one; gives the one that holds from now on.

        An earlier one that shows the same and has not run out at `created_at` stays: links given out go on working.
        Raises `UnknownTask`.
        """
        ...

    async def share_of(self, task_id: str, caller: str, now: float) -> Share | None:
        """The link to the caller's task; None where there is none or it has run out."""
        ...

    async def withdraw_share(self, task_id: str, caller: str) -> bool:
        """End the link to the caller's task; False if there was none."""
        ...

    async def shared(self, token: str, now: float) -> tuple[Share, Task]:
        """What that link shows. Raises `UnknownShare`."""
        ...

    async def due_notices(self, now: float, limit: int) -> list[Notice]:
        """Ended tasks to tell of now, those due longest first.

        A store that keeps notices writes one with each task it accepts, in the same transaction.
        """
        ...

    async def put_off_notice(self, task_id: str, tries: int, due_at: float) -> None:
        """It was not taken; try again then. Nothing happens where the task was erased."""
        ...

    async def forget_notice(self, task_id: str) -> None:
        """It was taken, or is given up."""
        ...

    async def gains(self) -> dict[str, Gain]:
        """What is known of model servers, by a key that tells one model of one server from another."""
        ...

    async def keep_gain(self, key: str, about: str, gain: Gain) -> None:
        """Keep or replace what was measured; `about` names server and model for people."""
        ...

    async def time_after_end(self, task_id: str, timings: Mapping[str, Any]) -> None:
        """Add to an ended task's timings; nothing happens where it was erased or has not ended."""
        ...

    async def ping(self) -> None:
        """Raise `StoreError` where the store cannot be used."""
        ...

    async def close(self) -> None:
        """Finish what was begun and close."""
        ...

"""The whole house, put together from the settings; here and in `fitting.py` alone concrete classes are named."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from jieqian.cache import filling
from jieqian.cache.filling import FillDesk, Wanted
from jieqian.cache.flights import Flights
from jieqian.cache.near import NoNearAnswers, OwnReadings
from jieqian.cache.sense import sense_of
from jieqian.cache.warming import Warmer, Wish
from jieqian.checks.language import resolve_language
from jieqian.errors import AlreadyFilling, StoreError
from jieqian.events.event import StoredEvent
from jieqian.events.live import LiveEvents
from jieqian.experiments.running import Experiments
from jieqian.faq.entry import FaqStatus
from jieqian.faq.listing import FaqLists
from jieqian.faq.review import FaqReview, passage_of
from jieqian.faq.scribe import FaqScribe
from jieqian.fitting import (
    choose,
    choose_named,
    make_retriever,
    make_traces,
    make_translator,
    make_webhook,
    offered_lots,
    take_templates,
)
from jieqian.keeping.folder import own_data_dir, own_database
from jieqian.keeping.placing import is_restore_pending
from jieqian.languages import Language
from jieqian.logs import LOOP_BLOCKED
from jieqian.lots.following import follow_folders
from jieqian.lots.importing.drafts import Drafts
from jieqian.lots.lot import Lot
from jieqian.metrics.counting import FigureCounting
from jieqian.metrics.dashboard import Dashboard
from jieqian.metrics.figures import Live
from jieqian.metrics.loop_watch import Block, LoopWatch, watch
from jieqian.metrics.prometheus import Metrics
from jieqian.prompt.builder import build_prefix
from jieqian.prompt.versions import version_of
from jieqian.reading.accept import FrontDesk, ReadingRequest, accept_request, care_for
from jieqian.reading.answers import Answers
from jieqian.reading.early import EarlyFinder
from jieqian.reading.engines import Engines
from jieqian.reading.gauge import Gauge
from jieqian.reading.modes import Modes
from jieqian.reading.reading import timings_of
from jieqian.reading.record import log_end
from jieqian.reading.run import Desk, run_reading
from jieqian.reading.way import Ways
from jieqian.retrieval.passage import FaqPassage
from jieqian.sections.warming import warm_up
from jieqian.settings import Settings, session_secret
from jieqian.tasks.database import check_database, database_file, migrate, url_of
from jieqian.tasks.figure_looks import StoredFigures
from jieqian.tasks.limits import RateLimit
from jieqian.tasks.sql_store import SqlTaskStore
from jieqian.tasks.store import Accepted, FromCache
from jieqian.tasks.task import Mode, NewTask, Status, StrategyName, Task
from jieqian.worker.doorbell import InProcessDoorbell
from jieqian.worker.place import Place
from jieqian.worker.pool import WorkerPool
from jieqian.worker.positions import Estimate, tell_positions

logger = logging.getLogger(__name__)

#: How often the counts behind the gauges are read from the database, in seconds.
GAUGE_SECONDS = 5.0


class House:
    """One running service: its parts, started and stopped in order."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.traces = make_traces(settings)
        url = url_of(settings)
        if not is_restore_pending(settings.data_dir):
            check_database(url)  # before anything is written
        self.owner = own_data_dir(settings.data_dir)
        self.database_owner = own_database(database_file(url), settings.data_dir)
        self.secret = session_secret(settings)
        self.local_token = secrets.token_urlsafe(24)  # told to the commands of this machine by `server.json`
        migrate(url)
        self.live = LiveEvents()
        self.metrics = Metrics()
        self.store = SqlTaskStore(
            url,
            announce=self._announce,
            most_answers=settings.cache_entries,
            keeps_notices=settings.webhook_url is not None,
        )
        self.counting = FigureCounting(self.store)
        self.dashboard: Dashboard = StoredFigures(self.store, self._moment)
        self.webhook = make_webhook(settings, self.store)
        self.lots = offered_lots(settings)
        take_templates(settings, self.lots)
        self.drafts = Drafts(settings.data_dir, self.lots)
        self.gauge = Gauge(self.store, lambda: self.engines.in_use(), self._is_busy)
        self.warmer = Warmer(self._is_busy)
        modes = Modes(settings, self.gauge)
        self.engines = Engines(
            lambda: choose(settings),
            lambda *asked: self.traces.strategy(modes.strategy(*asked)),
            modes.options,
            named=lambda model: choose_named(settings, model),
        )
        self.passages = make_retriever(settings, self.lots, self._approved_answers)
        self.answers = Answers(self.secret, self.passages.version, on=settings.cache_entries > 0)
        self.experiments = Experiments(self.store, self.engines, self.secret)
        self.ways = Ways(self.lots, self.engines, self.answers, self.experiments.variant, self.experiments.find_variant)
        self.flights = Flights()
        self._early = EarlyFinder(self.traces.finder(self.passages))
        self.faq_scribe = FaqScribe(
            self.store,
            self.lots,
            self.metrics,
            most_unanswered=settings.faq_unanswered,
            is_busy=lambda: self.pool.counts.active > 0,
        )
        self.faq_review = FaqReview(self.store, self.passages, self._early.forget)
        self.faq_lists = FaqLists(self.store)
        self.faq_translator = make_translator(self.engines)
        self.doorbell = InProcessDoorbell()
        self.pool = WorkerPool(self.store, self.doorbell, self._run_task, slots=settings.workers, on_end=self._ended)
        self.estimate = Estimate(settings.workers, lambda: self.pool.counts.active)
        self.rate_limit = RateLimit(settings.rate_limit_per_minute)
        self._front = FrontDesk(
            store=self.store,
            lots=self.lots,
            estimate=self.estimate,
            max_queue=settings.max_queue,
            rate_limit=self.rate_limit,
            check_model=self.engines.check_named,
            answer_key=self.ways.answer_key,
            near=OwnReadings(self.store, self.answers.may_have) if settings.near_answers else NoNearAnswers(),
            look_early=self._look_early,
            free_worker=self.pool.free_worker,
            assign=self.experiments.assign,
        )
        self._desk = Desk(
            store=self.store,
            lots=self.lots,
            engines=self.engines,
            passages=self._early,
            answers=self.answers,
            ways=self.ways,
            flights=self.flights,
            metrics=self,
            traces=self.traces,
            deadline_seconds=settings.task_deadline_seconds,
        )
        self.works_here = False
        self._filling = False
        self._loop_watch: LoopWatch | None = None
        self._counts: dict[Status, int] = {}
        self._side_tasks: list[asyncio.Task[None]] = []
        self._show_gauges()

    @property
    def operator_tokens(self) -> tuple[str, ...]:
        """What the operator shows: the machine's own token and, where it is set, ADMIN_TOKEN."""
        return tuple(token for token in (self.local_token, self.settings.admin_token) if token)

    async def start(self, *, with_worker: bool = True) -> None:
        """Look for models and begin to work."""
        await asyncio.to_thread(warm_checks)
        await self.engines.start()
        await self.experiments.load()
        released = await self.store.release_leases()  # we own the data: whoever held them is gone
        if released:
            logger.info("taken over", extra={"action": "leases_released", "tasks": released})
        if self.settings.loop_watch_ms is not None:
            self._loop_watch = watch(asyncio.get_running_loop(), self.settings.loop_watch_ms, log_block)
        self.works_here = with_worker
        await self.gauge.start(measures=with_worker and self.settings.measure_models)
        await self.passages.start(with_index=with_worker)
        await self.store.trim_unanswered(self.settings.faq_unanswered)
        self.faq_scribe.start()
        self.counting.start()
        if self.webhook is not None:
            self.webhook.start()
        if with_worker:
            self.pool.start()
        self._side_tasks = [
            asyncio.create_task(tell_positions(self.store, self.live, self.estimate), name="positions"),
            asyncio.create_task(self._keep_counting(), name="gauges"),
            asyncio.create_task(follow_folders(self.lots), name="collections"),
        ]

    async def stop(self) -> None:
        """Give tasks under way back to the queue and close everything."""
        self.live.close()
        await self.pool.stop()
        for side_work in (self.gauge.stop, self.warmer.stop, self.flights.close):
            await side_work()
        await self.faq_scribe.stop()
        await self.counting.stop()
        for side_task in self._side_tasks:
            side_task.cancel()
        await asyncio.gather(*self._side_tasks, return_exceptions=True)
        if self._loop_watch is not None:
            await asyncio.to_thread(self._loop_watch.stop)
        if self.webhook is not None:
            await self.webhook.stop()
        await self.passages.stop()
        await self.engines.close()
        await self.traces.close()
        await self.store.close()
        if self.database_owner is not None:
            self.database_owner.release()
        self.owner.release()

    async def accept(
        self,
        asked: ReadingRequest,
        caller: str,
        idempotency_key: str | None = None,
        *,
        arrived: float = 0.0,
        limited_as: Sequence[str] | None = None,
        traceparent: str | None = None,
        assign: Callable[[NewTask], NewTask] | None = None,
    ) -> Accepted:
        """Check and store a request, and wake a worker; see `accept_request`, and `Traces.accepted`."""
        accepted = await accept_request(
            asked,
            caller,
            self._front,
            idempotency_key=idempotency_key,
            arrived=arrived or time.time(),
            limited_as=limited_as,
            assign=assign,
        )
        if accepted.created:
            task = accepted.task
            self.traces.accepted(task, traceparent)
            self.metrics.task_accepted(task.collection, task.language.value)
            if task.care:
                self.metrics.care_given(str(task.care["kind"]))
            if task.status.ended:  # by help lines, or by an answer that was kept
                self._ended(task)
            else:
                self.gauge.disturb()
                self.warmer.disturb()
                if not accepted.begun:
                    self.doorbell.ring()
        return accepted

    async def stop_task(self, task_id: str, caller: str) -> Task:
        """Stop the caller's task; one that has ended is left as it is."""
        now = time.time()
        task = await self.store.stop(task_id, caller, now)
        if task.ended_at == now:
            self._ended(task)
        return task

    def _ended(self, task: Task) -> None:
        """Count and log a task that ended without a worker's report."""
        timings = timings_of(task, task.timings)
        self.metrics.reading_ended(timings, task.status.value)
        self.traces.reading_ended(timings, task.status.value, task.created_at)
        log_end(task.status.value, timings)

    def reading_ended(self, timings: dict[str, Any], status: str) -> None:
        """See `Measured`."""
        self.metrics.reading_ended(timings, status)
        self.traces.reading_ended(timings, status)

    def warm(self, caller: str, lot: Lot, language: Language) -> None:
        """The caller looks at that lot, and may soon ask about it: let the model read it, if that harms nobody."""
        variant = self.experiments.variant_in(Mode.QUALITY, caller)
        model, template = (variant.model, variant.template) if variant else (None, None)
        engine = self.engines.engine(Mode.QUALITY, StrategyName.AUTO, model)
        if engine is None or engine.model.tiny or language not in engine.model.languages or not self.works_here:
            return
        wish = Wish(
            client=engine.client,
            model=engine.model.name,
            prefix=build_prefix(lot, self.lots.collection(lot.collection), language, version_of(template).name),
            context_tokens=engine.options.context_tokens,
            thinking=engine.options.thinking,
            first_token_seconds=engine.options.first_token_seconds,
        )
        self.warmer.wish(caller, wish)

    def measured(self, mode: Mode) -> dict[str, Any] | None:
        """What the mode's model gains by several calls at a time; None where it was not timed."""
        engine = self.engines.engine(mode, StrategyName.SEQUENTIAL)
        gain = None if engine is None else self.gauge.of(engine.client, engine.model)
        return None if gain is None else asdict(gain)

    def _is_busy(self) -> bool:
        return self.pool.has_work

    def fill_cache(self, wanted: Sequence[Wanted], seconds: float | None) -> AsyncIterator[dict[str, Any]]:
        """Have these readings written while nobody waits; see `filling.fill`."""

        async def known(one: Wanted) -> bool:
            key = self.ways.answer_key(one, self.lots.lot(one.collection, one.lot))
            return key is not None and await self.store.renew_answer(key, time.time())

        def ask(one: Wanted) -> Awaitable[Accepted]:
            request = ReadingRequest(
                question=one.question,
                lot=one.lot,
                collection=one.collection,
                language=one.language.value,
                mode=one.mode.value,
            )
            place = partial(replace, experiment=one.experiment, variant=one.variant)
            return self.accept(request, filling.CALLER, limited_as=(), assign=place)

        def keeps(mode: Mode) -> bool:
            engine = self.engines.engine(mode, StrategyName.AUTO)
            return self.settings.cache_entries > 0 and engine is not None and not engine.model.tiny and self.works_here

        async def steps() -> AsyncIterator[dict[str, Any]]:
            if self._filling:  # each would take the other's task for an asker's
                raise AlreadyFilling
            self._filling = True
            try:
                async for step in filling.fill(desk, self.experiments.spread(wanted), seconds):
                    yield step
            finally:
                self._filling = False

        desk = FillDesk(
            known=known,
            ask=ask,
            look=self.store.get,
            stop=lambda task_id: self.stop_task(task_id, filling.CALLER),
            others_ask=self._others_ask,
            keeps=keeps,
            most=self.settings.cache_entries,
        )
        return steps()

    async def _others_ask(self, ours: str | None) -> bool:
        """Whether anybody's task but `ours` waits or is under way."""
        running = self.pool.running
        queued = (await self.store.counts())[Status.QUEUED]
        waits_itself = ours is not None and ours not in running
        return bool(running - {ours}) or queued > waits_itself

    def _look_early(self, new: NewTask, lot: Lot, kept: FromCache | None) -> None:
        """A worker will ask for these passages in a moment, if one is free and the answer is not known."""
        keys = () if kept is None else (kept.key, *(near.key for near in kept.near))
        known = any(self.answers.may_have(key) for key in keys)
        if self.works_here and self.pool.counts.idle and not known:
            with self.traces.within(new.id):
                self._early.begin(new.question, lot, new.language)

    async def _run_task(self, task: Task, token: str, place: Place) -> None:
        begun = time.perf_counter()
        self.gauge.disturb()  # what began since the task was accepted, or one that an earlier run accepted
        self.warmer.disturb()
        await run_reading(task, token, self._desk, place)
        if task.caller != filling.CALLER:
            self.faq_scribe.offer(task.id)
        self.estimate.reading_took(time.perf_counter() - begun)

    def _announce(self, task_id: str, events: Sequence[StoredEvent]) -> None:
        self.live.announce(task_id, events)
        self.pool.task_changed(task_id, events)
        if events and events[-1].final:
            self.counting.ring()
            if self.webhook is not None:
                self.webhook.ring()

    async def _approved_answers(self) -> list[FaqPassage]:
        """The approved FAQ entries, as retrieval takes them."""
        return [passage_of(entry) for entry in await self.store.faq_entries(FaqStatus.APPROVED)]

    async def _keep_counting(self) -> None:
        while True:
            try:
                self._counts = await self.store.counts()
                await self.experiments.look()
            except StoreError as error:
                logger.error("cannot count: %s", error, extra={"action": "counting_failed"})
            await asyncio.sleep(GAUGE_SECONDS)

    async def _moment(self) -> Live:
        """This moment, for the dashboard."""
        waiting, workers = await self.store.counts(), self.pool.counts
        return Live(
            at=time.time(),
            queued=waiting[Status.QUEUED],
            running=waiting[Status.RUNNING],
            workers_active=workers.active,
            workers_idle=workers.idle,
            workers_error=workers.error,
            streams=self.live.open_streams,
            lot_lookups=self.lots.lookups,
            lot_hits=self.lots.hits,
            generations_shared=self.flights.shared,
            prefixes_warmed=self.warmer.warmed,
        )

    def _show_gauges(self) -> None:
        gauge, total = self.metrics.gauge, self.metrics.total
        gauge("jieqian_workers", "Workers by what they do", "state", self._worker_states)
        gauge(
            "jieqian_queue_tasks",
            "Tasks not ended",
            "status",
            lambda: {status.value: float(number) for status, number in self._counts.items()},
        )
        gauge("jieqian_event_streams", "Open event streams", "state", lambda: {"open": self.live.open_streams})
        total("jieqian_lot_lookups", "Look-ups of a lot", lambda: self.lots.lookups)
        total("jieqian_generations_shared", "Readings that joined another's generation", lambda: self.flights.shared)
        total("jieqian_prefixes_warmed", "Prefixes a model read before a question", lambda: self.warmer.warmed)
        total("jieqian_lot_hits", "Look-ups of a lot that found one", lambda: self.lots.hits)

    def _worker_states(self) -> dict[str, float]:
        counts = self.pool.counts
        return {"active": counts.active, "idle": counts.idle, "error": counts.error}


def warm_checks() -> None:
    """Read tables and compile patterns before the first question comes, not while it waits."""
    warm_up()
    for one in ("籤", "lot", "くじ"):
        sense_of(one)
    care_for("籤", resolve_language(None, "籤"))


def log_block(block: Block) -> None:
    """Say what kept the event loop from its work."""
    logger.error(LOOP_BLOCKED, extra={"action": "loop_blocked", "ms": round(block.ms), "stack": block.stack})

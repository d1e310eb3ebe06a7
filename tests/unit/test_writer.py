"""The one writer on SQLite: groups, failures, cancelled awaiters, closing, a full disk."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
import sqlalchemy as sa
from blockbuster import BlockBuster

from jieqian.errors import LeaseLost, StoreError, StoreUnwritable
from jieqian.tasks.database import open_engine, sqlite_url
from jieqian.tasks.writer import MOST_IN_ONE_COMMIT, GroupWriter


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with one table, `notes`."""
    path = tmp_path / "notes.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table notes (id integer primary key, text varchar not null)")
    connection.close()
    return path


@pytest.fixture
def engine(path: Path) -> Iterator[sa.Engine]:
    """The writing engine on it."""
    engine = open_engine(sqlite_url(path), writes=True)
    yield engine
    engine.dispose()


@pytest_asyncio.fixture
async def writer(engine: sa.Engine) -> AsyncIterator[GroupWriter]:
    """A writer, closed at the end."""
    writer = GroupWriter(engine)
    yield writer
    await asyncio.to_thread(writer.close)


def note(number: int):
    """An operation that writes a note and answers its number."""

    def write(connection: sa.Connection) -> int:
        connection.execute(sa.text("insert into notes values (:id, 'x')"), {"id": number})
        return number

    return write


def notes(path: Path) -> list[int]:
    """What another process sees."""
    connection = sqlite3.connect(path)
    try:
        return [row[0] for row in connection.execute("select id from notes order by id")]
    finally:
        connection.close()


def commits_of(engine: sa.Engine) -> list[int]:
    """Grows by one with each commit."""
    seen: list[int] = []
    sa.event.listen(engine, "commit", lambda _connection: seen.append(1))
    return seen


class Gate:
    """An operation that holds the writer until opened, so that others gather behind it."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self._open = threading.Event()

    def __call__(self, _connection: sa.Connection) -> None:
        self.entered.set()
        assert self._open.wait(20)

    def open(self) -> None:
        self._open.set()


async def gathered(writer: GroupWriter, operations, **options) -> list:
    """Give all the operations while the writer is busy; answers results and errors."""
    gate = Gate()
    first = asyncio.ensure_future(writer.write(gate))
    await asyncio.to_thread(gate.entered.wait)
    rest = asyncio.gather(*(writer.write(operation, **options) for operation in operations), return_exceptions=True)
    await asyncio.sleep(0)
    gate.open()
    await first
    return await rest


async def test_a_write_answers_after_its_commit(writer: GroupWriter, path: Path):
    assert await writer.write(note(1)) == 1
    assert notes(path) == [1]


async def test_writes_that_wait_share_a_commit(writer: GroupWriter, engine: sa.Engine, path: Path):
    commits = commits_of(engine)
    assert await gathered(writer, map(note, range(50))) == list(range(50))
    assert notes(path) == list(range(50))
    assert len(commits) == 2  # the one they waited for, and theirs


async def test_a_group_is_bounded(writer: GroupWriter, engine: sa.Engine):
    commits = commits_of(engine)
    await gathered(writer, map(note, range(MOST_IN_ONE_COMMIT + 1)))
    assert len(commits) == 3


async def test_writes_run_in_the_order_given(writer: GroupWriter):
    order: list[int] = []
    await gathered(writer, [lambda _connection, number=number: order.append(number) for number in range(30)])
    assert order == list(range(30))


def _refuse(_connection: sa.Connection) -> None:
    raise LeaseLost


def _divide(_connection: sa.Connection) -> None:
    raise ZeroDivisionError


def _half_done(connection: sa.Connection) -> None:
    note(100)(connection)
    note(1)(connection)  # there already


def _surrogate(connection: sa.Connection) -> None:
    note(101)(connection)
    connection.execute(sa.text("insert into notes values (102, :text)"), {"text": "\ud800"})


def _bad_sql(connection: sa.Connection) -> None:
    note(103)(connection)
    connection.execute(sa.text("insert into notes values (104, :id)"), {"id": object()})


@pytest.mark.parametrize(
    ("failing", "error"),
    [
        (_refuse, LeaseLost),
        (_divide, ZeroDivisionError),
        (_half_done, sa.exc.IntegrityError),
        (_surrogate, UnicodeEncodeError),
        (_bad_sql, sa.exc.DBAPIError),
    ],
)
async def test_a_write_that_fails_takes_nothing_with_it(writer: GroupWriter, path: Path, failing, error):
    *results, told, last = await gathered(writer, [note(1), note(2), failing, note(3)])
    assert results == [1, 2]
    assert isinstance(told, error)
    assert last == 3
    assert notes(path) == [1, 2, 3]


async def test_after_commit_comes_after_the_commit_and_in_order(
    writer: GroupWriter, path: Path, blocking_calls: BlockBuster
):
    blocking_calls.deactivate()  # the listener below reads the file
    seen: list[tuple[int, bool]] = []

    async def write(number: int) -> None:
        await writer.write(note(number), after_commit=lambda done: seen.append((done, done in notes(path))))
        assert (number, True) in seen, "told before it was announced"

    await asyncio.gather(*map(write, range(20)))
    assert seen == [(number, True) for number in range(20)]


async def test_a_failed_write_is_not_announced(writer: GroupWriter):
    announced: list[object] = []
    with pytest.raises(LeaseLost):
        await writer.write(_refuse, after_commit=announced.append)
    assert announced == []


async def test_a_cancelled_awaiters_write_stands_and_is_announced(writer: GroupWriter, path: Path):
    gate, announced = Gate(), asyncio.Queue[int]()
    first = asyncio.ensure_future(writer.write(gate))
    await asyncio.to_thread(gate.entered.wait)
    second = asyncio.ensure_future(writer.write(note(2), after_commit=announced.put_nowait))
    third = asyncio.ensure_future(writer.write(note(3)))
    await asyncio.sleep(0)
    second.cancel()
    gate.open()
    await asyncio.gather(first, third)
    assert second.cancelled()
    assert notes(path) == [2, 3]
    assert await asyncio.wait_for(announced.get(), 5) == 2


async def test_a_listener_that_fails_harms_nobody(writer: GroupWriter, path: Path, caplog: pytest.LogCaptureFixture):
    def fail(_result: object) -> None:
        raise ZeroDivisionError

    both = asyncio.gather(writer.write(note(1), after_commit=fail), writer.write(note(2)))
    assert await asyncio.wait_for(both, 5) == [1, 2]
    assert "announcing failed" in caplog.text


async def test_close_commits_what_was_given(engine: sa.Engine, path: Path):
    writer, gate = GroupWriter(engine), Gate()
    first = asyncio.ensure_future(writer.write(gate))
    await asyncio.to_thread(gate.entered.wait)
    given = [asyncio.ensure_future(writer.write(note(number))) for number in range(5)]
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(asyncio.to_thread(writer.close))
    await asyncio.sleep(0)
    gate.open()
    await closing
    assert notes(path) == list(range(5))
    assert await asyncio.gather(first, *given) == [None, *range(5)]
    with pytest.raises(StoreError):
        await writer.write(note(9))
    await asyncio.to_thread(writer.close)  # twice is harmless


async def test_every_write_beside_a_closing_is_answered(engine: sa.Engine, path: Path):
    writer = GroupWriter(engine)

    async def write(number: int) -> int | None:
        try:
            return await writer.write(note(number))
        except StoreError:
            return None

    async def write_many(start: int) -> list[int | None]:
        return [await write(number) for number in range(start, start + 200)]

    writing = asyncio.gather(*(write_many(start) for start in range(0, 2000, 200)))
    await asyncio.sleep(0.01)
    await asyncio.to_thread(writer.close)
    answers = await asyncio.wait_for(writing, 20)
    assert sorted(number for some in answers for number in some if number is not None) == notes(path)


async def test_a_loop_that_is_gone_does_not_end_the_writer(writer: GroupWriter, path: Path):
    gate, other = Gate(), asyncio.new_event_loop()

    def begin_and_leave() -> None:
        async def begin() -> None:
            asyncio.ensure_future(writer.write(note(1))).add_done_callback(lambda task: task.cancelled())
            await asyncio.sleep(0)

        other.run_until_complete(begin())
        for task in asyncio.all_tasks(other):
            task.cancel()
        other.run_until_complete(asyncio.sleep(0))
        other.close()

    first = asyncio.ensure_future(writer.write(gate))
    await asyncio.to_thread(gate.entered.wait)
    await asyncio.to_thread(begin_and_leave)
    gate.open()
    await first
    assert await writer.write(note(2)) == 2
    assert notes(path) == [1, 2]


def test_a_file_that_cannot_be_opened_is_told_at_once(tmp_path: Path):
    engine = open_engine(sqlite_url(tmp_path / "no such folder" / "a.db"), writes=True)
    with pytest.raises(StoreError, match="cannot be opened"):
        GroupWriter(engine)
    engine.dispose()


# -- a database that cannot be written ---------------------------------------------------------------------------------


async def test_a_full_database_is_a_store_error_and_undoes_the_group(writer: GroupWriter, path: Path):
    def allow(pages: str):
        return lambda connection: connection.exec_driver_sql(f"pragma max_page_count={pages}").scalar()

    def swell(connection: sa.Connection) -> None:
        connection.execute(sa.text("insert into notes values (99, :text)"), {"text": "x" * 100_000})

    await writer.write(note(1))
    await writer.write(allow("4"))
    told = await gathered(writer, [note(2), swell, note(3)])
    assert [type(error) for error in told] == [StoreUnwritable] * 3
    assert "full" in str(told[0])
    assert told[0].problem()["status"] == 503
    assert told[0].retryable
    assert notes(path) == [1]
    await writer.write(allow("1000000"))
    await writer.write(swell)
    assert notes(path) == [1, 99]


async def test_a_locked_database_is_a_store_error_until_it_is_free(writer: GroupWriter, path: Path):
    await writer.write(lambda connection: connection.exec_driver_sql("pragma busy_timeout=50").scalar())
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("begin immediate")
    with pytest.raises(StoreError, match="locked"):
        await writer.write(note(1))
    other.execute("rollback")
    other.close()
    assert await writer.write(note(1)) == 1
    assert notes(path) == [1]


async def test_a_read_only_database_is_a_store_error(writer: GroupWriter, path: Path):
    await writer.write(lambda connection: connection.exec_driver_sql("pragma query_only=on"))
    with pytest.raises(StoreError, match="readonly"):
        await writer.write(note(1))
    assert notes(path) == []


FULL_DISK = """
import asyncio, resource, sys
import sqlalchemy as sa
from jieqian.errors import StoreError
from jieqian.tasks.database import open_engine
from jieqian.tasks.writer import GroupWriter

def note(number, size):
    sql = sa.text("insert into notes values (:id, :text)")
    return lambda connection: connection.execute(sql, {"id": number, "text": "x" * size}) and None

async def main():
    writer = GroupWriter(open_engine(sys.argv[1], writes=True))
    await writer.write(note(1, 10))
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, resource.RLIM_INFINITY))
    for number in (2, 3):
        try:
            await writer.write(note(number, 300_000))
        except StoreError as error:
            print("refused", number, flush=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await writer.write(note(4, 300_000))
    print("written 4", flush=True)
    writer.close()

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limits")
def test_a_full_disk_at_the_commit_is_a_store_error_until_there_is_room(path: Path):
    """The pages of a transaction are written at its commit, so that is where a full disk shows."""
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, sqlite_url(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.splitlines() == ["refused 2", "refused 3", "written 4"], done.stderr
    assert done.returncode == 0, done.stderr
    assert notes(path) == [1, 4]

"""What lies in the database's files: after a killed process, and after an erasure."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from jieqian.events.event import Completed
from jieqian.tasks.database import migrate, sqlite_url
from jieqian.tasks.sql_store import SqlTaskStore
from jieqian.tasks.task import Feedback, Status
from jieqian.testing.sample_tasks import SAMPLE_TIME, Ear, sample_first_events, sample_request, sample_section

# -- what outlives a killed process ------------------------------------------------------------------------------------

KILLED = """
import asyncio, os, sys
from jieqian.events.event import SectionDelta
from jieqian.sections.section import SectionName
from jieqian.tasks.sql_store import SqlTaskStore
from jieqian.testing.sample_tasks import sample_first_events, sample_request, sample_section

async def main():
    store = SqlTaskStore(sys.argv[1])
    await store.accept(sample_request(id="a task"), sample_first_events, 10)
    await store.claim("token", 1.0, 1e9)
    for number in range(10_000):
        await store.append("a task", "token", [SectionDelta(SectionName.CONCLUSION, str(number))])
        if number == 20:
            await store.finish_section("a task", "token", sample_section(), {"a": 1}, [])
        os.write(1, f"{number}\\n".encode())

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_what_was_confirmed_outlives_kill_9(tmp_path: Path):
    url = sqlite_url(tmp_path / "jieqian.db")
    migrate(url)
    with subprocess.Popen([sys.executable, "-c", KILLED, url], stdout=subprocess.PIPE, text=True) as writing:
        assert writing.stdout is not None
        confirmed = [next(writing.stdout) for _ in range(60)]
        writing.send_signal(signal.SIGKILL)
        confirmed += list(writing.stdout)
    assert writing.returncode == -signal.SIGKILL
    asyncio.run(_expect_all(url, len(confirmed)))


async def _expect_all(url: str, confirmed: int) -> None:
    ear = Ear()
    store = SqlTaskStore(url, ear)
    log = await store.events("a task", 0, 100_000)
    task = await store.get("a task")
    assert [event.id for event in log] == list(range(1, len(log) + 1))
    assert len(log) - 2 in (confirmed, confirmed + 1)  # the last may have been committed and not yet confirmed
    assert task.last_event_id == len(log)
    assert (task.status, task.sections) == (Status.RUNNING, (sample_section(),))
    assert await store.release_leases() == 1
    assert (await store.claim("next", 2.0, 30)).deliveries == 2
    await store.close()


# -- erased bytes ------------------------------------------------------------------------------------------------------

SECRETS = ("my-secret-question", "my-secret-comment", "my-secret-answer")


def _holding(path: Path) -> dict[str, list[str]]:
    """Which secrets lie in which file of the database."""
    return {
        file.name: [secret for secret in SECRETS if secret.encode() in file.read_bytes()]
        for file in sorted(path.parent.glob(f"{path.name}*"))
    }


@pytest_asyncio.fixture
async def with_secrets(tmp_path: Path) -> AsyncIterator[tuple[SqlTaskStore, Path]]:
    """A store with twenty readings; the secrets lie in one, among others, so that pages are shared and text spills."""
    path = tmp_path / "jieqian.db"
    await asyncio.to_thread(migrate, sqlite_url(path))
    store = await asyncio.to_thread(SqlTaskStore, sqlite_url(path))
    for number in range(20):
        hidden = number == 10
        question, text = (f"{SECRETS[0]} " * 60, f"{SECRETS[2]} " * 400) if hidden else ("?", "text")
        await store.accept(sample_request(id=f"task {number}", question=question), sample_first_events, 100)
        await store.claim("token", SAMPLE_TIME, 30)
        await store.finish_section(f"task {number}", "token", sample_section(text=text), {}, [])
        await store.end(f"task {number}", "token", Status.COMPLETED, {}, [Completed({"question": question})])
    await store.add_feedback("task 10", "asker", Feedback(-1, SECRETS[1]), SAMPLE_TIME)
    yield store, path
    await store.close()


async def test_an_erased_question_leaves_no_bytes_in_any_file(with_secrets: tuple[SqlTaskStore, Path]):
    store, path = with_secrets
    assert _holding(path)[f"{path.name}-wal"] == list(SECRETS), "the test looks in the wrong place"
    await store.erase("task 10", "asker")
    assert not any(_holding(path).values())
    assert len(await store.history("asker", 100, None)) == 19
    await store.close()
    assert not any(_holding(path).values())


async def test_where_somebody_reads_the_bytes_go_with_a_later_commit(with_secrets: tuple[SqlTaskStore, Path]):
    store, path = with_secrets
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("begin")
    reader.execute("select count(*) from tasks").fetchone()
    await store.erase("task 10", "asker")
    assert any(_holding(path).values())
    reader.execute("rollback")
    reader.close()
    await store.release_leases()
    assert not any(_holding(path).values())

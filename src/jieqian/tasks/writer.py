"""One thread that owns every write and groups the commits.

Writes that arrive while a commit is under way share the next one: four times the throughput of a commit each
(measured, see docs/decisions/0001-one-writer.md). Where one of them fails all are undone and each runs again in a
savepoint of its own, so that it takes nothing with it: an operation may run twice, and must do nothing but its writes.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa

from jieqian.errors import JieqianError, StoreError, StoreUnwritable
from jieqian.tasks.database import BUSY_TIMEOUT_MS

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

#: The most writes that share one commit; bounds how long the first of them waits.
MOST_IN_ONE_COMMIT = 256
#: How long readers are waited for when deleted text is to leave the journal, in milliseconds; all writes wait with it.
CUT_TIMEOUT_MS = 50
_THE_WRITES_OWN = (sa.exc.IntegrityError, sa.exc.DataError, sa.exc.ProgrammingError)


@dataclass(slots=True)
class _Write:
    operation: Callable[[sa.Connection], Any]
    durable: bool
    leaves_no_trace: bool
    after_commit: Callable[[Any], None] | None
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None

    def settle(self) -> None:
        if self.error is None and self.after_commit is not None:
            try:
                self.after_commit(self.result)
            except Exception:
                # The write stands and its awaiter, like those behind it, must hear so; a listener's fault is its own.
                logger.exception("announcing failed", extra={"action": "announce_failed"})
        if self.future.done():  # its awaiter was cancelled; the write stands all the same
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class GroupWriter:
    """Runs write operations, each a function of a connection, in one thread and in the order given."""

    def __init__(self, engine: sa.Engine) -> None:
        try:
            self._connection = engine.connect()
        except sa.exc.DBAPIError as error:
            raise StoreError(f"The database cannot be opened: {error.orig}.") from error
        self._writes: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._giving = threading.Lock()  # a write given while the thread is told to end would never be answered
        self._closed = False
        self._durable: bool | None = None
        self._thread = threading.Thread(target=self._run, name="jieqian-writer", daemon=True)
        self._thread.start()

    async def write(
        self,
        operation: Callable[[sa.Connection], Result],
        *,
        durable: bool = True,
        leaves_no_trace: bool = False,
        after_commit: Callable[[Result], None] | None = None,
    ) -> Result:
        """Run the operation and wait for its commit.

        `durable`: the commit survives a power cut, else only the end of this process. `leaves_no_trace`: what was
        deleted is taken out of the database's journal too, at once or, where somebody reads, with a later commit;
        `after_commit` is called with the result on the event loop, in the order of commits, also when the awaiting
        coroutine was cancelled meanwhile.
        Raises what the operation raised, or `StoreError`.
        """
        loop = asyncio.get_running_loop()
        write = _Write(operation, durable, leaves_no_trace, after_commit, loop, loop.create_future())
        with self._giving:
            if self._closed:
                raise StoreError("The database was closed: the service is stopping.")
            self._writes.put(write)
        result: Result = await write.future
        return result

    def close(self) -> None:
        """Commit what was given and end the thread. Blocks until done."""
        with self._giving:
            self._closed = True
            self._writes.put(None)
        self._thread.join()

    def _run(self) -> None:
        with self._connection as connection:
            closing = traces = False
            while not closing:
                batch: list[_Write] = []
                write = self._writes.get()
                while write is not None:
                    batch.append(write)
                    if len(batch) >= MOST_IN_ONE_COMMIT or self._writes.empty():
                        break
                    write = self._writes.get()
                closing = write is None
                if batch:
                    self._commit(connection, batch)
                    traces |= any(write.leaves_no_trace and write.error is None for write in batch)
                    traces = traces and not _cut_journal(connection)
                    _settle(batch)

    def _set_durability(self, connection: sa.Connection, durable: bool) -> None:
        """SQLite in WAL mode: FULL waits for the disk at each commit, NORMAL does not. No meaning elsewhere."""
        if connection.dialect.name == "sqlite" and durable is not self._durable:
            cursor = connection.connection.cursor()
            cursor.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            cursor.close()
            self._durable = durable

    def _commit(self, connection: sa.Connection, batch: list[_Write]) -> None:
        try:
            self._set_durability(connection, any(write.durable for write in batch))
            if not _run_plainly(connection, batch):
                with connection.begin():
                    for write in batch:
                        _run_in_savepoint(connection, write)
        except Exception as error:
            # The whole commit failed (disk full, database locked or gone): every write of it is undone, and is told so.
            logger.exception("commit failed", extra={"action": "commit_failed", "writes": len(batch)})
            for write in batch:
                write.error = _store_error(error)


def _run_plainly(connection: sa.Connection, batch: list[_Write]) -> bool:
    """Run and commit the batch; False: a write failed and nothing was done, so each must run by itself.

    Nearly every batch goes through, and two savepoint statements a write were a fifth of a write's cost.
    """
    try:
        with connection.begin():
            for write in batch:
                write.result = write.operation(connection)
    except sa.exc.DBAPIError as error:
        if not isinstance(error, _THE_WRITES_OWN):
            raise
        return False
    except Exception:  # noqa: BLE001  whose it is shows when each runs by itself
        return False
    return True


def _run_in_savepoint(connection: sa.Connection, write: _Write) -> None:
    connection.exec_driver_sql("SAVEPOINT one_write")
    try:
        write.result = write.operation(connection)
    except sa.exc.DBAPIError as error:
        if not isinstance(error, _THE_WRITES_OWN):
            raise  # the database itself (full, locked, gone, broken): it may have undone the whole transaction already
        connection.exec_driver_sql("ROLLBACK TO one_write")
        write.error = error
    except Exception as error:  # noqa: BLE001  whatever it is, its awaiter is told
        connection.exec_driver_sql("ROLLBACK TO one_write")
        write.error = error
    connection.exec_driver_sql("RELEASE one_write")


def _cut_journal(connection: sa.Connection) -> bool:
    """Write SQLite's journal back and empty it: old pages lie in it until then. False: a reader stood in the way."""
    if connection.dialect.name != "sqlite":
        return True
    try:
        cursor = connection.connection.cursor()
        try:
            cursor.execute(f"PRAGMA busy_timeout={CUT_TIMEOUT_MS}")
            (busy, *_) = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() or (1,)
        finally:
            cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
            cursor.close()
    except (connection.dialect.loaded_dbapi.Error, sa.exc.SQLAlchemyError) as error:
        # Whatever it is: an error here would end the thread, and every later write would wait for ever.
        logger.warning("cannot cut the journal: %s", error, extra={"action": "cut_journal_failed"})
        return False
    return not busy


def _store_error(error: Exception) -> JieqianError:
    cause = error.orig if isinstance(error, sa.exc.DBAPIError) and error.orig else error
    told = f"The database cannot be written: {cause}."
    if isinstance(error, sa.exc.OperationalError):
        return StoreUnwritable(f"{told} Check the disk's space and the data folder's rights.")
    return StoreError(f"{told} `jieqian doctor` looks at the file.")


def _settle(batch: list[_Write]) -> None:
    """Tell each event loop once a batch; a loop that is gone has nobody left to tell."""
    for loop in {write.loop for write in batch}:
        mine = [write for write in batch if write.loop is loop]

        def settle_mine(mine: list[_Write] = mine) -> None:
            for write in mine:
                write.settle()

        try:
            loop.call_soon_threadsafe(settle_mine)
        except RuntimeError:
            logger.warning("a write's event loop is gone", extra={"action": "writer_loop_gone"})

"""The widget's visitors: a frame on another site gets no cookie, so its page holds a signed token instead."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime

from itsdangerous import BadSignature, TimestampSigner

from jieqian.errors import VisitEnded

#: A caller that begins so is a visitor of the widget.
VISITOR = "embed:"
VISIT_SECONDS = 12 * 3600
#: How long an event stream may be opened by its address alone.
TICKET_SECONDS = 600
_MARK = "visit."


class Visits:
    """Makes and reads tokens (who asks) and tickets (one visitor's one event stream)."""

    def __init__(self, secret: str, now: Callable[[], float] = time.time) -> None:
        self._tokens = _Signer(secret, "jieqian.embed.visit", now)
        self._tickets = _Signer(secret, "jieqian.embed.ticket", now)

    def begin(self) -> tuple[str, str]:
        """A new visitor: the caller's id, and the token that stands for it."""
        visit = secrets.token_urlsafe(18)
        return VISITOR + visit, _MARK + self._tokens.sign(visit).decode("ascii")

    def caller_of(self, token: str) -> str | None:
        """The caller behind a token; None where this is no such token. Raises `VisitEnded` for a false or late one."""
        if not token.startswith(_MARK):
            return None
        return VISITOR + self._tokens.read(token.removeprefix(_MARK), VISIT_SECONDS)

    def ticket(self, caller: str, task_id: str) -> str:
        """What lets its bearer open the event stream of that task of that visitor, for a while."""
        return self._tickets.sign(f"{caller.removeprefix(VISITOR)}:{task_id}").decode("ascii")

    def caller_of_ticket(self, ticket: str, task_id: str) -> str:
        """The visitor it was made for. Raises `VisitEnded` for one that is false, late or another task's."""
        visit, _, of_task = self._tickets.read(ticket, TICKET_SECONDS).partition(":")
        if of_task != task_id:
            raise VisitEnded
        return VISITOR + visit


class _Signer(TimestampSigner):
    def __init__(self, secret: str, salt: str, now: Callable[[], float]) -> None:
        super().__init__(secret, salt=salt)
        self._now = now

    def get_timestamp(self) -> int:
        return int(self._now())

    def timestamp_to_datetime(self, ts: int) -> datetime:
        return datetime.fromtimestamp(ts, UTC)

    def read(self, signed: str, seconds: int) -> str:
        try:
            return self.unsign(signed, max_age=seconds).decode("ascii")
        except (BadSignature, UnicodeError) as error:
            raise VisitEnded from error

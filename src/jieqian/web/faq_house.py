"""What the FAQ pages need of the running service, and of the admin pages they are among."""

from __future__ import annotations

from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response

from jieqian.faq.listing import FaqLists
from jieqian.faq.review import FaqReview
from jieqian.faq.translating import Translator
from jieqian.lots.library import LotLibrary
from jieqian.settings import Settings
from jieqian.tasks.store import TaskStore
from jieqian.web.sign_in import SignedIn


class FaqHouse(Protocol):
    """What the FAQ pages need of the running service."""

    @property
    def settings(self) -> Settings:
        """FAQ_UNANSWERED."""
        ...

    @property
    def store(self) -> TaskStore:
        """Entries."""
        ...

    @property
    def lots(self) -> LotLibrary:
        """What they are about."""
        ...

    @property
    def faq_review(self) -> FaqReview:
        """Decisions."""
        ...

    @property
    def faq_lists(self) -> FaqLists:
        """What is shown together."""
        ...

    @property
    def faq_translator(self) -> Translator:
        """Proposals in other languages."""
        ...


class AdminDesk(Protocol):
    """What every admin page has: who is signed in, forms, and the page around."""

    def expect(self, request: Request) -> SignedIn:
        """Who looks. Raises `NotSignedIn`."""
        ...

    async def posted(self, request: Request, *, most_fields: int = ...) -> tuple[SignedIn, dict[str, str]]:
        """Who sent a form, and its fields. Raises `NotSignedIn`, `CrossSiteRequest`."""
        ...

    def page(self, request: Request, template: str, status: int = ..., **values: Any) -> Response:
        """The page."""
        ...

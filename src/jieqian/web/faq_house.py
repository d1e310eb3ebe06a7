"""What the FAQ pages need of the running service."""

from __future__ import annotations

from typing import Protocol

from jieqian.faq.listing import FaqLists
from jieqian.faq.review import FaqReview
from jieqian.faq.translating import Translator
from jieqian.lots.library import LotLibrary
from jieqian.settings import Settings
from jieqian.tasks.store import TaskStore


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

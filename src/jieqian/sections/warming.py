"""Loads what prompts and sections need before the first reading, so that no reading waits on the event loop for it."""

from __future__ import annotations

from jieqian.languages import Language
from jieqian.prompt import builder
from jieqian.sections import from_commentary, script_mend
from jieqian.sections.echoes import about
from jieqian.sections.topics import topic_of


def warm_up() -> None:
    """Templates, phrases, examples of topics and script tables; some 0.5 s, to be called once in a thread at start."""
    builder.warm_up()
    from_commentary.warm_up()
    script_mend.warm_up()
    topic_of("")
    about(Language.ZH_HANT)

"""What a page's form sends, read by hand: bounded, and never half understood."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.requests import Request

from jieqian.errors import BodyTooLarge, InvalidQuestion, InvalidRequest
from jieqian.languages import AUTO
from jieqian.reading.accept import ReadingRequest
from jieqian.tasks.task import Mode

#: Holds a question far over its limit in any script, so that it can be shown again with the reason.
MOST_BYTES = 1_048_576
LONGEST_COMMENT = 2_000
_MOST_FIELDS = 50
_SUBMISSION = re.compile(r"[A-Za-z0-9-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AskForm:
    """The fields of the form that asks for a reading, as they were sent. `submission` names one filling-in of it.

    `place` is "lot" where it stands on the page of its lot, which names collection and lot itself.
    """

    collection: str = ""
    lot: str = ""
    question: str = ""
    language: str = AUTO
    mode: str = Mode.QUALITY.value
    fresh: bool = False
    parent_id: str = ""
    draw_id: str = ""
    submission: str = ""
    place: str = ""

    def request(self) -> ReadingRequest:
        """What is asked for, not yet looked at."""
        return ReadingRequest(
            question=self.question,
            lot=self.lot,
            collection=self.collection,
            language=self.language,
            mode=self.mode,
            fresh=self.fresh,
            parent_id=self.parent_id or None,
            draw_id=self.draw_id or None,
        )


def ask_form(fields: Mapping[str, str]) -> AskForm:
    """The form that was sent; absent fields have their defaults."""
    submission = fields.get("submission", "")
    return AskForm(
        collection=fields.get("collection", ""),
        lot=fields.get("lot", ""),
        question=fields.get("question", ""),
        language=fields.get("language", AUTO),
        mode=fields.get("mode", Mode.QUALITY.value),
        fresh=fields.get("fresh") == "true",
        parent_id=fields.get("parent_id", ""),
        draw_id=fields.get("draw_id", ""),
        place=fields.get("place", ""),
        submission=submission if _SUBMISSION.fullmatch(submission) else new_submission(),
    )


def new_submission() -> str:
    """A name for one filling-in of a form: sent twice, it makes one task."""
    return str(uuid.uuid4())


async def read_fields(request: Request, *, most_fields: int = _MOST_FIELDS) -> dict[str, str]:
    """The fields of an `application/x-www-form-urlencoded` body, the first of each name.

    Raises `BodyTooLarge`, `InvalidQuestion` for what is not UTF-8, `InvalidRequest` for too many fields.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise BodyTooLarge
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=most_fields, separator="&"
        )
    except UnicodeDecodeError as error:
        raise InvalidQuestion("The question is not valid Unicode text.") from error
    except ValueError as error:
        raise InvalidRequest("The form has too many fields.") from error
    fields: dict[str, str] = {}
    for name, value in pairs:
        fields.setdefault(name, value)
    return fields

"""Reading a request's JSON body: bounded, and with an error that says what is wrong with it."""

from __future__ import annotations

import json
import math
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from jieqian.errors import BodyTooLarge, InvalidLot, InvalidQuestion, InvalidRequest, MalformedJson
from jieqian.lots.numbers import LARGEST, parse_lot_number

#: Larger than the longest question can be in any encoding of JSON, and small enough to be read whole.
MOST_BYTES = 1_048_576
_MOST_DIGITS = 100
Body = TypeVar("Body", bound=BaseModel)


class TaskBody(BaseModel):
    """A request for a reading. `lot`: 7, "７", "第七籤" or, without `collection`, an id such as `YueLao_1`."""

    model_config = ConfigDict(strict=True)

    question: str = Field(description="What the asker wants to know; 2,000 characters at most")
    lot: int | float | str
    collection: str | None = None
    language: str | None = Field(None, description="`auto` (default), `zh-Hant`, `zh-Hans`, `en` or `ja`")
    mode: str | None = Field(None, description="`quality` (default) or `fast`")
    strategy: str | None = Field(None, description="`auto` (default), `sequential` or `parallel`")
    fresh: bool | None = Field(None, description="True: written anew, though an answer to the same words is kept")
    parent_id: str | None = None
    draw_id: str | None = None
    model: str | None = Field(
        None, min_length=1, max_length=200, description="The operator's only: a model to try instead of the one in use"
    )


class DrawBody(BaseModel):
    """Which collection to draw from."""

    model_config = ConfigDict(strict=True)

    collection: str


class RevealBody(BaseModel):
    """The drawer's own seed."""

    model_config = ConfigDict(strict=True)

    client_seed: str


class FeedbackBody(BaseModel):
    """What the asker thought of a reading."""

    model_config = ConfigDict(strict=True)

    score: int = Field(description="-1 or 1")
    comment: str | None = Field(None, max_length=2000)


class ShareBody(BaseModel):
    """What a link to a reading shows."""

    model_config = ConfigDict(strict=True)

    with_question: bool = Field(False, description="True: the question is shown too")


async def read_body(request: Request, kind: type[Body]) -> Body:
    """The body as that kind. Raises `BodyTooLarge`, `MalformedJson`, or the `InvalidRequest` that names the field."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MOST_BYTES:
            raise BodyTooLarge(f"The body is larger than {MOST_BYTES:,} bytes.")
    return parse_body(bytes(raw), kind)


def parse_body(raw: bytes, kind: type[Body]) -> Body:
    """See `read_body`."""
    try:
        given = json.loads(raw.decode("utf-8"), parse_constant=_no_constant, parse_int=_int, parse_float=_float)
    except (ValueError, RecursionError) as error:
        raise MalformedJson from error
    if not isinstance(given, dict):
        raise InvalidRequest("The body must be a JSON object.")
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise _named(error) from error


def openapi_body(kind: type[BaseModel]) -> dict[str, Any]:
    """The part of the OpenAPI description that a body read by hand would otherwise lack."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": kind.model_json_schema()}}}}


def _int(digits: str) -> int:
    """Python makes no int of more than 4,300 digits; such a number is no lot, and no malformed JSON either."""
    return int(digits) if len(digits) <= _MOST_DIGITS else parse_lot_number(digits)


def _float(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else math.copysign(float(LARGEST), number)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _named(error: ValidationError) -> InvalidRequest:
    faults = error.errors(include_input=False, include_url=False)
    field = str(faults[0]["loc"][0]) if faults[0]["loc"] else "body"
    missing = faults[0]["type"] == "missing"
    if field == "question":
        return InvalidQuestion(None if missing else "The question must be text of valid Unicode.")
    if field == "lot":
        return InvalidLot(None if not missing else "Say which lot: its number in the collection.")
    return InvalidRequest(f"{field}: {faults[0]['msg']}.")

"""Long work over HTTP: a line of JSON for each step, then one with the result or with the error."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.responses import StreamingResponse

from jieqian.errors import JieqianError

logger = logging.getLogger(__name__)
MEDIA_TYPE = "application/x-ndjson"


def progress_response(steps: AsyncIterator[Mapping[str, Any]]) -> StreamingResponse:
    """Sends each step as a line. By custom a step is `{"done", "of", "what"}` and the last one `{"result": ...}`.

    An error on the way ends the lines with `{"error": problem document}`: the status was sent long before.
    """
    return StreamingResponse(
        _lines(steps), media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    )


async def _lines(steps: AsyncIterator[Mapping[str, Any]]) -> AsyncIterator[bytes]:
    try:
        async for step in steps:
            yield _line(step)
    except JieqianError as error:
        yield _line({"error": error.problem()})
    except Exception:
        logger.exception("long work failed", extra={"action": "long_work_failed"})
        yield _line({"error": JieqianError().problem()})


def _line(step: Mapping[str, Any]) -> bytes:
    return json.dumps(step, ensure_ascii=False).encode() + b"\n"

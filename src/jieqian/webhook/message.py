"""What a webhook says of an ended task, and its signature by the Standard Webhooks specification.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from datetime import UTC, datetime

from jieqian.tasks.task import Task

EVENT = "reading.ended"
_PREFIX = "whsec_"
#: The specification's bounds of a key, in bytes.
_SHORTEST_KEY, _LONGEST_KEY = 24, 64


def key_of(secret: str) -> bytes:
    """The key in a secret of the form `whsec_` and base64. Raises `ValueError`."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(_PREFIX) or not _SHORTEST_KEY <= len(key) <= _LONGEST_KEY:
        raise ValueError(f"a secret is {_PREFIX} and {_SHORTEST_KEY} to {_LONGEST_KEY} random bytes in base64")
    return key


def body_of(task: Task) -> bytes:
    """The JSON that is sent: what ended and how, never the question, the reading or who asked."""
    ended_at = task.ended_at or task.created_at
    document = {
        "event": EVENT,
        "timestamp": datetime.fromtimestamp(ended_at, UTC).isoformat(timespec="milliseconds"),
        "task_id": task.id,
        "status": task.status.value,
        "collection": task.collection,
        "lot": task.lot,
        "language": task.language.value,
        "mode": task.mode.value,
        "care": task.care is not None,
        "degraded": bool(task.timings.get("degraded")),
        "error": str(task.error.get("code")) if task.error else None,
        "created_at": task.created_at,
        "ended_at": ended_at,
    }
    return json.dumps(document, separators=(",", ":")).encode()


def headers_of(task_id: str, body: bytes, key: bytes, now: float) -> dict[str, str]:
    """`webhook-id` (the same at every try), `webhook-timestamp` (of this one, in seconds), `webhook-signature`."""
    message_id, timestamp = f"msg_{task_id}", str(int(now))
    signed = f"{message_id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{signature}",
    }

"""Provable draws: who draws can check afterwards that neither side chose the lot (docs/draws.md).

The service commits to a secret seed before it knows the drawer's: commitment = SHA-256(server seed). Then
number(counter) = the first four bytes, big-endian, of HMAC-SHA-256(key = server seed, message = client seed in UTF-8,
0x00, collection id, 0x00, counter in decimal ASCII); counters begin at 0. The lot is number % size + 1 of the first
number below the largest multiple of size that fits 2**32 (where a collection lacks lots, the one at that place of those
that are there). Each throw of the moon blocks takes the next counter: bit 0
of its number is the one block, bit 1 the other, 1 for round side up. They are thrown until one throw is holy, three
times at most; the lot stands either way, for a draw that could be repeated in silence would prove nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from jieqian.errors import InvalidRequest

SEED_BYTES = 32
LONGEST_CLIENT_SEED = 200
MOST_THROWS = 3
_NUMBERS = 2**32


class Throw(StrEnum):
    """How two moon blocks fall: one of each side (聖筊, yes), both flat (笑筊, unclear), both round (陰筊, no)."""

    HOLY = "holy"
    LAUGHING = "laughing"
    NEGATIVE = "negative"


_THROWS = (Throw.LAUGHING, Throw.HOLY, Throw.HOLY, Throw.NEGATIVE)


@dataclass(frozen=True, slots=True)
class DrawResult:
    """The lot (from 1) and one to three throws; the last is `holy` unless none of three was."""

    lot_number: int
    throws: tuple[Throw, ...]


def new_seed() -> bytes:
    """A server seed: 32 bytes nobody can guess."""
    return secrets.token_bytes(SEED_BYTES)


def commitment(seed: bytes) -> str:
    """SHA-256 of the seed's bytes, in hexadecimal: told to the drawer before they choose their own seed."""
    return hashlib.sha256(seed).hexdigest()


def draw_lot(server_seed: bytes, client_seed: str, collection_id: str, size: int) -> DrawResult:
    """The lot and the throws these two seeds give; the same each time.

    `client_seed` is any text up to 200 characters, also none; raises InvalidRequest for a longer one or one that is
    no valid Unicode. `size` is the number of lots, 1 to 2**32.
    """
    if not 1 <= size <= _NUMBERS:
        raise ValueError(f"a collection of {size} lots cannot be drawn from")
    message = _message(client_seed, collection_id)
    fair = _NUMBERS - _NUMBERS % size
    counter = 0
    while (number := _number(server_seed, message, counter)) >= fair:
        counter += 1
    throws: list[Throw] = []
    while len(throws) < MOST_THROWS and Throw.HOLY not in throws:
        counter += 1
        throws.append(_THROWS[_number(server_seed, message, counter) & 0b11])
    return DrawResult(number % size + 1, tuple(throws))


def numbered(position: int, missing: Iterable[int]) -> int:
    """The number of the lot at that place (from 1) of those that are there."""
    for gone in sorted(missing):
        position += gone <= position
    return position


def verify(document: object, sizes: Mapping[str, int] | None = None) -> list[str]:
    """What is wrong with a revealed draw, one sentence each; empty when all is right. Never raises.

    `document` is the reveal's answer with the commitment told before: `commitment`, `server_seed` (hexadecimal),
    `client_seed`, `lot` (the lot's object, or its number), `throws`, `collection` (else taken from `lot`) and `size`.
    Where `sizes` knows the collection, by id, `size` may be left out and must not differ. `missing`: the numbers of the
    tradition that the collection does not have; `size` counts those that are there.
    """
    if not isinstance(document, Mapping):
        return ["The document is no JSON object."]
    lot = document.get("lot")
    collection = document.get("collection", lot.get("collection") if isinstance(lot, Mapping) else None)
    problems: list[str] = []
    seed = _seed(document.get("server_seed"), problems)
    client_seed = document.get("client_seed")
    if not isinstance(client_seed, str):
        problems.append("client_seed is missing or no text.")
    if not isinstance(collection, str):
        problems.append("collection is missing: give the collection's id.")
    size = _size(
        document.get("size"), sizes.get(collection) if sizes and isinstance(collection, str) else None, problems
    )
    if seed is not None:
        problems.extend(_broken_promise(document.get("commitment"), seed))
    if seed is None or size is None or not isinstance(client_seed, str) or not isinstance(collection, str):
        return problems
    try:
        drawn = draw_lot(seed, client_seed, collection, size)
    except InvalidRequest as error:
        return [*problems, error.detail]
    missing = document.get("missing") or []
    if not isinstance(missing, list) or not all(type(number) is int and number > 0 for number in missing):
        return [*problems, "missing is no list of numbers."]
    problems.extend(_other_lots(document, collection, numbered(drawn.lot_number, set(missing))))
    if document.get("throws") != [throw.value for throw in drawn.throws]:
        problems.append(f"The seeds give the throws {', '.join(drawn.throws)}, not {_shown(document.get('throws'))}.")
    return problems


def _other_lots(document: Mapping[str, Any], collection: str, drawn: int) -> Iterator[str]:
    """Every place where the document names a lot must name the one that was drawn."""
    lot = document.get("lot")
    inner = lot if isinstance(lot, Mapping) else {"number": lot}
    number = inner.get("number")
    if isinstance(number, bool) or number != drawn:
        yield f"The seeds give lot {drawn}, not {_shown(number)}."
    told = [("number", document, drawn), ("id", inner, f"{collection}/{drawn}"), ("collection", inner, collection)]
    for name, holder, right in told:
        if name in holder and (isinstance(holder[name], bool) or holder[name] != right):
            yield f"The seeds give lot {drawn} of {_shown(collection)}, but its {name} is {_shown(holder[name])}."


def _message(client_seed: str, collection_id: str) -> bytes:
    if len(client_seed) > LONGEST_CLIENT_SEED:
        raise InvalidRequest(f"client_seed has {len(client_seed)} characters; at most {LONGEST_CLIENT_SEED} may be.")
    try:
        return client_seed.encode() + b"\0" + collection_id.encode() + b"\0"
    except UnicodeEncodeError as error:
        raise InvalidRequest("client_seed is no valid Unicode text: it holds a lone surrogate.") from error


def _number(server_seed: bytes, message: bytes, counter: int) -> int:
    digest = hmac.digest(server_seed, message + str(counter).encode(), "sha256")
    return int.from_bytes(digest[:4], "big")


def _seed(text: object, problems: list[str]) -> bytes | None:
    try:
        seed = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        seed = b""
    if len(seed) == SEED_BYTES:
        return seed
    problems.append("server_seed is not 64 hexadecimal digits.")
    return None


def _size(told: object, known: int | None, problems: list[str]) -> int | None:
    if told is None and known is not None:
        return known
    if isinstance(told, bool) or not isinstance(told, int) or not 1 <= told <= _NUMBERS:
        problems.append("size is missing or no number of lots.")
        return None
    if known is not None and told != known:
        problems.append(f"size is {told}, but the collection has {known} lots.")
    return told


def _broken_promise(promised: object, seed: bytes) -> list[str]:
    if not isinstance(promised, str):
        return ["commitment is missing: without it nothing shows that the seed was chosen before the draw."]
    if promised.strip().lower() != commitment(seed):
        return ["The server seed is not the one committed to: its SHA-256 is another."]
    return []


def _shown(value: object) -> str:
    """What a document said, cut and made safe for a terminal."""
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)[:80]
    return "".join(c if c.isprintable() else "?" for c in text[:80])
